"""The heart: loop, journal, gate, budget, context."""
