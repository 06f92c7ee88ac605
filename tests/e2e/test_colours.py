"""How it looks in terminals of few colours or few signs, at a slow pace, and with themes of the user's own."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.endpoint import say, turn, use
from support.terminal import AGENT, edits, leaves_a_clean_shell, opened, rests, submit
from support.tmux import Tmux
from workbench.tui import signs

SGR = re.compile(r"\x1b\[([\d;:]*)m")
FRAMES = set("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
ASKS = turn({"type": "text", "text": "Look:\n\n```python\nx = 1\n```\n"}, use("Bash", command="rm -rf /data/old"))


def colours(ansi: str) -> set[str]:
    """What ANSI sets colours with: `rgb`, `256`, `16`, or nothing."""
    found = set()
    for codes in SGR.findall(ansi):
        parts = re.split("[;:]", codes)
        for at, part in enumerate(parts):
            if part in ("38", "48") and parts[at + 1 : at + 2]:
                found.add({"2": "rgb", "5": "256"}[parts[at + 1]])
                break
            if part.isdecimal() and (30 <= int(part) <= 47 or 90 <= int(part) <= 107) and part != "39":
                found.add("16")
    return found


@pytest.mark.parametrize(
    ("env", "term", "wanted"),
    [
        ({"COLORTERM": "truecolor"}, "xterm-256color", {"rgb"}),
        ({}, "xterm-256color", {"256"}),
        ({}, "linux", {"16"}),
        ({"NO_COLOR": "1", "COLORTERM": "truecolor"}, "xterm-256color", set()),
    ],
    ids=["true colour", "256", "16", "no colour"],
)
def test_a_terminal_is_given_the_colours_it_has(
    tmp_path: Path, env: dict[str, str], term: str, wanted: set[str]
) -> None:
    turns = [*edits(tmp_path / "home/work")[:2], ASKS]
    with opened(tmp_path, turns, env=env, term=term) as (tmux, _, _):
        submit(tmux, "raise the learning rate")
        tmux.wait(lambda screen: "allow Bash?" in screen and "lr = 0.9" in screen)
        assert colours(tmux.ansi()) == wanted
        tmux.keys("C-p")
        tmux.wait("all commands ─")
        assert colours(tmux.ansi()) == wanted
        tmux.keys("Escape")
        tmux.wait(lambda screen: "all commands ─" not in screen)
        tmux.keys("Escape")
        leaves_a_clean_shell(tmux)


def test_the_console_of_linux_is_given_signs_that_its_font_has(tmp_path: Path) -> None:
    turns = [
        turn(use("Read", file_path=str(tmp_path / "home/work/train.py")), use("Bash", command="false")),
        say("# Head\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> said\n\nAll done… “here” — now."),
    ]
    with opened(tmp_path, turns, term="linux", settings="permissions: {allow: [Bash]}\n") as (tmux, _, _):
        submit(tmux, "go")
        tmux.wait("All done")
        shown = [rests(tmux)]
        for keys, title in (("C-p", "─ all commands"), ("C-o", "─ sessions"), ("C-r", "─ rewind")):
            tmux.keys(keys)
            shown.append(tmux.wait(title))
            tmux.keys("Escape")
            tmux.wait(lambda screen, title=title: title not in screen)
        for screen in shown:
            strange = {sign for sign in screen if sign not in signs.CONSOLE and not sign.encode("cp437", "ignore")}
            assert not strange, screen
        leaves_a_clean_shell(tmux)


def seen_while_working(tmux: Tmux, enough: Callable[[set[str], int], bool]) -> set[str]:
    """The signs before the footer's words, until they are ENOUGH for the seconds that its clock has told."""
    signs = set()
    for _ in range(600):
        foot = tmux.text().splitlines()[-1]
        if found := re.match(r" (\S) (?:thinking|working) +(\d+) s", foot):
            signs.add(found[1])
            if enough(signs, int(found[2])):
                return signs
        time.sleep(0.05)
    raise AssertionError(f"no more than {signs} came")


@pytest.mark.parametrize(
    ("env", "moves"), [({}, True), ({"MLWB_REDUCED_MOTION": "1"}, False), ({"MLWB_LOW_BANDWIDTH": "1"}, False)]
)
def test_one_sign_moves_while_it_works_unless_nothing_may(tmp_path: Path, env: dict[str, str], moves: bool) -> None:
    with opened(tmp_path, [say("Done.", delay=300)], env=env) as (tmux, _, _):
        submit(tmux, "think long")
        if moves:
            seen_while_working(tmux, lambda signs, _: len(signs & FRAMES) >= 2)
        else:
            assert seen_while_working(tmux, lambda _, seconds: seconds >= 2) == {"●"}
        tmux.keys("Escape")
        leaves_a_clean_shell(tmux)


def test_a_theme_is_worn_anew_when_its_file_was_edited_and_a_broken_one_is_named(tmp_path: Path) -> None:
    env = {"COLORTERM": "truecolor"}
    folder = tmp_path / "config"  # beside the home, which is not made yet
    theme = folder / "mlwb/themes/mine.yaml"
    theme.parent.mkdir(parents=True)
    env["XDG_CONFIG_HOME"] = str(folder)

    def worn(ink: str) -> None:
        theme.write_text(f'colors:\n  background: "#101010"\n  foreground: "{ink}"\n')

    def seen(tmux: Tmux, red: int) -> bool:
        return f"38;2;{red};255;255" in tmux.ansi().replace(":", ";")

    worn("#c0ffff")
    with opened(tmp_path, env=env, program="mlwb --theme mine", size=(120, 30)) as (tmux, _, _):
        tmux.wait(lambda _: seen(tmux, 0xC0))
        worn("#a0ffff")
        with tmux.attached():  # whoever comes to the terminal sees the file as it is now
            tmux.wait(lambda _: seen(tmux, 0xA0))
        theme.write_text("colors: {foreground: [}\n")
        with tmux.attached():
            tmux.wait(lambda screen: "mine.yaml" in screen or "theme mine" in screen)
        assert seen(tmux, 0xA0) and AGENT in tmux.text()  # what was worn stays
        leaves_a_clean_shell(tmux)


def test_the_mouse_works_through_tmux(tmp_path: Path) -> None:
    with opened(tmp_path, size=(120, 30)) as (tmux, _, _), tmux.attached() as person:
        submit(tmux, "raise the learning rate")
        tmux.wait(lambda screen: "All done here" in screen and "lr = 0.9" in screen)
        screen = rests(tmux).splitlines()
        person.click(screen[-1].index("all commands") + 1, 29)
        tmux.wait("enter does it")
        tmux.keys("Escape")
        tmux.wait(lambda text: "enter does it" not in text)
        row = next(at for at, line in enumerate(screen) if "✓ Edit" in line)
        person.click(screen[row].index("Edit"), row)  # a card opens
        tmux.wait(lambda text: text.count("lr = 0.9") >= 2)
        leaves_a_clean_shell(tmux)
