"""`mlwb demo`: a recorded model session against real tools, real training and a real scratch repository."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, TextIO

import msgspec

from workbench import places
from workbench.protocol import blocks
from workbench.protocol import events as e
from workbench.protocol.codec import decode_envelope
from workbench.protocol.result import EXIT_CODES, Result
from workbench.protocol.visible import visible
from workbench.resources import folder
from workbench.verbs.options import Parser

FORMATS = ("text", "json", "stream-json")
_ABOUT = """\
A recorded model session repairs a training program that stalls. The model's words come from a file; the tools, the
processes, the training and every number are real. It needs no key and no network, and takes some seconds.
"""
# `-P` keeps the scratch repository's modules off the path of the program itself.
_RUN = (sys.executable, "-E", "-P", "-c", "import sys; from workbench.cli import main; sys.exit(main())", "run")
_WIDTH = 100
_MOST_LINES = 30  # shown of one call's output
_PACE = 60.0  # words a second that the recorded model says on the screen
# As in task.md, less what a person on the screen is to see asked: the edit.
_ALLOWED = tuple(f"Bash(python3 {name}.py:*)" for name in ("train", "curve", "evaluate", "report"))
_ASK = (
    "The training in this folder stalls: the validation loss goes flat early in every run. Find out why and mend it. "
    "Measure seeds 0 to 4 before and after, and change nothing else."
)
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _UnusableError(Exception):
    """The demo cannot begin; the message is one line."""


def main(args: list[str]) -> int:
    """Plays the demo and tells what came of it; returns the exit code of its session."""
    given = _parser().parse_args(args)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows no `±` shows a `?`
    try:
        scratch = _scratch(given.dir)
    except _UnusableError as error:
        _say(f"mlwb demo: {error}")
        return EXIT_CODES["error_usage"]
    if not given.headless and given.output_format == "text":
        if sys.stdin.isatty() and sys.stdout.isatty():
            return _shown(scratch)
        _say("mlwb demo: the screen needs a terminal; without one this is the demo as --headless prints it")
    if given.output_format == "text":
        _say(f"A recorded session, played against real tools and real training in {scratch}")
    status, result, complaints = _play(scratch, given)
    if result is None or result.is_error:
        _say(complaints or f"mlwb demo: the session ended with exit code {status} and without a result")
        _say(f"mlwb demo: what was done so far lies in {scratch}")
        return status
    # For machines standard output holds what `mlwb run` would print, and nothing else.
    out = sys.stdout if given.output_format == "text" else sys.stderr
    if given.output_format == "text":
        _say("")
        print(result.result, flush=True)
    print(visible("\n".join(_closing(result, scratch)), newlines=True), file=out)
    return status


def _parser() -> ArgumentParser:
    parser = Parser(prog="mlwb demo", description=_ABOUT)
    parser.add_argument(
        "--headless",
        action="store_true",
        help="without the screen: print what happens",
    )
    parser.add_argument(
        "--dir", "--keep", metavar="DIR", type=Path, help="the scratch repository: a new or empty folder"
    )
    parser.add_argument("--output-format", choices=FORMATS, default="text", help="what goes to standard output")
    return parser


# --- the scratch repository --------------------------------------------------------------------------------


def _scratch(wanted: Path | None) -> Path:
    """A fresh copy of the demo's repository, under git where git is there."""
    try:
        if wanted is None:
            place = Path(tempfile.mkdtemp(prefix="mlwb-demo-"))
        else:
            place = places.named(str(wanted))
            place.mkdir(parents=True, exist_ok=True)
            if any(place.iterdir()):
                raise _UnusableError(f"{place} is not empty; --dir takes a new or an empty folder")
        place = Path(os.path.realpath(place))
        for file in (*(_source() / "repo").iterdir(), _source() / "task.md"):
            if file.is_file():
                shutil.copyfile(file, place / file.name)  # without its mode: an installed file may be read-only
    except OSError as error:
        raise _UnusableError(f"no scratch repository: {error.strerror}: {error.filename}") from error
    _commit(place)
    return place


def _source() -> Path:
    return folder("examples") / "demo"


def _commit(place: Path) -> None:
    """The first commit. Without git, or where it refuses, the demo works all the same."""
    if shutil.which("git") is None:
        return
    own = {
        "user.name": "mlwb demo",
        "user.email": "demo@localhost",
        "commit.gpgsign": "false",
        "core.hooksPath": "/dev/null",
    }
    settings = [word for name, value in own.items() for word in ("-c", f"{name}={value}")]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "A classifier whose training stalls"]):
        done = subprocess.run(["git", *settings, *command], cwd=place, env=_environment(), capture_output=True)
        if done.returncode:
            return


def _environment() -> dict[str, str]:
    """This process's environment: not bound to another git repository, and with some `python3` on its path."""
    env = {
        name: value for name, value in os.environ.items() if name not in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
    }
    env["PATH"] = os.pathsep.join(filter(None, (env.get("PATH"), str(Path(sys.executable).parent))))
    return env


# --- on the screen -----------------------------------------------------------------------------------------


def _shown(scratch: Path) -> int:
    """The demo in the workbench: the person asks, allows the change, and runs the check. Returns the exit status."""
    from workbench.protocol.task import Rules
    from workbench.tui.tour import Tour
    from workbench.verbs.workbench import Opening, show
    from workbench.verbs.workbench_flags import Asked

    os.chdir(scratch)
    env = _environment()
    os.environ.update(env)  # for the commands of the person as well
    opening = Opening(
        Asked(agent="ml-engineer", mode="default"),
        scratch,
        env,
        options={"replay": _source() / "answers.jsonl", "pace": _PACE},
        given={"rules": Rules(allow=_ALLOWED)},
        tour=Tour(_ASK, "!python3 check.py"),
    )
    status = show(opening)
    _say("\n".join(_next(scratch)))
    return status


def _next(scratch: Path) -> list[str]:
    """What to do after the demo."""
    return [
        f"The demo's repository, its runs and its report.md lie in {scratch}",
        "",
        "Your own work, with a key of the provider's:",
        "  export ANTHROPIC_API_KEY=…",
        "or with a server that speaks the Messages API:",
        "  export ANTHROPIC_BASE_URL=http://localhost:11434",
        "and then, in your repository:",
        "  mlwb",
        "",
        "mlwb doctor tells what works on this machine; mlwb --help lists the rest.",
    ]


# --- the session -------------------------------------------------------------------------------------------


def _play(scratch: Path, given: Namespace) -> tuple[int, Result | None, str]:
    """Exit code, result and standard error of `mlwb run task.md --replay …`; what it does is told as it happens."""
    result = None
    command = [*_RUN, "task.md", "--replay", str(_source() / "answers.jsonl"), "--output-format", "stream-json"]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints:
        process = subprocess.Popen(
            command, cwd=scratch, env=_environment(), text=True, encoding="utf-8", errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints, start_new_session=True,
        )  # fmt: skip
        with _forwarding(process):
            assert process.stdout is not None
            result = _follow(process.stdout, scratch, given.output_format)
            status = process.wait()
        complaints.seek(0)
        return status, result, complaints.read().strip()


@contextmanager
def _forwarding(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Signals go to the session, which ends properly by itself; it never outlives the demo."""
    heard = [number for number in _PASSED_ON if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda n, _: process.send_signal(n)) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if process.poll() is None:
            process.terminate()
            process.wait()


def _follow(lines: IO[str], scratch: Path, output_format: str) -> Result | None:
    """Reads the session's stream to its end; the result is its last line."""
    result = None
    narrator = Narrator(scratch, sys.stderr)
    for line in lines:
        last = line.startswith('{"type":"result"')
        if last:
            result = msgspec.json.decode(line, type=Result)
        elif output_format == "text":
            narrator.tell(decode_envelope(line).event)
        if output_format == "stream-json" or (last and output_format == "json"):
            print(line, end="", flush=True)
    return result


# --- what is told meanwhile ----------------------------------------------------------------------------------


class Narrator:
    """Tells events to OUT. Paths inside WORKSPACE are shown relative to it."""

    def __init__(self, workspace: Path, out: TextIO) -> None:
        self._workspace = str(workspace)
        self._out = out
        self._planned = False

    def tell(self, event: e.AnyEvent) -> None:
        """Says what a person who watches wants to know of EVENT; nothing for most kinds."""
        match event:
            case e.AnswerCompleted(calls=calls, content=content) if calls:
                for block in content:
                    self._said(block)
            case e.CallDecided(tool=tool, target=target, verdict=verdict, reason=reason):
                self._line("  " + textwrap.shorten(f"{tool} {target}", _WIDTH, placeholder=" …"))
                if verdict != "allow":
                    self._line(f"    {verdict}: {reason}")
            case e.CallFinished(display=display, status=status, summary=summary):
                if status != "ok":
                    self._line(f"    {status}: {summary}")
                for shown in display:
                    self._display(shown)
            case e.CheckFinished(check=check):
                self._line(f"  check {check.command}: exit {check.exit_code}")
                self._indented(check.output)
            case e.Notice(level=level, text=text):
                self._line(f"{level}: {text}")

    def _said(self, block: dict[str, Any]) -> None:
        if block.get("type") in ("text", "thinking"):
            words = str(block.get("text") or block.get("thinking"))
            before = "(thinks) " if block["type"] == "thinking" else ""
            self._line("\n" + textwrap.fill(visible(before + words), _WIDTH))

    def _display(self, block: blocks.DisplayBlock) -> None:
        match block:
            case blocks.Output(text=text) | blocks.Diff(text=text):
                self._indented(text)
            case blocks.Todos(todos=todos) if not self._planned:
                self._planned = True  # later the plan is one line: what of it is being done
                self._indented("\n".join(todo.content for todo in todos))

    def _indented(self, text: str) -> None:
        lines = text.rstrip().splitlines()
        for line in lines[:_MOST_LINES]:
            self._line(f"    {line}")
        if len(lines) > _MOST_LINES:
            self._line(f"    … {len(lines) - _MOST_LINES} more lines")

    def _line(self, text: str) -> None:
        text = text.replace(f"{self._workspace}/", "").replace(self._workspace, ".")
        print(visible(text, newlines=True), file=self._out, flush=True)


# --- the end -----------------------------------------------------------------------------------------------


def _closing(result: Result, scratch: Path) -> list[str]:
    """What was changed, with which figures, where it lies, and how to do the same with a key."""
    passed = sum(1 for check in result.checks if check.exit_code == 0)
    lines = ["", "What was changed:", *_changes(result)]
    if figures := _figures(scratch / "report.md"):
        lines += ["", "What the runs gave (report.md):", *figures]
    lines += [
        "",
        f"{'Verified' if result.verified else 'NOT verified'}: {passed} of {len(result.checks)} checks passed",
        f"It all lies in {scratch}",
        f"The session:  mlwb sessions show {result.session_id}",
        "",
        "The same from the start, with a model in place of the recording:",
        f"  cd {shlex.quote(str(scratch))}",
        f"  cp {shlex.quote(str(_source() / 'repo' / 'train.py'))} . && rm -rf runs report.md",
        "  export ANTHROPIC_API_KEY=…",
        "  mlwb run task.md",
        "",
        f"Four more tasks to start from: {folder('examples')}",
    ]
    return lines


def _changes(result: Result) -> list[str]:
    """One line a file, as `git diff --stat` has them."""
    width = max((len(change.path) for change in result.files_changed), default=0)
    return [f"  {change.path:<{width}}  {_size(change)}" for change in result.files_changed] or ["  nothing"]


def _size(change: Any) -> str:
    if change.added is None:
        return str(change.change)
    return f"{change.change}, +{change.added} -{change.removed or 0}"


def _figures(report: Path) -> list[str]:
    """The report's table and verdict, without its title and its charts."""
    try:
        text = report.read_text(encoding="utf-8")
    except OSError:
        return []
    body = text.partition("\n## ")[0].splitlines()[1:]
    return [f"  {line}".rstrip() for line in "\n".join(body).strip().splitlines()]


def _say(text: str) -> None:
    print(visible(text, newlines=True), file=sys.stderr, flush=True)
