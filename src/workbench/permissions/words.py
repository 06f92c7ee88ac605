"""Words after expansion: what bash will hand to a program, as far as it is known."""

import re
from collections.abc import Iterator

import msgspec

UNKNOWN = "\ufffd"
_MOST_BRACES = 200
_GLOBS = "*?["


def names(text: str) -> frozenset[str]:
    """The words of TEXT, for tables that are easier to read and to extend as text."""
    return frozenset(text.split())


class Field(msgspec.Struct, frozen=True):
    """One argument. `mask` has a letter for each character of `text`:

    q stands for itself; a does too, and was unquoted (a glob, if it is one); s stands for text not known here that
    gives nothing away; x for text not known here that may be a secret. Unknown text is one UNKNOWN character.
    """

    text: str
    mask: str

    @property
    def known(self) -> bool:
        """Whether all of it is known, globs aside."""
        return "s" not in self.mask and "x" not in self.mask

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
                inner = self.text[at + 1 : close].replace("\\", "\\\\").replace("[", "\\[")
                out += "[" + ("^" + inner[1:] if inner[0] in "!^" else inner) + "]"
                at = close
            else:
                out += re.escape(char)
            at += 1
        return out

    def tail(self, start: int) -> "Field":
        """What follows the first START characters."""
        return Field(self.text[start:], self.mask[start:])


def literal(text: str) -> Field:
    """TEXT that stands for itself."""
    return Field(text, "q" * len(text))


def tilde(field: Field, home: str) -> Field:
    """FIELD with `~` at its start resolved; another user's home stays unknown."""
    if not field.text.startswith("~") or field.mask[0] != "a":
        return field
    head, slash, _ = field.text.partition("/")
    if head == "~" and home:
        return Field(home + field.text[1:], "q" * len(home) + field.mask[1:])
    rest = len(head) if slash else len(field.text)
    return Field(UNKNOWN + field.text[rest:], "s" + field.mask[rest:])


def braces(field: Field) -> list[Field] | None:
    """FIELD with `{a,b}` and `{1..3}` expanded, None where that is not simple. `{}` stands for itself."""
    done, todo = [], [field]
    while todo:
        here = todo.pop(0)
        group = _group(here)
        if group is None:
            done.append(here)
        elif group[1] == 0:
            return None
        else:
            todo = list(_alternatives(here, *group)) + todo
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


def _alternatives(field: Field, start: int, end: int) -> Iterator[Field]:
    inner = field.text[start + 1 : end - 1]
    numbers = re.fullmatch(r"(\d{1,4})\.\.(\d{1,4})", inner)
    if numbers:
        first, last = int(numbers[1]), int(numbers[2])
        step = 1 if last >= first else -1
        choices = [(str(number), "q" * len(str(number))) for number in range(first, last + step, step)]
    elif "," in inner and ".." not in inner:
        choices, at = [], start + 1
        for part in inner.split(","):
            choices.append((part, field.mask[at : at + len(part)]))
            at += len(part) + 1
    else:  # braces without a comma stand for themselves
        yield Field(field.text, field.mask[:start] + "q" + field.mask[start + 1 : end - 1] + "q" + field.mask[end:])
        return
    for text, mask in choices:
        yield Field(field.text[:start] + text + field.text[end:], field.mask[:start] + mask + field.mask[end:])
