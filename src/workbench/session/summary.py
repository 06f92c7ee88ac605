"""summary.md: a session told to a person who was not there."""

import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from workbench.protocol.result import CheckResult, Denial, FileChange, Question, Result
from workbench.protocol.state import SessionState
from workbench.protocol.task import Task
from workbench.protocol.visible import visible
from workbench.session.end import was_left

_ENDS = {
    "success": "The agent finished.",
    "error_during_execution": "It ended with an error.",
    "error_agent_definition": "The agent's definition is refused.",
    "error_authentication": "The model service refused the key, or there was none.",
    "error_permission_blocked": "It ended while a call that it needed was denied for lack of a person to ask.",
    "error_max_turns": "It reached its limit of turns.",
    "error_max_budget": "It reached its budget.",
    "error_checks_failed": "The agent said it was done, and what confirms it from outside says otherwise.",
    "error_output_schema": "The final answer does not fit the schema that was asked for.",
    "error_system_boundary": "The agent called an orchestration tool; nothing of that answer was run.",
    "error_needs_decision": "It waits for a decision of yours.",
    "error_retryable": "It was stopped, or the model service could not be reached; it can go on where it stood.",
    "error_interrupted": "It was interrupted.",
    "error_terminated": "It was terminated.",
}
_LEFT = "It was left, or told to stop: nothing went wrong, and it can go on where it stood."
_SHOWN = 50  # entries of a list; result.json has them all
_KEPT_TEXT = 20_000


def markdown(result: Result, state: SessionState, task: Task, folder: Path) -> str:
    """The text of summary.md. It claims nothing that a check did not confirm."""
    left = was_left(result.subtype, result.errors)
    end = _LEFT if left else _ENDS.get(result.subtype, "")
    sections = (
        f"# {_line(state.title) or 'Session'}\n\n{verdict(result)} {end}".rstrip(),
        _facts(result, state, folder),
        _section("Go on", _go_on(result, task)),
        _section("Questions for you", _questions(result.questions)),
        _section("What went wrong", [] if left else [f"- {_line(error)}" for error in result.errors]),
        _section("Asked", [_quoted(task.prompt)]),
        _section("Answer", [_quoted(result.result)] if result.result.strip() else []),
        _section(*_changes(result.files_changed)),
        _section("Checks", [_check(check) for check in result.checks]),
        _section("Locked files", [f"- `{_line(each)}`" for each in task.locked]),
        _section("Runs", _runs(result)),
        _section("Denied", _denials(result.permission_denials)),
    )
    return "\n\n".join(section for section in sections if section) + "\n"


def verdict(result: Result) -> str:
    """One plain sentence: is the outcome confirmed?"""
    failed = sum(1 for check in result.checks if check.exit_code != 0)
    if result.verified:
        count = len(result.checks)
        return f"**Verified**: {'its check' if count == 1 else f'all {count} checks'} passed."
    if not result.checks:
        return "**Not verified**: no check confirmed the outcome."
    if failed:
        return f"**Not verified**: {failed} of {len(result.checks)} checks failed."
    if result.subtype == "error_checks_failed":  # though none failed: what is locked counts as one
        return "**Not verified**: the checks passed, but locked files did not stay as they were."
    return "**Not verified**: the checks passed, but the session did not end as it should."


def _facts(result: Result, state: SessionState, folder: Path) -> str:
    cost = (
        "unknown (the model's price is not known)" if result.total_cost_usd is None else f"${result.total_cost_usd:.4f}"
    )
    usage = result.usage
    left = "left, for programs " if was_left(result.subtype, result.errors) else ""
    rows = (
        ("Ended", f"{left}`{_line(result.subtype)}`, exit code {result.exit_code}"),
        ("Session", f"`{result.session_id}` in `{_line(str(folder))}`"),
        ("Workspace", f"`{_line(state.workspace)}`" + (f" on branch `{_line(state.branch)}`" if state.branch else "")),
        ("Agent and model", f"{_line(state.agent)}, {_line(state.model)}, mode {state.mode}"),
        ("Turns", f"{result.num_turns}"),
        ("Tokens", f"{usage.total:,} ({usage.prompt:,} read, {usage.output_tokens:,} written)"),
        ("Cost", cost),
        ("Time", f"{_time(result.duration_ms)}, {_time(result.duration_api_ms)} of it waiting for the model"),
    )
    return "\n".join(f"- {name}: {value}" for name, value in rows)


def _section(heading: str, entries: Iterable[str]) -> str:
    listed = list(entries)
    if not listed:
        return ""
    more = [f"- and {len(listed) - _SHOWN} more: see result.json"] if len(listed) > _SHOWN else []
    return f"## {heading}\n\n" + "\n".join(listed[:_SHOWN] + more)


def _go_on(result: Result, task: Task) -> list[str]:
    """The exact line that resumes the session; with an answer where it waits for one, a higher cap where it hit one."""
    if result.subtype == "success" or not result.session_id:
        return []
    if task.interactive and was_left(result.subtype, result.errors):
        return [f"    mlwb --resume {shlex.quote(result.session_id)}"]
    more = {
        "error_needs_decision": " --answer 'YOUR DECISION'",
        "error_max_turns": f" --max-turns {max(1, result.num_turns) * 2}",
    }.get(result.subtype, "")
    note = ["", "Give it a higher cap: `--max-usd`, `--max-tokens`, `--timeout` or `--max-gpu-hours`."]
    line = f"    mlwb run --resume {shlex.quote(result.session_id)}{more}"
    return [line, *(note if result.subtype == "error_max_budget" else [])]


def _questions(questions: Iterable[Question]) -> Iterator[str]:
    for number, question in enumerate(questions, 1):
        yield f"{number}. {_line(question.question)}"
        for option in question.options:
            yield f"   - {_line(option.label)}" + (f" (costs: {_line(option.cost)})" if option.cost else "")
        if question.recommendation:
            yield f"   - The agent recommends: {_line(question.recommendation)}"


def _changes(changes: list[FileChange]) -> tuple[str, list[str]]:
    added = sum(change.added or 0 for change in changes)
    removed = sum(change.removed or 0 for change in changes)
    if not changes:
        return "Changes", ["No file was changed."]
    entries = []
    for change in changes:
        counts = "" if change.added is None else f", +{change.added} -{change.removed or 0}"
        entries.append(f"- `{_line(change.path)}` {_line(change.change)}{counts}")
    return f"Changes: {len(changes)} file{'s' if len(changes) > 1 else ''}, +{added} -{removed}", entries


def _runs(result: Result) -> Iterator[str]:
    known = {one.run for one in result.evidence}
    yield from (f"- `{_line(run)}`" for run in result.runs if run not in known)
    for one in result.evidence:
        named = "named in the answer" if one.named else "not named in the answer"
        yield f"- `{_line(one.run)}` {_line(one.status)}, {named}{'' if one.own else ', begun elsewhere'}"


def _check(check: CheckResult) -> str:
    if check.exit_code == 0:
        return f"- passed: `{_line(check.command)}`"
    how = "ran out of time" if check.exit_code == 124 else f"exit {check.exit_code}"
    output = check.output.strip()[-2000:]
    shown = "\n" + _fenced(output, "  ") if output else ""
    return f"- **failed** ({how}): `{_line(check.command)}`{shown}"


def _denials(denials: Iterable[Denial]) -> Iterator[str]:
    for denial in denials:
        target = next((str(denial.tool_input[key]) for key in TARGETS if denial.tool_input.get(key)), "")
        shown = f" `{_line(target)}`" if target else ""
        rule = f"; allowed by the rule `{_line(denial.allowed_by)}`" if denial.allowed_by else ""
        yield f"- {_line(denial.tool_name)}{shown}: {_line(denial.reason)}{rule}"


TARGETS = ("command", "file_path", "path", "pattern", "notebook_path", "url")


def _time(milliseconds: int) -> str:
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def _line(text: str) -> str:
    """TEXT on one line, safe to show, not too long, and unable to end the inline code it stands in."""
    shown = visible(" ".join(text.split())).replace("`", "'")
    return shown if len(shown) <= 500 else shown[:499] + "…"


def _quoted(text: str) -> str:
    cut = "" if len(text) <= _KEPT_TEXT else f"\n\n… {len(text) - _KEPT_TEXT} more characters: see result.json"
    shown = visible(text.strip()[:_KEPT_TEXT], newlines=True) + cut
    return "\n".join(f"> {line}".rstrip() for line in shown.split("\n"))


def _fenced(text: str, indent: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    body = visible(text, newlines=True).split("\n")
    return "\n".join(indent + line for line in (fence, *body, fence))
