"""Pieces of Markdown as lines: CommonMark with tables and strike-through. HTML in it is text like any other."""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from workbench.tui.safe import parted
from workbench.tui.widgets.blocks import Block, Line, Run, cut, fit, indented, paragraph, plain, shown, width_of, wrap
from workbench.tui.widgets.markdown import Piece

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

    from workbench.tui.widgets.markdown_code import Highlighter

_TASK = re.compile(r"\[([ xX])\] ")
_MARKS = {"strong": "strong", "em": "em", "s": "strike"}
_HEADS = {"h1": "h1", "h2": "h2"}
DECISION = "decision"  # marks the block of an answer that asks a person
_NARROW = 12  # cells below which nothing is moved in any further
_parser: "MarkdownIt | None" = None


def block(piece: Piece, highlighter: "Highlighter", stop: int = 0) -> Block:
    """The block that draws PIECE. Code is a stop of its own, and is copied as it is."""
    if piece.kind == "code" and piece.info.split()[:1] == [DECISION]:
        return Block(lambda width: _decision(piece, width), gap=piece.gap, stop=stop, code=piece.text, info=piece.info)
    if piece.kind == "code":
        return Block(
            lambda width: code_lines(highlighter.lines(piece), width, piece.info if piece.first else ""),
            gap=piece.gap, stop=stop, code=piece.text, info=piece.info,
        )  # fmt: skip
    return Block(lambda width: lines(piece.text, width), gap=piece.gap, stop=stop)


def _decision(piece: Piece, width: int) -> list[Line]:
    """A question in the form that the program reads; in words it stands behind the answer."""
    return [[(fit("▸ a decision for you", width), "muted")]] if piece.first else []


def lines(text: str, width: int) -> list[Line]:
    """Markdown TEXT as lines of at most WIDTH cells."""
    rows = _Drawer(_markdown().parse(text)).blocks(width)
    # What the parser says nothing of (definitions of links, nesting beyond its bound) is shown as it was written.
    return rows or paragraph(text, "", width)


def code_lines(code: Iterable[Line], width: int, info: str = "") -> list[Line]:
    """Highlighted CODE on a ground of its own, long lines folded; INFO names the language at the first line's end."""
    room = max(1, width - 2)
    rows: list[Line] = []
    for line in code:
        rows += [[(" ", "ground"), *((text, f"ground {style}") for text, style in row)] for row in wrap(line, room)]
    label = fit(shown(info.split()[0]), 20) if info.split() else ""
    for at, row in enumerate(rows):
        left = width - width_of(row)
        if at == 0 and label and left > len(label) + 2:
            row.append((" " * (left - width_of([(label, "")]) - 1), "ground"))
            row.append((label + " ", "ground muted-2"))
        elif left > 0:
            row.append((" " * left, "ground"))
    return rows


def load() -> None:
    """Imports the parser, which blocks; else the first text to draw does."""
    _markdown()


def _markdown() -> "MarkdownIt":
    global _parser
    if _parser is None:
        from markdown_it import MarkdownIt

        _parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
        _parser.disable(["html_block", "html_inline"])
    return _parser


class _Drawer:
    """Walks the tokens of one piece."""

    def __init__(self, tokens: Sequence["Token"]) -> None:
        self._tokens, self._at = tokens, 0

    def blocks(self, width: int, until: str = "", tight: bool = False) -> list[Line]:
        """The blocks up to the token UNTIL, as lines; blank lines between them unless TIGHT."""
        rows: list[Line] = []
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            self._at += 1
            if token.type == until:
                break
            drawn = self._block(token, max(4, width))
            if drawn and rows and not (tight or token.hidden or token.type == "list_item_open"):
                rows.append([])
            rows += drawn
        return rows

    def _block(self, token: "Token", width: int) -> list[Line]:
        kind = token.type
        if kind in ("paragraph_open", "heading_open"):
            style = _HEADS.get(token.tag, "h3") if kind == "heading_open" else ""
            inline = self._tokens[self._at]
            self._at += 2
            return [row for line in runs(inline.children or (), style) for row in wrap(line, width)]
        if kind in ("bullet_list_open", "ordered_list_open"):
            return self._list(token, width)
        if kind == "blockquote_open":
            bar: Line = [("│ ", "muted-2")] if width >= _NARROW else []
            quoted = self.blocks(width - width_of(bar), "blockquote_close")
            return [[*bar, *((text, f"quote {style}") for text, style in row)] for row in quoted]
        if kind == "table_open":
            return self._table(width)
        if kind in ("fence", "code_block"):
            code = [[(shown(line), "code")] for line in token.content.rstrip("\n").split("\n")]
            return code_lines(code, width, token.info)
        if kind == "hr":
            return [[("─" * width, "muted-2")]]
        return [[(shown(line), "")] for line in token.content.split("\n")] if token.content else []

    def _list(self, opened: "Token", width: int) -> list[Line]:
        number = int(opened.attrs.get("start", 1) or 0) if opened.tag == "ol" else None
        rows: list[Line] = []
        close = opened.type.replace("_open", "_close")
        while self._tokens[self._at].type != close:
            self._at += 1  # list_item_open
            mark = "" if width < _NARROW else "• " if number is None else f"{number}. "
            tight = self._tokens[self._at].hidden if self._tokens[self._at].type == "paragraph_open" else False
            item = self.blocks(width - len(mark), "list_item_close", tight=tight)
            sign: Run = (mark, "mark")
            first = item[0] if item else []
            if number is None and (found := _TASK.match(plain(first))):
                done = found[1] != " "
                sign, first = ("✓ " if done else "○ ", "ok" if done else "muted"), cut(first, 4, len(plain(first)))
            rows.append([sign, *first])
            rows += indented(item[1:], len(mark))
            number = None if number is None else number + 1
        self._at += 1
        return rows

    def _table(self, width: int) -> list[Line]:
        table: list[list[Line]] = []
        aligned: list[str] = []
        while (token := self._tokens[self._at]).type != "table_close":
            self._at += 1
            if token.type == "tr_open":
                table.append([])
            elif token.type in ("th_open", "td_open"):
                if token.type == "th_open":
                    aligned.append(str(token.attrs.get("style", "")).removeprefix("text-align:"))
                cell = runs(self._tokens[self._at].children or (), "strong" if token.type == "th_open" else "")
                table[-1].append([run for line in cell for run in line])
        self._at += 1
        return table_lines(table, aligned, width)


def runs(tokens: Iterable["Token"], style: str = "") -> list[Line]:
    """Inline TOKENS as lines; a line break in the source stays one, as whoever wrote it saw it."""
    rows: list[Line] = [[]]
    open_: list[str] = [style] if style else []
    links: list[tuple[str, int]] = []
    for token in tokens:
        kind = token.type
        name = " ".join(open_)
        if kind == "text":
            rows[-1].append((shown(parted(token.content)), name))
        elif kind == "code_inline":
            rows[-1].append((shown(token.content.replace("\n", " ")), f"{name} code".strip()))
        elif kind in ("softbreak", "hardbreak"):
            rows.append([])
        elif kind == "link_open":
            links.append((str(token.attrs.get("href", "")), len(rows[-1])))
            open_.append("link")
        elif kind == "link_close":
            open_.remove("link")
            rows[-1] += _target(*links.pop(), rows[-1])
        elif kind == "image":
            rows[-1].append((f"image {shown(token.content)} ".replace("  ", " "), f"{name} muted".strip()))
            rows[-1].append((f"({shown(str(token.attrs.get('src', '')))})", "url"))
        elif (mark := _MARKS.get(kind.rpartition("_")[0])) is not None:
            open_.append(mark) if token.nesting == 1 else open_.remove(mark)
        elif token.content:
            rows[-1].append((shown(token.content.replace("\n", " ")), name))
    return rows


def _target(href: str, begun: int, line: Line) -> Line:
    """Where a link leads, said in the open unless its own words say it."""
    text = "".join(piece for piece, _ in line[begun:])
    where = shown(href)
    return [] if text in (where, where.removeprefix("mailto:")) or not where else [(f" ({where})", "url")]


def table_lines(table: list[list[Line]], aligned: Sequence[str], width: int) -> list[Line]:
    """TABLE (its first row is the head) with columns as wide as they need, the widest narrowed until it fits."""
    count = max((len(row) for row in table), default=0)
    if not count:
        return []
    sizes = [max(1, *(width_of(row[at]) if at < len(row) else 0 for row in table)) for at in range(count)]
    room = max(count, width - 3 * (count - 1))
    while sum(sizes) > room and max(sizes) > 1:
        widest = sizes.index(max(sizes))
        others = sorted(sizes)[-2] if count > 1 else 1
        sizes[widest] = max(1, min(sizes[widest] - 1, max(others, sizes[widest] - (sum(sizes) - room))))
    rows: list[Line] = []
    for number, cells in enumerate(table):
        rows += _table_row(cells, sizes, aligned)
        if number == 0:
            rows.append([("─┼─".join("─" * size for size in sizes), "muted-2")])
    return [row if width_of(row) <= width else wrap(row, width)[0] for row in rows]


def _table_row(cells: list[Line], sizes: list[int], aligned: Sequence[str]) -> list[Line]:
    columns: list[list[Line]] = [
        wrap(cells[at], size) if at < len(cells) and cells[at] else [[]] for at, size in enumerate(sizes)
    ]
    rows: list[Line] = []
    for number in range(max(map(len, columns))):
        row: Line = []
        for at, size in enumerate(sizes):
            cell = columns[at][number] if number < len(columns[at]) else []
            space = size - width_of(cell)
            how: Any = aligned[at] if at < len(aligned) else ""
            before = space if how == "right" else space // 2 if how == "center" else 0
            row += [(" │ ", "muted-2")] if at else []
            row += [(" " * before, ""), *cell, (" " * (space - before), "")]
        rows.append(row)
    return rows
