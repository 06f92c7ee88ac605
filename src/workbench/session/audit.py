"""Each call of a session with its verdict, who approved it, how it was confined, how it ended and what it changed.

From the journal alone, line by line, so that a damaged line costs what it said and nothing else.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from workbench.protocol import events as e
from workbench.protocol.blocks import Output
from workbench.protocol.codec import MalformedError, decode_envelope
from workbench.protocol.items import runs_line
from workbench.session.journal import EVENTS
from workbench.session.transcript_people import spoken


class Row(msgspec.Struct, kw_only=True):
    """One call. `verdict`: allow, deny, ask (unanswered); empty where the gate was never asked, as of a broken input.

    `asked`: a person was, and `decision` is the answer (once, session, always, no, gone). `by` approved or denied it,
    `nobody` where no person could be asked. `sandbox` is the layer that confined a command, `outside` without one.
    `status`: ok, error, denied, cancelled, interrupted; `running` where the journal holds no end of it.
    """

    seq: int
    at: float
    turn: int
    call_id: str
    tool: str
    target: str = ""
    verdict: str = ""
    rule: str | None = None
    reason: str = ""
    asked: bool = False
    decision: str | None = None
    by: str | None = None
    sandbox: str = ""
    status: str = "running"
    exit_code: int | None = None
    signal: int | None = None
    duration_ms: int = 0
    files_changed: tuple[str, ...] = ()


class Audit(msgspec.Struct, kw_only=True):
    """All calls in order; `remarks` of the watch over protected paths, and lines that could not be read.

    `told`: what the agent heard by itself of its runs, without a call and without a person. `people`: who came, who
    drove, who was invited, what was suggested and taken; in order, with the seq of each.
    """

    calls: list[Row] = []
    remarks: list[str] = []
    told: list[str] = []
    people: list[str] = []
    damaged: list[str] = []


def audit(folder: Path) -> Audit:
    """The audit of the session in FOLDER. Raises OSError where there is no journal."""
    made = _Auditor()
    with (folder / EVENTS).open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                envelope = decode_envelope(line)
            except MalformedError as error:
                made.audit.damaged.append(f"line {number} cannot be read: {error}")
                continue
            for row in made.apply(envelope):
                made.audit.calls.append(row)
    return made.audit


class _Auditor:
    def __init__(self) -> None:
        self.audit = Audit()
        self._turn = 0
        self._rows: dict[str, Row] = {}
        self._requests: dict[str, str] = {}  # of approvals -> call id
        self._shells: dict[str, str] = {}

    def apply(self, envelope: e.Envelope) -> Iterator[Row]:
        """Takes an envelope in; gives the row of a call that is met for the first time."""
        event = envelope.event
        if isinstance(event, e.RequestStarted):
            self._turn = event.turn
        elif isinstance(
            event, e.CallDecided | e.CallStarted | e.CallFinished | e.ApprovalRequested | e.BoundaryCrossed
        ):
            row = self._rows.get(event.call_id)
            if row is None:
                row = self._row(envelope, event.call_id)
                yield row
            self._about_call(row, event)
        else:
            self._about_others(event)
            if isinstance(event, e.LiveEvent) and not isinstance(event, e.Said):
                self.audit.people.append(f"{envelope.seq}: {spoken(event)}")

    def _row(self, envelope: e.Envelope, call_id: str) -> Row:
        tool = str(getattr(envelope.event, "tool", ""))
        row = Row(seq=envelope.seq, at=envelope.at, turn=self._turn, call_id=call_id, tool=tool)
        self._rows[call_id] = row
        return row

    def _about_call(self, row: Row, event: e.JournalEvent) -> None:
        if isinstance(event, e.CallDecided):
            row.tool, row.target, row.verdict = event.tool, event.target, event.verdict
            row.rule, row.reason = event.rule or row.rule, event.reason or row.reason
            row.by, row.sandbox = event.by or row.by, event.sandbox or row.sandbox
            row.asked = row.asked or event.verdict == "ask"
        elif isinstance(event, e.ApprovalRequested):
            self._requests[event.request_id] = row.call_id
            row.asked = True
        elif isinstance(event, e.BoundaryCrossed):
            row.verdict, row.status = "deny", "denied"
            row.reason = "starts another agent: nothing of that answer was run"
        elif isinstance(event, e.CallFinished):
            row.status, row.duration_ms, row.files_changed = event.status, event.duration_ms, event.changed
            for block in event.display:
                if isinstance(block, Output):
                    row.exit_code, row.signal = block.exit_code, block.signal

    def _about_others(self, event: e.AnyEvent) -> None:
        if isinstance(event, e.ApprovalResolved):
            if (row := self._rows.get(self._requests.get(event.request_id, ""))) is not None:
                row.decision, row.by = event.decision, event.by or row.by
                row.rule = event.rule or row.rule
        elif isinstance(event, e.ShellStarted):
            self._shells[event.shell_id] = event.call_id
        elif isinstance(event, e.ShellFinished):
            if (row := self._rows.get(self._shells.get(event.shell_id, ""))) is not None:
                row.exit_code, row.signal = event.exit_code, event.signal
        elif isinstance(event, e.Notice) and event.about == "protected":
            self.audit.remarks.append(event.text)
        elif isinstance(event, e.RunsTold) and event.text:
            self.audit.told.append(runs_line(event))


def told(row: Row) -> tuple[str, ...]:
    """ROW for a table: turn, tool, target, verdict, rule or reason, by, sandbox, end, files."""
    asked = "asked, " if row.asked else ""
    verdict = f"{asked}{row.decision or row.verdict}" if row.asked else row.verdict or "-"
    why = row.rule or row.reason or "-"
    end = row.status
    if row.exit_code is not None:
        end = f"exit {row.exit_code}"
    elif row.signal is not None:
        end = f"signal {row.signal}"
    files = ", ".join(row.files_changed) or "-"
    return str(row.turn), row.tool, row.target, verdict, why, row.by or "-", row.sandbox or "-", end, files


HEAD = ("TURN", "TOOL", "TARGET", "VERDICT", "RULE OR REASON", "BY", "SANDBOX", "END", "FILES CHANGED")
