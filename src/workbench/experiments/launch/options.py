"""The words after `mlwb exp run`, read the same way whether a person or an agent wrote them."""

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec

from workbench.experiments.types import Goal, Service

_MOST_SEEDS = 256
_FOREVER = 1e9  # seconds
_MOST_CALLERS = 1024
_KINDS = ("nan", "divergence", "plateau", "stall", "memory", "disk", "idle")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")


class Usage(Exception):  # noqa: N818 - what a person meets is the message
    """The words make no command; the message says why."""


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `mlwb exp run` was asked for; see `types.Job`."""

    argv: tuple[str, ...]
    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    seeds: tuple[int, ...] = ()
    gpus: int | None = None
    wait_s: float = 0.0
    timeout_s: float | None = None
    goal: Goal | None = None
    stop_on: tuple[str, ...] = ()
    detach: bool = False
    service: Service | None = None


class Parser(argparse.ArgumentParser):
    """One whose errors are raised as Usage."""

    def error(self, message: str) -> NoReturn:
        raise Usage(message)


def run_parser() -> argparse.ArgumentParser:
    """The options of `mlwb exp run`."""
    parser = Parser(
        prog="mlwb exp run",
        usage="mlwb exp run [options] [--] COMMAND …",
        description="Runs a command and records it: its exact code, its output, its numbers, what it cost. The run "
        "goes on when this terminal is closed; ctrl+c stops it.",
        epilog="Exits as the command does; 124 where its time was over. The run's id goes to standard error.",
    )
    parser.add_argument("--name", default="", metavar="N", help="a name for people (default: by the command)")
    parser.add_argument("--tag", action="append", default=[], dest="tags", metavar="T", help="may be given again")
    parser.add_argument("--note", default="", metavar="TEXT", help="a word about it")
    parser.add_argument(
        "--seeds",
        type=_seeds,
        default=(),
        metavar="0..4",
        help="one run for each, in turn: {seed} in the command is replaced, SEED is set",
    )
    parser.add_argument("--gpus", type=_whole, metavar="K", help="give it K free cards of those that may be used")
    parser.add_argument(
        "--wait",
        type=duration,
        nargs="?",
        const=_FOREVER,
        default=0.0,
        dest="wait_s",
        metavar="TIME",
        help="wait for free cards, at most TIME; without it, too few is an error",
    )
    parser.add_argument("--timeout", type=duration, dest="timeout_s", metavar="T", help="end it after 90s, 2h, 1h30m")
    parser.add_argument("--goal", choices=("min", "max"), help="whether less or more of its metrics is better")
    parser.add_argument(
        "--stop-on", type=_kinds, default=(), metavar="KIND", help=f"end it on an alert: {', '.join(_KINDS)}"
    )
    parser.add_argument("--detach", action="store_true", help="only start it; its id goes to standard output")
    _add_service(parser)
    return parser


def _add_service(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "a service",
        "A server, whose latencies and throughput under a load are measured. {port} in its command, its URL and its "
        "load is replaced by a free port.",
    )
    group.add_argument("--service", action="store_true", help="the command is a server; needs --ready")
    group.add_argument(
        "--ready", metavar="URL", help="it is ready once this answers: http://…, https://… or tcp://HOST:PORT"
    )
    group.add_argument("--ready-timeout", type=duration, dest="ready_s", metavar="T", help="give it up after (10m)")
    group.add_argument("--load", metavar="CMD", help="then run this load generator; what it prints is read")
    group.add_argument("--request", metavar="FILE|URL", help="or send these requests: METHOD PATH, headers, body")
    group.add_argument("--concurrency", type=_callers, metavar="N", help="so many callers at once (1)")
    group.add_argument("--rate", type=_rate, metavar="R", help="R requests a second are due, whatever it answers")
    group.add_argument("--duration", type=duration, dest="duration_s", metavar="T", help="so long (30s)")
    group.add_argument("--warm-up", type=_pause, dest="warm_up_s", metavar="T", help="before that, not counted (3s)")
    group.add_argument("--stay", action="store_true", help="do not end it when its load is over")


def read(args: Sequence[str]) -> RunOptions:
    """ARGS, the words after `run`. Raises Usage; SystemExit for --help."""
    parser = run_parser()
    parser.add_argument("argv", nargs=argparse.REMAINDER, metavar="COMMAND")
    found: dict[str, Any] = vars(parser.parse_args(list(args)))
    argv = found.pop("argv")
    if argv[:1] == ["--"]:
        argv = argv[1:]
    if not argv or not argv[0]:
        raise Usage("there is no command to run: mlwb exp run [options] -- COMMAND …")
    service = _service({name: found.pop(name) for name in _OF_SERVICE})
    return RunOptions(argv=tuple(argv), tags=tuple(found.pop("tags")), service=service, **found)


_OF_SERVICE = (
    "service", "ready", "ready_s", "load", "request", "concurrency", "rate", "duration_s", "warm_up_s", "stay"
)  # fmt: skip


def _service(found: dict[str, Any]) -> Service | None:
    """The service that the options FOUND tell of, None where they tell of none. Raises Usage."""
    given = {name: value for name, value in found.items() if value is not None and value is not False}
    if not given:
        return None
    if not given.pop("service", False) or "ready" not in given:
        raise Usage("a server is run by: mlwb exp run --service --ready URL [options] -- COMMAND …")
    if "load" in given and "request" in given:
        raise Usage("--load and --request are two loads; give one")
    if not {"load", "request"} & given.keys() and "stay" in given:
        raise Usage("--stay says that it goes on after its load; without --load or --request it does so anyway")
    if "request" not in given and {"concurrency", "rate", "duration_s", "warm_up_s"} & given.keys():
        raise Usage("--concurrency, --rate, --duration and --warm-up tell how the requests of --request are sent")
    from workbench.experiments.launch.service_http import RequestError, address

    try:
        address(given["ready"].replace("{port}", "1"))
    except RequestError as error:
        raise Usage(f"--ready: {error}") from None
    return Service(**given)


def duration(text: str) -> float:
    """Seconds, from `90s`, `2h`, `1h30m` or a bare number of seconds. Raises ArgumentTypeError."""
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        seconds = float(text)
    elif _DURATION.fullmatch(text):
        seconds = sum(float(amount) * _UNITS[unit] for amount, unit in re.findall(r"([\d.]+)([smhd])", text))
    else:
        seconds = 0.0
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration, such as 90s, 2h or 1h30m")
    return seconds


def _seeds(text: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,18})(?:\.\.(\d{1,18}))?", part.strip())
        if match is None:
            raise argparse.ArgumentTypeError(f"{text!r} is no list of seeds, such as 0..4 or 1,7,42")
        first, last = int(match[1]), int(match[2] or match[1])
        if abs(last - first) + len(found) >= _MOST_SEEDS:
            raise argparse.ArgumentTypeError(f"more than {_MOST_SEEDS} seeds")
        found += range(first, last + 1) if first <= last else range(first, last - 1, -1)
    return tuple(dict.fromkeys(found))


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(text.split(","))
    if unknown := [kind for kind in kinds if kind not in _KINDS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(_KINDS)}")
    return kinds


def _pause(text: str) -> float:
    return 0.0 if text in ("0", "0s") else duration(text)


def _callers(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= _MOST_CALLERS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of callers from 1 to {_MOST_CALLERS}")
    return int(text)


def _rate(text: str) -> float:
    if not re.fullmatch(r"\d{1,7}(?:\.\d+)?", text) or float(text) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of requests a second")
    return float(text)


def _whole(text: str) -> int:
    if not text.isdigit() or len(text) > 4:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of cards")
    return int(text)
