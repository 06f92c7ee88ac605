"""Told to go by a signal: a terminal that was closed, a connection that broke. What runs is stopped as by ctrl+q."""

import asyncio
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp


def heed(app: "WorkbenchApp") -> None:
    """Has APP leave in order at SIGHUP and SIGTERM. What was ignored before (nohup) stays ignored."""
    if app.is_headless:
        return
    for number in (signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_DFL:
            asyncio.get_running_loop().add_signal_handler(number, _told, app, number)


def _told(app: "WorkbenchApp", number: signal.Signals) -> None:
    loop = asyncio.get_running_loop()
    if number == signal.SIGTERM:
        loop.remove_signal_handler(number)  # a second one ends it at once
    else:
        loop.add_signal_handler(number, lambda: None)  # a shell passes it on a second time
        if app._driver is not None:
            app._driver.gone = True  # type: ignore[attr-defined]  # of our own driver: what is written is dropped
    app.beside(lambda: _part(app, number), "parting")


async def _part(app: "WorkbenchApp", number: signal.Signals) -> None:
    app.workers.cancel_group(app, "open")
    await app.leave()
    if number == signal.SIGHUP:  # no terminal to give back, and nobody to tell
        os._exit(128 + number)
    app.exit(128 + number)
