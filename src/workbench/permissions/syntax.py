"""A shell command as the gate understands it: only what is known to mean the same to bash as it does here.

`shell.py` makes these from text; `survey.py` walks them.
"""

import re

import msgspec

# Control characters, C1, and what is not seen or turns the reading direction (Unicode Cf, tags, variation selectors).
INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f"
    "\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


class UnreadableError(Exception):
    """The command cannot be read with certainty; the message says what stands in the way."""


class Lit(msgspec.Struct, frozen=True):
    """Text that stands for itself. `active`: unquoted, so that globs, braces and `~` in it count."""

    text: str
    active: bool = False


class Var(msgspec.Struct, frozen=True):
    """`$name` or `${name}`. `changed`: with an operator that is not worked out here, as in `${name%.py}`."""

    name: str
    quoted: bool = False
    changed: bool = False


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


class Not(msgspec.Struct, frozen=True):
    """`! body`."""

    body: "Node"


class Redirected(msgspec.Struct, frozen=True):
    """A compound command with redirects."""

    body: "Node"
    redirects: tuple[Redirect, ...]


class Test(msgspec.Struct, frozen=True):
    """`[[ … ]]`: the words that are compared. `[ … ]` is a command like others."""

    words: tuple[Word, ...]


Node = Simple | Pipe | AndOr | Block | Branch | For | Not | Redirected | Test
