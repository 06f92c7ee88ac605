"""Every test of the screen has a limit of time."""

from support.limits import time_limit

__all__ = ["time_limit"]
