"""Secrets made unreadable before anything is journalled, sent to a client or to the model.

Two ways to know one: by its form (`redact_patterns`), and by being the value of a variable of the environment whose
name says that it is a secret, as it is or encoded. In its place stands `[redacted: github token]`.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, quote_plus

import msgspec

from workbench.protocol.visible import REDACTED
from workbench.sandbox.environment import looks_secret
from workbench.session.redact_patterns import Form
from workbench.session.redact_patterns import near as forms_near

T = TypeVar("T")

MARK = REDACTED
_LEAST = 8  # characters of a variable's value; shorter ones would be found everywhere
_ENCODED = 12  # characters of an encoded value
_NAMES = re.compile(r"SECRET|TOKEN|PASS|PWD|KEY|CRED|AUTH|COOKIE|JWT|DSN|BEARER|(?:^|_)PAT(?:_|$)|CONN")
_NOT_NAMES = re.compile(r"(?:_|^)(?:SOCK|ADDRESS|PATH|DIR|FILE|HOST|PORT|REGION|PID|PROFILE|MODEL|DISPLAY|NAME|ID)$")
# A word, a number, a path, an address: as the value of a variable it may be secret, in a text it says nothing.
_PLAIN = re.compile(r"[a-z]{1,11}|[A-Z]{1,11}|[A-Z]?[a-z]{1,10}|\d{1,9}|[~./].*|[a-z][a-z0-9+.-]*://[^@]*", re.S)
_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/:@]*:([^\s/@]+)@", re.I)


class Span(NamedTuple):
    """A secret in a text: where it begins and ends, and what it is."""

    start: int
    end: int
    name: str


class Redactor:
    """Finds secrets, those of ENV among them. Keeps no state: the same text always gives the same."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        values = dict(_values(env or {}))
        self._names = {form: name for name, value in values.items() for form in _forms(value)}
        plain = [form.encode("utf-8", "surrogateescape") for form in self._names]
        self._literals = {form.lower() for form in (*plain, *map(_in_json, self._names))}
        found = sorted(self._names, key=len, reverse=True)  # the longest first: one may begin as another does
        self._known = re.compile("|".join(map(re.escape, found))) if found else None
        # Only these may go on behind a blank.
        self.spaced = tuple(form for form in found if any(character.isspace() for character in form))

    def near(self, data: bytes) -> "Near | None":
        """What DATA (text, or JSON) may hold; None, at little cost, where it is nothing."""
        lowered = data.lower()
        forms = forms_near(data, lowered)
        known = self._known if any(literal in lowered for literal in self._literals) else None
        return Near(forms, known, self._names) if forms or known else None

    def text(self, text: str) -> str:
        """TEXT without its secrets."""
        near = self.near(text.encode("utf-8", "surrogatepass"))
        return near.text(text) if near else text

    def data(self, data: bytes) -> bytes:
        """DATA without its secrets, where it is text; else as it is."""
        if b"\0" in data[:1024] or (near := self.near(data)) is None:
            return data
        try:
            text = data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return data
        return near.text(text).encode("utf-8", "surrogatepass")

    def value(self, value: T) -> T:
        """A JSON value without the secrets of its texts; itself where it has none."""
        near = self.near(_encoded(value))
        return near.value(value) if near else value

    def lines(self, lines: tuple[str, ...]) -> tuple[str, ...]:
        """LINES of one text without its secrets, as many of them: one such as a key in a block goes over several."""
        text = "\n".join(lines)
        parts, at = [], 0
        for span in self.spans(text):
            parts += [text[at : span.start], mark(span.name), "\n" * text.count("\n", span.start, span.end)]
            at = span.end
        return tuple("".join([*parts, text[at:]]).split("\n")) if parts else lines

    def struct(self, struct: T) -> T:
        """A struct of the protocol without the secrets of its texts; itself where it has none."""
        near = self.near(_encoded(struct))
        return near.struct(struct) if near else struct

    def spans(self, text: str) -> list[Span]:
        """The secrets in TEXT, in order, none within another."""
        near = self.near(text.encode("utf-8", "surrogatepass"))
        return near.spans(text) if near else []


class Near:
    """What may be in a text: the forms to look for there."""

    def __init__(self, forms: list[Form], known: re.Pattern[str] | None, names: Mapping[str, str]) -> None:
        self._forms, self._known, self._names = forms, known, names

    def spans(self, text: str) -> list[Span]:
        """The secrets in TEXT, in order, none within another."""
        found = [Span(*_extent(match), form.name) for form in self._forms for match in form.compiled().finditer(text)]
        if self._known is not None:
            named = self._known.finditer(text)
            found += [Span(match.start(), match.end(), f"value of {self._names[match[0]]}") for match in named]
        spans: list[Span] = []
        for span in sorted(found, key=lambda span: (span.start, -span.end)):
            if spans and span.start < spans[-1].end:
                spans[-1] = spans[-1]._replace(end=max(span.end, spans[-1].end))
            elif not text.startswith(MARK, span.start):
                spans.append(span)
        return spans

    def text(self, text: str) -> str:
        """TEXT with a mark in the place of each secret."""
        return replaced(text, self.spans(text))

    def value(self, value: Any) -> Any:
        """A JSON value, its texts redacted. A picture is left alone, and so is thinking, which its signature binds."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            if value.get("type") in ("base64", "thinking", "redacted_thinking"):
                return value
            return {self.text(key): self.value(entry) for key, entry in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(map(self.value, value))
        return value

    def struct(self, struct: T) -> T:
        """A struct of the protocol, its texts redacted; itself where it has no secret."""
        plain = msgspec.to_builtins(struct)
        redacted = self.value(plain)
        return struct if redacted == plain else msgspec.convert(redacted, type(struct))


def replaced(text: str, spans: Iterable[Span]) -> str:
    """TEXT with a mark in the place of each of SPANS."""
    parts, at = [], 0
    for span in spans:
        parts += [text[at : span.start], mark(span.name)]
        at = span.end
    return "".join([*parts, text[at:]])


def mark(name: str) -> str:
    """What stands in the place of a secret."""
    return f"{MARK}{name}]"


def _extent(match: re.Match[str]) -> tuple[int, int]:
    group = "secret" if "secret" in match.re.groupindex else 0
    return match.span(group)


def _encoded(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:  # half of a surrogate pair, from a file name
        return repr(value).encode("utf-8", "backslashreplace")


def _in_json(text: str) -> bytes:
    return _encoded(text)[1:-1]


def _values(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The secrets of ENV by the names of their variables."""
    for name, value in sorted(env.items()):
        upper = name.upper()
        if url := _PASSWORD.match(value):
            value = url[1]
        elif not _NAMES.search(upper) or _NOT_NAMES.search(upper) or not looks_secret(name, value):
            continue
        if len(value) >= _LEAST and not _PLAIN.fullmatch(value):
            yield name, value


def _forms(value: str) -> set[str]:
    """VALUE as it may be met: itself, in JSON, in a URL, in hexadecimal, and within base64 wherever it begins there."""
    data = value.encode("utf-8", "surrogateescape")
    forms = {value, _in_json(value).decode(), quote(value, safe=""), quote_plus(value), data.hex()}
    encoders: tuple[Callable[[bytes], bytes], ...] = (base64.b64encode, base64.urlsafe_b64encode)
    for shift in range(3):
        for encode in encoders:
            # Characters at either end hold bits of what stands beside the value.
            whole = encode(bytes(shift) + data).decode().rstrip("=")
            exact = (shift + len(data)) * 8 // 6
            inner = whole[(0, 2, 3)[shift] : exact]
            if len(inner) >= _ENCODED:
                forms.add(inner)
    return {form for form in forms if len(form) >= _LEAST}
