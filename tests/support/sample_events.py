"""Events for tests: a small but complete session, and single events with sensible fields."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from workbench.protocol import blocks
from workbench.protocol import events as e
from workbench.protocol.result import CheckResult, FileChange, Result, Usage
from workbench.protocol.task import Caps, Task
from workbench.session.journal import Journal

SESSION = "s-aaaaaaaa"


def clock(start: float = 1_790_000_000.0) -> Callable[[], float]:
    """A clock that moves one second a look."""
    now = [start]

    def tick() -> float:
        now[0] += 1.0
        return now[0]

    return tick


def started(**more: Any) -> e.SessionStarted:
    """The first event of a session."""
    fields: dict[str, Any] = {
        "protocol": "1.0",
        "version": "0.1.0",
        "task": Task(prompt="# Lower the loss\n\nin train.py", caps=Caps(max_turns=9)),
        "workspace": "/data/project",
        "roots": ("/data/project",),
        "agent": "ml-engineer",
        "agent_path": "/agents/ml-engineer.md",
        "agent_source": "shipped",
        "agent_digest": "0" * 64,
        "grants": {"Read": (), "Bash": ()},
        "model": "claude-sonnet-5-5",
        "mode": "acceptEdits",
        "prefix": "1" * 64,
        "host": "box",
        "boot_id": "b",
        "user": "ada",
        "pid": 7,
    }
    return e.SessionStarted(**{**fields, **more})


def resumed(**more: Any) -> e.SessionResumed:
    """A later host takes the session up."""
    fields: dict[str, Any] = {
        "host": "box2", "boot_id": "c", "user": "ada", "pid": 8, "mode": "acceptEdits", "caps": Caps(),
    }  # fmt: skip
    return e.SessionResumed(**{**fields, **more})


def answer(turn: int, *content: dict[str, Any], **more: Any) -> e.AnswerCompleted:
    """An answer with CONTENT blocks."""
    fields: dict[str, Any] = {
        "turn": turn, "message_id": f"msg_{turn}", "model": "claude-sonnet-5-5", "content": content,
        "stop_reason": "tool_use", "usage": Usage(input_tokens=100, output_tokens=20), "cost_usd": 0.25,
    }  # fmt: skip
    return e.AnswerCompleted(**{**fields, **more})


def text(words: str) -> dict[str, Any]:
    """A text block."""
    return {"type": "text", "text": words}


def call(call_id: str, command: str, status: str = "ok", turn: int = 1) -> Iterator[Any]:
    """The events of one Bash call."""
    given = {"command": command}
    yield e.CallDecided(call_id=call_id, tool="Bash", input=given, target=command, verdict="allow", rule="mode")
    yield e.CallStarted(call_id=call_id, turn=turn)
    yield e.CallFinished(
        call_id=call_id, tool="Bash", status=status, summary=f"ran {command}", duration_ms=5,
        content=({"type": "text", "text": "out"},), display=(blocks.Output(text="out", exit_code=0),),
        changed=("/data/project/train.py",),
    )  # fmt: skip


def result(subtype: str = "success", **more: Any) -> Result:
    """How a session ended."""
    fields: dict[str, Any] = {
        "subtype": subtype, "is_error": subtype != "success", "session_id": SESSION, "result": "The loss is 0.5.",
        "num_turns": 2, "total_cost_usd": 0.5, "files_changed": [FileChange(path="train.py", change="modified")],
        "checks": [CheckResult(command="make check", exit_code=0, output="fine")], "verified": True,
    }  # fmt: skip
    return Result(**{**fields, **more})


def session_events(ended: bool = True) -> list[Any]:
    """A whole session of two turns."""
    events: list[Any] = [
        started(),
        e.PromptSubmitted(text="# Lower the loss\n\nin train.py", origin="task", by="ada"),
        e.RequestStarted(turn=1, model="claude-sonnet-5-5"),
        answer(1, {"type": "thinking", "thinking": "hm", "signature": "x"}, text("Looking.")),
        *call("toolu_1", "python train.py"),
        e.TodosChanged(todos=(blocks.Todo(content="tune", status="in_progress"),)),
        e.RequestStarted(turn=2, model="claude-sonnet-5-5"),
        answer(2, text("The loss is 0.5."), stop_reason="end_turn"),
        e.CheckFinished(check=CheckResult(command="make check", exit_code=0, output="fine"), attempt=1),
    ]
    return [*events, e.SessionEnded(result=result())] if ended else events


def write_journal(folder: Path, events: list[Any], session: str = SESSION) -> list[e.Envelope]:
    """A journal of EVENTS in FOLDER, closed."""
    with Journal.create(folder, session, clock()) as journal:
        return [journal.append(event) for event in events]
