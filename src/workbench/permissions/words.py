"""Words after expansion: what bash will hand to a program, as far as it is known."""

import re
from itertools import pairwise

import msgspec

UNKNOWN = "\ufffd"
UNSEEN = "sux"
_MOST_BRACES = 200
_GLOBS = "*?["


def names(text: str) -> frozenset[str]:
    """The words of TEXT, for tables that are easier to read and to extend as text."""
    return frozenset(text.split())


def set_of(text: str) -> str:
    """What stands between the brackets of a glob, for those of a regular expression."""
    return re.sub(r"([\\[&~|])", r"\\\1", text).replace("--", r"-\-")


class Field(msgspec.Struct, frozen=True):
    """One argument. `mask` has a letter for each character of `text`:

    q stands for itself; a does too, and was unquoted (a glob, if it is one); s stands for text not known here that
    gives nothing away; u for such text unquoted: any number of words; x for text not known here that may be a secret.
    Unknown text is one UNKNOWN character.
    """

    text: str
    mask: str

    @property
    def known(self) -> bool:
        """Whether all of it is known, globs aside."""
        return not any(kind in UNSEEN for kind in self.mask)

    @property
    def single(self) -> bool:
        """Whether it surely is one word, whatever is in it."""
        return "u" not in self.mask and not self.globbed

    @property
    def globbed(self) -> bool:
        """Whether bash may replace it by names of files."""
        return any(kind == "a" and char in _GLOBS for char, kind in zip(self.text, self.mask, strict=True))

    @property
    def pattern(self) -> str:
        """The glob as a regular expression."""
        out, at = "", 0
        while at < len(self.text):
            char, active = self.text[at], self.mask[at] == "a"
            close = self.text.find("]", at + 2) if active and char == "[" else -1
            if active and char in "*?":
                out += "[^/]*" if char == "*" else "[^/]"
            elif close > 0:
                inner = set_of(self.text[at + 1 : close])
                out += "[" + ("^" + inner[1:] if inner[0] in "!^" else inner) + "]"
                at = close
            else:
                out += re.escape(char)
            at += 1
        return out

    def head(self, length: int) -> "Field":
        """The first LENGTH characters."""
        return Field(self.text[:length], self.mask[:length])

    def tail(self, start: int) -> "Field":
        """What follows the first START characters."""
        return Field(self.text[start:], self.mask[start:])


def literal(text: str) -> Field:
    """TEXT that stands for itself."""
    return Field(text, "q" * len(text))


def tilde(field: Field, home: str) -> Field:
    """FIELD with `~` at its start resolved; another user's home stays unknown.

    What stands before the first unquoted slash counts, and where any of that was quoted (`~\\/a`) nothing is resolved.
    """
    if not field.text.startswith("~"):
        return field
    pairs = zip(field.text, field.mask, strict=True)
    end = next((at for at, (char, kind) in enumerate(pairs) if char == "/" and kind == "a"), len(field.text))
    if set(field.mask[:end]) != {"a"}:
        return field
    if end == 1 and home:
        return Field(home + field.text[1:], "q" * len(home) + field.mask[1:])
    return Field(UNKNOWN + field.text[end:], "s" + field.mask[end:])


def braces(field: Field) -> list[Field] | None:
    """FIELD with `{a,b}` and `{1..3}` expanded, None where that is not simple. `{}` stands for itself."""
    done, todo = [], [field]
    while todo:
        here = todo.pop(0)
        group = _group(here)
        if group is None:
            done.append(here)
        else:
            choices = _alternatives(here, *group) if group[1] else None
            if choices is None:
                return None
            todo = choices + todo
        if len(done) + len(todo) > _MOST_BRACES:
            return None
    return done


def _group(field: Field) -> tuple[int, int] | None:
    """Start and end of the innermost active group that expands; (0, 0) where an active brace is not understood."""
    start = -1
    for at, (char, kind) in enumerate(zip(field.text, field.mask, strict=True)):
        if kind != "a" or char not in "{}":
            continue
        if char == "{":
            start = at
        elif start < 0:
            return 0, 0
        elif at == start + 1:
            start = -1
        else:
            return start, at + 1
    return (0, 0) if start >= 0 else None


def _alternatives(field: Field, start: int, end: int) -> list[Field] | None:
    """What the group from START to END stands for; None for a sequence other than of plain numbers."""
    inner = field.tail(start + 1).head(end - start - 2)
    commas = [at for at, char in enumerate(inner.text) if char == "," and inner.mask[at] == "a"]
    numbers = re.fullmatch(r"(0|[1-9]\d{0,3})\.\.(0|[1-9]\d{0,3})", inner.text)
    if commas:
        edges = [-1, *commas, len(inner.text)]
        choices = [inner.tail(one + 1).head(two - one - 1) for one, two in pairwise(edges)]
    elif numbers and set(inner.mask) == {"a"}:
        first, last = int(numbers[1]), int(numbers[2])
        step = 1 if last >= first else -1
        choices = [literal(str(number)) for number in range(first, last + step, step)]
    elif ".." in inner.text:
        return None
    else:  # braces without a comma stand for themselves
        mask = field.mask[:start] + "q" + inner.mask + "q" + field.mask[end:]
        return [Field(field.text, mask)]
    before, after = field.head(start), field.tail(end)
    return [Field(before.text + one.text + after.text, before.mask + one.mask + after.mask) for one in choices]
