"""`mlwb doctor`: what is missing is named, with what mends it; what can be done without is no failure."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.endpoint import Endpoint
from workbench.session.journal import take_lock


def doctor(folder: Path, *args: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    env = {"HOME": str(folder), "PATH": os.environ["PATH"], **variables}
    code = f"import sys; from workbench.cli import main; sys.exit(main(['doctor', *{list(args)!r}]))"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def findings(done: "subprocess.CompletedProcess[str]") -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(done.stdout)}


def test_without_a_key_it_says_which_variable_to_set(tmp_path: Path) -> None:
    done = doctor(tmp_path)
    assert done.returncode == 1 and "✗ key" in done.stdout and "export ANTHROPIC_API_KEY" in done.stdout


def test_a_key_that_the_endpoint_takes_and_one_it_refuses(tmp_path: Path) -> None:
    with Endpoint() as endpoint:
        done = doctor(tmp_path, "--json", ANTHROPIC_BASE_URL=endpoint.url, ANTHROPIC_API_KEY="k-not-shown")
        found = findings(done)
        assert found["key"]["ok"] is True and found["endpoint"]["ok"] is not False, found["endpoint"]
        assert "k-not-shown" not in done.stdout
    assert findings(doctor(tmp_path, "--json", ANTHROPIC_BASE_URL=endpoint.url))["endpoint"]["ok"] is False


def test_every_row_has_the_promised_fields(tmp_path: Path) -> None:
    for row in json.loads(doctor(tmp_path, "--json").stdout):
        assert {"name", "ok", "detail", "fix"} <= set(row)


def test_broken_settings_and_a_broken_agent_are_named(tmp_path: Path) -> None:
    (tmp_path / ".config/mlwb").mkdir(parents=True)
    (tmp_path / ".config/mlwb/config.yaml").write_text("permissions: [")
    (tmp_path / ".mlwb/agents").mkdir(parents=True)
    (tmp_path / ".mlwb/agents/bad.md").write_text("no front matter\n")
    shown = doctor(tmp_path).stdout
    assert "✗ settings" in shown and "config.yaml, line 1" in shown
    assert "bad.md is refused" in shown


def test_a_state_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = findings(doctor(tmp_path, "--json", XDG_STATE_HOME=str(tmp_path / "file")))["state"]
    assert found["ok"] is False and "XDG_STATE_HOME" in found["fix"]


def test_names_with_escapes_are_shown_not_obeyed(tmp_path: Path) -> None:
    folder = tmp_path / ".mlwb/agents"
    folder.mkdir(parents=True)
    (folder / "x\x1b]0;owned\x07.md").write_text("no front matter\n")
    assert "\x1b" not in doctor(tmp_path).stdout


def test_the_folder_of_the_sockets_is_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "sock"
    found = findings(doctor(tmp_path, "--json", MLWB_SOCKET_DIR=str(folder)))["sockets"]
    assert found["ok"] is True and "0 live sessions" in found["detail"] and not folder.exists()
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "s-gone.sock"))
    found = findings(doctor(tmp_path, "--json", MLWB_SOCKET_DIR=str(folder)))["sockets"]
    assert "1 socket of hosts that are gone" in found["detail"] and (folder / "s-gone.sock").exists()
    (tmp_path / "link").symlink_to(folder)
    found = findings(doctor(tmp_path, "--json", MLWB_SOCKET_DIR=str(tmp_path / "link")))["sockets"]
    assert found["ok"] is False and "is a link" in found["detail"] and found["fix"]


def test_a_live_session_that_no_socket_leads_to(tmp_path: Path) -> None:
    """Such as the one of a demo, which lives in the process that shows it."""
    session = tmp_path / ".local/state/mlwb/sessions/s-abcd1234"
    session.mkdir(parents=True)
    lock = take_lock(session)
    try:
        told = doctor(tmp_path).stdout
    finally:
        os.close(lock)
    assert "s-abcd1234: live, and no socket here: of an open `mlwb demo`" in told
