"""A shell command as the gate understands it: only what is known to mean the same to bash as it does here.

`shell.py` makes these from text; `survey.py` walks them.
"""

import msgspec


class Lit(msgspec.Struct, frozen=True):
    """Text that stands for itself. `active`: unquoted, so that globs, braces and `~` in it count."""

    text: str
    active: bool = False


class Var(msgspec.Struct, frozen=True):
    """`$name` or `${name}`."""

    name: str
    quoted: bool = False


class Sub(msgspec.Struct, frozen=True):
    """`$(…)` or backticks."""

    body: "Block"
    quoted: bool = False


class Digits(msgspec.Struct, frozen=True):
    """`$((…))` over numbers: digits that are not worked out here."""


Part = Lit | Var | Sub | Digits


class Word(msgspec.Struct, frozen=True):
    """One word of a command, before expansion."""

    parts: tuple[Part, ...]


class Redirect(msgspec.Struct, frozen=True):
    """`op` is the operator (`>`, `>>`, `<`, …); `target` is None where a descriptor is copied or a text is given."""

    op: str
    target: Word | None = None


class Simple(msgspec.Struct, frozen=True):
    """A command with its words, the assignments before it and its redirects. `text` is its source."""

    words: tuple[Word, ...] = ()
    assigns: tuple[tuple[str, Word], ...] = ()
    redirects: tuple[Redirect, ...] = ()
    text: str = ""


class Pipe(msgspec.Struct, frozen=True):
    """Commands joined by `|`, each in a shell of its own."""

    parts: tuple["Node", ...]


class AndOr(msgspec.Struct, frozen=True):
    """`left && right` or `left || right`."""

    left: "Node"
    op: str
    right: "Node"


class Block(msgspec.Struct, frozen=True):
    """Commands one after the other. `own`: in a shell of its own, as ( … ), `&` and $( … ) are."""

    items: tuple["Node", ...]
    own: bool = False


class Branch(msgspec.Struct, frozen=True):
    """Blocks of which each may or may not run: if, case, while (`loop`: maybe many times)."""

    blocks: tuple[Block, ...]
    loop: bool = False


class For(msgspec.Struct, frozen=True):
    """`for name in words; do body; done`."""

    name: str
    words: tuple[Word, ...]
    body: Block


class Redirected(msgspec.Struct, frozen=True):
    """A compound command with redirects."""

    body: "Node"
    redirects: tuple[Redirect, ...]


class Test(msgspec.Struct, frozen=True):
    """`[ … ]` or `[[ … ]]`: the words that are compared."""

    words: tuple[Word, ...]


Node = Simple | Pipe | AndOr | Block | Branch | For | Redirected | Test
