"""Words of a command expanded, as far as they are known: braces, `~`, names that the command itself set."""

import re
from collections.abc import Iterator

from workbench.permissions.paths import Places
from workbench.permissions.reach import Folders, Reach
from workbench.permissions.syntax import (
    AndOr,
    Block,
    Branch,
    Digits,
    For,
    Lit,
    Node,
    Not,
    Pipe,
    Redirected,
    Simple,
    Sub,
    UnreadableError,
    Var,
    Word,
)
from workbench.permissions.words import UNKNOWN, UNSEEN, Field, braces, names, tilde

SECRET_NAME = re.compile(
    r"KEY|TOKEN|SECRET|PASS|CRED|AUTH|COOKIE|PRIVATE|_PW\b|DSN|DATABASE_UR|CONNECTION|SIGNATURE|SESSION|_PAT\b|JWT"
    r"|BEARER|WEBHOOK|_UR[IL]\b|LICENSE|_API\b|NETRC|_SID\b|ACCOUNT",
    re.IGNORECASE,
)
_LONGEST = 4000  # of a value, in characters
_NUMBERS = frozenset("?#$!")
# Builtins whose words may be names that they set.
_SETTERS = names("read export declare typeset local readonly unset printf mapfile readarray getopts let wait")
# After these the shell may hold anything.
_UPHEAVALS = names("eval source . trap shopt enable alias set exec")


def _computed_user(word: Word) -> bool:
    """Whether something is computed in WORD before its first slash: bash leaves the `~` of `~$x` alone."""
    for part in word.parts:
        if not isinstance(part, Lit):
            return True
        if "/" in part.text:
            return False
    return False


class WordSurvey:
    """What words stand for, and the names that the command has set so far."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.reach = Reach(places)
        self.names: dict[str, Field] = {}
        self.inside = 0  # how many substitutions deep

    def apart(self, node: Node, folders: Folders) -> None:
        """NODE in a shell of its own; `Survey` knows how."""
        raise NotImplementedError

    def fields(self, word: Word, folders: Folders) -> list[Field]:
        """WORD expanded: braces, `~`, names and substitutions; globs stay."""
        texts, masks = [], []
        for at, part in enumerate(word.parts):
            after = word.parts[at + 1 : at + 2]
            if isinstance(part, Var) and not part.quoted and after and _opens_braces(after[0]):
                raise UnreadableError("braces after a variable, which would change its name")
            text, mask = self.part(part, folders)
            texts.append(text)
            masks.append(mask)
        field = Field("".join(texts), "".join(masks))
        if not field.text and word.parts and all(isinstance(part, Var) and not part.quoted for part in word.parts):
            return []
        expanded = braces(field)
        if expanded is None:
            raise UnreadableError("braces that are not a simple list")
        if len(expanded) > 1 and not all((*texts, *(one.text for one in expanded))):
            raise UnreadableError("braces with something empty, in which quotes count and cannot be seen any more")
        return [self.resolved(one, word) for one in expanded]

    def value(self, word: Word, folders: Folders) -> Field:
        """The value of an assignment: not split, no braces; bash would expand `~` after a colon too."""
        parts = [self.part(part, folders) for part in word.parts]
        field = Field("".join(text for text, _ in parts), "".join(mask for _, mask in parts))
        if len(field.text) > _LONGEST:  # `x=$x$x` doubles it each time
            raise UnreadableError("a value that grows too long to follow")
        if ":~" in field.text:
            raise UnreadableError("a list of folders with ~ in it")
        return self.resolved(field, word)

    def resolved(self, field: Field, word: Word) -> Field:
        """FIELD of WORD with `~` at its start resolved."""
        if field.text.startswith("~") and Lit("") in word.parts:
            raise UnreadableError("a ~ beside empty quotes, which would count and cannot be seen any more")
        if field.text.startswith("~") and _computed_user(word):
            raise UnreadableError("a ~ beside what is computed, with which it stands for itself")
        return tilde(field, self.places.home)

    def part(self, part: Lit | Var | Sub | Digits, folders: Folders) -> tuple[str, str]:
        """One piece of a word as text and mask."""
        if isinstance(part, Lit):
            return part.text, ("a" if part.active else "q") * len(part.text)
        if isinstance(part, Digits):
            return UNKNOWN, "s"
        if isinstance(part, Sub):
            self.inside += 1
            self.apart(Block(part.body.items), folders)
            self.inside -= 1
            if _is_pwd(part.body) and len(folders) == 1:
                return _plain(next(iter(folders)), part.quoted)
            return UNKNOWN, "s" if part.quoted else "u"
        return self.variable(part, folders)

    def variable(self, part: Var, folders: Folders) -> tuple[str, str]:
        """`$name`, where the command set it itself or it is known to all."""
        name = part.name
        if name in self.names and not part.changed:
            return self.own(part, folders)
        if name == "HOME" and self.places.home and not part.changed:
            return _plain(self.places.home, part.quoted)
        if name == "PWD" and len(folders) == 1 and not part.changed:
            return _plain(next(iter(folders)), part.quoted)
        secret = "x" in self.names[name].mask if name in self.names else SECRET_NAME.search(name)
        return UNKNOWN, "x" if secret else ("s" if part.quoted or name in _NUMBERS else "u")

    def own(self, part: Var, folders: Folders) -> tuple[str, str]:
        """`$name` with the value that the command gave it."""
        value = self.names[part.name]
        several = UNKNOWN, "x" if "x" in value.mask else "u"  # split at blanks: any number of words
        if not part.quoted and re.search(r"\s", value.text):
            return several
        if not part.quoted and value.globbed:
            found = [path for folder in folders for path in self.reach.matches(value, folder)]
            if any(re.search(r"[\s*?\[\\]", path) for path in found if path != value.text):
                return several
        active = "q" if part.quoted else "a"
        mask = "".join(
            ("u" if kind == "s" and not part.quoted else kind)
            if kind in UNSEEN
            else ("a" if char in "*?[" and "a" in (kind, active) else "q")
            for char, kind in zip(value.text, value.mask, strict=True)
        )
        return value.text, mask

    def forget(self, found: set[str] | None) -> None:
        """The names FOUND (None: all) may hold anything from here on; what was a secret stays one."""
        for name in list(self.names) if found is None else found:
            secret = name in self.names and "x" in self.names[name].mask
            self.names[name] = Field(UNKNOWN, "x" if secret else "s")


def set_by(node: Node) -> Iterator[str | None]:
    """The names that NODE may set; None where it may set any."""
    for part in within(node):
        if isinstance(part, For):
            yield part.name
        else:
            yield from (name for name, _ in part.assigns)
            yield from set_by_words([_text(word) for word in part.words])


def within(node: Node) -> Iterator[Simple | For]:
    """The simple commands in NODE, and its loops over words; not what is in substitutions."""
    if isinstance(node, Simple | For):
        yield node
    if isinstance(node, AndOr):
        yield from (*within(node.left), *within(node.right))
    elif isinstance(node, For | Not | Redirected):
        yield from within(node.body)
    elif isinstance(node, Pipe | Block | Branch):
        for part in node.parts if isinstance(node, Pipe) else node.items if isinstance(node, Block) else node.blocks:
            yield from within(part)


def name_of(command: Simple) -> str:
    """The name of COMMAND as written; empty where it only sets variables."""
    return _text(command.words[0]) if command.words else ""


def set_by_words(words: list[str]) -> Iterator[str | None]:
    """The names that a command of these WORDS may set."""
    at = next((at for at, word in enumerate(words) if word not in ("command", "builtin", "time", "-p")), 0)
    if not words:
        return
    if words[at] in _UPHEAVALS:
        yield None
    if words[at] in _SETTERS:
        for word in words[1:]:
            yield from re.findall(r"\A[A-Za-z_]\w*", word)


def _text(word: Word) -> str:
    return "".join(part.text if isinstance(part, Lit) else UNKNOWN for part in word.parts)


def _opens_braces(part: object) -> bool:
    return isinstance(part, Lit) and part.active and part.text.startswith("{")


def _plain(text: str, quoted: bool) -> tuple[str, str]:
    if not quoted and re.search(r"[\s*?\[]", text):
        raise UnreadableError("a folder's name with blanks or globs is not quoted")
    return text, "q" * len(text)


def _is_pwd(body: Block) -> bool:
    return len(body.items) == 1 and isinstance(body.items[0], Simple) and body.items[0].text.strip() == "pwd"
