"""What a command would do, in order and with the working directory it would do it in. Strict: see `shell.py`."""

import posixpath
import re
import shlex

import msgspec

from workbench.permissions.git import inspect_git
from workbench.permissions.options import Finding, Operand, inspect
from workbench.permissions.paths import HARMLESS_DEVICES, Places
from workbench.permissions.reach import Folders, Touch
from workbench.permissions.special import INSPECTORS
from workbench.permissions.survey_words import WordSurvey, name_of, set_by, set_by_words, within
from workbench.permissions.syntax import (
    AndOr,
    Block,
    Branch,
    For,
    Node,
    Not,
    Pipe,
    Redirect,
    Redirected,
    Simple,
    Test,
    UnreadableError,
)
from workbench.permissions.tables import BY_NAME, VERSION_OPTIONS, VERSIONS
from workbench.permissions.words import UNKNOWN, Field
from workbench.permissions.wrappers import SAFE_VALUE, SAFE_VARIABLES, computed, must_spell, unwrap

_MOST_STEPS = 2000
_MOST_TURNS = 40
_MOST_FOLDERS = 40
_NAME = re.compile(
    r"[a-z_][a-z0-9_]*|[A-Z][A-Z0-9]?|(?:FILE|DIR|OUT|SRC|DST|NAME|COUNT|TOTAL|RESULT|LINE|START|END|STEP|RUN"
    r"|ROOT|DATA|LOG|BASE|MODEL|EPOCHS?)S?"
)
_PROXIES = re.compile(r"(?:http|https|ftp|all|no|rsync)_proxy|_")
_TRUSTED_FOLDERS = ("/bin/", "/usr/bin/", "/usr/local/bin/", "/sbin/", "/usr/sbin/")

# Wrappers of `cd` that leave it in this shell.
_IN_THIS_SHELL = frozenset(("command", "builtin", "time", "-p"))
# Conditions that stay as they are, and what ends a loop all the same.
_ALWAYS = frozenset(("true", ":", "false", "sleep"))
_LEAVING = frozenset(("break", "exit"))
# Claude Code passes file commands behind these alone.
_BEFORE_EDITS = frozenset(("timeout", "nice", "nohup"))


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One simple command. `forms`: what an allow rule may match, each with what it must spell out (see `must_spell`).

    `kind`: reads or edits where the tables know it, else empty with `why`. `argv`: its words, wrappers taken off.
    `folders`: where it may run. `computed`: what it runs in turn is not written out, so that no rule may cover it.
    """

    text: str
    argv: tuple[str, ...]
    forms: tuple[tuple[str, str | None], ...] = ()
    kind: str = ""
    why: str = ""
    touches: tuple[Touch, ...] = ()
    folders: tuple[str, ...] = ()
    computed: bool = False


class Survey(WordSurvey):
    """One reading of one command."""

    def __init__(self, places: Places, cwd: str) -> None:
        super().__init__(places)
        self.start = cwd
        self.pieces: list[Piece] = []
        self.maybe = 0  # how many branches deep
        self.steps = 0
        self.writes = False

    def run(self, block: Block) -> None:
        """Walks the whole command."""
        self.node(block, frozenset((self.start,)))

    def node(self, node: Node, folders: Folders) -> tuple[Folders, Folders]:
        """Walks NODE from FOLDERS; returns where the shell may be if it succeeds, and if it fails."""
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise UnreadableError("it has too many commands")
        if isinstance(node, Simple):
            return self.simple(node, folders)
        if isinstance(node, AndOr):
            ok, failed = self.node(node.left, folders)
            self.maybe += 1
            after, broken = self.node(node.right, ok if node.op == "&&" else failed or folders)
            self.maybe -= 1
            return (after, failed | broken) if node.op == "&&" else (ok | after, broken)
        if isinstance(node, Block):
            return self.block(node, folders)
        if isinstance(node, Pipe):
            for part in node.parts:
                self.apart(part, folders)
            return folders, folders
        return self.compound(node, folders)

    def compound(self, node: Branch | For | Not | Redirected | Test, folders: Folders) -> tuple[Folders, Folders]:
        """Branches, loops, tests, and redirects of a group."""
        if isinstance(node, Not):
            ok, failed = self.node(node.body, folders)
            return ok | failed | folders, ok | failed | folders
        if isinstance(node, Test):
            for word in node.words:
                self.fields(word, folders)
            return folders, folders
        if isinstance(node, Redirected):
            touches = self.redirects(node.redirects, folders)
            self.add(Piece(text="a redirect", argv=(), kind="reads", touches=touches))
            return self.node(node.body, folders)
        if isinstance(node, For):
            return self.loop(node, folders)
        everywhere = folders
        if node.loop:
            self.forget_set_by(node)
            if _endless(node):
                self.add(Piece(text="a loop", argv=(), why="nothing in it ends the loop"))
        self.maybe += 1
        for block in node.blocks:
            ok, failed = self.node(block, everywhere)
            if node.loop and not ok | failed <= everywhere:
                raise UnreadableError("it changes the folder within a loop")
            everywhere |= ok | failed
        self.maybe -= 1
        return everywhere, everywhere

    def block(self, block: Block, folders: Folders) -> tuple[Folders, Folders]:
        """Commands in order; a block of its own shell leaves nothing behind."""
        if block.own:
            inner = Block(block.items)
            self.apart(inner, folders)
            return folders, folders
        ok, failed = folders, folders
        for item in block.items:
            ok, failed = self.node(item, folders)
            folders = ok | failed
        return ok, failed

    def apart(self, node: Node, folders: Folders) -> None:
        """NODE in a shell of its own."""
        names = dict(self.names)
        self.node(node, folders)
        self.names = names

    def loop(self, node: For, folders: Folders) -> tuple[Folders, Folders]:
        """The body once for each value of the name."""
        values = [field for word in node.words for field in self.fields(word, folders)]
        if len(values) > _MOST_TURNS:
            values = [Field(UNKNOWN, "s")] if all(value.known and value.text.isdigit() for value in values) else values
        if len(values) > _MOST_TURNS:
            raise UnreadableError("a loop with too many turns")
        if not _assignable(node.name):
            raise UnreadableError(f"it sets {node.name}")
        if any(not value.known or value.globbed for value in values):
            self.forget_set_by(node.body)
        self.maybe += 1
        for value in values:
            self.names[node.name] = value
            ok, failed = self.node(node.body, folders)
            if not ok | failed <= folders:
                raise UnreadableError("it changes the folder within a loop")
        self.maybe -= 1
        self.forget({node.name})
        return folders, folders

    def forget_set_by(self, node: Node) -> None:
        """In a loop, what is set at the end of a turn holds at the start of the next."""
        found = set(set_by(node))
        self.forget(None if None in found else {name for name in found if name})

    # Commands

    def simple(self, node: Simple, folders: Folders) -> tuple[Folders, Folders]:
        """A command: its words, what it touches, and what `cd` makes of the folder."""
        argv = [field for word in node.words for field in self.fields(word, folders)]
        touches = self.redirects(node.redirects, folders)
        if not argv:
            return self.assignment(node, touches, folders)
        assigned = [(name, self.value(word, folders)) for name, word in node.assigns]
        if not argv[0].known or argv[0].globbed:
            raise UnreadableError("the name of a command is not written out")
        piece, core = self.piece(node, argv, assigned, touches, folders)
        self.add(piece)
        texts = [field.text for field in argv]
        found = set(set_by_words(texts if piece.kind == "" or "set" not in texts else []))
        if found:
            self.forget(None if None in found else {name for name in found if name})
        if core[0].text in ("cd", "pushd", "popd") and set(texts[: len(argv) - len(core)]) <= _IN_THIS_SHELL:
            if not piece.kind:  # `x=1 cd d` goes there too
                self.reach.refuse("it changes to another folder in a way that is not followed")
                return folders, folders
            after = self.moved(core, folders)
            return after, frozenset() if self.certain(after) else folders
        return folders, folders

    def add(self, piece: Piece) -> None:
        """One more piece; from now on the world may differ from what is looked up."""
        if self.inside and piece.kind and any(touch.use == "write" for touch in piece.touches):
            piece = msgspec.structs.replace(piece, kind="", why="it changes files inside a substitution")
        self.pieces.append(piece)
        self.writes = self.writes or any(touch.use == "write" for touch in piece.touches) or not piece.kind

    def assignment(self, node: Simple, touches: tuple[Touch, ...], folders: Folders) -> tuple[Folders, Folders]:
        """Names that are set for the rest of the command, one after the other."""
        for name, word in node.assigns:
            value = self.value(word, folders)
            if not _assignable(name):
                why = f"setting {name} may change what other commands do"
                self.add(Piece(text=node.text, argv=(), forms=((node.text, None),), why=why))
            self.names[name] = Field(UNKNOWN, "x" if "x" in value.mask else "s") if self.maybe else value
        if touches:
            self.add(Piece(text=node.text, argv=(), kind="reads", touches=touches))
        return folders, folders

    def piece(
        self,
        node: Simple,
        argv: list[Field],
        assigned: list[tuple[str, Field]],
        touches: tuple[Touch, ...],
        folders: Folders,
    ) -> tuple[Piece, list[Field]]:
        """A command as it will be judged, and its words without wrappers."""
        own = ("IFS",) if argv[0].text == "read" else ()  # `IFS= read` holds for that read alone
        unsafe = next((name for name, value in assigned if name not in own and not _harmless_setting(name, value)), "")
        core, piped, levels = argv, False, [argv]
        while (inner := unwrap(core)) is not None:
            core, piped = inner[0], piped or inner[1]
            levels.append(core)
        forms: list[tuple[str, str | None]] = [(node.text, None)] if unsafe or assigned else []
        if not unsafe:
            forms += [(_form(level), _form(level[: len(level) - len(core) + 1])) for level in levels[:-1]]
            forms.append((_form(core), must_spell(core)))
            forms += [(node.text, "")] if len(levels) == 1 and must_spell(core) == "" and not assigned else []
        if unsafe:
            found = Finding(why=f"the variable {unsafe} before it may change what it runs")
        elif (found := self.known(core, piped, folders)).edits and not {
            level[0].text for level in levels[:-1]
        } <= _BEFORE_EDITS:
            found = Finding(operands=found.operands, why=f"`{argv[0].text}` before a command that changes files")
        if found.unknown:
            self.reach.refuse(found.why)
        more = tuple(touch for operand in found.operands for touch in self.reach.touches(operand, core, folders))
        kind = "" if found.why else ("edits" if found.edits else "reads")
        return (
            Piece(
                text=node.text,
                argv=tuple(field.text for field in core),
                forms=tuple(dict.fromkeys(forms)),
                kind=kind,
                why=found.why,
                touches=touches + more,
                folders=tuple(sorted(folders)),
                computed=computed(core),
            ),
            core,
        )

    def known(self, argv: list[Field], piped: bool, folders: Folders) -> Finding:
        """What the tables know of ARGV. PIPED: more operands come from standard input."""
        name = argv[0].text
        if self.writes and any(field.globbed for field in argv):
            return Finding(why="a glob after a change of files: what it will match is not known yet")
        if name.startswith(_TRUSTED_FOLDERS):
            name = posixpath.basename(name)
        rest = argv[1:]
        if len(rest) == 1 and rest[0].text in VERSION_OPTIONS and name in VERSIONS:
            return Finding()
        if name in ("cd", "pushd"):
            return self.into(rest)
        if name == "popd":
            self.reach.refuse("it goes back to a folder that is not written out")
        if name == "git":
            if folders != frozenset((self.start,)):
                return Finding(why="git in a folder that this command changes to")
            return inspect_git(rest, self.places.world.git_config(self.start))
        found = _by_tables(name, rest)
        if piped and not found.why and name not in ("echo", "printf", "basename", "dirname", "true"):
            # Those that it has besides are still used: a rule may withhold them.
            return Finding(operands=found.operands, why=f"`{name}` with operands that come from another command")
        return found if found.why else _with_names(found, rest)

    def into(self, rest: list[Field]) -> Finding:
        """cd to a folder that is written out."""
        rest = [field for field in rest if field.text not in ("-P", "-L", "--")]
        if len(rest) != 1 or not rest[0].known or rest[0].globbed or rest[0].text.startswith(("-", "+", "~")):
            self.reach.refuse("it changes to a folder that is not written out")
            return Finding(why="a change to a folder that is not written out")
        return Finding(operands=(Operand(rest[0], "read"),))

    def moved(self, argv: list[Field], folders: Folders) -> Folders:
        """The folders after `cd`."""
        target = next(field for field in argv[1:] if field.text not in ("-P", "-L", "--")).text
        written = {posixpath.normpath(posixpath.join(folder, target)) for folder in folders}
        real = {self.places.locate(target, folder).real for folder in folders}  # -P, and where the written one is not
        if len(written | real) > _MOST_FOLDERS:
            raise UnreadableError("it changes folders too often to follow")
        return frozenset(written | real)

    def certain(self, folders: Folders) -> bool:
        """Whether changing to FOLDERS surely works: they are there, and nothing before could have removed them."""
        stats = [self.places.stat(folder) for folder in folders]
        there = all(status is not None and status.kind == "dir" and status.enter for status in stats)
        return there and not self.writes

    def redirects(self, redirects: tuple[Redirect, ...], folders: Folders) -> tuple[Touch, ...]:
        """The files that the shell itself opens."""
        touches: list[Touch] = []
        for redirect in redirects:
            if redirect.target is None:
                continue
            fields = self.fields(redirect.target, folders)
            if redirect.op == "<<<":
                if any("x" in field.mask for field in fields):
                    self.reach.refuse("it may print a variable that holds a secret")
                continue
            if len(fields) != 1 or not fields[0].known or fields[0].globbed or not fields[0].text:
                raise UnreadableError("the target of a redirect is not written out")
            path = fields[0].text
            if path.startswith("~"):
                raise UnreadableError("the target of a redirect begins with a ~ that stands for itself")
            if path in HARMLESS_DEVICES:
                continue
            use = "read" if redirect.op == "<" else "write"
            touches.extend(Touch(path, folder, use, redirect=True) for folder in sorted(folders))
        return tuple(touches)


def _by_tables(name: str, rest: list[Field]) -> Finding:
    """What the tables say of the command NAME with REST."""
    if name not in INSPECTORS and name not in BY_NAME and not any(row.startswith(f"{name} ") for row in BY_NAME):
        return Finding(why=f"`{name}` is not among the commands known to be harmless".replace(UNKNOWN, "…"))
    if [field.text for field in rest] == ["--help"]:
        return Finding()
    verb = f"{name} {rest[0].text}" if rest and rest[0].known else ""
    if verb in BY_NAME:
        return inspect(BY_NAME[verb], rest[1:])
    if name in BY_NAME:
        return inspect(BY_NAME[name], rest)
    if name in INSPECTORS:
        return INSPECTORS[name](rest)
    return Finding(why=f"`{name}` with more than is known to be harmless")


def _with_names(found: Finding, rest: list[Field]) -> Finding:
    """FOUND, and that globs which stand for text (`echo ../*`) tell the names of files."""
    looked_at = {operand.field for operand in found.operands}
    globs = [field for field in rest if field.globbed and field not in looked_at]
    if any(not field.known for field in globs):
        return Finding(operands=found.operands, why="a glob in a folder that is not written out")
    return msgspec.structs.replace(found, operands=(*found.operands, *(Operand(field, "told") for field in globs)))


def _endless(loop: Branch) -> bool:
    """Whether the condition of a loop never changes, and nothing in it leaves."""
    names = [{name_of(part) for part in within(block) if isinstance(part, Simple)} for block in loop.blocks]
    return names[0] <= _ALWAYS and not _LEAVING & names[-1]


def _form(argv: list[Field]) -> str:
    return shlex.join(field.text for field in argv)


def _assignable(name: str) -> bool:
    return (_NAME.fullmatch(name) is not None and not _PROXIES.fullmatch(name)) or SAFE_VARIABLES.fullmatch(
        name
    ) is not None


def _harmless_setting(name: str, value: Field) -> bool:
    return SAFE_VARIABLES.fullmatch(name) is not None and value.known and SAFE_VALUE.fullmatch(value.text) is not None
