"""The process that owns live sessions, and the client side of it."""
