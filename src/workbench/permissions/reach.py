"""From the operands of a command to the paths that they stand for."""

import posixpath
import re

import msgspec

from workbench.permissions.options import Operand
from workbench.permissions.paths import PathError, Places, within
from workbench.permissions.syntax import UnreadableError
from workbench.permissions.words import Field

_MOST_MATCHES = 500

Folders = frozenset[str]


class Touch(msgspec.Struct, frozen=True):
    """A path that a command uses, from the folder it would be in. `redirect`: by the shell, whatever the command.

    `use`: read, write, see (its name and kind, not what is in it), name (the same, a link not followed). `tree`: with
    all that lies below.
    """

    path: str
    cwd: str
    use: str
    tree: bool = False
    redirect: bool = False


class Reach:
    """Expands operands in a world. `refused`: why no rule can lift the question, if there is such a reason."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.refused: list[str] = []
        self.made: list[str] = []  # what an earlier part of the command moves or copies links to

    def refuse(self, why: str) -> None:
        """The command cannot be judged here, for this reason."""
        if why not in self.refused:
            self.refused.append(why)

    def touches(self, operand: Operand, argv: list[Field], folders: Folders) -> list[Touch]:
        """The paths that OPERAND stands for, globs expanded; what lands in a folder has the name of its source."""
        field = operand.field
        if not field.known:
            self.refuse(f"which path {argv[0].text} would use is not written out")
            return []
        if field.text == "-" and operand.use == "read":
            return []
        if field.text.startswith("~"):  # it was quoted: no home, but a name in the folder that one is in
            self.refuse("a path begins with a ~ that stands for itself")
            return []
        out = []
        for folder in sorted(folders):
            for path in self.matches(field, folder):
                if operand.use == "into":
                    out += self.landing(path, folder, argv)
                elif operand.use == "told":  # the slash that `*/` leaves at its end would have a link followed
                    out.append(Touch(path.rstrip("/") or "/", folder, "name"))
                else:
                    out.append(Touch(path, folder, operand.use, operand.tree))
        for touch in out:
            place = posixpath.normpath(posixpath.join(touch.cwd, touch.path))
            if operand.use == "read" and any(within(place, made) for made in self.made):
                self.refuse(f"{touch.path} is made by the same command, and may be a link by then")
        return out

    def matches(self, field: Field, folder: str) -> list[str]:
        """The paths that a word with globs stands for: those there are, or the word itself."""
        if not field.globbed:
            return [field.text]
        found = [("/" if field.text.startswith("/") else "")]
        for part in _split(field):
            found = [path for start in found for path in self.step(start, part, folder)]
            if len(found) > _MOST_MATCHES:
                raise UnreadableError("a glob that matches too many files")
        if field.mask[0] == "a" and any(path.startswith("-") for path in found):
            self.refuse("a glob matches a name that begins with a dash and would be taken for an option")
        only_folders = field.text.endswith("/")
        kept = [path for path in found if self.there(path, folder, only_folders)]
        return (kept if only_folders else [path.rstrip("/") for path in kept]) or [field.text]

    def there(self, path: str, folder: str, only_folders: bool) -> bool:
        """Whether a match can be opened: not a link in a circle, and a folder where the glob ends in a slash."""
        try:
            located = self.places.locate(path, folder)
        except PathError:
            return False
        return not only_folders or (located.stat is not None and located.stat.kind == "dir")

    def step(self, start: str, part: Field, folder: str) -> list[str]:
        """What follows the path START by one component."""
        if not part.globbed:
            path = start + part.text
            return [path + "/"] if not part.text or self.exists(path, folder) else []
        if not self.there(start or ".", folder, only_folders=True):
            return []
        names = self.places.world.listdir(self.places.locate(start or ".", folder).real)
        if names is None:
            raise UnreadableError("a glob in a folder that cannot be looked through")
        if re.search(r"\[[:.=]", part.text):
            raise UnreadableError("a glob with a named class of characters")
        try:
            pattern = re.compile(part.pattern, re.IGNORECASE)  # some locales order letters without regard to case
        except re.error:
            raise UnreadableError("an odd glob") from None
        dots = part.text.startswith(".")
        return [f"{start}{name}/" for name in names if pattern.fullmatch(name) and (dots or not name.startswith("."))]

    def exists(self, path: str, folder: str) -> bool:
        """Whether something is at PATH, links followed."""
        return self.there(path, folder, only_folders=False) and self.places.locate(path, folder).stat is not None

    def landing(self, target: str, folder: str, argv: list[Field]) -> list[Touch]:
        """Where cp and mv write: the target, or below it under the sources' own names; and what a copied tree holds."""
        located = self.places.locate(target, folder)
        into = located.stat is not None and located.stat.kind == "dir"
        touches = [] if into else [Touch(target, folder, "write")]
        sources = [path for field in argv[1:] if not field.text.startswith("-") for path in self.matches(field, folder)]
        for source in sources:
            if source == target:
                continue
            name = posixpath.basename(source.rstrip("/"))
            if into and name not in ("", ".", ".."):
                touches.append(Touch(f"{target}/{name}", folder, "write"))
            origin = self.places.locate(source, folder)
            if len(origin.ends) > 1 or (origin.stat is not None and origin.stat.kind == "dir"):
                self.made.append(posixpath.normpath(posixpath.join(folder, target)))
            if origin.stat is not None and origin.stat.kind == "dir":
                top = f"{target}/{name}" if into and name not in ("", ".", "..") else target
                touches += [Touch(f"{top}/{below}", folder, "write") for below in self.places.below(origin.real)]
        return touches


def _split(field: Field) -> list[Field]:
    """FIELD cut at its slashes."""
    parts, start = [], 0
    for at, char in enumerate(field.text + "/"):
        if char == "/":
            parts.append(Field(field.text[start:at], field.mask[start:at]))
            start = at + 1
    return [part for part in parts if part.text]
