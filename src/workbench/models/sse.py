"""Server-sent events out of a stream of bytes: https://html.spec.whatwg.org/multipage/server-sent-events.html."""


class Events:
    """Cuts bytes into the data of events. Feed it chunks as they come, however they are cut."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._held = b""  # a carriage return at the end of a chunk: the newline behind it may be on its way

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of each event that CHUNK completes. Event names, ids and comments are dropped."""
        chunk, self._held = self._held + chunk, b""
        if b"\r" in chunk:
            chunk, self._held = (chunk[:-1], b"\r") if chunk.endswith(b"\r") else (chunk, b"")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        looked_at = max(0, len(self._rest) - 1)  # what came before has no end of an event: a long one is not read again
        self._rest += chunk
        if self._rest.find(b"\n\n", looked_at) < 0:
            return []
        *blocks, rest = bytes(self._rest).split(b"\n\n")
        self._rest = bytearray(rest)
        return [data for block in blocks if (data := _data(block))]


def _data(block: bytes) -> bytes:
    lines = [line[5:].removeprefix(b" ") for line in block.split(b"\n") if line.startswith(b"data:")]
    return lines[0] if len(lines) == 1 else b"\n".join(lines)
