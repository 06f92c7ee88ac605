"""Reads an argument list by a table of harmless options. What the table does not name is not understood."""

import re
from collections.abc import Callable

import msgspec

from workbench.permissions.words import UNSEEN, Field, literal

_NUMBER = re.compile(r"-\d+\Z")


class Operand(msgspec.Struct, frozen=True):
    """A path that a command uses. `tree`: with all that lies below."""

    field: Field
    use: str  # see `reach.Touch`; also into: a folder to put things in, or a name to write; told: printed, as a name
    tree: bool = False


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a command: the paths it uses, and whether it only reads or also edits files.

    `why` says what was not understood; then the command is not known to be harmless. `unknown`: which path or option
    it would get is not written out, and no rule can tell either.
    """

    operands: tuple[Operand, ...] = ()
    edits: bool = False
    why: str = ""
    unknown: bool = False


Inspector = Callable[[list[Field]], Finding]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A command and its harmless options.

    `flags`: letters without a value. `longs`: long options without one. `texts`, `reads`: options with a value (`k`,
    `--key`), which is text or a file that is read. `maybe`: long options whose value, after `=`, may be missing.
    `operands`: what the rest is: read, see, name, write, text, none. `first`: the first operand is text (a pattern)
    unless one of `patterns` is given. `least`, `most`: how many operands. `here`: without any it reads its folder.
    `trees`: options with which it goes below folders (`*`: always). `naming`: options with which it tells operands by
    their names alone. `digits`: `-40` is a number. `globs`: unquoted globs may stand among operands. `rest`: what
    operands must look like. `required`: one of these must be given. `values`: what the values of options must look
    like. `edits`: it changes files. `match`, `not_match`: examples, tried by a test.
    """

    name: str
    flags: str = ""
    longs: str = ""
    texts: str = ""
    reads: str = ""
    maybe: str = ""
    operands: str = "read"
    first: bool = False
    patterns: str = ""
    most: int = 1000
    least: int = 0
    here: bool = False
    trees: str = ""
    naming: str = ""
    digits: bool = False
    globs: bool = True
    edits: bool = False
    rest: str = ""
    values: str = ""
    required: str = ""
    match: tuple[str, ...] = ()
    not_match: tuple[str, ...] = ()


class Given(msgspec.Struct):
    """Arguments sorted: options as (name, value), operands."""

    options: list[tuple[str, Field | None]]
    operands: list[Field]
    why: str = ""
    unknown: bool = False


def inspect(row: Row, argv: list[Field]) -> Finding:
    """What ARGV (without the command's name) does by ROW."""
    given = sort(row, argv)
    if given.why:
        return Finding(why=given.why, unknown=given.unknown)
    names = {name for name, _ in given.options}
    operands = given.operands
    if row.first and not names & set(row.patterns.split()):
        operands = operands[1:]
    if not row.least <= len(operands) <= row.most:
        return Finding(why=f"{row.name} with {len(operands)} operands")
    if row.rest and not all(_fits(row.rest, field) for field in operands):
        return Finding(why=f"{row.name} with an argument that is not known to be harmless")
    if row.required and not names & set(row.required.split()):
        return Finding(why=f"{row.name} that does more than list")
    if why := _unfit(row, given, operands):
        return Finding(why=why)
    tree = row.trees == "*" or bool(names & set(row.trees.split()))
    paths = [Operand(value, "read") for name, value in given.options if value is not None and name in row.reads.split()]
    if row.operands in ("read", "see", "name", "write"):
        use = "told" if names & set(row.naming.split()) else row.operands
        paths += [Operand(field, use, tree) for field in operands]
    if (row.here or tree) and not operands:
        paths.append(Operand(literal("."), row.operands if row.operands in ("see", "name") else "read", tree))
    return Finding(operands=tuple(paths), edits=row.edits)


def _fits(pattern: str, field: Field) -> bool:
    return field.known and re.fullmatch(pattern, field.text, re.DOTALL) is not None


def _unfit(row: Row, given: Given, operands: list[Field]) -> str:
    if row.operands == "none" and operands:
        return f"{row.name} with operands"
    if any(not value.single for _, value in given.options if value is not None):
        return f"a glob or an unquoted variable as the value of an option of {row.name}"
    if row.values and not all(value is None or _fits(row.values, value) for _, value in given.options):
        return f"{row.name} with a value that may do more than show"
    if any("x" in value.mask for _, value in given.options if value is not None):
        return "it may print a variable that holds a secret"
    if len(operands) < len(given.operands) and not given.operands[0].single:
        return f"a glob or an unquoted variable may become an option of {row.name}"
    if not row.globs and any(field.globbed for field in given.operands):
        return f"an unquoted glob may become an option of {row.name}"
    if row.operands == "text" and any("x" in field.mask for field in given.operands):
        return "it may print a variable that holds a secret"
    return ""


def sort(row: Row, argv: list[Field]) -> Given:
    """ARGV into options and operands, as getopt_long does: options anywhere before `--`, short ones in clusters."""
    given = Given([], [])
    valued = set(f"{row.texts} {row.reads}".split())
    rest = iter(argv)
    for field in rest:
        text = field.text
        if text == "--" and field.known:
            given.operands.extend(rest)
            break
        if text[:1] != "-" or text == "-" or (field.globbed and field.mask[0] == "a" and text[0] in "*?["):
            if not field.known and field.mask[0] in UNSEEN and row.operands != "text":
                given.why = f"what {row.name} would get for {_shown(field)} is not written out"
                given.unknown = True
            given.operands.append(field)
        elif row.digits and _NUMBER.match(text):
            continue
        elif text.startswith("--"):
            _long(row, field, valued, rest, given)
        else:
            _short(row, field, valued, rest, given)
        if given.why:
            break
    return given


def _long(row: Row, field: Field, valued: set[str], rest: "object", given: Given) -> None:
    name, equals, _ = field.text.partition("=")
    if name in valued:
        value = _attached(row, name, field, len(name) + 1) if equals else next(rest, None)  # type: ignore[call-overload]
        if value is None:
            given.why = f"{name} of {row.name} lacks its value"
        given.options.append((name, value))
    elif (name in row.longs.split() and not equals) or (name in row.maybe.split() and field.known):
        given.options.append((name, None))
    else:
        given.why = f"option {name} of {row.name} is not known to be harmless"


def _short(row: Row, field: Field, valued: set[str], rest: "object", given: Given) -> None:
    for at in range(1, len(field.text)):
        letter = field.text[at]
        if letter in valued:
            more = at + 1 < len(field.text)
            value = _attached(row, letter, field, at + 1) if more else next(rest, None)  # type: ignore[call-overload]
            if value is None:
                given.why = f"-{letter} of {row.name} lacks its value"
            given.options.append((letter, value))
            return
        if letter not in row.flags or field.mask[at] in UNSEEN:
            given.why = f"option -{letter} of {row.name} is not known to be harmless"
            return
        given.options.append((letter, None))


def _attached(row: Row, option: str, field: Field, start: int) -> Field:
    """The value within the option's own word: whatever a glob in it matches begins with that option too."""
    value = field.tail(start)
    return value if option in row.reads.split() else Field(value.text, value.mask.replace("a", "q"))


def _shown(field: Field) -> str:
    return field.text.replace("\ufffd", "…")
