"""docs/protocol.md, made from the types: `python -m workbench.protocol.describe > docs/protocol.md`."""

import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args, get_origin

import msgspec

from workbench.protocol import commands, events, names, queries, state, wire
from workbench.protocol.version import PROTOCOL

_HEAD = f"""\
# The protocol

Made from the types by `python -m workbench.protocol.describe > docs/protocol.md`. This is version {PROTOCOL}.

A live session listens at `/tmp/mlwb-UID/ID.sock` (`MLWB_SOCKET_DIR` names another folder): a Unix socket of mode 0600
in a folder of mode 0700. From another machine the same bytes go through `ssh HOST mlwb attach --stdio ID`, which adds
the token. There is no TCP port.

## Lines

Each side writes frames: one JSON object a line, UTF-8, ended by `\\n`. `type` names the frame; a field that has its
default value is left out. A longer line than these ends the connection, and so does one that is no frame; half a line
at the end counts for nothing.

| | bytes of a line |
|---|---|
| a hello | {wire.MOST_HELLO:,} |
| what a client sends later | {wire.MOST_FROM_CLIENT:,} |
| what a host sends | {wire.MOST_FROM_HOST:,} |

## Order

1. The client says `hello` within 10 seconds, with the owner's token (the file `token` in the session's folder, which
   commands of the agent cannot see) or an invitation's. The host compares the uid that the kernel tells (SO_PEERCRED),
   and lets no process in that descends from it. It answers `welcome` or `refused`, and closes after the latter.
2. `after` in the hello is the seq of the last envelope that the client holds. Where the host can tell it all that it
   missed, envelopes with seq `after + 1` and on follow, none left out and none twice. Where `after` is -1, or too far
   back, or the host process is another than the one that gave the id in `again`, the welcome holds the state, which is
   the fold of all envelopes up to `seq`; some of these may follow once more and are passed over by their seq.
3. `told` envelopes come in the order of their seq, without a gap. `passing` events come in between while there is room,
   belong to what was told before them, and say nothing that a later told one does not say: a client may drop them.
   `more` repeats the last `passing` with another text. Where pieces of a text were missed, before the welcome or for
   want of room, the text so far comes once more with `whole`, in place of what came of it; its pieces go on behind it.
4. A client sends `do` and `ask` when it likes, without waiting for answers. Commands are begun in the order in which
   they came; each is answered by one `done`, when it was carried out or refused. Who did it is written by the host from
   the connection, whatever the command's `by` says.
5. A client that lost its connection says hello again with its id in `again`. Where the welcome's `client` is that id,
   the host still knows what it asked for: commands that were not answered are sent again, with the ids that they had,
   and each is done once. Where it is another id they may have been done or not; only the envelopes tell.
6. Both sides send `beat` after {wire.BEAT_S:g} seconds in which they sent nothing else.
   One that was silent for {wire.SILENT_S:g} is gone.
7. `bye` ends it, from either side. After `bye` with the code `behind` the client comes back with `after` -1.

## Versions

MAJOR.MINOR. Another major version is `refused` with the code `version`. Within a major version a newer side may
send frames, events, commands, queries and fields that the older one does not know. A client passes over frames and
fields that it does not know, and keeps an event of an unknown type by its seq. A host passes over frames, and answers
a command or a query that it does not know with a `done` or a `page` that says so.
"""


def page() -> str:
    """All of docs/protocol.md."""
    parts = [_HEAD, "## An example\n", *_example()]
    told: list[type[msgspec.Struct]] = []
    for title, kinds in (
        ("Frames of a client", get_args(wire.FromClient)),
        ("Frames of a host", get_args(wire.FromHost)),
        ("Commands", (*get_args(commands.AnyCommand), commands.Ack)),
        ("Queries", get_args(queries.AnyQuery)),
        ("Pages", get_args(queries.AnyPage)),
        ("Journalled events", (events.Envelope, *get_args(events.JournalEvent))),
        ("Passing events", get_args(events.EphemeralEvent)),
        ("The state", (state.SessionState,)),
    ):
        parts.append(f"## {title}\n")
        for kind in kinds:
            if kind in told or kind is events.Unknown:
                continue
            told.append(kind)
            parts.extend(_told(kind))
    parts.append("## What they are made of\n")
    for kind in _parts_of(told):
        parts.extend(_told(kind))
    return "\n".join(parts)


def _told(kind: type[msgspec.Struct]) -> Iterator[str]:
    tag = kind.__struct_config__.tag
    words = " ".join(line.strip() for line in (kind.__doc__ or "").strip().splitlines() if line.strip())
    yield f"**{f'`{tag}`' if tag else kind.__name__}**  {words}\n"
    hints = typing.get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        yield f"- `{field.encode_name}`: {_words(hints[field.name])}{_default(field)}"
    if hints:
        yield ""


def _default(field: "msgspec.structs.FieldInfo") -> str:
    if field.required:
        return ""
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if isinstance(value, msgspec.Raw) or value in ((), [], {}) or isinstance(value, msgspec.Struct):
        return ", may be left out"
    return f", default `{msgspec.json.encode(value).decode()}`"


_PLAIN = {str: "text", int: "integer", float: "number", bool: "true or false", type(None): "null", Any: "any JSON",
          bytes: "bytes in base64", msgspec.Raw: "JSON, as told below"}  # fmt: skip


def _words(kind: Any) -> str:
    """A type, in words."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if kind == names.Mode or origin is Literal:
        return " or ".join(f"`{one}`" for one in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_words(one) for one in arguments)
    if origin in (tuple, list):
        if origin is tuple and (len(arguments) != 2 or arguments[1] is not Ellipsis):
            return f"list of {len(arguments)}: {', '.join(map(_words, arguments))}"
        return f"list of {_words(arguments[0])}"
    if origin is dict:
        return f"object of {_words(arguments[1])}"
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return f"`{kind.__struct_config__.tag}`" if kind.__struct_config__.tag else kind.__name__
    return getattr(kind, "__name__", str(kind))


def _parts_of(told: Iterable[type[msgspec.Struct]]) -> list[type[msgspec.Struct]]:
    """The types that fields of those TOLD refer to, and theirs, by name."""
    seen, todo, found = set(told), list(told), []
    while todo:
        for hint in typing.get_type_hints(todo.pop()).values():
            for kind in _structs(hint):
                if kind not in seen and kind is not events.Unknown:
                    seen.add(kind)
                    todo.append(kind)
                    found.append(kind)
    return sorted(found, key=lambda kind: kind.__name__)


def _structs(hint: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for argument in get_args(hint):
        yield from _structs(argument)


def _example() -> Iterator[str]:
    """A client attaches, asks for something, loses its connection, and comes back."""
    envelope = events.Envelope
    at, me, secret = 1_790_000_000.0, "c-51f0a2b7", "…"
    prompt = commands.SubmitPrompt(id="prompt-7", text="Lower the learning rate.", by="li")
    submitted = events.PromptSubmitted(text=prompt.text, origin="person", by="li")
    answer = events.TextDelta(turn=4, index=0, text="I will look at ")
    lines: list[tuple[str, wire.Frame]] = [
        ("→", wire.Hello(token=secret, role="driver", program="1.0", place="pts/3")),
        ("←", wire.Welcome(session="s-4k7w9x2m", client=me, user="li", role="driver", owner=True, seq=41,
                           program="1.0", state=msgspec.Raw(b'{"session":"s-4k7w9x2m","seq":41}'))),
        ("→", wire.Do(command=wire.raw(prompt))),
        ("←", wire.Told(envelope=wire.raw(envelope(seq=42, session="s-4k7w9x2m", at=at, event=submitted)))),
        ("←", wire.Done(ack=wire.raw(commands.Ack(id="prompt-7", ok=True)))),
        ("←", wire.Passing(event=wire.raw(answer))),
        ("←", wire.More(text="the schedule first.")),
        ("→", wire.Ask(id=1, query=wire.raw(queries.FindFiles(pattern="train")))),
        ("←", wire.Page(id=1, page=wire.raw(queries.Paths(paths=("train.py",), total=1)))),
    ]  # fmt: skip
    again = wire.Hello(token=secret, role="driver", after=42, program="1.0", again=me)
    back = wire.Welcome(session="s-4k7w9x2m", client=me, user="li", role="driver", owner=True, seq=42, program="1.0")
    yield "`→` is what the client writes, `←` what the host answers; long parts are cut.\n\n```"
    yield from (f"{way} {wire.line(frame).decode().strip()}" for way, frame in lines)
    yield "```\n\nThe connection breaks. The client comes back, has missed nothing yet, and goes on:\n\n```"
    yield from (f"{way} {wire.line(frame).decode().strip()}" for way, frame in (("→", again), ("←", back)))
    yield "```\n"


if __name__ == "__main__":
    print(page(), end="")
