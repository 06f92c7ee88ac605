"""Stretches of a session's items that the state does not hold, asked of the client by page."""

import asyncio
from collections.abc import Sequence

import msgspec

from workbench.host.client import Client
from workbench.protocol.fold import PLACES
from workbench.protocol.queries import Blob, BlobPage, CallWhole, Items, ItemsBefore, ItemText
from workbench.protocol.state import Item

PAGE = 100  # items that are asked for while scrolling
SCAN = 500  # items that are asked for while searching
WHOLE = 1 << 20  # bytes of one text that are asked for
MOST_CALL = 16 << 20  # bytes of a call's arguments and display, and of a picture


class Pages:
    """Pages of one client's session."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def before(self, item: int, n: int = PAGE) -> Items:
        """The N items before ITEM (0: the newest)."""
        page = await self._client.query(ItemsBefore(before=item, n=n))
        return page if isinstance(page, Items) else Items(items=(), more=False)

    async def after(self, item: int, last: int) -> Sequence[Item]:
        """Some of the items right after ITEM; LAST is an id that no item is beyond.

        Ids grow with the journal: so a page that ends a stretch of events further on holds them.
        """
        stretch = 2 * PAGE
        while True:
            end = item + stretch * PLACES
            page = await self.before(end, 10 * PAGE)
            found = [one for one in page.items if one.id > item]
            if page.more and len(found) == len(page.items) and stretch > 1:
                stretch //= 4  # the page does not reach back to ITEM
            elif found or end > last:
                return found
            else:
                stretch *= 4

    async def first(self) -> Items:
        """The items that the session begins with."""
        events = 2 * PAGE
        while True:
            page = await self.before(events * PLACES, 10 * PAGE)
            if page.more and events > 1:
                events //= 2
            elif page.items or events > 1 << 40:
                return page
            else:
                events *= 8

    async def turn(self, turn: int, last: int) -> int:
        """An id right after which the items of TURN begin; LAST is an id that no item is beyond."""
        low, high = 0, last + PLACES
        while high - low > PLACES:
            middle = (low + high) // 2
            page = await self.before(middle, 20)
            low, high = (middle, high) if max((one.turn for one in page.items), default=0) < turn else (low, middle)
        return low

    async def data(self, blob: str) -> bytes:
        """All bytes of BLOB, none where they are not there or more than MOST_CALL."""
        data, total = b"", 1
        while len(data) < total <= MOST_CALL:
            page = await self._client.query(BlobPage(blob=blob, offset=len(data), size=WHOLE))
            if not isinstance(page, Blob) or not page.data:
                return b""
            data, total = data + page.data, page.total
        return data

    async def text(self, item: int) -> tuple[str, int]:
        """The text of ITEM, WHOLE bytes of it at most, and how many bytes it has (-1: there is none)."""
        return _decoded(await self._client.query(ItemText(item=item, size=WHOLE)))

    async def call(self, item: int) -> CallWhole | None:
        """Arguments and display of the call ITEM, uncut; None where they are not there, or beyond MOST_CALL bytes."""
        data, total = b"", 1
        while len(data) < total <= MOST_CALL:
            page = await self._client.query(ItemText(item=item, offset=len(data), size=WHOLE))
            if not isinstance(page, Blob) or not page.data:
                return None
            data, total = data + page.data, page.total
        if total > MOST_CALL:
            return None
        return await asyncio.to_thread(msgspec.json.decode, data, type=CallWhole)

    async def blob(self, blob: str) -> tuple[str, int]:
        """The text that lies in BLOB, WHOLE bytes of it at most, and how many bytes it has (-1: there is none)."""
        return _decoded(await self._client.query(BlobPage(blob=blob, size=WHOLE)))


def _decoded(page: object) -> tuple[str, int]:
    if not isinstance(page, Blob) or page.total < 0:
        return "", -1
    return page.data.decode("utf-8", "replace"), page.total
