"""Display blocks: what a tool result shows to people, beside the text that the model reads."""

import msgspec


class Todo(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the agent's to-do list."""

    content: str
    status: str = "pending"  # pending, in_progress, completed
    active_form: str = msgspec.field(name="activeForm", default="")


class Block(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=lambda name: name.lower()):
    """Base of every display block. Long content lies in a blob; `blob` is its id."""


class Text(Block, frozen=True, kw_only=True):
    """Plain text, as it is."""

    text: str
    blob: str | None = None


class Code(Block, frozen=True, kw_only=True):
    """Lines of a file; `start` is the number of the first one."""

    path: str
    text: str
    start: int = 1
    blob: str | None = None


class Diff(Block, frozen=True, kw_only=True):
    """A unified diff of one file. `added` and `removed` count lines."""

    path: str
    text: str
    added: int = 0
    removed: int = 0
    created: bool = False
    blob: str | None = None


class Output(Block, frozen=True, kw_only=True):
    """What a command printed. `exit_code` is None while it runs or when a signal ended it (`signal`)."""

    text: str
    exit_code: int | None = None
    signal: int | None = None
    blob: str | None = None
    path: str | None = None


class Listing(Block, frozen=True, kw_only=True):
    """Paths or matches; `total` counts all of them, `lines` may be fewer."""

    lines: tuple[str, ...]
    total: int


class Image(Block, frozen=True, kw_only=True):
    """A picture; its bytes lie in the blob."""

    media_type: str
    blob: str


class Todos(Block, frozen=True, kw_only=True):
    """The to-do list as it stands after the call."""

    todos: tuple[Todo, ...]


DisplayBlock = Text | Code | Diff | Output | Listing | Image | Todos
