"""What lies around a user, or is written by a hostile hand: said in a line, never a traceback, never a wait."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MLWB = [sys.executable, "-P", "-c", "import sys; from workbench.cli import main; sys.exit(main())"]
CHECK = ["permissions", "check", "Bash", '{"command":"ls"}']
TAGS = ["!!bool maybe", '!!int ""', "!!timestamp x"]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work" / ".mlwb" / "agents").mkdir(parents=True)
    (tmp_path / "work" / "t.md").write_text("Go.\n")
    return tmp_path / "work"


def mlwb(work: Path, *args: str) -> subprocess.CompletedProcess[str]:
    home = work.parent
    env = {
        "PATH": os.environ["PATH"], "HOME": str(home), "XDG_STATE_HOME": str(home / "state"),
        "XDG_CONFIG_HOME": str(home / "config"), "MLWB_SOCKET_DIR": str(home / "sockets"),
    }  # fmt: skip
    done = subprocess.run(
        [*MLWB, *args], cwd=work, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr and "internal error" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("value", TAGS)
def test_a_value_that_its_tag_does_not_fit(work: Path, value: str) -> None:
    (work / ".mlwb" / "agents" / "x.md").write_text(f"---\nname: x\ndescription: y\ncolor: {value}\n---\nGo.\n")
    assert "what its `!!` tag says" in mlwb(work, "agents", "check", ".mlwb/agents/x.md").stdout
    (work / "t.md").write_text(f"---\nmaxTurns: {value}\n---\nGo.\n")
    done = mlwb(work, "run", "--check", "t.md")
    assert done.returncode == 2 and "what its `!!` tag says" in done.stderr
    (work / ".mlwb" / "config.yaml").write_text(f"model: {value}\n")
    done = mlwb(work, *CHECK)
    assert done.returncode == 2 and "what its `!!` tag says" in done.stderr


@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
def test_settings_that_are_no_file(work: Path, kind: str) -> None:
    path = work / ".mlwb" / "config.yaml"
    if kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    done = mlwb(work, *CHECK)
    assert done.returncode == 2 and str(path) in done.stderr


def test_records_of_our_own_with_a_byte_that_is_no_text(work: Path) -> None:
    state, config = work.parent / "state" / "mlwb", work.parent / "config" / "mlwb"
    state.mkdir(parents=True)
    config.mkdir(parents=True)
    (state / "trusted.json").write_bytes(b'[{"workspace":"\xff","digest":"","files":{},"at":1}]')
    (config / "allowed.jsonl").write_bytes(b'{"workspace":"\xff","allow":"x"}\n')
    run = work / ".mlwb" / "runs" / "r-1"
    run.mkdir(parents=True)
    (run / "run.json").write_bytes(b'{"id":"r-1","name":"\xff"}')
    assert mlwb(work, "trust", "--list").returncode == 0
    assert '"verdict"' in mlwb(work, *CHECK).stdout
    assert "is not the record of a run" in mlwb(work, "exp", "list").stderr


def test_a_home_of_nobody_and_a_link_that_leads_to_itself(work: Path) -> None:
    (work / "loop").symlink_to("loop")
    for args in (["--add-dir", "~nobodys/x"], ["--add-dir", "loop"], ["--output-schema", "~nobodys/x"]):
        done = mlwb(work, "run", "--check", "t.md", *args)
        assert done.returncode == 2 and args[1].rpartition("/")[0] in done.stdout + done.stderr
    for verb in (["sessions", "show", "~nobodys/x"], ["trust", "loop"], ["demo", "--headless", "--dir", "loop"]):
        assert mlwb(work, *verb).returncode == 2


def test_notes_that_import_a_name_longer_than_any_file(work: Path) -> None:
    from workbench.session import memory

    (work / "CLAUDE.md").write_text(f"see @{'a' * 400} and @more.md\n")
    (work / "more.md").write_text("Mind the seed.\n")
    assert "Mind the seed." in memory.read(work).text


def test_a_repository_whose_git_folder_leads_to_itself(work: Path) -> None:
    from workbench.session.head import git_head

    (work / "loop").symlink_to("loop")
    (work / ".git").write_text("gitdir: loop\n")
    assert git_head(work) == (None, None)


def test_a_picture_without_a_source_is_no_end_of_the_talk() -> None:
    from workbench.protocol import events as e
    from workbench.protocol.items import items_of

    prompt = e.PromptSubmitted(text="x", origin="person", by="li", content=({"type": "image", "source": "x"},))
    (item,) = items_of(e.Envelope(seq=1, session="s", at=0.0, event=prompt))
    assert item.display[0].blob == "e1.0"  # type: ignore[union-attr]


def test_a_question_whose_yaml_breaks_its_reader_is_asked_as_it_stands() -> None:
    from workbench.session.questions import parse

    (question,) = parse("```decision\nquestion: !!bool maybe\n```")
    assert question.question == "question: !!bool maybe"


def test_an_argument_that_holds_controls_is_shown(work: Path) -> None:
    for verb in ("list", "show", "tail", "stop", "rm", "note", "import", "compare", "rerun", "card", "metrics"):
        done = mlwb(work, "exp", verb, "r-1", "r-2", "--no\x1b[31m")
        assert done.returncode != 0 and "\x1b" not in done.stderr
    done = mlwb(work, "exp", "compare", "a", "b", "--level", "much")
    assert done.returncode == 2 and "'much' is no level between 0.5 and 1" in done.stderr


def test_verdicts_whose_reader_went_away(work: Path) -> None:
    (work / "many.jsonl").write_text('{"id":1,"tool":"Bash","input":{"command":"ls"}}\n' * 2000)
    command = f"{{ {' '.join(map(repr, MLWB))} permissions check --batch many.jsonl; echo $? >&2; }} | head -1"
    done = subprocess.run(["bash", "-c", command], cwd=work, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == "141\n"


def test_what_is_quoted_from_the_command_line_is_shown_and_not_obeyed(work: Path) -> None:
    odd = "x\x1b]0;evil\x07"
    (work / odd / "there").mkdir(parents=True)
    for args in ([f"--{odd}"], ["demo", "--headless", "--dir", odd], ["permissions", "check", "Bash", odd]):
        done = mlwb(work, *args)
        assert (done.returncode == 2 and "␛" in done.stderr + done.stdout) or args[0] == "permissions"
        assert not {"\x1b", "\x07"} & set(done.stderr + done.stdout)


@pytest.mark.parametrize("given", ['{"command":"ls \udcff"}', "[" * 100_000], ids=["no text", "no end"])
def test_the_input_of_a_call_that_is_no_json(work: Path, given: str) -> None:
    done = mlwb(work, "permissions", "check", "Bash", given)
    assert done.returncode == 2 and "is not JSON" in done.stderr
