"""Nothing untrusted reaches the terminal raw: every widget of the workbench, with hostile text in every field."""

import asyncio
import importlib
import pkgutil
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from rich.segment import Segment
from textual import events
from textual.app import App
from textual.geometry import Region
from textual.widget import Widget

import workbench.tui
from support.panes import Bench, card, process, sample
from support.sample_events import answer, result, started
from support.screens import rows_of
from support.workbench import FakeOpener, playing, until
from workbench.protocol import blocks
from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.protocol.brief import BriefRow, BriefSection
from workbench.protocol.result import CheckResult, FileChange, Option, Question
from workbench.tui.app import PARTS
from workbench.tui.opening import (
    AgentRow,
    AuditRows,
    CallRow,
    FindingRow,
    ModelRow,
    NotOpenedError,
    SessionRow,
    StandingRow,
)
from workbench.tui.widgets.prompt import Prompt

LINE = (
    "H\x1b]52;c;QUJD\x07\x1b[2J\x9b31m\x90q\x85\x00\x7f\x1b_Ga=T;AAAA\x1b\\\u202eabc\u2066x\u200b\u200f\u061c\ufeff"
    "\u2028\U000e0041\ufe0f\ufe0f\r[bold red]m[/bold red][/nope][@click=app.quit]q[/][link=http://evil.example]l[/link]"
)
LINES = f"{LINE}\n\tnext {LINE}"
MARKDOWN = (
    f"# {LINE}\n\n- {LINE}\n\n> {LINE}\n\n| {LINE} | b |\n|---|---|\n| `{LINE}` | c |\n\n```py\n{LINES}\n```\n\n{LINES}"
)
DIFF = f"--- a/{LINE}\n+++ b/{LINE}\n@@ -1,2 +1,2 @@ {LINE}\n {LINE}\n-{LINE}\n+{LINE} new\n"

FORBIDDEN = {*range(0x20), *range(0x7F, 0xA0), 0x61C, 0xFEFF, 0xE0041, *range(0x200B, 0x2010), *range(0x2028, 0x202F)}
FORBIDDEN |= set(range(0x2066, 0x206A))


def strange(text: str) -> list[str]:
    return [
        f"U+{ord(c):04X}" for c in text if ord(c) in FORBIDDEN or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")
    ]


def check(app: App[Any]) -> str:
    """Looks at every segment of the screen; the text that is on it."""
    shown = []
    for row in rows_of(app):
        for segment in row:
            assert not strange(segment.text), (strange(segment.text), segment.text)
            check_style(segment)
        shown.append("".join(segment.text for segment in row))
    return "\n".join(shown)


def check_style(segment: Segment) -> None:
    style = segment.style
    if style is not None:
        assert "evil" not in (style.link or ""), "a link was made of markup"
        assert "app.quit" not in str(style.meta), "an action was made of markup"


def met(app: App[Any]) -> set[type]:
    """The types of all that is mounted, bases included."""
    return {
        kind
        for screen in app.screen_stack
        for one in screen.walk_children(with_self=True)
        for kind in type(one).__mro__
    }


def every() -> set[type]:
    """Every type of widget that the workbench defines."""
    for module in pkgutil.walk_packages(workbench.tui.__path__, "workbench.tui."):
        importlib.import_module(module.name)
    found: set[type] = set()
    todo: list[type] = [Widget]
    while todo:
        for kind in todo.pop().__subclasses__():
            todo.append(kind)
            if kind.__module__.startswith("workbench.tui."):
                found.add(kind)
    return found


def happened() -> Iterator[Any]:
    """A session in which every text that can be anything is hostile."""
    yield started(
        agent_in_place_of=LINE,
        sandbox=LINE,
        title=LINE,
        agent=LINE,
        model=LINE,
        workspace=f"/w/{LINE}",
        branch=LINE,
        host=LINE,
        user=LINE,
    )
    yield e.Notice(level="error", text=LINES, about=LINE)
    yield e.RunsTold(runs=(e.Heard(run=LINE, status=LINE, alerts=(LINE,)),), text=LINES)
    yield e.PromptSubmitted(text=LINES, origin="person", by=LINE)
    yield e.PromptSubmitted(text=LINES, origin="check", by=LINE)
    yield e.RequestStarted(turn=1, model=LINE)
    yield e.RequestRetried(turn=1, attempt=1, delay_s=0.1, reason=LINES)
    shown: list[tuple[blocks.DisplayBlock, ...]] = [
        (blocks.Output(text=LINES, exit_code=1, path=LINE),),
        (blocks.Code(path=LINE, text=LINES),),
        (blocks.Diff(path=LINE, text=DIFF, added=1, removed=1),),
        (blocks.Listing(lines=(LINE, LINE), total=2),),
        (blocks.Text(text=LINES),),
        (blocks.Image(media_type=LINE, blob="0" * 64),),
        (blocks.Todos(todos=(blocks.Todo(content=LINE, status=LINE, active_form=LINE),)),),
    ]
    tools = ["Bash", "Read", "Edit", "Grep", "LS", LINE, "TodoWrite"]
    uses = [
        {"type": "tool_use", "id": f"c{n}", "name": tool, "input": {"command": LINES, "file_path": LINE, LINE: LINE}}
        for n, tool in enumerate(tools)
    ]
    yield e.TextDelta(turn=1, index=0, text=MARKDOWN)
    yield e.ThinkingDelta(turn=1, index=1, text=LINES)
    yield e.CallDelta(turn=1, index=2, call_id="c0", name=LINE, text='{"command": "' + LINE)
    yield answer(
        1,
        {"type": "thinking", "thinking": LINES, "signature": "s"},
        {"type": "text", "text": MARKDOWN},
        *uses,
        model=LINE,
    )
    for n, (tool, display) in enumerate(zip(tools, shown, strict=True)):
        given = uses[n]["input"]
        verdict = "deny" if n == 4 else "allow"
        yield e.CallDecided(
            call_id=f"c{n}", tool=tool, input=given, target=LINE, verdict=verdict, rule=LINE, reason=LINES, by=LINE
        )
        yield e.CallStarted(call_id=f"c{n}", turn=1)
        yield e.CallProgress(call_id=f"c{n}", text=LINES)
        status = ("error", "ok", "ok", "ok", "denied", LINE, "cancelled")[n]
        content = ({"type": "text", "text": LINES},)
        yield e.CallFinished(
            call_id=f"c{n}", tool=tool, status=status, summary=LINE, display=display, content=content, changed=(LINE,)
        )
    yield e.TodosChanged(todos=(blocks.Todo(content=LINE, status="in_progress", active_form=LINE),))
    yield e.ShellStarted(shell_id=LINE, call_id="c0", command=LINES, pid=1, path=LINE)
    yield e.ShellRan(command=LINES, output=LINES, exit_code=1, by=LINE, path=LINE)
    yield e.CheckFinished(check=CheckResult(command=LINE, exit_code=1, output=LINES), attempt=1)
    yield e.Compacted(summary=LINES, messages=(), tokens_before=1, usage=answer(1).usage)
    yield e.RunLinked(run=LINE)
    yield e.Said(text=LINES, by=LINE)
    yield e.Suggested(suggestion=LINE, text=LINES, by=LINE, path=LINE)
    yield e.WheelPassed(to=LINE, by=LINE, why=LINES)
    yield e.WheelAsked(by=LINE)
    yield e.Shared(share=LINE, who=(LINE,), role=LINE, by=LINE, until=1e9)
    yield e.Presence(people=(e.Person(client=LINE, user=LINE, role=LINE), e.Person(client="c", user="li", role=LINE)),
                     driver=LINE)  # fmt: skip
    yield e.Unknown(name=LINE, data={LINE: LINE})


def asked() -> Iterator[Any]:
    """What waits for a person."""
    for tool, display in (("Bash", ()), ("Edit", (blocks.Diff(path=LINE, text=DIFF, added=1, removed=1),)), (LINE, ())):
        yield e.ApprovalRequested(
            request_id=f"a-{tool}", call_id="c9", tool=tool, input={"command": LINES, "file_path": LINE, LINE: [LINE]},
            rule=LINE, reason=LINES, digest="d", suggestion=LINE, cwd=LINE, display=display, sandbox=LINE,
        )  # fmt: skip


def hostile_runs() -> tuple[q.RunRow, ...]:
    """A run in each state, two of them in a group, whose every word is somebody else's."""
    metrics = {LINE: q.RunMetric(last=1.0, best=None, step=2, count=3, goal=LINE)}
    alerts = (q.RunAlert(kind=LINE, at=0.0, text=LINES, step=2),)
    return tuple(
        q.RunRow(id=f"{LINE}{n}", name=LINE, status=status, command=LINES, why=LINES, group=LINE if n < 2 else "",
                 session=LINE, against=f"{LINE}1", gpus=(LINE,), tags=(LINE,), note=LINES, metrics=metrics,
                 alerts=alerts)
        for n, status in enumerate(("running", "finished", "failed", "queued", "stopped", LINE))
    )  # fmt: skip


async def pages(query: Any) -> Any:
    """Hostile answers to whatever is asked."""
    if isinstance(query, q.ChangedFiles):
        return q.Changes(files=(FileChange(path=LINE, change="modified", added=1, removed=1),), notes=(LINES,))
    if isinstance(query, q.DiffPage):
        return q.Diff(lines=tuple(DIFF.split("\n")[:-1]), total=6)
    if isinstance(query, q.FindFiles):
        return q.Paths(paths=(LINE, f"{LINE}/x"), total=2)
    if isinstance(query, q.ItemsBefore):
        return q.Items(items=(), more=False)
    if isinstance(query, q.ListRuns):
        return q.Runs(rows=hostile_runs(), stamp="1", notes=(LINES,))
    if isinstance(query, q.SeriesPage):
        return q.Series(points=((0.0, 1.0), (1.0, None), (2.0, 3.0)), total=3, first=0.0, last=2.0)
    if isinstance(query, q.RunLogPage):
        return q.RunLog(lines=(LINE, LINE), first=0, total=2)
    if isinstance(query, q.RunChangesPage):
        config = tuple(q.ConfigChange(key=LINE, before=LINES, after=LINE, kind=kind) for kind in ("config", "command"))
        return q.RunChanges(
            against=LINE, verdict=LINE, words=(LINES,), config=config, diff=tuple(DIFF.split("\n")), notes=(LINES,),
            crash=((LINE, LINES), ("", LINE)),
        )  # fmt: skip
    if isinstance(query, q.InForce):
        rules = tuple(q.RuleInForce(kind=kind, rule=LINES, source=LINE) for kind in ("deny", "allow", LINE))
        return q.Holding(rules=rules, sandbox=LINE, network="allowlist", domains=(LINE,), caches=(LINE,))
    if isinstance(query, q.BriefSince):
        told = tuple(BriefRow(text=LINES, note=LINES, kind=kind) for kind in ("decide", "bad", LINE))
        return q.Brief(heading=LINES, sections=(BriefSection(heading=LINE, rows=told, more=2),), phrases=(LINES,))
    return q.Blob(data=LINES.encode("utf-8", "backslashreplace"), total=len(LINES.encode("utf-8", "backslashreplace")))


class HostileOpener(FakeOpener):
    """Lists that somebody else filled."""

    def branch(self) -> str | None:
        return LINE

    async def sessions(self) -> list[SessionRow]:
        return [
            SessionRow(id=f"s-{n}", title=LINE, workspace=LINE, state=state, agent=LINE, model=LINE, subtype=LINE)
            for n, state in enumerate(("live", "resumable", LINE))
        ]

    async def agents(self) -> list[AgentRow]:
        return [AgentRow(name=LINE, description=LINES, source=LINE)]

    async def models(self) -> list[ModelRow]:
        return [ModelRow(id=LINE, aliases=(LINE,), window=1)]

    async def audit(self, session: str) -> AuditRows:
        call = CallRow(seq=1, at=0.0, turn=1, tool=LINE, target=LINES, verdict=LINE, rule=LINE, reason=LINES, by=LINE,
                       sandbox=LINE, status=LINE, files_changed=(LINE,))  # fmt: skip
        return AuditRows(calls=(call,), remarks=(LINES,), damaged=(LINES,))

    async def findings(self) -> Any:
        yield FindingRow(name=LINE, ok=False, detail=LINES, fix=LINES)

    async def standing(self, workspace: str) -> StandingRow:
        return StandingRow(workspace=f"/w/{LINE}", brings=((LINE, f"allow {LINES}"),), changed=DIFF, digest="d")


def in_workbench(play: Callable[..., Any], workspace: Any, size: tuple[int, int] = (110, 60)) -> set[type]:
    """PLAY(pilot, opener) in the real workbench, with hostile events behind it; the types of widgets that were met."""
    seen: set[type] = set()

    async def begin(pilot: Any, opener: Any) -> None:
        opener.__class__ = HostileOpener
        opener.client.query = pages
        opener.client.give(*happened())
        await until(pilot, lambda: pilot.app.state.runs)
        await pilot.pause(0.1)

        async def look() -> None:
            await pilot.pause(0.02)
            check(pilot.app)
            seen.update(met(pilot.app))

        await look()
        await play(pilot, opener, look)

    playing(begin, workspace, size=size, parts=dict(PARTS))
    return seen


# --- scenes ------------------------------------------------------------------------------------------------------


async def whole_talk(pilot: Any, opener: Any, look: Any) -> None:
    """Every item and every card, also opened, from the last to the first."""
    for action in ("talk", "thinking", *["item_previous", "open_card"] * 12, "to_start", "search"):
        pilot.app.do(action)
        if action != "item_previous":
            await look()
    pilot.app.post_message(events.Paste(LINE))
    await look()


async def narrow(pilot: Any, opener: Any, look: Any) -> None:
    """The same with hardly any room."""
    for width, height in ((60, 40), (36, 20), (170, 50)):
        await pilot.resize_terminal(width, height)
        await look()


async def approvals(pilot: Any, opener: Any, look: Any) -> None:
    """Questions before calls, one after another, and what a reference opens."""
    opener.client.give(*asked())
    await until(pilot, lambda: len(pilot.app.state.approvals) == 3)
    await look()
    for request in list(pilot.app.state.approvals):
        opener.client.give(e.ApprovalResolved(request_id=request, decision="no", by=LINE, reason=LINES))
        await look()


async def questions(pilot: Any, opener: Any, look: Any) -> None:
    """Decisions for a person; then the end."""
    one = Question(question=LINES, options=(Option(label=LINE, cost=LINE),), recommendation=LINES)
    opener.client.give(e.QuestionsAsked(questions=(one,)), e.Idle(reason="question", message=LINES))
    await until(pilot, lambda: pilot.app.state.questions)
    await look()
    opener.client.give(e.SessionEnded(result=result("error_during_execution", result=LINES, errors=[LINES])))
    await look()


async def lists(pilot: Any, opener: Any, look: Any) -> None:
    """Every screen that lies over the session."""
    from workbench.tui.opening import TurnRow
    from workbench.tui.safe import content
    from workbench.tui.screens.ask import Ask, Confirm, Note
    from workbench.tui.screens.leaving import Leaving
    from workbench.tui.screens.rewind import RewindScreen
    from workbench.tui.screens.sessions import Turns
    from workbench.tui.widgets.diffview_comment import CommentLine

    app = pilot.app
    for action in ("palette", "help", "sessions", "agent", "model", "mode", "theme", "audit", "doctor", "permissions",
                   "trust", "brief"):  # fmt: skip
        app.do(action)
        await until(pilot, lambda: len(app.screen_stack) > 1)
        await look()
        app.pop_screen()
        await pilot.pause()
    for screen in (
        Ask(LINE, LINES, LINE, LINE),
        Confirm(LINE, LINES),
        Note(LINE, content(LINES, newlines=True)),
        Leaving(LINES, LINE, LINE),
        RewindScreen(app.state),
        Turns([TurnRow(seq=1, turn=1, at=0.0, text=LINES)]),
        CommentLine(LINE, LINE, lambda: Region(0, 0, 40, 1)),
    ):
        app.push_screen(screen)
        await look()
        app.pop_screen()
        await pilot.pause()
    opener.client.give(e.Notice(level="error", text=LINES, about="protected"))
    await until(pilot, lambda: app.main.query("Alert"))
    await look()
    app.tell(LINES, "warning")
    app.tell_fault(OSError(LINES), LINE)
    await look()


async def played(pilot: Any, opener: Any, look: Any) -> None:
    """What stands in the prompt's place in a replay."""
    from workbench.host.replay import Place
    from workbench.tui.widgets.replay_bar import ReplayBar

    opener.client.place = Place(1, 2, 3.0, 4.0, 1.0, False, False)
    opener.client.give(*asked())
    await until(pilot, lambda: pilot.app.state.approvals)
    await pilot.app.main.mount(bar := ReplayBar())
    bar.draw()
    await look()


async def typed(pilot: Any, opener: Any, look: Any) -> None:
    """What is put, pasted and completed in the prompt."""
    app = pilot.app
    app.do("prompt")
    await pilot.press("@", "x")
    await look()
    await pilot.press("tab")
    await look()
    app.main.query_one(Prompt).put(LINES)
    await look()
    app.post_message(events.Paste(LINES))
    await look()


async def runs(pilot: Any, opener: Any, look: Any) -> None:
    """The table, every part, the group open, words looked for, and what asks before something is done."""
    app = pilot.app
    app.do("runs")
    await until(pilot, lambda: app.panes["runs"].is_mounted and app.panes["runs"].feed.rows)
    await look()
    seen = ("runs_open", "runs_last", "runs_up", "runs_mark", "runs_cursor", "runs_smooth")
    parts = ["runs_part", "runs_first", "runs_open"] * 3
    for action in (*seen, *parts, "zoom", "runs_part", "runs_part", "runs_filter"):
        app.do(action)
        await pilot.pause(0.1)
        await look()
    app.post_message(events.Paste(LINE))
    await look()
    for action in ("runs_metric", "runs_note", "runs_tag", "runs_stop"):
        app.panes["runs"].table.focus()
        app.do("runs_first")
        app.do(action)
        await pilot.pause(0.05)
        await look()
        if len(app.screen_stack) > 1:
            app.pop_screen()
            await pilot.pause()


SCENES = [whole_talk, narrow, approvals, questions, lists, played, typed, runs]


def test_every_widget_shows_hostile_text_and_obeys_none_of_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    seen: set[type] = set()
    for number, scene in enumerate(SCENES):
        workspace = tmp_path / str(number)
        workspace.mkdir()
        seen |= in_workbench(scene, workspace)
    seen |= asyncio.run(alone())
    missing = {f"{kind.__module__}.{kind.__name__}" for kind in every() - seen}
    assert not missing, "these widgets are not among the scenes: add them"


async def alone() -> set[type]:
    """Widgets that the scenes do not bring up by themselves."""
    from workbench.tui.panes.gpu import GpuPane
    from workbench.tui.screens.first_run import FirstRun
    from workbench.tui.widgets.chart import Chart
    from workbench.tui.widgets.chart_series import Series
    from workbench.tui.widgets.stand_in import StandIn

    chart = Chart(LINE, LINE)
    series = [Series(LINE), Series(LINE)]
    for one in series:
        one.extend([(float(x), float(x * x)) for x in range(30)])
    pane = GpuPane()
    app = Bench(chart, pane, FirstRun(NotOpenedError("error_usage", LINES)), StandIn())
    told = sample(
        card(name=LINE, throttle_reasons=(LINE,), problem=None),
        card(1, problem=LINE),
        processes=(process(user=LINE, command=LINES),),
        problem=None,
    )
    async with app.run_test(size=(120, 80)) as pilot:
        chart.show(series)
        app.telemetry.tell(told)
        await pilot.pause(0.1)
        check(app)
        return met(app)
