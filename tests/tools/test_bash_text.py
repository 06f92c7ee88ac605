"""Output made fit to read: nothing that moves a cursor, nothing torn, never more than asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.tools.output import Follower, clean, shorten, view

SETTLED = {
    b"plain\n": "plain\n",
    b"a\r\nb\r\n": "a\nb\n",
    b"10%\r20%\r100%\n": "100%\n",
    b"\r 5%\r 9%": " 9%",
    b"done\r": "done",
    b"working |\b/\b-\b\\\n": "working \\\n",
    b"12/60 [..]\b\b\b\b\b\b\b\b\b\b13/60 [=.]\n": "13/60 [=.]\n",
    b"\x1b[1;31merror\x1b[0m: x\n": "error: x\n",
    b"\x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\": "link",
    b"\x1b[2K\x1b[1Aup": "up",
    b"caf\xc3\xa9 \xff": "café \ufffd",
    b"nul\0 bell\x07 c1\xc2\x9b2J": "nul\ufffd bell\ufffd c1\ufffd2J",
    b"tab\tstays": "tab\tstays",
    b"": "",
}


@pytest.mark.parametrize("data", SETTLED)
def test_clean(data):
    assert clean(data) == SETTLED[data]


@given(st.binary(max_size=2000))
def test_no_control_character_survives(data):
    assert not [char for char in clean(data) if (ord(char) < 32 and char not in "\n\t") or 127 <= ord(char) < 160]


@given(st.text(max_size=400), st.integers(20, 100))
def test_shortened_text_is_its_two_ends(text, limit):
    short = shorten(text, limit)
    if len(text) <= limit:
        assert short == text
    else:
        head, rest = short.split("\n[… ", 1)
        left, tail = rest.split(" characters left out …]\n", 1)
        assert text.startswith(head)
        assert text.endswith(tail)
        assert len(head) + len(tail) + int(left.replace(",", "")) == len(text)


def test_only_the_ends_of_a_long_file_are_read(tmp_path):
    path = tmp_path / "long"
    with path.open("wb") as file:
        file.write(b"first\n" * 200_000)
        file.seek(50_000_000_000)  # a hole: 50 GB that take no space
        file.write(b"\nlast\n")
    seen = view(path, limit=1000)
    assert seen.size == 50_000_000_006
    assert seen.last_line == "last"


def test_part_of_a_file(tmp_path):
    path = tmp_path / "part"
    path.write_bytes(b"0123456789")
    assert view(path, start=2, end=5).text(path) == "234"
    assert view(path, start=10).text(path) == ""


def test_a_follower_gives_each_byte_once_and_no_torn_character(tmp_path):
    path = tmp_path / "log"
    path.touch()
    follower = Follower(path)
    seen = []
    try:
        for piece in (b"a\xe2", b"\x82", b"\xacb", b"", b"\xff"):
            with path.open("ab") as file:
                file.write(piece)
            seen.append(follower.gained())
    finally:
        follower.close()
    assert seen == ["a", "", "€b", "", "\ufffd"]


def test_a_follower_skips_what_is_too_much(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"x" * 10_000_000 + b"end")
    follower = Follower(path)
    try:
        text = follower.gained()
        assert text.endswith("end")
        assert len(text) <= 16_000
        assert follower.gained() == ""
    finally:
        follower.close()
