"""BashOutput: what a background command has printed since last time."""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from workbench.permissions.types import Need
from workbench.protocol.blocks import Output
from workbench.sandbox import status
from workbench.tools.base import Context, Outcome, ToolError, text_content
from workbench.tools.output import INLINE, clean, shorten, view
from workbench.tools.shells import Shell, Shells

_DEFAULT_MS = 30_000
_MOST_MS = 600_000
_LINE = 64 * 1024  # bytes of a line that a filter looks at
_MATCHED = 4_000  # characters of a line that a filter looks at: some patterns take for ever on long ones


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which command, and which of its lines."""

    bash_id: str
    filter: Annotated[str, msgspec.Meta(description="Only lines that match this regular expression")] | None = None
    block: Annotated[bool, msgspec.Meta(description="Wait until the command has ended")] | None = None
    timeout: Annotated[int, msgspec.Meta(ge=1, description="How long to block, in ms; default 30000")] | None = None


class BashOutput:
    """Reads a background command's output."""

    name = "BashOutput"
    description = (
        "Gives what a background command printed since the last call, and whether it still runs. "
        "With block it waits for the end instead of being asked again and again."
    )
    Input: type[msgspec.Struct] = Input

    def needs(self, given: Any, cwd: str) -> tuple[Need, ...]:
        """Nothing: the command was allowed when it started."""
        return ()

    def target(self, given: Any) -> str:
        """The command's id."""
        return str(given.bash_id)

    async def run(self, given: Any, context: Context, call_id: str, progress: Callable[[str], None]) -> Outcome:
        """Gives the new output."""
        shells = Shells.of(context)
        shell = shells.get(given.bash_id)
        pattern = _pattern(given.filter)
        if given.block:
            await shells.finished(shell, min(given.timeout or _DEFAULT_MS, _MOST_MS) / 1000)
        ended = shell.ended
        state = words(shell, context.now())
        text = await asyncio.to_thread(_new_output, shell, pattern, running=ended is None)
        refused = "".join(f"\n[the sandbox: {line}]" for line in ended.refused) if ended else ""
        body = (text.rstrip("\n") or "(no new output)") + refused
        return Outcome(
            content=text_content(f"[{shell.id} {state}]\n{body}"),
            display=[
                Output(
                    text=shorten(text),
                    exit_code=ended.exit_code if ended else None,
                    signal=ended.signal if ended else None,
                    path=str(shell.command.path),
                )
            ],
            summary=f"{shell.id} {state}",
        )


def words(shell: Shell, now: float) -> str:
    """How SHELL stands: `running for 12 s`, `exit code 0`."""
    if shell.ended is None:
        return f"running for {max(0.0, now - shell.started):.0f} s"
    return status.words(shell.ended) + (f": {shell.why}" if shell.why else "")


def _pattern(given: str | None) -> re.Pattern[str] | None:
    if not given:
        return None
    try:
        return re.compile(given)
    except (re.error, OverflowError, RecursionError) as error:
        raise ToolError(f"`filter` is no regular expression: {error}") from None


def _new_output(shell: Shell, pattern: re.Pattern[str] | None, *, running: bool) -> str:
    path, start = shell.command.path, shell.read
    end = shell.command.size()
    if pattern is None:
        end -= _torn(path, end) if running else 0
        shell.read = max(start, end)
        return view(path, start=start, end=end).text(path) if end > start else ""
    text, shell.read = _matching(path, start, end, pattern, running=running)
    return text


def _torn(path: Path, end: int) -> int:
    """How many bytes before END begin a UTF-8 character that is not whole yet."""
    with path.open("rb") as file:
        file.seek(max(0, end - 3))
        last = file.read(min(3, end))
    for back in range(1, len(last) + 1):
        byte = last[-back]
        if byte >= 0xC0:
            return back if back < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) else 0
        if byte < 0x80:
            return 0
    return 0


def _matching(path: Path, start: int, end: int, pattern: re.Pattern[str], *, running: bool) -> tuple[str, int]:
    """The lines that match, about INLINE characters of them, and how far was read: to the last whole line."""
    first: list[str] = []
    last: deque[str] = deque()
    kept = dropped = 0
    with path.open("rb") as file:
        file.seek(start)
        while (at := file.tell()) < end:
            raw = file.readline(min(_LINE, end - at))
            if running and not raw.endswith(b"\n") and len(raw) < _LINE:
                return _joined(first, last, dropped, path), at
            line = clean(raw.rstrip(b"\n"))
            if not pattern.search(line[:_MATCHED]):
                continue
            kept += len(line) + 1
            (first if kept < INLINE // 2 else last).append(line)
            while kept > INLINE and last:
                kept -= len(last.popleft()) + 1
                dropped += 1
    return _joined(first, last, dropped, path), end


def _joined(first: list[str], last: deque[str], dropped: int, path: Path) -> str:
    gap = [f"[… {dropped:,} matching lines left out; the whole output is in {path} …]"] if dropped else []
    return "\n".join([*first, *gap, *last])
