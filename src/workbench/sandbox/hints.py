"""What the confinement kept from a command, told from its output: one line each, naming the setting that allows it."""

import os
import re
from pathlib import Path

from workbench.sandbox.types import Profile

_LOOKED_AT = 1 << 16  # bytes from the end of the output
_NETWORK = re.compile(
    rb"network is unreachable|temporary failure in name resolution|could not resolve host|name or service not known"
    rb"|nodename nor servname|ENETUNREACH|EAI_AGAIN|getaddrinfo failed|failed to resolve|no route to host"
    rb"|temporary failure resolving|dns error|cannot assign requested address",
    re.IGNORECASE,
)
_WRITE = re.compile(rb"read-only file system|EROFS|Errno 30\b|os error 30\b", re.IGNORECASE)
_DENIED = re.compile(rb"permission denied|operation not permitted|EACCES|EPERM", re.IGNORECASE)
# A path in quotes, else an absolute one that stands by itself.
_PATH = re.compile(rb"['\"`\x98]([\w./@+-]+)(?:['\"`]|\xe2)|(?:^|[\s:=(])(/[\w./@+-]+)")


def from_output(output: Path, profile: Profile, cwd: Path, *, denied: bool) -> list[str]:
    """Lines for the person and the model, where a command failed. DENIED: the layer says so by `permission denied`."""
    tail = _tail(output)
    notes = []
    if profile.network == "none" and _NETWORK.search(tail):
        notes.append(no_network())
    pattern = _DENIED if denied else _WRITE
    for line in tail.splitlines()[-200:]:
        if not (_WRITE.search(line) or pattern.search(line)):
            continue
        given = (os.path.join(cwd, os.fsdecode(match[1] or match[2])) for match in _PATH.finditer(line))  # noqa: PTH118
        paths = [one for name in given if (one := _outside(name, profile))]
        if paths:
            notes.append(read_only(paths[-1]))  # the first may be the program that says so
            break
    return notes


def no_network() -> str:
    """Where a command found no network."""
    return (
        "commands have no network here; the user's settings `sandbox.network: allowlist` with `sandbox.domains: […]`, "
        "or `sandbox.network: full`, allow it"
    )


def refused_host(host: str, port: int) -> str:
    """Where the proxy, or the supervisor of connections, refused a host."""
    name = f"{host}:{port}" if port not in (80, 443) else host
    return f"a connection to {host}:{port} was refused; the user's setting `sandbox.domains: [{name}]` allows it"


def refused_address(host: str, port: int, profile: Profile) -> str:
    """Where a command tried to reach an address by itself."""
    if profile.network == "none":
        return no_network()
    return (
        f"a connection to {host}:{port} past the proxy was refused; programs that know HTTPS_PROXY reach what the "
        "user's setting `sandbox.domains` names"
    )


def read_only(path: str) -> str:
    """Where a command could not write."""
    return (
        f"commands may not write {path}: only the workspace (but for what configures it), $TMPDIR and the "
        "folders of the user's setting `sandbox.caches: […]`"
    )


def _outside(path: str, profile: Profile) -> str | None:
    """PATH where the confinement keeps it from being written."""
    found = Path(os.path.normpath(path.rstrip(".:")))
    if found.is_relative_to("/dev") or found.is_relative_to("/proc"):
        return None
    if any(found.is_relative_to(folder) for folder in profile.read_only):
        return str(found)
    writable = (*profile.roots, *profile.caches, profile.temp)
    return None if any(found.is_relative_to(folder) for folder in writable) else str(found)


def _tail(output: Path) -> bytes:
    try:
        with output.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LOOKED_AT))
            return file.read()
    except OSError:
        return b""
