"""Rows of strange text: as wide as they say, nothing lost, nothing raw. What a terminal draws as one sign stays one."""

from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len, split_graphemes
from rich.segment import Segment
from textual.strip import Strip

from workbench.tui.safe import parted, safe
from workbench.tui.widgets.approval_text import _cut, command_lines, spelled
from workbench.tui.widgets.blocks import fit, paragraph, plain, shown, wrap
from workbench.tui.widgets.completion import Completion, Row
from workbench.tui.widgets.transcript_terminal import changed

SIGNS = st.sampled_from(
    [
        "a", "B", " ", "  ", "-", "損", "失", "é", "e\u0301", "a\u0301\u0302\u0303", "שלום", "مرحبا", "ש\u05b8",
        "👍", "👍🏽", "❤️", "1️⃣", "🇩🇪", "🇩", "👩‍🔬", "👨‍👩‍👧", "🏳️‍🌈", "\u200d", "\u200b", "\ufe0f", "\u0301",
        "\x1b[2J", "\x00", "\x9b31m", "\u202e", "\t", "\r", "\x07", "\U000e0041", "ｶ", "한글", "क्षि", "ﷺ",
    ]
)  # fmt: skip
TEXT = st.lists(SIGNS, max_size=30).map("".join) | st.text(max_size=30)
WIDTH = st.integers(2, 40)
ESCAPES = {chr(n) for n in (*range(0x20), *range(0x7F, 0xA0), 0x202E, 0x200D)}


def clean(text: str) -> bool:
    return not ESCAPES & set(text)


@settings(deadline=None)
@given(TEXT, WIDTH)
def test_rows_are_no_wider_than_there_is_room(text: str, width: int):
    for row in wrap([(shown(text), "")], width):
        assert cell_len(plain(row)) <= width
        assert clean(plain(row))
    for row in paragraph(text, "", width):
        assert cell_len(plain(row)) <= width


@settings(deadline=None)
@given(TEXT, WIDTH)
def test_wrapping_loses_nothing_but_blanks(text: str, width: int):
    whole = shown(text)
    assert "".join("".join(map(plain, wrap([(whole, "")], width))).split()) == "".join(whole.split())


@settings(deadline=None)
@given(TEXT, WIDTH, st.booleans())
def test_what_is_made_to_fit_fits(text: str, width: int, left: bool):
    cut = fit(safe(text), width, left=left)
    assert cell_len(cut) <= width
    assert cut == safe(text) or "…" in cut


@settings(deadline=None)
@given(TEXT, WIDTH)
def test_signs_are_not_parted(text: str, width: int):
    whole = safe(text)
    edges = {0, len(whole)} | {start for start, _, _ in split_graphemes(whole)[0]}
    assert all({begin, end} <= edges for begin, end in _cut(whole, width))


@settings(deadline=None)
@given(TEXT, WIDTH)
def test_a_command_is_spelled_within_its_width_and_whole(text: str, width: int):
    for line in command_lines(text):
        cuts = list(_cut(line.plain, width))
        assert "".join(line.plain[begin:end] for begin, end in cuts) == line.plain
        assert all(cell_len(line.plain[begin:end]) <= width for begin, end in cuts)
        assert clean(line.plain)
    assert clean(spelled(text.replace("\n", "")).plain)


@settings(deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=4), st.integers(12, 60))
def test_rows_of_the_list_of_files_are_aligned(names: list[str], width: int):
    rows = [Row(f"@{name}", name, "about") for name in names]
    most = min(max(cell_len(safe(row.shown)) for row in rows), width - 2)
    lines = [Completion()._line(row, False, most, width).plain for row in rows]
    assert all(cell_len(line) <= width and clean(line) for line in lines)
    assert len({cell_len(line) for line in lines}) == 1


@settings(deadline=None)
@given(TEXT, TEXT)
@example("👍a", "👍🏽a")
@example("e", "e\u0301")
@example("x🇩", "x🇩🇪")
def test_the_cells_that_are_written_make_the_old_row_the_new_one(old: str, new: str):
    """What stands outside the span that differs is the same in both rows."""
    width = 90
    before, after = (
        Strip([Segment(safe(text))]).adjust_cell_length(max(width, cell_len(safe(text)))) for text in (old, new)
    )
    if (span := changed(before, after)) is None:
        assert before == after
    elif before.cell_length == after.cell_length:
        assert cells(before.text, 0, span[0]) == cells(after.text, 0, span[0])
        assert cells(before.text, span[1], width * 9) == cells(after.text, span[1], width * 9)


def cells(text: str, begin: int, end: int) -> list[str]:
    """The signs of TEXT that stand in the cells BEGIN to END."""
    at, found = 0, []
    for first, last, size in split_graphemes(text)[0]:
        if begin <= at and at + size <= end and size:
            found.append(text[first:last])
        at += size
    return found


def test_an_emoji_that_is_joined_is_read_as_its_parts_and_a_joiner_elsewhere_is_seen():
    assert safe(parted("👩\u200d🔬 and 🏳️\u200d🌈 and 👩🏽\u200d🔬")) == "👩🔬 and 🏳️🌈 and 👩🏽🔬"
    for other in ("a\u200db", "👩\u200d", "\u200d👩", "👩\u200d\u200d🔬", "rm\u200d🔬"):
        assert "\\u{200D}" in safe(parted(other)), other
    assert "\\u{200D}" in safe("👩\u200d🔬.py"), "a name is shown as it is"
