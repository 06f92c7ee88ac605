"""How a workspace stands with the user: what its files would widen, and what changed since they were trusted."""

import difflib
from pathlib import Path

import msgspec

from workbench.settings import trust
from workbench.settings.file import SettingsFile
from workbench.settings.load import near_files, widening_rules


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """`brings`: (file, what it would widen) as written; `trusted`: it counts; `changed`: a diff, where it once did.

    `digest` stands for the content of `files`.
    """

    workspace: str
    brings: tuple[tuple[str, str], ...]
    trusted: bool
    changed: str
    files: dict[str, bytes]
    digest: str


def standing(workspace: Path, home: Path, config: Path, state: Path) -> Standing:
    """How WORKSPACE stands. Raises SettingsError for a file of it that cannot be read or decoded."""
    files = [SettingsFile(path, workspace, []) for path in near_files(workspace, home, config)]
    raw = {str(file.path): file.raw for file in files}
    before = next((entry for entry in trust.listed(state) if entry.workspace == str(workspace)), None)
    digest = trust.digest(raw)
    same = before is not None and before.digest == digest
    return Standing(
        workspace=str(workspace),
        brings=tuple((str(file.path.relative_to(workspace)), rule) for file in files for rule in widening_rules(file)),
        trusted=same,
        changed="" if before is None or same else _difference(before.files, raw, workspace),
        files=raw,
        digest=digest,
    )


def _difference(before: dict[str, str], now: dict[str, bytes], workspace: Path) -> str:
    """What changed in the files, as a unified diff."""
    lines: list[str] = []
    for path in sorted({*before, *now}):
        old, new = before.get(path, ""), now.get(path, b"").decode(errors="replace")
        name = str(Path(path).relative_to(workspace)) if Path(path).is_relative_to(workspace) else path
        lines += difflib.unified_diff(old.splitlines(), new.splitlines(), f"{name} (trusted)", name, lineterm="", n=2)
    return "\n".join(lines)
