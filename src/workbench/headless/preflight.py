"""`mlwb run --check`: what stands in the way of a task, before a token is spent."""

from collections.abc import Sequence

import msgspec

from workbench.headless.streams import one_line
from workbench.host.local import Finding
from workbench.protocol.result import EXIT_CODES

_MARKS = {True: "ok", False: "NO", None: "?"}


def exit_code(findings: Sequence[Finding]) -> int:
    """0 where nothing stands in the way, else the code with which the run would end."""
    return next((EXIT_CODES[finding.subtype] for finding in findings if finding.ok is False), 0)


def as_json(findings: Sequence[Finding]) -> bytes:
    """An array of objects on one line, without its end: name, ok (null: it could not be told), detail, fix."""
    rows = [{"name": each.name, "ok": each.ok, "detail": each.detail, "fix": each.fix} for each in findings]
    return msgspec.json.encode(rows)


def as_table(findings: Sequence[Finding]) -> bytes:
    """A row for each finding, and below it what to do."""
    width = max((len(finding.name) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{_MARKS[finding.ok]:<3} {finding.name:<{width}}  {one_line(finding.detail)}")
        if finding.fix and not finding.ok:
            lines.append(f"{'':<{width + 4}}  -> {one_line(finding.fix)}")
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")
