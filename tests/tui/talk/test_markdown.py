"""Markdown in pieces: what streams in must end as what came at once, and every row fits."""

import random
import sys

import pytest
from rich.cells import cell_len

from support.lexers import RAISES, install
from workbench.tui.widgets.blocks import breaks, fit, paragraph, plain, width_of, wrap
from workbench.tui.widgets.markdown import PIECE, Piece, Splitter, split
from workbench.tui.widgets.markdown_code import Highlighter
from workbench.tui.widgets.markdown_draw import block, lines

SAMPLE = """\
Intro with **bold**, `code` and
a second line.

# Title
Text under it.

- one
- two
  - nested

  more of two
- three

1. a
2. b

```python
def f():
    return "``` not the end"

```
| a | b |
|---|--:|
| x | 1 |

> quote
> goes on

- item with code:

  ```
  - no item

  x
  ```
- last
"""


def drawn(text, width=40):
    return [plain(line).rstrip() for piece in split(text) for line in block(piece, Highlighter()).lines(width)]


@pytest.mark.parametrize("seed", range(20))
def test_portions_do_not_matter(seed):
    chance = random.Random(seed)
    splitter, pieces, at = Splitter(), [], 0
    while at < len(SAMPLE):
        step = chance.randint(1, 30)
        pieces += splitter.feed(SAMPLE[at : at + step])
        splitter.tail()
        at += step
    assert pieces + splitter.end() == split(SAMPLE)


@pytest.mark.parametrize("end", range(0, len(SAMPLE), 7))
def test_what_is_drawn_while_it_comes_is_what_the_text_so_far_says(end):
    splitter = Splitter()
    pieces = splitter.feed(SAMPLE[:end]) + splitter.tail()
    assert (
        "".join(piece.text for piece in pieces).replace("\n", "")[:20]
        == "".join(piece.text for piece in split(SAMPLE[:end])).replace("\n", "")[:20]
    )


def test_pieces():
    kinds = [piece.kind for piece in split(SAMPLE)]
    assert kinds == ["text", "heading", "text", *["item"] * 5, "code", "text", "text", "item", "item"]


def test_looks():
    assert drawn("# Head\n\ntext `x` <b>no</b> &amp;\n\n- a\n- b\n\n7. seven\n\n> said\n\n~~gone~~ [w](http://u)") == [
        "Head", "text x <b>no</b> &", "", "• a", "• b", "", "7. seven", "", "│ said", "", "gone w (http://u)",
    ]  # fmt: skip


def test_html_and_escapes_are_text():
    shown = "\n".join(drawn("<script>x</script>\x1b]0;t\x07 &#x202E; `\u202e`\n\n```\n\x1b[2J\n```", 80))
    assert "<script>" in shown
    assert not set(shown) & {"\x1b", "\x07", "\u202e"}


def test_tables_are_made_to_fit():
    table = "| name | " + "what " * 20 + "|\n|---|---|\n| " + "x" * 50 + " | y |\n"
    rows = drawn(table, 40)
    assert rows and all(cell_len(row) <= 40 for row in rows)


@pytest.mark.parametrize("width", [4, 9, 20, 80])
@pytest.mark.parametrize(
    "text",
    [
        SAMPLE,
        "学習率" * 40,
        "e\u0301" * 100,
        "word " * 50 + "x" * 200,
        "- " * 30 + "deep",
        "> " * 30 + "deep",
        "👍🏽 " * 30,
    ],
)
def test_rows_fit(text, width):
    for piece in split(text):
        for line in block(piece, Highlighter()).lines(width):
            assert width_of(line) <= max(width, 8) or width < 9


def test_wrapping_loses_nothing():
    text = "aa bb  ccc " + "d" * 30 + " 学習率 e"
    rows = [text[start:end] for start, end in breaks(text, 7)]
    assert "".join("".join(rows).split()) == "".join(text.split())
    assert all(cell_len(row) <= 7 for row in rows)
    assert wrap([("short", "")], 10) == [[("short", "")]]


def test_fit():
    assert fit("abcdef", 4) == "abc…"
    assert fit("/a/b/c.py", 5, left=True) == "….py"[-5:] or cell_len(fit("/a/b/c.py", 5, left=True)) <= 5
    assert fit("学習率", 4) == "学…"
    assert fit("abc", 0) == ""


def test_one_line_of_two_megabytes_is_cut_into_pieces():
    splitter = Splitter()
    pieces = splitter.feed("x" * (2 << 20))
    assert len(pieces) > 500 and max(len(piece.text) for piece in pieces) <= PIECE + 1
    assert all(piece.gap == 0 for piece in pieces)


def test_code_is_coloured_across_pieces():
    code = 'x = """' + "\n".join(f"line {at}" for at in range(120)) + '\n"""\ny = 1'
    highlighter = Highlighter()
    pieces = split(f"```python\n{code}\n```")
    assert len(pieces) == 3
    highlighter.lines(pieces[0])
    highlighter.load()
    styles = {style for line in highlighter.lines(pieces[1]) for _, style in line}
    assert styles == {"string"}
    assert [plain(line) for piece in pieces for line in highlighter.lines(piece)] == code.split("\n")


def test_unknown_languages_are_plain():
    highlighter = Highlighter()
    piece = split("```nonesuch\na\n```")[0]
    highlighter.lines(piece)
    highlighter.load()
    assert highlighter.lines(piece) == [[("a", "")]] and not highlighter.wanted


def test_nesting_does_not_end_the_program():
    assert lines("> " * 200 + "x", 20)
    assert lines("[" * 2000, 20)
    assert lines("*" * 3000 + "x", 20)


@pytest.mark.parametrize(
    ("info", "text"),
    [("easytrieve", "\t" * 900), ("autoit", f"{' ' * 900}\n" * 17), ("gherkin", " \n" * 8_000)],
)
def test_code_that_a_lexer_is_never_done_with_is_plain(info, text):
    highlighter, piece = Highlighter(), Piece("code", text, info=info)
    highlighter.lines(piece)
    highlighter.load()
    assert {style for line in highlighter.lines(piece) for _, style in line} <= {""}
    assert [plain(line) for line in highlighter.lines(piece)] == [row.expandtabs(4) for row in text.split("\n")]


@pytest.mark.parametrize("module", [RAISES, "import nothing_of_that_name"])
def test_a_lexer_that_fails_leaves_code_plain(tmp_path, monkeypatch, module):
    install(tmp_path, module)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "odd_lexers", raising=False)
    highlighter, piece = Highlighter(), Piece("code", "x = 1", info="odd")
    highlighter.lines(piece)
    highlighter.load()
    assert highlighter.lines(piece) == [[("x = 1", "")]]


def test_a_language_that_is_met_while_another_is_looked_for_is_looked_for_next():
    class Name(str):
        def lower(self):  # as Pygments looks for it, in another thread
            highlighter.lines(Piece("code", "x = 1", info="python"))
            return str.lower(self)

    highlighter = Highlighter()
    highlighter.wanted.add(Name("odd"))
    highlighter.load()
    assert highlighter.wanted == {"python"}


def test_a_line_of_megabytes_without_a_blank_is_folded_at_once():
    rows = paragraph("x" * 3_000_005 + " 学" + "学" * 50_000, "", 80)
    assert [len(plain(row)) for row in rows[:37_501]] == [80] * 37_500 + [5]
    assert {width_of(row) for row in rows[37_501:-1]} == {80} and width_of(rows[-1]) == 2
