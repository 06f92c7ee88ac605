"""Commands with a grammar of their own: find, tar, cp, mv, xxd, and builtins. Same answer as a row gives."""

import re
from collections.abc import Sequence

from workbench.permissions.languages import AWK_ROW, JQ_ROW, SED_ROW, awk, jq, sed
from workbench.permissions.options import Finding, Inspector, Operand, Row, inspect, sort
from workbench.permissions.words import UNKNOWN, Field, literal, names
from workbench.permissions.wrappers import SAFE_VALUE, SAFE_VARIABLES

_FIND_ALONE = names(
    "-empty -readable -writable -executable -not -and -or -a -o ! ( ) -print -print0 -ls -prune -quit -true "
    "-false -depth -d -xdev -mount -daystart -noleaf -nouser -nogroup -ignore_readdir_race"
)
_FIND_TEXT = names(
    "-maxdepth -mindepth -name -iname -path -ipath -wholename -regex -iregex -type -size -mtime -mmin -atime "
    "-amin -ctime -cmin -perm -user -group -uid -gid -links -regextype -printf -newermt -newerct -newerat -used "
    "-xtype -inum -fstype"
)
_FIND_READ = names("-newer -anewer -cnewer -samefile")


def find(argv: list[Field]) -> Finding:
    """find: starting points, then an expression of tests that only look."""
    if any(field.globbed for field in argv):
        return Finding(why="an unquoted glob may become an expression of find")
    operands: list[Operand] = []
    rest = iter(argv)
    started = False
    for field in rest:
        text = field.text
        if not field.known:
            return Finding(why="a part of find's expression is not written out", unknown=True)
        if not started and text == "-P":
            continue
        if not started and text[:1] not in ("-", "(", "!"):
            operands.append(Operand(field, "see"))
            continue
        started = True
        if text in _FIND_ALONE:
            continue
        value = next(rest, None) if text in _FIND_TEXT | _FIND_READ else None
        if value is None:
            return Finding(why=f"{text} of find is not known to be harmless")
        if text in _FIND_READ:
            operands.append(Operand(value, "read"))
    if not operands:
        operands.append(Operand(literal("."), "see"))
    return Finding(operands=tuple(operands))


_TEST_EVALUATES = frozenset(("-v", "-R", "-o", "(", ")"))
_TEST_OPERATOR = re.compile(r"-[a-zA-Z]|-(?:eq|ne|lt|le|gt|ge|nt|ot|ef)|==?|!=")
_TAR_FLAGS = frozenset("tvzjJa")
_LOOKS = ("list", "show", "metrics", "tail", "compare", "card")
_TAR_LONGS = names("--list --verbose --gzip --bzip2 --xz --zstd")


def tar(argv: list[Field]) -> Finding:
    """tar: only the listing of an archive. A name with a colon is a host to tar."""
    listing, archives, rest = False, list[Field](), iter(argv)
    for at, field in enumerate(rest):
        text = field.text
        if not field.known:
            return Finding(why="an argument of tar is not known")
        if text.startswith("--file="):
            archives.append(field.tail(7))
        elif text.startswith("--"):
            if text not in _TAR_LONGS:
                return Finding(why=f"option {text} of tar is not known to be harmless")
            listing = listing or text == "--list"
        elif text.startswith("-") or at == 0:
            letters = text.removeprefix("-")
            if not set(letters) <= _TAR_FLAGS | {"f"} or letters.count("f") > 1 or "f" in letters[:-1]:
                return Finding(why=f"{text} of tar is not known to only list")
            listing = listing or "t" in letters
            if letters.endswith("f") and (value := next(rest, None)) is not None:
                archives.append(value)
    if not listing or len(archives) != 1 or ":" in archives[0].text:
        return Finding(why="tar that does more than list an archive")
    return Finding(operands=(Operand(archives[0], "read"),))


_COPY_ROWS = {
    "cp": Row(
        name="cp",
        flags="rRafnpvuidPT",
        longs="--recursive --archive --force --no-clobber --verbose --update --interactive --no-dereference "
        "--no-target-directory",
        texts="t --target-directory",
        maybe="--preserve --update",
        trees="r R a --recursive --archive",
        least=1,
        match=("cp a.txt b.txt", "cp -r src src2"),
        not_match=("cp -l a b", "cp -s a b", "cp --backup a b"),
    ),
    "mv": Row(
        name="mv",
        flags="fnvuiT",
        longs="--force --no-clobber --verbose --update --interactive --no-target-directory",
        texts="t --target-directory",
        trees="*",
        least=1,
        match=("mv a.txt b.txt",),
        not_match=("mv --backup a b",),
    ),
}


def _copy(name: str, argv: list[Field]) -> Finding:
    """cp and mv: sources are read (mv: and removed), the target is written; `survey` adds what lands in a folder."""
    row = _COPY_ROWS[name]
    found, given = inspect(row, argv), sort(row, argv)
    if found.why:
        return found
    targets = [value for option, value in given.options if option in ("t", "--target-directory") and value is not None]
    fields = [operand.field for operand in found.operands]
    if not targets:
        fields, targets = fields[:-1], fields[-1:]
    if not fields or len(targets) != 1:
        return Finding(why=f"{name} without a source or a target")
    tree = any(operand.tree for operand in found.operands)
    sources = [
        Operand(field, use, tree) for field in fields for use in (("read", "write") if name == "mv" else ("read",))
    ]
    return Finding(operands=(*sources, Operand(targets[0], "into")), edits=True)


def cp(argv: list[Field]) -> Finding:
    """cp, see `_copy`."""
    return _copy("cp", argv)


def mv(argv: list[Field]) -> Finding:
    """mv, see `_copy`."""
    return _copy("mv", argv)


def echo(argv: list[Field]) -> Finding:
    """echo prints its arguments: harmless but for secrets."""
    if any("x" in field.mask for field in argv):
        return Finding(why="it may print a variable that holds a secret")
    return Finding()


def printf(argv: list[Field]) -> Finding:
    """printf, but not `-v`, which evaluates the subscript of the name it is given."""
    if not argv or not argv[0].known or argv[0].text.startswith("-") or argv[0].globbed:
        return Finding(why="printf without a plain format")
    return echo(argv)


def read(argv: list[Field]) -> Finding:
    """read into plain names."""
    names = [field.text for field in argv if field.text != "-r"]
    if (
        not names
        or not all(field.known for field in argv)
        or not all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)
    ):
        return Finding(why="read with more than -r and plain names")
    return Finding()


def command(argv: list[Field]) -> Finding:
    """`command -v NAME`: where a command would be found."""
    if len(argv) >= 2 and argv[0].text in ("-v", "-V") and all(field.known for field in argv):
        return Finding()
    return Finding(why="command without -v")


def test(argv: list[Field]) -> Finding:
    """`test` and `[` look at files and compare. `-v` evaluates a subscript, and a word that is not known may be it."""
    words = argv[1:] if argv and argv[0].text == "!" else argv
    if any(not field.single or field.text in _TEST_EVALUATES for field in words):
        return Finding(why="a test that may evaluate what it is given")
    operator = words[len(words) - 2 : len(words) - 1] if len(words) in (2, 3) else []
    clear = len(words) == 1 or (operator and _TEST_OPERATOR.fullmatch(operator[0].text))
    if not clear and not all(field.known for field in words):
        return Finding(why="a test whose operator may be in a variable")
    return Finding()


def bracket(argv: list[Field]) -> Finding:
    """`[ … ]`, as `test`."""
    return test(argv[:-1]) if argv and argv[-1].text == "]" else Finding(why="a test without its ]")


_XXD_ALONE = frozenset(("-a", "-b", "-e", "-E", "-i", "-p", "-ps", "-u", "-C", "-d", "-plain"))
_XXD_VALUED = re.compile(r"-[cglos](?:\+?-?\d+|0x[0-9a-fA-F]+)?|-(?:cols|len|seek|skip|group|groupsize|offset)")


def xxd(argv: list[Field]) -> Finding:
    """xxd: a dump of one file. Its options are words, not clusters of letters; a second operand would be written."""
    operands, rest = list[Operand](), iter(argv)
    for field in rest:
        if field.text == "-" or not field.text.startswith("-"):
            operands.append(Operand(field, "read"))
        elif _XXD_VALUED.fullmatch(field.text):
            if not field.text[-1].isdigit() and not next(rest, literal("")).text.lstrip("+-").isalnum():
                return Finding(why=f"the value of {field.text} of xxd is not a number")
        elif field.text not in _XXD_ALONE:
            return Finding(why=f"option {field.text} of xxd is not known to be harmless".replace(UNKNOWN, "…"))
    if len(operands) > 1 or any(operand.field.globbed for operand in operands):
        return Finding(why="xxd with a second file, which it would write")
    return Finding(operands=tuple(operands))


def top(argv: list[Field]) -> Finding:
    """top, once and as text."""
    words = " ".join(field.text for field in argv)
    if re.fullmatch(r"-bn ?1(?: -o ?[%A-Z]+)?|-b -n ?1(?: -o ?[%A-Z]+)?", words):
        return Finding()
    return Finding(why="top that goes on")


def ulimit(argv: Sequence[Field]) -> Finding:
    """ulimit, shown and not set."""
    shown = all(re.fullmatch(r"-[aSHcdflmnpstuv]+", field.text) for field in argv)
    return Finding() if shown else Finding(why="ulimit that sets a limit")


def export(argv: list[Field]) -> Finding:
    """export of variables that may precede a command as well, with values that hold no path."""
    for field in argv:
        name, equals, value = field.text.partition("=")
        if not (field.known and equals and SAFE_VARIABLES.fullmatch(name) and SAFE_VALUE.fullmatch(value)):
            return Finding(
                why=f"exporting {name or 'all variables'} may change what other commands do".replace("\ufffd", "…")
            )
    return Finding() if argv else Finding(why="it prints every variable")


def set_(argv: list[Field]) -> Finding:
    """set, for the options that scripts begin with."""
    plain = all(
        field.known and re.fullmatch(r"[-+][eux]*o?|pipefail|errexit|nounset|xtrace", field.text) for field in argv
    )
    return Finding() if argv and plain else Finding(why="set with more than -e, -u, -x, -o pipefail")


_LEDGER = literal(".mlwb/runs")


def mlwb(argv: list[Field]) -> Finding:
    """mlwb: the verbs of its ledger that only read it."""
    words = [field.text for field in argv]
    if not all(field.known and not field.globbed for field in argv):
        return Finding(why="an argument of mlwb is not written out", unknown=True)
    if words[:1] != ["exp"] or words[1:2] not in ([verb] for verb in _LOOKS):
        return Finding(why="mlwb with more than `exp list|show|metrics|tail|compare|card`")
    if words[1] == "card" and any(word.startswith(("-o", "--o")) for word in words[2:]):
        return Finding(why="mlwb exp card that writes a file")
    return Finding(operands=(Operand(_LEDGER, "read", tree=True),))


INSPECTORS: dict[str, Inspector] = {
    "mlwb": mlwb,
    "find": find,
    "sed": sed,
    "awk": awk,
    "gawk": awk,
    "mawk": awk,
    "jq": jq,
    "tar": tar,
    "cp": cp,
    "mv": mv,
    "echo": echo,
    "printf": printf,
    "read": read,
    "command": command,
    "test": test,
    "[": bracket,
    "xxd": xxd,
    "top": top,
    "ulimit": ulimit,
    "export": export,
    "set": set_,
}
EXAMPLES = (SED_ROW, AWK_ROW, JQ_ROW, *_COPY_ROWS.values())
