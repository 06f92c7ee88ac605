"""Streaming an answer into the workbench: 200 tokens a second, and 20,000 at once. CPU, bytes to the terminal, lag.

The reference is the obvious way: a Textual app that appends the same tokens to its own Markdown stream.
`python benchmarks/tui_stream.py TOKENS` streams another number than 20,000.
"""

import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import psutil

from measure import figure, python, scratch
from terminal import END, READY, Terminal, workbench

RATE = 200.0
TOKENS = 20_000
SHORT = 3_000  # of the reference, which is dearer per token the longer it is, and of the talk beside panes
PLAIN = """
import asyncio, sys
sys.path.insert(0, {folder!r})
from terminal import tokens
from textual.app import App
from textual.containers import VerticalScroll
from textual.widgets import Markdown
class Plain(App):
    def compose(self):
        with VerticalScroll() as self.scroll:
            self.markdown = Markdown("ask, or /command")
            yield self.markdown
    def on_mount(self):
        self.scroll.anchor()
        self.run_worker(self.stream())
    async def stream(self):
        stream = Markdown.get_stream(self.markdown)
        for token in tokens({count}):
            await stream.write(token)
            await asyncio.sleep(1 / {rate})
Plain().run()
"""


def measured(terminal: Terminal, count: int) -> tuple[float, float]:
    """(CPU seconds, kilobytes) per 1,000 of COUNT tokens, from now until all is painted."""
    cpu, written = terminal.cpu(), terminal.count
    terminal.write(b"say much\r")
    terminal.wait(END, count / RATE + 120)
    terminal.quiet(0.5)
    return (terminal.cpu() - cpu) / count * 1000, (terminal.count - written) / count


def paced(count: int) -> tuple[float, float]:
    """The workbench, at RATE."""
    with workbench(count, RATE) as (terminal, _):
        return measured(terminal, count)


def plain(count: int) -> tuple[float, float]:
    """The reference, at RATE."""
    code = PLAIN.format(folder=str(Path(__file__).parent), count=count, rate=RATE)
    with scratch() as (work, env), Terminal(python("-c", code), env=env, cwd=work) as terminal:
        terminal.wait(READY)
        return measured(terminal, count)


def through_tmux(count: int) -> tuple[float, float]:
    """(CPU seconds of the workbench, kilobytes that tmux writes) per 1,000 tokens at RATE."""
    tmux = ("tmux", "-u", "-L", f"bench-{uuid.uuid4().hex[:8]}", "-f", "/dev/null")
    with workbench(count, RATE, before=(*tmux, "new-session")) as (terminal, _):
        try:
            shown = subprocess.run([*tmux, "display", "-p", "#{pane_pid}"], capture_output=True, text=True, check=True)
            inside = psutil.Process(int(shown.stdout))
            before = sum(inside.cpu_times()[:2])
            _, kilobytes = measured(terminal, count)
            return (sum(inside.cpu_times()[:2]) - before) / count * 1000, kilobytes
        finally:
            subprocess.run([*tmux, "kill-server"], check=False)


def docked(count: int) -> tuple[float, float]:
    """The workbench with two panes open beside the talk, at RATE."""
    with workbench(count, RATE, size=(200, 50)) as (terminal, _):
        for command in (b"/diff\r", b"\x1b", b"/gpu\r", b"\x1b"):
            terminal.write(command)
            terminal.quiet(0.5, 3)
        return measured(terminal, count)


def at_once(count: int) -> tuple[float, float]:
    """(CPU seconds per 1,000 tokens, seconds from the last byte sent until all is painted)."""
    with workbench(count) as (terminal, endpoint):
        cpu = terminal.cpu()
        terminal.write(b"say much\r")
        painted = terminal.wait(END, 120)
        terminal.quiet(0.5)
        return (terminal.cpu() - cpu) / count * 1000, painted - endpoint.done_at


def main() -> None:
    """Measures and prints."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else TOKENS
    plain_cpu, plain_kb = plain(min(count, SHORT))
    cpu, kilobytes = paced(count)
    more = {"tokens": count, "cpu_s_per_1k": cpu, "kb_per_1k": kilobytes, "reference_kb_per_1k": plain_kb}
    figure(
        "workbench: 200 tokens/s, CPU", cpu / plain_cpu, "x", 1.0, "Textual's own Markdown stream, a short one",
        reference_s_per_1k=plain_cpu, **more,
    )  # fmt: skip
    figure("workbench: 200 tokens/s, CPU s per 1,000 tokens", cpu, "s", 1.3, "best peer", tokens=count)
    if shutil.which("tmux"):
        inner, through = through_tmux(count)
        figure(
            "workbench: 200 tokens/s, KB per 1,000 tokens through tmux", through, "KB", 39, "best peer", cpu_s=inner,
            tokens=count,
        )  # fmt: skip
    inner, beside = docked(min(count, SHORT))
    figure(
        "workbench: 200 tokens/s beside two panes, KB per 1,000 tokens", beside, "KB", 120, "230 with each row anew",
        cpu_s=inner, tokens=min(count, SHORT),
    )  # fmt: skip
    cpu, lag = at_once(count)
    figure("workbench: 20,000 tokens at once, CPU s per 1,000", cpu, "s", 0.07, "best peer", tokens=count)
    figure("workbench: 20,000 tokens at once, lag", lag, "s", 0.9, "best peer", tokens=count)


if __name__ == "__main__":
    main()
