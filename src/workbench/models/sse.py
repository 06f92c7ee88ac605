"""Server-sent events out of a stream of bytes: https://html.spec.whatwg.org/multipage/server-sent-events.html."""


class Events:
    """Cuts bytes into the data of events. Feed it chunks as they come, however they are cut."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of each event that CHUNK completes. Event names, ids and comments are dropped."""
        buffer = self._rest + chunk
        if b"\r" in buffer:
            buffer, held = (buffer[:-1], b"\r") if buffer.endswith(b"\r") else (buffer, b"")
            buffer = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held
        *blocks, self._rest = buffer.split(b"\n\n")
        return [data for block in blocks if (data := _data(block))]


def _data(block: bytes) -> bytes:
    lines = [line[5:].removeprefix(b" ") for line in block.split(b"\n") if line.startswith(b"data:")]
    return lines[0] if len(lines) == 1 else b"\n".join(lines)
