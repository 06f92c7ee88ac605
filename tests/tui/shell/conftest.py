"""Every test of the shell has a home, a state and settings of its own, and a terminal of full colour."""

from support.places import own_places

__all__ = ["own_places"]
