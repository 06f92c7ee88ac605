"""Glob patterns as ripgrep and git read them: `*`, `?`, `[…]`, `{a,b}`, and `**` between slashes."""

from workbench.tools.base import ToolError

_MAGIC = frozenset("*?[{\\")


def split_base(pattern: str) -> tuple[str, str]:
    """The folder that PATTERN starts in (may be empty, absolute, or begin with `..` or `~`), and the rest.

    Raises ToolError where a `..` follows a wildcard: nobody could say which folder that reaches.
    """
    parts = pattern.split("/")
    plain = next((at for at, part in enumerate(parts) if _MAGIC & set(part)), len(parts) - 1)
    if ".." in parts[plain:]:
        raise ToolError(f"`..` after a wildcard has no one meaning in {pattern!r}; put the folder into `path`.")
    base = "/".join(parts[:plain])
    return (base or "/") if pattern.startswith("/") else base, "/".join(parts[plain:])
