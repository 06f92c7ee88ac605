"""What the verbs print, with hostile text wherever somebody else chose it: titles, paths, agents, answers."""

import json
import os
import threading
import unicodedata

import pytest

from support.endpoint import say, turn, use
from support.mlwb import Place

EVIL = "H\x1b]52;c;QUJD\x07\x1b[2J\x9b31m\x7f\u202eabc\u2066x\u200b\u200f\ufeff\U000e0041"
FORBIDDEN = {0x202E, 0x2066, 0x200B, 0x200F, 0xFEFF, 0xE0041}


def plain(text: str) -> bool:
    bad = [c for c in text if c not in "\n\t" and (unicodedata.category(c) == "Cc" or ord(c) in FORBIDDEN)]
    assert not bad, (bad, text)
    return True


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path, {f"{EVIL}.txt": "x\n"})
    made.write(
        ".mlwb/agents/evil.md",
        f"---\nname: evil\ndescription: {json.dumps(EVIL)}\ntools: Read, {EVIL!a}\n---\n{EVIL}\n",
    )
    made.write(".mlwb/agents/worse.md", f"---\nname: {json.dumps(EVIL)}\n---\n")
    return made


def test_sessions_of_a_hostile_task_and_model(place):
    turns = [
        turn(use("Bash", command=f"echo {EVIL}"), use(f"Tool{EVIL}"), use("Read", file_path=f"{EVIL}.txt")),
        say(f"# {EVIL}\n\n```\n{EVIL}\n```"),
    ]
    done = place.run_task(f"Do {EVIL}\n\n{EVIL}", turns)
    assert plain(done.stderr)
    name = done.result["session_id"]
    for verb in (
        ["list"],
        ["show", name],
        ["export", name, "--thinking"],
        ["audit", name],
        ["show", EVIL],
        ["rm", EVIL],
    ):
        printed = place.mlwb("sessions", *verb)
        assert plain(printed.stdout) and plain(printed.stderr), verb
        assert "Traceback" not in printed.stderr and (printed.stdout or printed.stderr)


def test_an_answer_on_a_terminal_is_shown_and_on_a_pipe_is_as_it_is(place):
    task = place.task("Go.\n")
    parent, child = os.openpty()
    parts: list[bytes] = []

    def read() -> None:
        try:
            while part := os.read(parent, 65536):
                parts.append(part)
        except OSError:
            return

    reader = threading.Thread(target=read)
    with place.endpoint([say(f"It is {EVIL}."), say(f"It is {EVIL}.")]) as (_, env):
        reader.start()
        place.mlwb("run", task, env=env, stdout=child, stderr=child)
        os.close(child)
        reader.join(60)
        piped = place.mlwb("run", task, env=env)
    os.close(parent)
    shown = b"".join(parts).decode().replace("\r\x1b[K", "\n")  # the line that tells how far it is
    assert "It is H␛]52;c;QUJD␇" in shown and plain(shown.replace("\r\n", "\n"))
    assert EVIL in piped.stdout and plain(piped.stderr)


@pytest.mark.parametrize(
    "args",
    [
        ["agents", "list"],
        ["agents", "show", "evil"],
        ["agents", "show", EVIL.replace("\x00", "")],
        ["agents", "check", ".mlwb/agents/worse.md", EVIL],
        ["permissions", "check", "Bash", json.dumps({"command": f"echo {EVIL} > /etc/{EVIL}"})],
        ["permissions", "check", "--allow", f"Bash({EVIL}", "Read", json.dumps({"file_path": EVIL})],
        ["permissions", "check", "--workspace", EVIL, EVIL, "{}"],
        ["run", f"{EVIL}.md"],
        ["run", "--model", EVIL, "--check", "{task}"],
        ["run", "--agent", EVIL, "{task}"],
        ["run", f"--{EVIL}"],
        ["run", "--resume", EVIL],
        [EVIL],
        ["--resume", EVIL],
        ["trust", "--revoke", EVIL],
    ],
    ids=lambda args: " ".join(args).replace(EVIL, "EVIL")[:60].encode("ascii", "replace").decode(),
)
def test_lists_verdicts_and_errors(place, args):
    task = place.task(f"Go {EVIL}.\n")
    done = place.mlwb(*(arg.replace("{task}", task) for arg in args))
    assert plain(done.stdout) and plain(done.stderr)
    assert "Traceback" not in done.stderr and (done.stdout or done.stderr)


@pytest.mark.parametrize(
    "args", [["doctor"], ["gpu"], ["demo", EVIL], ["demo", f"--{EVIL}"], ["doctor", EVIL], ["gpu", EVIL]]
)
def test_what_stands_in_the_environment_is_shown_too(place, args):
    named = ("ANTHROPIC_BASE_URL", "TERM", "COLORTERM", "TERM_PROGRAM", "EDITOR", "SSH_TTY", "XDG_STATE_HOME", "TZ")
    hostile = dict.fromkeys(named, f"/{EVIL}")
    done = place.mlwb(*args, env=place.env(**hostile, CUDA_VISIBLE_DEVICES=EVIL, ANTHROPIC_API_KEY=EVIL))
    assert plain(done.stdout) and plain(done.stderr)
    assert "Traceback" not in done.stderr and (done.stdout or done.stderr)
