"""What confirms a task from outside the agent: its checks, its locked files, the schema of its answer."""

import asyncio
import contextlib
import glob
import json
import os
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.protocol.result import CheckResult
from workbench.sandbox.types import Ended
from workbench.tools.base import Context, ToolError
from workbench.tools.output import whole_words
from workbench.tools.shells import Command, Shells

KEPT_OUTPUT = 8_000  # bytes of a check's output that a result carries; the file has the rest
TIMED_OUT = 124  # as timeout(1) says it
_LOOK_S = 1.0  # how often its output is measured
_HANDED_BACK = 6_000  # characters of all outputs together that the model gets
_SCHEMA_ERRORS = 10
_SKIPPED_FOLDERS = {".git", "__pycache__"}
_MAGIC = re.compile(r"[*?\[!]")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*([^\n`]*)\n(.*?)^ {0,3}\1[ \t]*$", re.DOTALL | re.MULTILINE)


# --- checks ------------------------------------------------------------------------------------------------


async def run_check(command: str, context: Context, timeout_s: float) -> CheckResult:
    """Runs one check in the workspace, set up as the agent's own commands are; whatever it started is ended with it.

    Exit code 124: it ran longer than TIMEOUT_S; 126: it could not be started; 128 + n: signal n ended it, as it does
    where a check prints without end.
    """
    try:
        running = await (shells := Shells.of(context)).start(command, "check", cwd=context.workspace)
    except ToolError as error:
        return CheckResult(command=command, exit_code=126, output=f"the check could not be started: {error}")
    code, words = await _ended(running, shells, timeout_s)
    return CheckResult(command=command, exit_code=code, output=_tail(running.path) + words)


async def _ended(started: Command, shells: Shells, timeout_s: float) -> tuple[int, str]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    waiting = asyncio.ensure_future(started.running.wait())
    try:
        while not waiting.done():
            if started.size() > shells.largest:
                return 128 + signal.SIGTERM, f"\n(the check was ended: {shells.too_much()})"
            if loop.time() >= deadline:
                return TIMED_OUT, f"\n(the check ran longer than {timeout_s:g} s and was ended)"
            await asyncio.wait([waiting], timeout=max(0.0, min(_LOOK_S, deadline - loop.time())))
    finally:
        waiting.cancel()
        # Also after a good end: a server that the check left behind would outlive the session.
        await asyncio.shield(started.end())
    return _code(waiting.result()), ""


def _code(ended: Ended) -> int:
    if ended.signal is not None:
        return 128 + ended.signal
    return 1 if ended.exit_code is None else ended.exit_code


def _tail(output: Path) -> str:
    try:
        with output.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - KEPT_OUTPUT))
            text = file.read(KEPT_OUTPUT).decode("utf-8", "replace")
    except OSError as error:
        return f"(its output cannot be read: {error})"
    cut = size - KEPT_OUTPUT
    return f"(the first {cut} bytes are in {output})\n{whole_words(text)}" if cut > 0 else text


# --- locked files ------------------------------------------------------------------------------------------


def lock_digests(globs: Sequence[str], root: Path) -> dict[str, str]:
    """Path (relative to ROOT) -> digest of every file that a glob names; a folder stands for all files in it.

    Globs are read as .gitignore reads them, from ROOT on. A link's digest covers where it points and what is there.
    """
    return {path: _digest(root / path) for path in _named(globs, root)}


def _named(globs: Sequence[str], root: Path) -> Iterator[str]:
    """The files that GLOBS name, each once."""
    if not globs:
        return
    from pathspec import GitIgnoreSpec

    spec = GitIgnoreSpec.from_lines([_anchored(pattern) for pattern in globs])
    seen: set[str] = set()
    for start in {_still(pattern) for pattern in globs if not pattern.startswith("!")}:
        for path in _files(root, start):
            if path not in seen and spec.match_file(path):
                seen.add(path)
                yield path


def unmatched(globs: Sequence[str], root: Path) -> list[str]:
    """The globs that name no file: most likely misspelt, so that nothing is locked by them."""
    return [each for each in globs if not each.startswith("!") and not any(_named([each], root))]


def broken_locks(digests: Mapping[str, str], globs: Sequence[str], root: Path) -> list[str]:
    """What is no longer as DIGESTS says, a line each: `PATH was changed`, `… was removed`, `… is new`."""
    now = lock_digests(globs, root)
    words = []
    for path in sorted(digests.keys() | now.keys()):
        if path not in now:
            words.append(f"{path} was removed")
        elif path not in digests:
            words.append(f"{path} is new")
        elif now[path] != digests[path]:
            words.append(f"{path} was changed")
    return words


def drop_bytecode(digests: Mapping[str, str], root: Path) -> None:
    """Removes cached bytecode of locked Python files: it could have been planted, and would run in their place."""
    for path in digests:
        file = root / path
        if file.suffix == ".py":
            for cached in (file.parent / "__pycache__").glob(f"{glob.escape(file.stem)}.*.pyc"):
                with contextlib.suppress(OSError):
                    cached.unlink()


def _anchored(pattern: str) -> str:
    mark, bare = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    return f"{mark}/{bare.removeprefix('./').lstrip('/')}"


def _still(pattern: str) -> str:
    """The leading parts of PATTERN without a magic character: where its files lie, so that no more is walked."""
    parts: list[str] = []
    for part in pattern.split("/"):
        if _MAGIC.search(part) or "\\" in part:
            break
        if part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _files(root: Path, start: str) -> Iterator[str]:
    top = root / start
    if top.is_symlink() or not top.is_dir():
        if os.path.lexists(top):
            yield start
        return
    for folder, folders, names in os.walk(top):
        inside = Path(folder)
        links = [name for name in folders if (inside / name).is_symlink()]
        folders[:] = [name for name in folders if name not in _SKIPPED_FOLDERS]
        for name in (*names, *links):
            yield (inside / name).relative_to(root).as_posix()


def _digest(path: Path) -> str:
    link = f"-> {path.readlink()} " if path.is_symlink() else ""
    try:
        if not path.is_file():
            return f"{link}not a file"  # a folder behind a link, a pipe, a device: never opened
        import hashlib

        with path.open("rb") as file:
            return link + hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"{link}unreadable ({error.strerror})"


# --- the answer's schema -----------------------------------------------------------------------------------


def structured(schema: Mapping[str, Any], answer: str) -> tuple[Any, str | None]:
    """The JSON value that ANSWER holds, and why it does not fit SCHEMA (None where it does).

    The answer is a bare JSON document or has exactly one fenced JSON block. The reason is written for the model.
    """
    text, why = _document(answer)
    if why is not None:
        return None, why
    try:
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        return None, f"The JSON of the answer cannot be read: {error}"
    problems = _problems(schema, value)
    return (None, "The JSON of the answer does not fit the schema:\n" + problems) if problems else (value, None)


def _document(answer: str) -> tuple[str, str | None]:
    bare = answer.strip()
    if bare[:1] in ("{", "[", '"') or not bare:
        return (bare, None) if bare else ("", "The answer is empty; it must be one JSON document.")
    fenced = [(info.split(" ")[0].strip().lower(), body) for _, info, body in _FENCE.findall(answer)]
    blocks = [body for info, body in fenced if info == "json"] or [body for info, body in fenced if not info]
    if len(blocks) == 1:
        return blocks[0], None
    if not blocks and "\n" not in bare and len(bare) < 100:
        return bare, None  # a bare number, true, null; words fail as JSON with a reason of their own
    count = "no fenced `json` block" if not blocks else f"{len(blocks)} fenced JSON blocks"
    return "", f"The answer has {count}; it must be one JSON document, alone or in exactly one fenced `json` block."


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return value


def _problems(schema: Mapping[str, Any], value: Any) -> str:
    from jsonschema.exceptions import ValidationError
    from jsonschema.validators import validator_for
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    # A registry of its own: the library's default would fetch a `$ref` from the network.
    validator = validator_for(schema)(schema, registry=Registry())
    try:
        errors: list[ValidationError] = sorted(validator.iter_errors(value), key=lambda error: error.json_path)
    except (Unresolvable, RecursionError) as error:
        return f"- the schema itself cannot be applied: {error}"
    lines = [f"- {error.json_path}: {_cut(error.message, 300)}" for error in errors[:_SCHEMA_ERRORS]]
    if len(errors) > _SCHEMA_ERRORS:
        lines.append(f"- and {len(errors) - _SCHEMA_ERRORS} more")
    return "\n".join(lines)


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else f"{text[: size // 2]} … {text[-size // 2 :]}"


# --- back to the agent -------------------------------------------------------------------------------------


def hand_back(results: Sequence[CheckResult], broken: Sequence[str]) -> str:
    """The message for the model after checks that failed: which, with the end of their output; bounded."""
    failed = [result for result in results if result.exit_code]
    parts = ["The task is not done yet: what confirms it from outside does not hold."]
    share = _HANDED_BACK // max(1, len(failed))
    for result in failed[:20]:
        how = "ran out of time" if result.exit_code == TIMED_OUT else f"exited with {result.exit_code}"
        output = result.output.strip() or "(no output)"
        output = output if len(output) <= share else "…" + whole_words(output[-share:])
        parts.append(f"The check `{_cut(result.command, 500)}` {how}. The end of its output:\n\n{output}")
    if len(failed) > 20:
        parts.append(f"{len(failed) - 20} more checks failed.")
    if broken:
        listed = "\n".join(f"- {_cut(line, 300)}" for line in broken[:30])
        more = f"\n- and {len(broken) - 30} more" if len(broken) > 30 else ""
        parts.append(f"These files are locked and must be as they were at the start; restore them:\n\n{listed}{more}")
    parts.append("Mend the cause, not the check. Say so plainly if it cannot be mended.")
    return "\n\n".join(parts)
