"""All that a call would do, as far as it can be seen: its paths and its commands."""

import contextlib
import posixpath
import re
from functools import cached_property
from itertools import pairwise

import msgspec

from workbench.permissions import seen
from workbench.permissions.options import inspect
from workbench.permissions.paths import Located, PathError, Places
from workbench.permissions.reach import Touch
from workbench.permissions.shell import read
from workbench.permissions.special import INSPECTORS
from workbench.permissions.survey import Piece, Survey
from workbench.permissions.syntax import UnreadableError
from workbench.permissions.tables import BY_NAME
from workbench.permissions.types import Call, Reads, Runs
from workbench.permissions.words import UNKNOWN, literal, names
from workbench.permissions.wrappers import base

_OUTPUT = re.compile(r"--(?:out|dest|log-?file|report|target|dir|prefix|save)[\w-]*(?:=|\Z)")
# Commands no table allows whose operands are changed, or may be: held against rules about Edit.
_WRITERS = names("truncate shred unlink install ln link chmod chown chgrp mkfifo mknod patch")
# Beyond it, in characters, deny rules could not be held against all of a command.
LONGEST = 100_000


class Spot(msgspec.Struct, frozen=True):
    """A path that the call uses, looked up. `tool`: whose rules are about it. `command`: it comes from a command."""

    located: Located
    use: str
    tool: str
    tree: bool = False
    redirect: bool = False
    command: bool = False


class Sight:
    """A call, looked at. `refused`: why no allow rule lifts the question, where that is so.

    `pieces`: the simple commands, each with its paths; `seen`: every argument list that the text may hold.
    """

    def __init__(self, call: Call, places: Places, cwd: str) -> None:
        self.places, self.cwd, self.tool = places, cwd, call.tool
        self.spots: list[Spot] = []
        self.pieces: list[tuple[Piece, list[Spot]]] = []
        self.commands: list[str] = []
        self.seen: tuple[tuple[str, ...], ...] = ()
        self.refused: list[str] = []
        for need in call.needs:
            if isinstance(need, Runs):
                self.commands.append(need.command)
                self._look_at(need.command)
            else:
                use = "read" if isinstance(need, Reads) else "write"
                self.spots.append(Spot(places.locate(need.path, cwd), use, call.tool))

    def _look_at(self, command: str) -> None:
        """Reads a command twice: generously for deny rules, strictly for what may be allowed."""
        if len(command) > LONGEST:
            self.refused.append(f"the command is longer than {LONGEST:,} characters")
            return
        survey = Survey(self.places, self.cwd)
        try:
            self.seen += seen.commands(command)
            survey.run(read(command))
            self.refused += survey.reach.refused
        except (UnreadableError, PathError) as error:
            self.refused.append(f"the command cannot be read: {error}")
        except RecursionError:
            self.refused.append("the command cannot be read: it is nested too deeply")
        for piece in survey.pieces:
            spots = [spot for touch in piece.touches if (spot := self.spot(touch)) is not None]
            self.pieces.append((piece, spots))
            self.spots += spots

    def spot(self, touch: Touch) -> Spot | None:
        """A path of a command, looked up."""
        try:
            located = self.places.locate(touch.path, touch.cwd, last=touch.use != "name")
        except PathError as error:
            self.refused.append(f"{touch.path[:80]!r}: {error}")
            return None
        tool = "Edit" if touch.use == "write" else "Read"
        return Spot(located, touch.use, tool, touch.tree, touch.redirect, command=True)

    @cached_property
    def strange(self) -> list[Spot]:
        """Words of commands that no table knows, as the paths that they may be."""
        unknown = [piece for piece, _ in self.pieces if piece.argv and not piece.kind]
        argvs = [argv for piece in unknown for argv in (piece.argv, *seen.commands(piece.text))]
        words = {word for argv in (argvs if not self.refused else [*argvs, *self.seen]) for word in argv[1:]}
        if self.refused:  # what a computed word may be
            words |= {word for command in self.commands for word in seen.values(command)}
        paths = {part for word in words for part in (word, *(word.rpartition(sign)[2] for sign in "=@:"))}
        return self._guessed(paths | self._redirected("read"), "read")

    @cached_property
    def edits(self) -> list[Spot]:
        """What commands that change files would write, behind whatever runs them: env, sudo, sh -c."""
        paths = self._redirected("write") | {spot.located.given for spot in self.outputs()}
        for argv in self.seen:
            name, fields = base(argv[0]), [literal(word) for word in argv[1:]]
            if name in _WRITERS:
                paths |= {word for word in argv[1:] if not word.startswith("-")}
            elif name in INSPECTORS or name in BY_NAME:
                found = INSPECTORS[name](fields) if name in INSPECTORS else inspect(BY_NAME[name], fields)
                if found.edits:
                    paths |= {one.field.text for one in found.operands if one.use in ("write", "into")}
        return [msgspec.structs.replace(spot, tool="Edit") for spot in self._guessed(paths, "write")]

    def outputs(self) -> list[Spot]:
        """Files that commands which no table knows are told to write: `-o FILE`, `--output=FILE` and their like."""
        paths = set()
        for argv in (piece.argv for piece, _ in self.pieces if piece.argv and not piece.kind):
            paths |= {after for word, after in pairwise(argv) if word in ("-o", "-O") or _OUTPUT.fullmatch(word)}
            paths |= {word.partition("=")[2] for word in argv if _OUTPUT.match(word)}
            paths |= {word[2:] for word in argv if word[:2] in ("-o", "-O")} | {
                word[3:] for word in argv if word[:3] == "of="
            }
        return self._guessed(paths, "write")

    def removals(self, piece: Piece) -> list[Spot]:
        """What rm, rmdir and mv would take away in PIECE: behind whatever runs them, and with options nobody knows."""
        spots = []
        words = {word for argv in seen.commands(piece.text) for word in seen.removed(list(argv)) if UNKNOWN not in word}
        for folder in piece.folders:
            for word in sorted(words):
                with contextlib.suppress(PathError):  # no file has such a name
                    spots.append(Spot(self.places.locate(word, folder, last=False), "write", "Edit", tree=True))
        return spots

    def _redirected(self, use: str) -> set[str]:
        """What redirects open that `spots` has not: those of a text given to a shell, and of what cannot be read."""
        found = [pair for command in self.commands for pair in seen.files(command, inner=not self.refused)]
        return {path for path, how in found if how == use}

    def _guessed(self, paths: set[str], use: str) -> list[Spot]:
        moves = [argv[1] for argv in self.seen if self.refused and argv[0] in ("cd", "pushd") and len(argv) == 2]
        spots = []
        for folder in (self.cwd, *(posixpath.join(self.cwd, move) for move in moves)):
            for path in sorted(paths):
                if path and UNKNOWN not in folder + path:
                    try:
                        spots.append(Spot(self.places.locate(path, folder), use, "Read", command=True))
                    except PathError:
                        continue  # no file has such a name
        return spots

    @cached_property
    def written(self) -> set[str]:
        """All that a deny or ask rule may match in the commands."""
        found = {form for argv in self.seen for form in seen.forms(argv)} | set(self.commands)
        for piece, _ in self.pieces:
            found |= {form for form, _ in piece.forms}
            if piece.argv:
                found |= seen.forms(piece.argv)
        return found
