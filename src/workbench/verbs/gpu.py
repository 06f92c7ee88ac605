"""`mlwb gpu [--json] [--watch]`: the cards, who uses them, and the machine beside them."""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from workbench.protocol.visible import visible
from workbench.verbs.options import Parser

REFRESH_S = 1.0
_DAY_S, _XIDS = 86_400.0, 5
APART_S = 0.2  # between the two looks that a rate needs


def main(args: list[str]) -> int:
    """Runs `mlwb gpu ARGS`; returns the exit status, 0 also where there is no card."""
    parser = Parser(prog="mlwb gpu", description="GPU and host telemetry.")
    parser.add_argument("--json", action="store_true", help="for programs; with --watch one object a line")
    parser.add_argument("--watch", action="store_true", help="again every second, until ctrl+c")
    options = parser.parse_args(args)

    from workbench.experiments.found_owner import Owners
    from workbench.experiments.ledger import ledger_for
    from workbench.telemetry.sampler import Sampler

    sampler = Sampler(Path.cwd(), run_of=Owners([ledger_for(Path.cwd())]))
    sampler.sample()
    sampler.read_links()
    time.sleep(APART_S)
    sampler.read_links()
    try:
        if options.watch:
            _watch(sampler, options.json)
        else:
            _show(sampler.sample(), options.json)
    finally:
        sampler.close()
    return 0


def _show(sample: Any, as_json: bool) -> None:
    print(json.dumps(_builtins(sample), indent=2) if as_json else "\n".join(_table(sample)))


def _builtins(sample: Any) -> dict[str, Any]:
    """The sample as the contract has it: `gpus`, `processes`, `host`, and what else is known."""
    import msgspec

    told: dict[str, Any] = msgspec.to_builtins(sample)
    first = {key: told.pop(key) for key in ("gpus", "processes", "host")}
    del told["mono"]  # means nothing outside this process
    return first | told


# --- watching ----------------------------------------------------------------------------------------------


def _watch(sampler: Any, as_json: bool) -> None:
    """Draws over what it drew before; the terminal is never left in a state of its own."""
    drawn = 0
    in_place = sys.stdout.isatty() and not as_json
    due = time.monotonic()
    looks = 0
    try:
        while True:
            if looks and looks % 5 == 0:
                sampler.read_links()
            sample, looks = sampler.sample(), looks + 1
            if as_json:
                print(json.dumps(_builtins(sample)), flush=True)
            elif in_place:
                drawn = _redraw(_table(sample), drawn)
            else:
                print("\n".join(_table(sample)), end="\n\n", flush=True)
            due = max(due + REFRESH_S, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
    except KeyboardInterrupt:
        if in_place:
            print("\r\x1b[K", end="")  # over the ^C that the terminal wrote


def _redraw(lines: list[str], drawn: int) -> int:
    """Writes LINES over the DRAWN lines above; what does not fit the terminal is left out. Returns their number."""
    columns, rows = shutil.get_terminal_size()
    fitting = [line[: columns - 1] for line in lines[: max(1, rows - 1)]]
    up = f"\x1b[{min(drawn, rows - 1)}F" if drawn else ""
    sys.stdout.write(up + "".join(f"{line}\x1b[K\n" for line in fitting) + "\x1b[J")
    sys.stdout.flush()
    return len(fitting)


# --- the table ---------------------------------------------------------------------------------------------


def _table(sample: Any) -> list[str]:
    lines: list[str] = []
    if sample.problem:
        lines.append(sample.problem)
    elif not sample.gpus:
        lines.append(f"the NVIDIA driver {sample.driver or ''} sees no card".replace("  ", " "))
    else:
        lines += _columns([_HEAD, *map(_row, sample.gpus)], right=(2, 3, 4, 5, 6))
        lines += [f"{gpu.index}  {line}" for gpu in sample.gpus for line in details(gpu)]
    if sample.processes:
        lines += ["", *_columns([_PROCESS_HEAD, *map(_process, sample.processes)], right=(1, 3, 4))]
    if any(process.foreign for process in sample.processes):
        lines.append(FOREIGN)
    if sample.gpus:
        lines += xids()
    return [*lines, "", *host_lines(sample.host)]


def xids() -> list[str]:
    """What went wrong on the cards in the last day, by the driver's word, the newest first."""
    from workbench.telemetry import words
    from workbench.telemetry.xid import recent_xids

    now = time.time()
    found = recent_xids(now - _DAY_S)[: -_XIDS - 1 : -1]
    return [f"{visible(one.words)} ({one.bus or words.DASH}, {words.age(now - one.at)} ago)" for one in found]


FOREIGN = "These are process numbers of the host: this container cannot tell whose they are."
_HEAD = ("GPU", "NAME", "UTIL", "MEMORY", "POWER", "TEMP", "CLOCK", "STATE")
_PROCESS_HEAD = ("GPU", "PID", "USER", "MEMORY", "UTIL", "COMMAND")


def _row(gpu: Any) -> tuple[str, ...]:
    from workbench.telemetry import words

    return (
        str(gpu.index),
        visible(words.short_name(gpu.name)),
        words.percent(gpu.utilization),
        words.of(gpu.memory_used, gpu.memory_total),
        words.pair(gpu.power, gpu.power_limit, "W"),
        words.degrees(gpu.temperature),
        words.pair(gpu.clock_sm, gpu.clock_sm_max, "MHz"),
        gpu.problem or ", ".join(gpu.throttle_reasons or ()) or words.DASH,
    )


def _process(process: Any) -> tuple[str, ...]:
    from workbench.telemetry import words

    return (
        str(process.gpu),
        str(process.pid),
        visible(process.user or words.DASH),
        words.size(process.memory),
        words.percent(process.utilization),
        visible(f"{process.run or ''} {process.command or words.DASH}".strip())[:200],
    )


def details(gpu: Any) -> list[str]:
    """What is worth a line of its own: slices, links that are up, errors, a PCIe link narrower than it could be."""
    from workbench.telemetry import words

    lines = [f"{visible(mig.name or 'MIG')}  {words.of(mig.memory_used, mig.memory_total)}" for mig in gpu.mig_devices]
    if line := words.links(gpu):
        lines.append(line)
    return lines


def host_lines(host: Any) -> list[str]:
    """The machine in a line or two."""
    from workbench.telemetry import words

    return [f"host  {visible(host.hostname)}  {'  '.join(words.host_parts(host))}"]


def _columns(rows: list[tuple[str, ...]], right: tuple[int, ...]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
