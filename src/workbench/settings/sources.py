"""Where each permission rule of the settings was written, so that a person can find and change it."""

from collections.abc import Iterator
from pathlib import Path

from workbench.settings.file import SettingsFile
from workbench.settings.load import near_files, own_files
from workbench.settings.remembered import ALLOWED, remembered

KINDS = ("deny", "ask", "allow")


def sources(workspace: Path, home: Path, config: Path) -> dict[tuple[str, str], Path]:
    """(kind, rule) -> the file that says so, the user's own before the workspace's. Raises SettingsError.

    kind: deny, ask, allow, outside. A rule that two files give is told of the first.
    """
    found: dict[tuple[str, str], Path] = {}
    for kind, rule, path in _written(workspace, home, config):
        found.setdefault((kind, rule), path)
    return found


def _written(workspace: Path, home: Path, config: Path) -> Iterator[tuple[str, str, Path]]:
    own, other = own_files(home, config)
    named = [(own, home), (other, home), *((path, workspace) for path in near_files(workspace, home, config))]
    for path, root in named:
        file = SettingsFile(path, root, [])
        for kind in KINDS:
            yield from ((kind, rule, path) for rule in file.rules(kind))
        if path == own:
            yield from (("outside", rule, path) for rule in file.texts("outside", file.part("sandbox", ("outside",))))
    for entry in remembered(workspace, config):
        yield "allow", entry.allow, config / ALLOWED
        if entry.outside:
            yield "outside", entry.allow, config / ALLOWED
