"""Real hosts in a home of their own."""

from support.hosts import place

__all__ = ["place"]
