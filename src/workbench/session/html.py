"""A session as one page of HTML that stands alone: no network, no script, folding by <details>.

What people, the model and tools said is escaped, its control characters made visible; a policy in the page's head
forbids all that is not the page's own: https://www.w3.org/TR/CSP3/
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

from workbench.protocol import blocks
from workbench.protocol import events as e
from workbench.protocol.fold import apply
from workbench.protocol.result import FileChange, Result
from workbench.protocol.state import SessionState
from workbench.protocol.visible import visible
from workbench.session.blobs import BlobError, Blobs
from workbench.session.brief_steps import verdicts_of
from workbench.session.html_markdown import markdown
from workbench.session.html_runs import figures
from workbench.session.html_style import STYLE
from workbench.session.journal import Reader
from workbench.session.transcript import VERDICTS, content_of, moment, one_line, paragraphs

_TEXT = 20_000  # characters of one output
_LINES = 1_000  # of one diff
_PICTURE = 2 << 20  # bytes of one picture
_PICTURES = 16 << 20  # and of all
_KINDS = ("image/png", "image/jpeg", "image/gif", "image/webp")


def page(folder: Path, thinking: bool = False) -> Iterator[str]:
    """The page of the session in FOLDER, in pieces. With THINKING the model's is on it. Raises JournalError."""
    with Reader(folder) as journal:
        told = _Told(journal)
        yield _head(told)
        yield from _summary(told)
        writer = _Writer(Blobs(folder / "blobs"), thinking, told.state.workspace)
        for envelope in journal.read():
            yield from writer.event(envelope)
        yield from writer.open_calls()
        yield from _close(told)


def text(words: str) -> str:
    """WORDS as they are, safe to stand between tags or in an attribute, and turning no other words around."""
    return f"<bdi>{_safe(words)}</bdi>"


def _safe(words: str) -> str:
    return escape(visible(words, newlines=True))


class _Told:
    """What the head of the page says of the whole session: its state, its end, its runs."""

    def __init__(self, journal: Reader) -> None:
        self.state, self.result = SessionState(), Result(subtype="", is_error=False, session_id=journal.session)
        self.title, self.runs = "", dict[str, str]()
        for envelope in journal.read():
            apply(self.state, envelope)
            event = envelope.event
            if isinstance(event, e.SessionStarted):
                lines = (line.strip("# \t") for line in event.task.prompt.splitlines())
                self.title = next(filter(None, lines), "")
            elif isinstance(event, e.SessionEnded):
                self.result = event.result
            elif isinstance(event, e.PromptSubmitted) and event.origin == "person":
                self.title = self.title or one_line(event.text, 100)
            elif isinstance(event, e.RunLinked):
                self.runs.setdefault(event.run, "")
            elif isinstance(event, e.RunsTold):
                verdicts = verdicts_of(event.text, [one.run for one in event.runs])
                for one in event.runs:
                    judged = " ".join(verdicts.get(one.run, ()))
                    went = ", ".join(filter(None, (one.status, *one.alerts)))
                    self.runs[one.run] = "; ".join(filter(None, (went, judged)))
        self.title = self.state.title or self.title or "A session"


def _head(told: _Told) -> str:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="generator" content="mlwb">\n'
        f"<title>{_safe(one_line(told.title, 100))}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
    )


def _summary(told: _Told) -> Iterator[str]:
    from workbench.session.summary import verdict

    state, ended = told.state, told.state.end is not None
    yield f"<header><h1>{text(told.title)}</h1>\n"
    words = verdict(told.result).replace("**", "") if ended else f"It has not ended: {_goes_on(state)}."
    tone = "good" if ended and told.result.verified else "warn" if ended else "quiet"
    yield f'<p class="verdict {tone}">{text(words)}</p>\n<dl>'
    cost = "unknown" if state.cost_usd is None else f"${state.cost_usd:.4f}"
    branch = f", branch {state.branch}" if state.branch else ""
    facts = (
        ("Session", f"{state.session}, begun {moment(state.started)} by {state.user} on {state.host}"),
        ("Workspace", f"{state.workspace}{branch}"),
        ("Agent and model", f"{state.agent}, {state.model}, mode {state.mode}"),
        ("Used", f"{state.turns} turns, {state.usage.total:,} tokens, {cost}"),
        ("Ended", f"{state.end}, {moment(state.updated)}" if ended else ""),
    )
    yield from (f"<dt>{name}</dt><dd>{text(value)}</dd>" for name, value in facts if value)
    yield "</dl></header>\n"
    changes = told.result.files_changed if ended else []
    changed = [(change.path, f"{change.change}{_counts(change)}") for change in changes]
    changed = changed or [(path.removeprefix(f"{state.workspace}/"), "") for path in state.files]
    if changed:
        yield "<h2>Changed files</h2><ul>"
        yield from (f"<li><code>{_safe(path)}</code> {text(words)}</li>" for path, words in changed)
        yield "</ul>\n"
    if told.runs:
        yield '<h2>Runs</h2><div class="runs">'
        yield from figures(Path(state.workspace), state.session, told.runs)
        yield "</div>\n"
    yield "<h2>The session</h2>\n"


def _goes_on(state: SessionState) -> str:
    """What it does, or waits for."""
    waits = {"done": "the agent is done and waits for words", "interrupted": "it was interrupted"}
    return waits.get(state.waiting, state.waiting) or state.phase


def _counts(change: FileChange) -> str:
    return "" if change.added is None else f" +{change.added} -{change.removed or 0}"


def _close(told: _Told) -> Iterator[str]:
    if told.state.todos:
        yield f"<h2>To do</h2>{_todos(told.state.todos)}"
    yield '<footer class="quiet">Made by mlwb from the journal of the session. Nothing on this page runs or loads.'
    yield "</footer>\n</body>\n</html>\n"


def _todos(todos: tuple[blocks.Todo, ...]) -> str:
    signs = {"completed": "☑", "in_progress": "▶"}
    return "<ul>" + "".join(f"<li>{signs.get(one.status, '☐')} {text(one.content)}</li>" for one in todos) + "</ul>"


class _Writer:
    """Writes one event after the other; remembers the calls that have a verdict and no result yet."""

    def __init__(self, blobs: Blobs, thinking: bool, workspace: str) -> None:
        self._blobs, self._thinking, self._workspace = blobs, thinking, workspace
        self._calls: dict[str, e.CallDecided] = {}
        self._room = _PICTURES
        self._steps: dict[type, Callable[[e.Envelope, Any], Iterator[str]]] = {
            e.PromptSubmitted: self._prompt,
            e.AnswerCompleted: self._answer,
            e.CallFinished: self._finished,
            e.ShellRan: self._ran,
            e.RunsTold: self._runs,
            e.SessionResumed: self._resumed,
            e.SessionEnded: self._ended,
        }

    def event(self, envelope: e.Envelope) -> Iterator[str]:
        """The HTML of one event."""
        event = envelope.event
        if isinstance(event, e.CallDecided):
            self._calls[event.call_id] = event
        elif step := self._steps.get(type(event)):
            yield from step(envelope, event)
        elif isinstance(event, e.RequestStarted):
            yield from self.open_calls()
        elif not isinstance(event, e.TodosChanged):  # the list as it stands last is at the end
            for words in paragraphs(event):
                yield f'<div class="note md">{markdown(words)}</div>\n'

    def open_calls(self) -> Iterator[str]:
        """Calls that never got a result."""
        for decided in self._calls.values():
            target = _safe(one_line(decided.target))
            yield f'<p class="note"><b>{_safe(decided.tool)}</b> <code>{target}</code> no result</p>'
        self._calls = {}

    def _prompt(self, envelope: e.Envelope, event: e.PromptSubmitted) -> Iterator[str]:
        kind = "prompt" if event.origin in ("task", "person", "answer") else "told"
        who = f"<b>{text(event.by)}</b> {text(event.origin)} {_time(envelope.at)}"
        yield f'<div class="{kind}"><p class="who">{who}</p>'
        if kind == "told":
            yield f"<details><summary>{text(one_line(event.text, 100))}</summary>"
        yield f'<div class="md">{markdown(event.text)}</div>'
        for block in event.content:
            source = block.get("source") if block.get("type") == "image" else None
            if isinstance(source, dict):
                yield self._picture(str(source.get("media_type")), _decoded(source.get("data")))
        yield f"{'</details>' if kind == 'told' else ''}</div>\n"

    def _answer(self, envelope: e.Envelope, event: e.AnswerCompleted) -> Iterator[str]:
        cost = f" ${event.cost_usd:.4f}" if event.cost_usd else ""
        yield f'<section id="t{event.turn}"><p class="who"><b>Turn {event.turn}</b> {_time(envelope.at)}{cost}</p>'
        content, whole = content_of(event, self._blobs)
        if not whole:
            yield '<p class="warn">The whole of this answer is not there any more.</p>'
        for block in content:
            words = str(block.get("thinking" if block.get("type") == "thinking" else "text") or "")
            if block.get("type") == "text" and words.strip():
                yield f'<div class="md">{markdown(words)}</div>'
            elif block.get("type") == "thinking" and words.strip() and self._thinking:
                yield '<details><summary class="quiet">thinking</summary>'
                yield f'<div class="md">{markdown(words)}</div></details>'
        yield "</section>\n"

    def _finished(self, envelope: e.Envelope, event: e.CallFinished) -> Iterator[str]:
        decided = self._calls.pop(event.call_id, None)
        if event.tool == "TodoWrite" and event.status == "ok":
            return
        target = f" <code>{_safe(one_line(self._near(decided.target), 160))}</code>" if decided else ""
        took = f" in {event.duration_ms / 1000:.1f} s" if event.duration_ms >= 100 else ""
        tone = "quiet" if event.status == "ok" and not _failed(event.display) else "bad"
        summary = f": {one_line(event.summary, 120)}" if event.summary else ""
        yield f"<details><summary><b>{_safe(event.tool)}</b>{target} "
        yield f'<span class="{tone}">{text(event.status + took + summary)}</span></summary>'
        if decided:
            yield f'<p class="quiet">{text(_verdict(decided))}</p>'
            if "\n" in decided.target or len(decided.target) > 160:
                yield f"<pre>{_cut(decided.target)}</pre>"
        for block in event.display:
            yield self._block(block)
        yield "</details>\n"

    def _near(self, target: str) -> str:
        """TARGET as seen from the workspace."""
        return target.removeprefix(f"{self._workspace}/") if self._workspace else target

    def _block(self, block: blocks.DisplayBlock) -> str:
        match block:
            case blocks.Diff(path=path, added=added, removed=removed):
                return (
                    f'<p class="who"><code>{_safe(self._near(path))}</code> +{added} -{removed}</p>{_diff(block.text)}'
                )
            case blocks.Output(text=words, exit_code=code, signal=number):
                end = f"signal {number}" if number is not None else f"exit {code}" if code is not None else ""
                return f'<pre>{_cut(words)}</pre><p class="quiet">{end}</p>'
            case blocks.Code(path=path, text=words):
                return f'<p class="who"><code>{_safe(path)}</code></p><pre>{_cut(words)}</pre>'
            case blocks.Listing(lines=lines, total=total):
                return f'<pre>{_cut(chr(10).join(lines))}</pre><p class="quiet">{total:,} in all</p>'
            case blocks.Image(media_type=kind, blob=blob):
                return self._picture(kind, self._bytes(blob))
            case blocks.Todos(todos=todos):
                return _todos(todos)
            case blocks.Text(text=words):
                return f"<pre>{_cut(words)}</pre>"

    def _bytes(self, blob: str) -> bytes:
        try:
            return self._blobs.get(blob, 0, _PICTURE + 1)
        except (BlobError, OSError):
            return b""

    def _picture(self, kind: str, data: bytes) -> str:
        """The picture within the page; in words where it is none, too large, or one too many."""
        if kind not in _KINDS or not data or len(data) > min(_PICTURE, self._room):
            return f'<p class="away">[a picture, {text(kind)}: not on this page]</p>'
        self._room -= len(data)
        return f'<p><img alt="a picture" src="data:{kind};base64,{base64.b64encode(data).decode()}"></p>'

    def _ran(self, envelope: e.Envelope, event: e.ShellRan) -> Iterator[str]:
        end = "" if event.exit_code is None else f" exit {event.exit_code}"
        yield f"<details><summary><b>{text(event.by)}</b> ran <code>{_safe(one_line(event.command, 160))}</code>{end}"
        yield f"</summary><pre>{_cut(event.output)}</pre></details>\n"

    def _runs(self, envelope: e.Envelope, event: e.RunsTold) -> Iterator[str]:
        from workbench.protocol.items import runs_line

        if event.text:
            yield f'<details><summary class="quiet">told to the agent: {text(runs_line(event))}</summary>'
            yield f"<pre>{_cut(event.text)}</pre></details>\n"

    def _resumed(self, envelope: e.Envelope, event: e.SessionResumed) -> Iterator[str]:
        yield from self.open_calls()
        words = f"resumed by {event.user} on {event.host}, mode {event.mode}"
        yield f'<p class="note quiet">{text(words)} {_time(envelope.at)}</p>\n'

    def _ended(self, envelope: e.Envelope, event: e.SessionEnded) -> Iterator[str]:
        yield from self.open_calls()
        result = event.result
        words = f"End: {result.subtype}, exit code {result.exit_code}"
        yield f'<section><p class="who"><b>{text(words)}</b> {_time(envelope.at)}</p><ul>'
        yield from (f'<li class="bad">{text(error)}</li>' for error in result.errors)
        yield "</ul></section>\n"


def _verdict(decided: e.CallDecided) -> str:
    by = f" by {decided.by}" if decided.by else ""
    rule = f", rule {decided.rule}" if decided.rule else ""
    reason = f": {decided.reason}" if decided.reason and decided.verdict != "allow" else ""
    return f"{VERDICTS.get(decided.verdict, 'judged')}{by}{rule}{reason}"


def _failed(display: tuple[blocks.DisplayBlock, ...]) -> bool:
    return any(isinstance(block, blocks.Output) and (block.exit_code or block.signal) for block in display)


def _decoded(data: Any) -> bytes:
    try:
        return base64.b64decode(data, validate=True) if isinstance(data, str) else b""
    except ValueError:
        return b""


def _diff(diff: str) -> str:
    """Lines with their signs, coloured: who sees no colour reads the signs."""
    lines = diff.split("\n")
    drawn = []
    for line in lines[:_LINES]:
        kind = "at" if line.startswith(("@@", "---", "+++")) else {"+": "a", "-": "d"}.get(line[:1], "")
        drawn.append(f'<span class="{kind}">{_safe(line)}</span>' if kind else f"<span>{_safe(line)}</span>")
    if len(lines) > _LINES:
        drawn.append(f'<span class="at">… {len(lines) - _LINES:,} more lines</span>')
    return f'<pre class="diff">{"".join(drawn)}</pre>'


def _cut(words: str) -> str:
    """WORDS; of very long ones the beginning and the end."""
    if len(words) <= _TEXT:
        return _safe(words)
    half = _TEXT // 2
    return f"{_safe(words[:half])}\n… {len(words) - _TEXT:,} characters …\n{_safe(words[-half:])}"


def _time(at: float) -> str:
    return f'<time datetime="{moment(at)}">{moment(at).replace("T", " ").removesuffix("Z")} UTC</time>'
