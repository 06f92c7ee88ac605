"""What every test gets."""

import os

from hypothesis import settings

from support.limits import time_limit
from support.processes import only_own_zombies

__all__ = ["only_own_zombies", "time_limit"]

# In CI a change is judged by the same examples each time; at a desk they are new ones.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")
