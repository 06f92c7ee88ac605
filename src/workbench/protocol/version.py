"""The version of everything under `protocol`: the journal's and the wire's."""

MAJOR = 1
MINOR = 0
PROTOCOL = f"{MAJOR}.{MINOR}"


def readable(version: str) -> bool:
    """Whether a journal or a peer of this version can be understood: the same major, any minor."""
    return version.partition(".")[0] == str(MAJOR)
