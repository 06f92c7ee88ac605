"""What a terminal sends that is neither key nor paste: a late answer to another program must not be typed in."""

import time

import pytest

from workbench.tui.widgets.prompt_paste import PasteParser


def keys_of(data: str) -> list[str]:
    """The keys that come of DATA, with the time that a lone escape takes."""
    parser = PasteParser()
    found = list(parser.feed(data))
    time.sleep(parser.patience)
    return [getattr(message, "key", type(message).__name__) for message in (*found, *parser.tick())]


@pytest.mark.parametrize(
    "answer",
    ["\x1b]11;rgb:1414/1414/1414\x1b\\", "\x1b]52;c;b3duZWQ=\x07", "\x1b]10;?\x07\x1b]11;?\x07", "\x1bP1$r0m\x1b\\",
     "\x1b[?64;1;2;4c", "\x1b[>1;10;0c", "\x1b[1;9Z", "\x1b[?7u", "\x1b_Gi=1;OK\x1b\\"],
)  # fmt: skip
def test_an_answer_that_nobody_asked_for_types_nothing(answer: str) -> None:
    assert keys_of(f"a{answer}b") == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        ("\x1b[A", ["up"]), ("\x1b[[A", ["f1"]), ("\x1b[1;5A", ["ctrl+up"]), ("\x1b[Z", ["shift+tab"]),
        ("\x1bOP", ["f1"]), ("\x1bx", ["alt+x"]), ("\x1b", ["escape"]), ("\x1b[27;5;106~", ["ctrl+j"]),
        ("\x1b[97;5u", ["ctrl+a"]), ("\x1b[I", ["AppFocus"]), ("\x1b[<0;5;5M", ["MouseDown"]),
        ("\x1b[1;2R", ["CursorPosition"]), ("\x1b[?2026;2$y", ["TerminalSupportsSynchronizedOutput"]),
        ("\x1b[200~hi\x1b[201~", ["Paste"]),
    ],
)  # fmt: skip
def test_keys_are_keys_still(data: str, keys: list[str]) -> None:
    assert keys_of(data) == keys
