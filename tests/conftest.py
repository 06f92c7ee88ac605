"""What every test gets."""

from support.processes import only_own_zombies

__all__ = ["only_own_zombies"]
