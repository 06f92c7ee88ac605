"""How each kind of item looks: prompts, answers, thinking, calls, checks, notices, questions, and the lines between."""

from collections.abc import Callable

from workbench.protocol.blocks import Image
from workbench.protocol.words import counted, ended
from workbench.tui.safe import parted
from workbench.tui.widgets.blocks import Block, Line, fit, indented, moved, paragraph, shown, width_of, wrap
from workbench.tui.widgets.card import SPINNER, card, spread, took, turn_tag
from workbench.tui.widgets.card_details import picture
from workbench.tui.widgets.markdown import Piece, split
from workbench.tui.widgets.markdown_draw import block as piece_block
from workbench.tui.widgets.transcript_entry import AGENT, BEFORE, HEAD, Entry, Scene

_TOGETHER = {
    ("call", "call"), ("call", "check"), ("call", "notice"), ("thinking", "call"), ("thinking", "answer"),
    ("thinking", "thinking"), ("notice", "notice"), ("runs", "notice"), ("notice", "runs"), (BEFORE, "notice"),
    ("check", "check"), ("question", "question"),
}  # fmt: skip
PROMPT_ROWS, PROMPT_LAST = 12, 3  # rows of a prompt that is not opened, and how many of them are its last ones
_ORIGINS = {"resume": "resumed", "definition": "agent file"}  # the others are called what they are


def build(entry: Entry, above: str, scene: Scene) -> None:
    """Makes the blocks of ENTRY, which stands under one of the kind ABOVE ("": nothing is above it)."""
    entry.above = above
    entry.blocks = _head(entry, scene)
    entry.heads = len(entry.blocks)
    entry.gap = 0 if entry.heads else _space(entry)
    if entry.draft is not None and entry.item.kind == "answer":
        entry.blocks += _tagged(_answer_blocks(entry.draft.pieces, 0, entry, scene), entry, scene)
        entry.tail = {}
        extend(entry, [], scene)
        return
    said = _KINDS.get(entry.item.kind, _other)(entry, scene)
    if said:
        said[0].gap = entry.gap
    entry.blocks += said
    if entry.item.rewound:
        entry.blocks = [moved(one, 0, "muted") for one in entry.blocks]


def extend(entry: Entry, done: list[Piece], scene: Scene) -> None:
    """More pieces of an answer that is being written: DONE will not change any more, what follows them may."""
    draft = entry.draft
    assert draft is not None
    keep = len(entry.blocks) - len(entry.tail)
    pieces = [*done, *draft.tail()]
    fresh = _answer_blocks(pieces, draft.codes, entry, scene, entry.tail)
    if keep == entry.heads and fresh and fresh[0] not in entry.tail.values():
        fresh = _tagged(fresh, entry, scene)
    draft.pieces += done
    draft.codes += sum(piece.kind == "code" and piece.first for piece in done)
    entry.blocks[keep:] = fresh
    entry.tail = {
        (piece.kind, piece.text, piece.gap): block
        for piece, block in zip(pieces[len(done) :], fresh[len(done) :], strict=True)
    }
    if fresh and keep == entry.heads:
        fresh[0].gap = entry.gap


def _head(entry: Entry, scene: Scene) -> list[Block]:
    """The agent's name where it begins to speak, with the turn's; the latter alone where a later turn has words."""
    if entry.item.kind not in AGENT:
        return []
    if entry.above not in (*AGENT, "check", "notice"):
        name = shown(scene.agent) or "agent"
        turn = f"{shown(scene.session)}:{entry.reference}" if scene.session and entry.reference else ""

        def draw(width: int) -> list[Line]:
            tag: Line = [(turn, f"muted-2 ~{turn}")] if turn else []
            return [spread([(fit(name, width), "agent strong")], tag, width)]

        return [Block(draw, gap=int(bool(entry.above)), stop=HEAD)]
    return []


def _space(entry: Entry) -> int:
    """Blank lines above ENTRY: cards stand together, as do notices; words stand apart."""
    return int(bool(entry.above) and (entry.above, entry.item.kind) not in _TOGETHER)


# --- what the agent says -----------------------------------------------------------------------------------


def _answer(entry: Entry, scene: Scene) -> list[Block]:
    made = _tagged(_answer_blocks(split(entry.text), 0, entry, scene), entry, scene)
    if entry.item.cut and "" not in entry.full:
        made.append(Block(lambda width: [[("  ▸ there is more: enter shows it", "muted")]], gap=1))
    return made


def _answer_blocks(
    pieces: list[Piece], codes: int, entry: Entry, scene: Scene, kept: dict[tuple[str, str, int], Block] | None = None
) -> list[Block]:
    """Blocks for PIECES, each fence a stop of its own; CODES of them came before. KEPT ones are taken as they are."""
    made: list[Block] = []
    style = "muted" if entry.item.level == "discarded" else ""
    for piece in pieces:
        codes += piece.kind == "code" and piece.first
        if kept and (block := kept.get((piece.kind, piece.text, piece.gap))):
            made.append(block)
        else:
            made.append(moved(piece_block(piece, scene.highlighter, codes if piece.kind == "code" else 0), 2, style))
    return made


def _tagged(made: list[Block], entry: Entry, scene: Scene) -> list[Block]:
    """MADE, with the name of the turn that begins with it at the right of its first words; code has no room for it."""
    if not made or not entry.begins or entry.heads or made[0].code is not None:
        return made
    first = made[0]

    def draw(width: int) -> list[Line]:
        tag = turn_tag(entry, scene, width)
        rows = first.draw(width - width_of(tag) - 1) if tag else first.draw(width)
        return [spread(rows[0], tag, width), *rows[1:]] if tag and rows else rows

    return [Block(draw, gap=first.gap, stop=first.stop, info=first.info), *made[1:]]


def _thinking(entry: Entry, scene: Scene) -> list[Block]:
    live = entry.draft is not None
    is_open = bool(entry.opened) != scene.thinking

    def line(width: int) -> list[Line]:
        seconds = entry.draft.last - entry.draft.began if entry.draft else entry.seconds
        word = "thinking" if live else "thought"
        length = took(seconds) if seconds >= 1 else ""
        mark = SPINNER[scene.frame % len(SPINNER)] if live and scene.frame is not None else "▾" if is_open else "▸"
        words = f"{word} {'for ' if length and not live else ''}{length}".strip()
        return [spread([("  ", ""), (f"{mark} {words}", "muted")], turn_tag(entry, scene, width), width)]

    made = [Block(line)]
    if is_open:
        made += [Block(_thought(piece.text), gap=piece.gap) for piece in split(entry.text.strip())]
    return made


def _thought(part: str) -> Callable[[int], list[Line]]:
    return lambda width: indented(paragraph(part, "muted em", width - 4), 4)


# --- what people say -----------------------------------------------------------------------------------------


def _prompt(entry: Entry, scene: Scene) -> list[Block]:
    item = entry.item
    person = item.origin in ("", "person", "answer")
    who = ("you" if item.by in ("", scene.user) else item.by) if person else _ORIGINS.get(item.origin, item.origin)
    label: Line = [(f"{fit(shown(who), 24)}  ", "strong" if person else "muted")]
    most = 0 if entry.opened else PROMPT_ROWS if item.origin != "memory" else 1

    def draw(width: int) -> list[Line]:
        text, style = parted(entry.text.rstrip("\n")), "" if person else "muted"
        rows = paragraph(text, style, width, first=label, most=most + 1 if most else 0)
        if not most or len(rows) <= most:
            return rows
        indent = width_of(label)
        # What a person says of a long paste often stands behind it.
        last = [] if item.cut or most == 1 else _last_rows(text, style, width - indent)
        left = text.count("\n") + 1 - most
        more: Line = [(f"▸ {counted(left, 'more line')}" if left > 0 else "▸ more", "muted")]
        return [*rows[: most - len(last)], *indented([more, *last], indent)]

    pictures = [one for image in item.display if isinstance(image, Image) for one in picture(image, entry)]
    return [Block(draw), *(moved(one, width_of(label)) for one in pictures)]


def _last_rows(text: str, style: str, width: int) -> list[Line]:
    """The last rows of a long TEXT: as much of its last line as PROMPT_LAST rows hold."""
    line = text[text.rfind("\n", -PROMPT_LAST * max(1, width), len(text)) + 1 :][-PROMPT_LAST * max(1, width) :]
    return paragraph(line, style, max(1, width))[-PROMPT_LAST:]


def _question(entry: Entry, scene: Scene) -> list[Block]:
    item = entry.item

    def draw(width: int) -> list[Line]:
        rows = paragraph(item.text, "strong", width, first=[("? ", "warning")])
        for option in item.target.splitlines():
            rows += paragraph(option, "", width, first=[("  · ", "muted")])
        if item.reason:
            rows += paragraph(f"recommended: {item.reason}", "muted", width, first=[("  ", "")])
        return rows

    return [Block(draw)]


# --- what happens -----------------------------------------------------------------------------------------


def _check(entry: Entry, scene: Scene) -> list[Block]:
    item = entry.item
    good = item.exit_code == 0

    def draw(width: int) -> list[Line]:
        end = "passed" if good else "ran out of time" if item.exit_code == 124 else f"exit {item.exit_code}"
        line: Line = [("  ", ""), ("✓ " if good else "✗ ", "ok" if good else "error"), ("Check  ", "strong")]
        command = " ".join(shown(item.text.replace("\n", " ⏎ ")).split())
        command = fit(command, width - width_of(line) - len(end) - 2)
        space = width - width_of(line) - width_of([(command, "")]) - len(end)
        rows = [[*line, (command + " " * space, ""), (end, "muted" if good else "error")]]
        if entry.opened or not good:
            output = item.reason.strip().split("\n")
            shown_rows = output if entry.opened else output[-3:]
            rows += [row for one in shown_rows for row in indented(wrap([(shown(one), "muted")], width - 4), 4) if one]
        return rows

    return [Block(draw)]


def _notice(entry: Entry, scene: Scene) -> list[Block]:
    sign, style = {"error": ("✗ ", "error"), "warning": ("! ", "warning")}.get(entry.item.level, ("· ", "muted"))
    most = 0 if entry.opened else 6
    words = "muted" if style == "muted" else ""
    return [
        Block(lambda width: paragraph(entry.text.strip(), words, width, first=[("  ", ""), (sign, style)], most=most))
    ]


def _rule(words: Callable[[Entry], str], style: str = "muted") -> Callable[[Entry, Scene], list[Block]]:
    """A line across, with WORDS; open, the item's text follows."""

    def blocks(entry: Entry, scene: Scene) -> list[Block]:
        def draw(width: int) -> list[Line]:
            text = fit(shown(words(entry)), width - 8)
            line: Line = [("── ", "muted-2"), (text, style), (" ", "")]
            rows: list[Line] = [[*line, ("─" * max(0, width - width_of(line)), "muted-2")]]
            return rows + (
                indented(paragraph(entry.text, "muted", width - 2), 2) if entry.opened and entry.text else []
            )

        return [Block(draw)]

    return blocks


def _compaction(entry: Entry) -> str:
    return "history shortened" + ("" if entry.opened else " · enter shows the summary")


def _rewind(entry: Entry) -> str:
    by = f" · {entry.item.by}" if entry.item.by else ""
    return f"⟲ {entry.item.target or 'rewound'}{by}"


def _runs(entry: Entry, scene: Scene) -> list[Block]:
    """What the agent was told of runs: one line; open, the message as it was given."""
    sign, style = ("! ", "warning") if entry.item.level == "warning" else ("· ", "muted")

    def draw(width: int) -> list[Line]:
        hint = "" if entry.opened else " · enter shows it"
        words = fit(shown(f"the agent was told: {entry.item.target}"), width - 4 - len(hint))
        rows: list[Line] = [[("  ", ""), (sign, style), (words, ""), (hint, "muted-2")]]
        return rows + (indented(paragraph(entry.text, "muted", width - 4), 4) if entry.opened else [])

    return [Block(draw)]


def _shell(entry: Entry, scene: Scene) -> list[Block]:
    """A person's own command: `!` and its end."""
    item = entry.item
    good = item.exit_code == 0

    def draw(width: int) -> list[Line]:
        end = "" if good else f"exit {item.exit_code}" if item.exit_code is not None else "stopped"
        first = fit(" ".join(shown(item.target.replace("\n", " ⏎ ")).split()), width - 4 - len(end))
        line: Line = [("! ", "agent"), (first, "strong"), ("  ", ""), (end, "error")]
        rows: list[Line] = [spread(line, [("not sent to the agent", "muted-2")], width)]
        output = item.text.rstrip("\n").split("\n") if item.text.strip() else []
        most = 5_000 if entry.opened else 8
        if len(output) > most:
            rows.append([(f"  … {counted(len(output) - most, 'line')} before", "muted")])
        return rows + [row for one in output[-most:] for row in indented(wrap([(shown(one), "muted")], width - 2), 2)]

    return [Block(draw)]


def _end(entry: Entry, scene: Scene) -> list[Block]:
    item = entry.item
    good = item.text == "success"

    def draw(width: int) -> list[Line]:
        if item.text == "error_retryable":  # left, told to stop, or the service was out of reach: nothing was lost
            return [[("■ ", "muted"), ("the session stopped here; it can go on", "muted")]]
        code = f" · exit {item.exit_code}" if item.exit_code else ""
        words = fit(shown(ended(item.text)), width - 20)
        sign = ("✓ ", "ok") if good else ("■ ", "error")
        head: Line = [sign, (f"session ended: {words}", "strong" if good else ""), (code, "muted")]
        return [head, *(indented(paragraph(item.reason, "muted", width - 2), 2) if item.reason else [])]

    return [Block(draw)]


def _other(entry: Entry, scene: Scene) -> list[Block]:
    item = entry.item
    return [
        Block(lambda width: paragraph(f"{item.kind} {item.text}".strip(), "muted", width, first=[("  · ", "muted")]))
    ]


def _said(entry: Entry, scene: Scene) -> list[Block]:
    """Words among the people, of which the agent knows nothing; a suggestion waits above the prompt as well."""
    item = entry.item
    suggests = item.kind == "suggestion"
    about = f" about {item.target}" if item.target else ""
    who, verb = ("you", "suggest") if item.by == scene.user else (item.by, "suggests")
    label: Line = [(f"{fit(shown(who), 24)}", "strong"), (f" {verb}{shown(about)}" if suggests else "", "muted")]
    most = 0 if entry.opened else PROMPT_ROWS

    def draw(width: int) -> list[Line]:
        tag: Line = [] if suggests else [("not sent to the agent", "muted-2")]
        head = spread([("· ", "muted"), *label], tag, width)
        return [head, *indented(paragraph(parted(entry.text.rstrip("\n")), "", width - 2, most=most), 2)]

    return [Block(draw)]


_KINDS: dict[str, Callable[[Entry, Scene], list[Block]]] = {
    "answer": _answer,
    "thinking": _thinking,
    "call": card,
    "prompt": _prompt,
    "question": _question,
    "check": _check,
    "notice": _notice,
    "compaction": _rule(_compaction),
    "rewind": _rule(_rewind),
    "runs": _runs,
    "shell": _shell,
    "said": _said,
    "suggestion": _said,
    "end": _end,
}
