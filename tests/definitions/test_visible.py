"""Untrusted text on its way to a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.protocol.visible import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain – ünïcode 漢字 🚀", "plain – ünïcode 漢字 🚀"),
        ("a\x1b[31mb", "a␛[31mb"),
        ("\x00\x7f", "␀␡"),
        ("a\nb\tc\rd", "a␊b␉c␍d"),
        ("\x9b31m", "\\u{009B}31m"),
        ("a\u202eb\u2066", "a\\u{202E}b\\u{2066}"),
        ("a\u200bb\u200d\ufeff\u00ad", "a\\u{200B}b\\u{200D}\\u{FEFF}\\u{00AD}"),
        ("a\u2028b\u2029", "a\\u{2028}b\\u{2029}"),
        ("\ud83d", "\\u{D83D}"),
        ("x\U000e0041", "x\\u{E0041}"),
        ("ab\u3164", "ab\\u{3164}"),
        ("❤\ufe0f 1\ufe0f\u20e3", "❤\ufe0f 1\ufe0f\u20e3"),
        ("a\ufe0f \ufe00❤\ufe0f\ufe0f", "a\\u{FE0F} \\u{FE00}❤\ufe0f\\u{FE0F}"),
    ],
)
def test_what_a_terminal_would_obey_or_hide_is_shown(text: str, shown: str):
    assert visible(text) == shown


def test_lines_and_tabs_stay_where_they_are_wanted_and_a_return_never_does():
    assert visible("a\n\tb\rc\x1b", newlines=True) == "a\n\tb␍c␛"


@given(st.text(st.characters(exclude_categories=[])), st.booleans())
def test_nothing_left_is_a_control_or_hidden(text: str, newlines: bool):
    shown = visible(text, newlines)
    shown.encode()
    allowed = "\n\t" if newlines else ""
    assert not [c for c in shown if c not in allowed and unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    assert visible(shown, newlines) == shown
