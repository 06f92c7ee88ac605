"""The words after `mlwb exp wait`, read the same way whether a person or an agent wrote them."""

from collections.abc import Sequence

import msgspec

from workbench.experiments.launch.options import Parser, duration


class WaitOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is waited for: RUNS (none named: those that go on), ALL of them, for TIMEOUT_S at most."""

    runs: tuple[str, ...] = ()
    all: bool = False
    timeout_s: float | None = None


def read(args: Sequence[str]) -> WaitOptions:
    """ARGS, the words after `wait`. Raises Usage; SystemExit for --help."""
    parser = Parser(
        prog="mlwb exp wait",
        description="Waits until a run has ended, a service is ready, or something was seen in one: NaN, a stall, full "
        "memory, … An agent that waits in a session spends no token meanwhile.",
        epilog="Exits 0 where what ended has finished well, 1 where it has not or something was seen, 124 where the "
        "time was over.",
    )
    parser.add_argument("runs", nargs="*", metavar="RUN", help="(default: all that go on)")
    parser.add_argument(
        "--all", action="store_true", help="until the last has ended; a service that stays only if named"
    )
    parser.add_argument("--timeout", type=duration, dest="timeout_s", metavar="T", help="for 90s, 2h, 1h30m at most")
    found = vars(parser.parse_args(list(args)))
    return WaitOptions(runs=tuple(dict.fromkeys(found.pop("runs"))), **found)
