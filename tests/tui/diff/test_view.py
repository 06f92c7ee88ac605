"""Rows of the diff's page: where things stand, how wide they are, which words differ."""

import difflib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from support.changes import unified
from workbench.protocol.hunks import Row
from workbench.protocol.result import FileChange
from workbench.tui.widgets.difftree import tree
from workbench.tui.widgets.diffview_editor import command
from workbench.tui.widgets.diffview_layout import Page
from workbench.tui.widgets.diffview_paint import LONGEST, Palette, Side, shorten, text_cells
from workbench.tui.widgets.diffview_syntax import Syntax
from workbench.tui.widgets.diffview_words import changed_words
from workbench.tui.widgets.hunks import Changeset, DiffFile
from workbench.tui.widgets.hunks_review import Comment, Review, Taken, place

TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n", "x\r\n"]), max_size=30).map("".join)
CHARACTERS = st.characters(codec="utf-8")


def changeset(*files):
    made = Changeset("start")
    for at, (old, new) in enumerate(files):
        file = DiffFile(FileChange(path=f"dir{at % 2}/f{at}.py", change="modified"))
        file.take(unified(old, new))
        made.files.append(file)
    return made


@given(TEXTS, TEXTS)
def test_heights_are_known_without_the_lines(old, new):
    (file,) = changeset((old, new)).files
    for laid in file.hunks:
        assert laid.unified == len(laid.rows)
        assert laid.side == len(laid.pairs)
        assert (laid.added, laid.removed) == (laid.hunk.added, laid.hunk.removed)
        left = [old for old, _ in laid.pairs if old >= 0]
        right = [new for _, new in laid.pairs if new >= 0]
        assert left == [at for at, row in enumerate(laid.rows) if row.sign != "+"]
        assert right == [at for at, row in enumerate(laid.rows) if row.sign != "-"]


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=4), st.booleans(), st.data())
def test_a_row_is_found_again_by_what_stands_in_it(texts, side, data):
    changes, review = changeset(*texts), Review()
    for file in changes.files:
        for laid in file.hunks:
            for row in data.draw(st.sets(st.integers(0, len(laid.rows) - 1), max_size=2)):
                review.put(Comment(file.path, 1, "", "words", laid.digest, row))
    page = Page(changes, review, side)
    assert page.height == sum(block.height for block in page.blocks)
    for y in range(page.height):
        block, offset = page.at(y)
        assert 0 <= offset < block.height
        if block.kind in ("file", "hunk", "rows"):
            assert page.find(page.anchor(y)) == y


def test_a_row_whose_hunk_is_gone_falls_to_the_nearest():
    before = "".join(f"{n}\n" for n in range(60))
    page = Page(changeset((before, before.replace("5\n", "five\n", 1).replace("\n50\n", "\nfifty\n"))))
    anchor = page.anchor(
        page.blocks.index(next(b for b in reversed(page.blocks) if b.kind == "rows")) and page.height - 3
    )
    later = Page(changeset((before, before.replace("5\n", "five\n", 1))))
    assert later.at(later.find(anchor))[0].kind == "hunk"
    assert Page(changeset()).find(anchor) == 0


@settings(max_examples=300)
@given(
    st.text(CHARACTERS, max_size=60), st.integers(1, 70), st.integers(0, 30), st.booleans(),
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 20)), max_size=3),
)  # fmt: skip
def test_a_line_fills_its_cells_and_nothing_else(text, width, offset, crlf, words):
    ranges, at = [], 0
    for skip, length in words:
        ranges.append((at + skip, at + skip + length))
        at = ranges[-1][1]
    line = text.replace("\n", " ")
    cells = text_cells(Palette({}), Side(Row("+", line, 0, 1), (), tuple(ranges)), width, offset, crlf)
    shown = "".join(part.text for part in cells)
    assert cell_len(shown) == width
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in shown)


def test_a_line_of_two_megabytes_is_drawn_at_once():
    cells = text_cells(Palette({}), Side(Row("+", "z" * 2_000_000, 0, 1)), 80, 0, False)
    assert "".join(part.text for part in cells) == "z" * 79 + "…"
    far = text_cells(Palette({}), Side(Row("+", "z" * 2_000_000, 0, 1)), 80, LONGEST - 10, False)
    assert "".join(part.text for part in far).rstrip() == "z" * 10 + "…"


@given(st.text(CHARACTERS, max_size=80), st.text(CHARACTERS, max_size=80))
def test_what_is_not_marked_is_the_same_on_both_sides(old, new):
    gone, come = changed_words(old, new)
    if gone or come:
        rest = ["".join(c for at, c in enumerate(text) if not any(a <= at < b for a, b in marks))
                for text, marks in ((old, gone), (new, come))]  # fmt: skip
        assert rest[0].split() == rest[1].split() or "".join(rest[0].split()) == "".join(rest[1].split())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("    lr=3e-2,", "    lr=cfg.lr,", (["3e-2"], ["cfg.lr"])),
        ("return foo(a, b)", "return foo(a, c, b)", ([], ["c, "])),
        ("import os", "class Whatever(Base):", ([], [])),
    ],
)
def test_changed_words(old, new, words):
    gone, come = changed_words(old, new)
    assert ([old[a:b] for a, b in gone], [new[a:b] for a, b in come]) == words


def test_words_of_endless_lines_cost_little():
    old = " ".join(f"w{n}" for n in range(50_000))
    assert changed_words(old, old.replace("w100 ", "other ")) is not None


def test_roles_of_code_by_name_of_file():
    syntax = Syntax()
    for path in ("a/train.py", "notes", "x.unknown"):
        syntax.load(path)
    (spans,) = (
        syntax.spans("other/train.py", ["def f(): return 'x'  # why"]) if syntax.knows("other/train.py") else [()]
    )
    assert {role for _, _, role in spans} >= {"keyword", "definition", "string", "comment"}
    assert syntax.spans("x.unknown", ["def f()"]) == [()]
    assert len(syntax.spans("a/train.py", ["'''", "\r", "", "y" * 100_000])) == 4


def test_folders_with_one_thing_in_them_share_a_row():
    files = [
        DiffFile(FileChange(path=path, change="modified")) for path in ("a/b/c/x.py", "a/b/c/y.py", "d/z.py", "/etc/q")
    ]
    nodes = tree(sorted(files, key=lambda file: file.path))
    assert [(node.depth, node.label, node.path) for node in nodes] == [
        (0, "/etc/q", "/etc/q"), (0, "a/b/c/", "a/b/c/"), (1, "x.py", "a/b/c/x.py"), (1, "y.py", "a/b/c/y.py"),
        (0, "d/z.py", "d/z.py"),
    ]  # fmt: skip
    assert [node.label for node in tree(files, frozenset({"a/b/c/"}))].count("x.py") == 0


@given(st.text(CHARACTERS, min_size=1, max_size=60), st.integers(4, 40))
def test_a_path_is_shortened_from_the_left(path, width):
    assert cell_len(shorten(path, width)) <= width


def test_the_message_quotes_places_and_keeps_them_on_their_line():
    review = Review()
    review.put(Comment("b\n.py", 7, "+x = 1", "no", "d", 1))
    review.put(Comment("a.py", 0, "", "whole", "", -1))
    review.put(Comment("a.py", 0, "", "all of it", "", -1))
    review.reverts.append(Taken("c.py", 3, 9, 0, tuple(f"+{n}" for n in range(9))))
    review.reverts.append(Taken("d.py", 0, 1, 1))
    assert review.message() == (
        'Review of the changes:\n\na.py\nall of it\n\n"b\\n.py":7\n> +x = 1\nno\n\n'
        "I took these changes back; do not make them again:\n\nc.py:3 (+9 -0)\n> +0\n> +1\n> +2\n> +3\n> +4\n> +5\n"
        "> … 3 more lines\n\nd.py (the whole file)"
    )
    review.put(Comment("a.py", 0, "", "", "", -1))
    assert [one.path for one in review.comments] == ["b\n.py"]
    assert place("x.py", 4) == "x.py:4"


@pytest.mark.parametrize(
    ("editor", "words"),
    [
        ("vim", ["vim", "+7", "/w/a.py"]),
        ("/usr/bin/emacs -nw", ["/usr/bin/emacs", "-nw", "+7", "/w/a.py"]),
        ("code -w", ["code", "-w", "-g", "/w/a.py:7"]),
        ("hx", ["hx", "/w/a.py:7"]),
        ("ed", ["ed", "/w/a.py"]),
    ],
)
def test_editors_open_at_the_line(editor, words):
    from pathlib import Path

    assert command({"EDITOR": editor}, Path("/w/a.py"), 7) == words
    assert command({"VISUAL": editor, "EDITOR": "nano"}, Path("/w/a.py"), 7) == words


def test_difflib_agrees_on_what_was_laid():
    old = "".join(f"{n}\n" for n in range(100))
    new = old.replace("50\n", "fifty\n")
    (file,) = changeset((old, new)).files
    assert [line for laid in file.hunks for line in laid.hunk.lines] == [
        line.rstrip("\n") for line in list(difflib.unified_diff(old.splitlines(True), new.splitlines(True)))[3:]
    ]
