"""Programs that are given a program: sed, awk, jq. Same answer as a row of the tables gives."""

import re

from workbench.permissions.options import Finding, Operand, Row, inspect, sort
from workbench.permissions.words import Field, literal, names

_ADDRESS = r"(?:\d+|\$|/(?:[^/\\\n]|\\.)*/I?)(?:~\d+)?"
_RANGE = rf"(?:{_ADDRESS}(?:\s*,\s*(?:{_ADDRESS}|[+~]\d+))?)?\s*!?\s*"
# s with one of four delimiters: two texts without it, then flags that neither write (w) nor execute (e).
_SUBSTITUTE = "|".join(
    rf"s{sign}(?:[^{sign}\\\n]|\\.)*{sign}(?:[^{sign}\\\n]|\\.)*{sign}[gpiI0-9]*" for sign in ("/", r"\|", "#", ",")
)
_TRANSLATE = r"y/(?:[^/\\\n]|\\.)*/(?:[^/\\\n]|\\.)*/"
_TEXT = r"[aic]\s*[^\\\n\s][^\\\n]*"  # to the end of its line
_SED = re.compile(
    rf"\s*(?:{_RANGE}(?:{_TEXT}(?:\n\s*|\Z)|(?:[pdqlnNPDGgHhx=]|q\d+|{_SUBSTITUTE}|{_TRANSLATE})\s*(?:[;\n]\s*|\Z)))*"
)
SED_ROW = Row(
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
    given = sort(SED_ROW, [*flags, *rest])
    found = inspect(SED_ROW, [*flags, *rest])
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
        Operand(_joined(one.field, field.text[field.text.index(".") :]), "write")
        for field in in_place
        for one in found.operands
        if field.text.startswith(("-i.", "--in-place=."))
    ]
    return Finding(operands=(*(Operand(one.field, "write") for one in found.operands), *backups), edits=True)


def _harmless_sed(script: str) -> bool:
    return len(script) < 2000 and _SED.fullmatch(script) is not None


def _joined(field: Field, suffix: str) -> Field:
    return Field(field.text + suffix, field.mask + "q" * len(suffix))


_AWK_FUNCTIONS = names(
    "length substr index split gsub sub match tolower toupper sprintf int sqrt exp log sin cos atan2 rand srand "
    "if while for print printf return and or not in gensub asort asorti strftime systime"
)
_AWK_REFUSED = names(
    "system getline ENVIRON ARGV ARGC PROCINFO SYMTAB FUNCTAB close fflush nextfile function func eval extension"
)
# Its tokens. A regular expression with a quote or a bracket in it is refused: awks differ in where it ends.
_AWK_TOKEN = re.compile(
    r"(?P<blank>[ \t\n]+)|(?P<text>\"(?:[^\"\\\n]|\\.)*\")|(?P<number>\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+)"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<sign>\|\||&&|[-+*%^!=<>]=|\+\+|--|!~|[-+*%^!=<>~?:,;$(){}\[\]])"
)
_AWK_PATTERN = re.compile(r"/(?:[^/\\\n\"\[]|\\[^\"\n]|\[\^?[\w .:,;+*?^$%=~-]+\])*/")
_AWK_UNCERTAIN = names(") ++ -- $ else do case default exit delete next continue break BEGIN END")
_AWK_DIVISION = re.compile(r"/=?")
_AWK_PAIRS = {"(": ("(", 1), ")": ("(", -1), "{": ("{", 1), "}": ("{", -1)}
AWK_ROW = Row(
    name="awk",
    texts="F v",
    first=True,
    globs=False,
    match=("awk '{print $1}' data.csv",),
    not_match=("awk -f x.awk data.csv",),
)


def awk(argv: list[Field]) -> Finding:
    """awk: a program that only computes and prints."""
    given = sort(AWK_ROW, argv)
    found = inspect(AWK_ROW, argv)
    if found.why:
        return found
    if not given.operands or not given.operands[0].known or not _harmless_awk(given.operands[0].text):
        return Finding(why="an awk program that may do more than compute and print")
    files = tuple(one for one in found.operands if not re.match(r"[A-Za-z_]\w*=", one.field.text))
    return Finding(operands=files)


def _harmless_awk(program: str) -> bool:
    """Only print's output, no commands, no other input. A `>` passes where it compares: in a pattern or in ( )."""
    at, before, depth = 0, "", {"(": 0, "{": 0}
    while at < len(program):
        found = _AWK_TOKEN.match(program, at) or _awk_slash(program, at, before)
        if found is None:
            return False
        part, at = found[0], found.end()
        if found.lastgroup == "blank":
            before = "" if "\n" in part else before
            continue
        if part in _AWK_REFUSED or (part.startswith(">") and depth["{"] and not depth["("]):
            return False
        if part == "(" and re.fullmatch(r"[A-Za-z_]\w*", before) and before not in _AWK_FUNCTIONS:
            return False
        if part in _AWK_PAIRS:
            opener, step = _AWK_PAIRS[part]
            depth[opener] += step
        before = part
    return True


def _awk_slash(program: str, at: int, before: str) -> re.Match[str] | None:
    """A division or a regular expression, by what stands before it; None where a text could hide in the difference."""
    if before in _AWK_UNCERTAIN or before in _AWK_FUNCTIONS:
        return None if '"' in program[at:] else _AWK_DIVISION.match(program, at)
    if re.fullmatch(r"\w+\.?\w*|\]|\".*\"", before, re.DOTALL):
        return _AWK_DIVISION.match(program, at)
    return _AWK_PATTERN.match(program, at)


JQ_ROW = Row(
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
    r"\b(?:env|ENV|import|include|modulemeta|get_search_list|input_line_number|debug|stderr|halt_error|__\w+)\b"
)


def jq(argv: list[Field]) -> Finding:
    """jq: a filter that neither imports nor looks at the environment."""
    kept, rest = [], iter(argv)
    for field in rest:
        if field.text not in ("--arg", "--argjson"):
            kept.append(field)
        elif any("x" in value.mask or not value.single for value in (next(rest, literal("")), next(rest, literal("")))):
            return Finding(why=f"{field.text} of jq with a secret, or a value that is not one word")
    found = inspect(JQ_ROW, kept)
    filters = sort(JQ_ROW, kept).operands[:1]
    if not found.why and any(not field.known or _JQ_BAD.search(field.text) for field in filters):
        return Finding(why="a jq filter that looks beyond its input")
    return found
