"""A session in a thread of its own, and its client for another event loop: the screen never waits for the session."""
