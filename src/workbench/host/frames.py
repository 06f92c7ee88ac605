"""Frames out of a stream of bytes: whole lines, of a bounded length."""

import asyncio

_CHUNK = 1 << 16


class TooLongError(Exception):
    """A line is longer than it may be."""


class Lines:
    """The lines of READER, each at most MOST bytes; what is kept of one that is not whole is bounded by that."""

    def __init__(self, reader: asyncio.StreamReader, most: int) -> None:
        self._reader, self.most = reader, most
        self._kept = bytearray()

    async def next(self) -> bytes | None:
        """The next line without its newline, None at the end; half a line at the end counts for nothing.

        Raises TooLongError, and OSError of the connection.
        """
        start = 0
        while (at := self._kept.find(b"\n", start)) < 0:
            start = len(self._kept)
            if start > self.most:
                raise TooLongError
            if not (chunk := await self._reader.read(_CHUNK)):
                return None
            self._kept += chunk
        if at > self.most:
            raise TooLongError
        line = bytes(self._kept[:at])
        del self._kept[: at + 1]
        return line

    def rest(self) -> bytes:
        """What has come behind the last line; to be read no more from here."""
        kept, self._kept = bytes(self._kept), bytearray()
        return kept
