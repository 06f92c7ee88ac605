"""What the open workbench and its session's host do when nothing changes: CPU, memory, bytes to the terminal."""

import time

from measure import figure
from terminal import END, workbench

SECONDS = 15


def main() -> None:
    """Opens it, lets one answer be given, waits until all is quiet, and looks on for SECONDS."""
    with workbench(300, files={"train.py": "lr = 0.5\n"}) as (terminal, _):
        terminal.write(b"say something\r")
        terminal.wait(END)
        terminal.quiet(3)
        cpu, count, began = terminal.cpu(), terminal.count, time.perf_counter()
        time.sleep(SECONDS)
        spent = (terminal.cpu() - cpu) / (time.perf_counter() - began) * 100
        written, memory = terminal.count - count, terminal.memory()
        processes = len(list(terminal.tree()))
    figure("workbench: idle CPU", spent, "% of a core", 1.0, "peers 0.15 to 3.5", seconds=SECONDS)
    figure("workbench and host: idle memory", memory, "MB", 150, "proportional set size", processes=processes)
    figure("workbench: idle bytes to the terminal", written, "bytes", 0, "nothing changes", seconds=SECONDS)


if __name__ == "__main__":
    main()
