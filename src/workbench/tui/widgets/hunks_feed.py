"""Keeps a diff pane's data new: one question at a time, a few files' lines at once, and never in the screen's way."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

from workbench.host.client import Client
from workbench.protocol.queries import AnyPage, AnyQuery
from workbench.tui.widgets.hunks import DiffFile
from workbench.tui.widgets.hunks_source import AT_ONCE, Source

_DEBOUNCE = 0.15  # seconds for which news are gathered before they are asked about
_PAUSE = 0.7  # seconds between two questions of which files differ
_FIRST = 2  # files that are read before anything is shown
_ROUND = 16  # files that are read before what is looked at is considered anew


class Feed:
    """Asks CLIENT. RUN starts a coroutine, TOLD is called when something is known that was not, SEEN says whether
    anyone looks: lines of files are read only then.
    """

    def __init__(
        self,
        client: Callable[[], Client | None],
        run: Callable[[Coroutine[Any, Any, None]], object],
        told: Callable[[], None],
        seen: Callable[[], bool],
    ) -> None:
        self.source = Source()
        self.wanted: set[str] = set()  # files that are looked at
        self._client, self._run, self._told, self._seen = client, run, told, seen
        self._asked = self._asking = self._reading = False
        self._now = asyncio.Event()  # somebody waits for the answer
        self._began = -_PAUSE  # when the last question was

    def end(self) -> None:
        """Asks nothing and tells nothing any more."""
        self._client, self._told = (lambda: None), (lambda: None)

    @property
    def busy(self) -> bool:
        """Whether a question is under way."""
        return self._asking or self._reading

    def look(self) -> None:
        """Somebody comes to look: asks at once what changed, by other programs too, unless that was just done."""
        if self._client() is not None and time.monotonic() - self._began > _PAUSE:
            self._began = time.monotonic()
            self.source.touch(None)
            self._now.set()
            self.ask()

    def ask(self) -> None:
        """Has the files that differ asked for soon."""
        self._asked = True
        if not self._asking and self._client() is not None:
            self._asking = True
            self._run(self._ask())

    def read(self) -> None:
        """Has the lines read that are wanted."""
        if self._seen() and not self._reading and self.source.wanted(self.wanted):
            self._reading = True
            self._run(self._read())

    async def _ask(self) -> None:
        try:
            while self._asked and self._client() is not None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._now.wait(), _DEBOUNCE)
                self._now.clear()
                self._began = time.monotonic()
                self._asked, source = False, self.source
                await source.refresh(self.query)
                if source is self.source:
                    self._told()
                    self.read()
                await asyncio.sleep(_PAUSE)
        finally:
            self._asking = False

    async def _read(self) -> None:
        source, gate = self.source, asyncio.Semaphore(AT_ONCE)

        async def one(file: DiffFile) -> None:
            async with gate:
                await source.load(self.query, file)

        try:
            while source is self.source and self._seen() and (files := source.wanted(self.wanted)):
                # The first lines as soon as they are there, the rest in larger steps: each is drawn.
                anything = any(file.loaded for file in source.changes.files)
                await asyncio.gather(*(one(file) for file in files[: _ROUND if anything else _FIRST]))
                self.wanted.clear()
                source.changes.match_renames()
                self._told()
        finally:
            self._reading = False

    async def query(self, query: AnyQuery) -> AnyPage:
        """A page of the session's. Raises ConnectionError where there is none."""
        client = self._client()
        if client is None:
            raise ConnectionError("there is no session")
        return await client.query(query)
