"""Commands with a grammar of their own: find, sed, awk, jq, tar, cp, mv, echo, printf. Same answer as a row gives."""

import re
from collections.abc import Sequence

from workbench.permissions.options import Finding, Inspector, Operand, Row, inspect, sort
from workbench.permissions.words import Field, literal, names
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


_ADDRESS = r"(?:\d+|\$|/(?:[^/\\\n]|\\.)*/I?)(?:~\d+)?"
_RANGE = rf"(?:{_ADDRESS}(?:\s*,\s*(?:{_ADDRESS}|[+~]\d+))?)?\s*!?\s*"
# s with one of four delimiters: two texts without it, then flags that neither write (w) nor execute (e).
_SUBSTITUTE = "|".join(
    rf"s{sign}(?:[^{sign}\\\n]|\\.)*{sign}(?:[^{sign}\\\n]|\\.)*{sign}[gpiI0-9]*" for sign in ("/", r"\|", "#", ",")
)
_TRANSLATE = r"y/(?:[^/\\\n]|\\.)*/(?:[^/\\\n]|\\.)*/"
_SED = re.compile(rf"\s*(?:{_RANGE}(?:[pdqlnNPDGgHhx=]|q\d+|{_SUBSTITUTE}|{_TRANSLATE})\s*(?:[;\n]\s*|\Z))*")
_SED_ROW = Row(
    name="sed",
    flags="nErsuz",
    longs="--quiet --silent --regexp-extended --separate --unbuffered --null-data --posix",
    texts="e --expression",
    first=True,
    patterns="e --expression",
    globs=False,
    match=("sed -n '1,5p' a.txt", "sed -e 's/a/b/g' a.txt"),
    not_match=("sed -f x a.txt",),
)


def sed(argv: list[Field]) -> Finding:
    """sed: scripts that only print, delete, substitute. With `-i` it edits its files."""
    in_place = [field for field in argv if re.fullmatch(r"-i(?:\.\w+)?|-[nErsu]*i|--in-place(?:=\.\w+)?", field.text)]
    rest = [field for field in argv if field not in in_place]
    flags = [literal("-" + field.text[1:-1]) for field in in_place if re.fullmatch(r"-[nErsu]+i", field.text)]
    given = sort(_SED_ROW, [*flags, *rest])
    found = inspect(_SED_ROW, [*flags, *rest])
    if found.why:
        return found
    scripts = [value for name, value in given.options if value is not None]
    scripts = scripts or given.operands[:1]
    if not scripts or not all(script.known and _harmless_sed(script.text) for script in scripts):
        return Finding(why="a sed script that may do more than print, delete and substitute")
    if not in_place:
        return found
    if not found.operands:
        return Finding(why="sed -i without files")
    backups = [
        Operand(_joined(one.field, field.text[2:]), "write")
        for field in in_place
        for one in found.operands
        if field.text.startswith("-i.")
    ]
    return Finding(operands=(*(Operand(one.field, "write") for one in found.operands), *backups), edits=True)


def _harmless_sed(script: str) -> bool:
    return len(script) < 2000 and _SED.fullmatch(script) is not None


def _joined(field: Field, suffix: str) -> Field:
    return Field(field.text + suffix, field.mask + "q" * len(suffix))


_AWK_FUNCTIONS = names(
    "length substr index split gsub sub match tolower toupper sprintf int sqrt exp log sin cos atan2 rand srand "
    "if while for print printf return function and or not in gensub asort asorti strftime systime"
)
_AWK_BAD = re.compile(
    r"[|@`]|>|<\s*\"|\b(?:system|getline|ENVIRON|ARGV|ARGC|PROCINFO|SYMTAB|FUNCTAB|close|fflush|nextfile)\b"
)
_AWK_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_AWK_COMPARED = re.compile(r"(?:\$?\w+|\))\s*>=?\s*(?:-?[\d.]+|\$\w+)(?=\s*(?:[{&)]|\Z))")
_AWK_ROW = Row(
    name="awk",
    texts="F v",
    first=True,
    globs=False,
    match=("awk '{print $1}' data.csv",),
    not_match=("awk -f x.awk data.csv",),
)


def awk(argv: list[Field]) -> Finding:
    """awk: a program that only computes and prints."""
    given = sort(_AWK_ROW, argv)
    found = inspect(_AWK_ROW, argv)
    if found.why:
        return found
    if not given.operands or not given.operands[0].known or not _harmless_awk(given.operands[0].text):
        return Finding(why="an awk program that may do more than compute and print")
    files = tuple(one for one in found.operands if not re.match(r"[A-Za-z_]\w*=", one.field.text))
    return Finding(operands=files)


def _harmless_awk(program: str) -> bool:
    """Only print's output, no commands, no other input. A `>` passes where it compares: in a pattern or an if."""
    bare = _AWK_STRING.sub('""', program)
    if "print" not in bare.split("{")[0]:
        head, brace, rest = bare.partition("{")
        bare = _AWK_COMPARED.sub("1", head) + brace + rest
    bare = re.sub(r"\bif\s*\(([^(){}]*)\)", lambda found: "if (" + found[1].replace(">", "") + ")", bare)
    if _AWK_BAD.search(bare):
        return False
    return all(name in _AWK_FUNCTIONS for name in re.findall(r"([A-Za-z_]\w*)\s*\(", bare))


_JQ_ROW = Row(
    name="jq",
    flags="rcnsSMCajer",
    longs="--raw-output --compact-output --null-input --slurp --sort-keys --monochrome-output --color-output "
    "--ascii-output "
    "--join-output --exit-status --raw-input --tab",
    texts="--indent",
    first=True,
    match=("jq .lr config.json", "jq -r '.a[] | .b' config.json"),
    not_match=("jq -n input --rawfile x /etc/shadow", "jq -f x a", "jq -L . a"),
)
_JQ_BAD = re.compile(
    r"\b(?:env|import|include|modulemeta|get_search_list|input_line_number|debug|stderr|halt_error)\b|\$ENV|\$__"
)


def jq(argv: list[Field]) -> Finding:
    """jq: a filter that neither imports nor looks at the environment."""
    given, kept, rest = [], [], iter(argv)
    for field in rest:
        if field.text in ("--arg", "--argjson"):
            given.extend([next(rest, literal("")), next(rest, literal(""))])
        else:
            kept.append(field)
    found = inspect(_JQ_ROW, kept)
    filters = sort(_JQ_ROW, kept).operands[:1]
    if not found.why and any(not field.known or _JQ_BAD.search(field.text) for field in filters):
        return Finding(why="a jq filter that looks beyond its input")
    return found


_TAR_FLAGS = frozenset("tvzjJa")
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
    """`test`: looks at files and compares; `-v` evaluates a subscript, an unknown word could be one."""
    unknown = any(not field.known for field in argv if field.mask[:1] in ("s", "x"))
    if unknown or any(field.text in ("-v", "-R", "-o") for field in argv):
        return Finding(why="a test that may evaluate what it is given")
    return Finding()


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


INSPECTORS: dict[str, Inspector] = {
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
    "ulimit": ulimit,
    "export": export,
    "set": set_,
}
EXAMPLES = (_SED_ROW, _AWK_ROW, _JQ_ROW, *_COPY_ROWS.values())
