"""Trust: a workspace widens only by the user's word, for the files that they saw."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workbench.settings import trust


class Place:
    """A workspace that brings allow rules, a home, and `mlwb` in them."""

    def __init__(self, root: Path) -> None:
        self.home, self.workspace = root / "home", root / "home" / "app"
        (self.workspace / ".mlwb").mkdir(parents=True)
        self.settings = self.workspace / ".mlwb/config.yaml"
        self.settings.write_text("permissions: {allow: ['Bash(make *)']}\n")

    def mlwb(self, *args: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
        env = {"HOME": str(self.home), "PATH": os.environ["PATH"]}
        code = f"import sys; from workbench.cli import main; sys.exit(main({list(args)!r}))"
        return subprocess.run(
            [sys.executable, "-c", code], cwd=self.workspace, env=env, input=typed, text=True, capture_output=True,
            timeout=60, check=False,
        )  # fmt: skip

    def allows(self, command: str = "make all") -> bool:
        found = self.mlwb("permissions", "check", "Bash", json.dumps({"command": command}))
        return str(json.loads(found.stdout)["verdict"]) == "allow"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_a_workspace_allows_counts_once_it_is_trusted_and_no_longer_once_revoked(place: Place) -> None:
    assert not place.allows()
    done = place.mlwb("trust", "--yes")
    assert done.returncode == 0 and "allow Bash(make *)" in done.stdout
    assert place.allows() and not place.allows("touch ../outside")
    listed = json.loads(place.mlwb("trust", "--list", "--json").stdout)
    assert [(row["workspace"], row["state"]) for row in listed] == [(str(place.workspace), "trusted")]
    assert place.mlwb("trust", "--revoke").returncode == 0
    assert not place.allows()


def test_a_change_of_its_files_ends_the_trust_and_is_shown(place: Place) -> None:
    place.mlwb("trust", "--yes")
    place.settings.write_text("permissions: {allow: ['Bash(make *)', 'Bash(curl *)']}\n")
    assert not place.allows() and not place.allows("curl x")
    assert json.loads(place.mlwb("trust", "--list", "--json").stdout)[0]["state"] == "changed"
    shown = place.mlwb("trust", "--show").stdout
    assert (
        "Changed since you trusted it" in shown and "+permissions: {allow: ['Bash(make *)', 'Bash(curl *)']}" in shown
    )
    place.mlwb("trust", "--yes")
    assert place.allows("curl x")


def test_another_settings_file_that_appears_ends_the_trust_too(place: Place) -> None:
    place.mlwb("trust", "--yes")
    (place.workspace / ".claude").mkdir()
    (place.workspace / ".claude/settings.local.json").write_text('{"permissions": {"allow": ["Bash(curl *)"]}}')
    assert not place.allows()


def test_without_a_person_nothing_is_trusted(place: Place) -> None:
    done = place.mlwb("trust", typed="y\n")
    assert done.returncode == 1 and "nobody to ask" in done.stderr
    assert not place.allows()


def test_a_workspace_elsewhere_with_the_same_files_is_another_one(place: Place) -> None:
    place.mlwb("trust", "--yes")
    twin = place.home / "twin"
    (twin / ".mlwb").mkdir(parents=True)
    (twin / ".mlwb/config.yaml").write_bytes(place.settings.read_bytes())
    place.workspace = twin
    assert not place.allows()


def test_what_brings_nothing_needs_no_trust(place: Place) -> None:
    place.settings.write_text("permissions: {deny: ['Read(x)']}\n")
    done = place.mlwb("trust")
    assert done.returncode == 0 and "nothing that would need" in done.stdout


def test_a_record_that_cannot_be_read_trusts_nobody(place: Place) -> None:
    place.mlwb("trust", "--yes")
    (place.home / ".local/state/mlwb/trusted.json").write_text("[{]")
    assert not place.allows()
    assert place.mlwb("trust", "--yes").returncode == 0 and place.allows()


def test_who_trusts_and_revokes_at_once_loses_nothing_of_each_other(tmp_path: Path) -> None:
    def change(number: int) -> None:
        for turn in range(4):
            trust.trust(tmp_path / f"{number}-{turn}", {"config.yaml": b"a: 1"}, tmp_path / "state", now=1.0)
        assert trust.revoke(tmp_path / f"{number}-0", tmp_path / "state")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(8)))
    kept = [Path(entry.workspace).name for entry in trust.listed(tmp_path / "state")]
    assert kept == sorted(f"{number}-{turn}" for number in range(8) for turn in (1, 2, 3))


def test_escapes_in_a_rule_are_shown_not_obeyed(place: Place) -> None:
    place.settings.write_text('permissions: {allow: ["Bash(x\\e]0;owned\\a)"]}\n')
    done = place.mlwb("trust", "--show")
    assert done.returncode == 0 and "\x1b" not in done.stdout and "owned" in done.stdout
