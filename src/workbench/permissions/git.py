"""git, as far as it only looks: subcommands and options as data, and local settings that name no program.

Sources: git(1) and the manuals of its subcommands. A repository's own configuration can name programs that reading
subcommands run (`core.fsmonitor`, `diff.*.textconv`, filters, pagers, aliases), so its keys are a whitelist.
"""

import re
from collections.abc import Mapping
from itertools import pairwise

import msgspec

from workbench.permissions.options import Finding, Operand, Row, inspect
from workbench.permissions.tables.git import ROWS
from workbench.permissions.words import Field, literal

_BY_NAME = {row.name.removeprefix("git "): row for row in ROWS}
_BEFORE = frozenset(("--no-pager", "-P", "--no-optional-locks", "--literal-pathspecs", "--no-replace-objects"))
_LISTING = ("git tag", "git branch")
_WITH_RANGES = ("git log", "git show", "git whatchanged")
_SIGNED = re.compile(r"%[-+ ]?G|%\(signature")
_GETTERS = frozenset(("--get", "--get-all", "--get-regexp", "--list", "-l"))

# Local settings that name no program and no other place. A key that is not here asks.
_HARMLESS = re.compile(
    r"core\.(?:repositoryformatversion|filemode|logallrefupdates|ignorecase|precomposeunicode|symlinks|autocrlf"
    r"|eol|safecrlf"
    r"|abbrev|quotepath|sparsecheckout|sparsecheckoutcone|compression|bigfilethreshold|untrackedcache"
    r"|preloadindex|longpaths"
    r"|commentchar|whitespace|sharedrepository|multipackindex|commitgraph|protectntfs|protecthfs|fscache)"
    r"|user\.(?:name|email|signingkey)|branch\..*|color\..*|push\.\w+|pull\.\w+|fetch\.\w+|gc\.\w+|pack\.\w+"
    r"|index\.\w+|rerere\.\w+"
    r"|advice\.\w+|init\.defaultbranch|remote\..*\.(?:url|pushurl|fetch|push|tagopt|prune|mirror|promisor"
    r"|partialclonefilter|skipdefaultupdate)"
    r"|submodule\..*\.(?:url|active|path|branch|ignore)|submodule\.(?:recurse|active|fetchjobs)"
    r"|lfs\.(?:repositoryformatversion|locksverify|url|pushurl|fetchinclude|fetchexclude|concurrenttransfers)"
    r"|lfs\..*\.(?:access|locksverify)"
    r"|merge\.(?:conflictstyle|ff|log|renames|stat)"
    r"|diff\.(?:algorithm|renames|renamelimit|mnemonicprefix|noprefix|colormoved|context|submodule"
    r"|indentheuristic|wordregex|statgraphwidth)"
    r"|log\.(?:date|decorate|abbrevcommit|follow|mailmap)|status\.\w+|stash\.\w+|rebase\.(?:autosquash"
    r"|autostash|updaterefs)|commit\.(?:gpgsign|verbose)"
    r"|tag\.(?:sort|gpgsign)|receive\.\w+|http\.(?:postbuffer|version)|extensions\.(?:worktreeconfig"
    r"|objectformat|partialclone|refstorage)"
    r"|feature\.\w+|maintenance\.\w+|format\.(?:pretty|signoff)|i18n\.\w+|blame\.\w+|column\.\w+"
    r"|grep\.(?:linenumber|patterntype|extendedregexp)|github\.\w+|gui\.\w+|vscode.*"
)
_EXPECTED = {
    "core.bare": re.compile("false"),
    "core.fsmonitor": re.compile("true|false"),
    "core.editor": re.compile("true|:"),
    "core.pager": re.compile("cat|less|"),
    "filter.lfs.clean": re.compile(r"git-lfs clean -- %f"),
    "filter.lfs.smudge": re.compile(r"git-lfs smudge(?: --skip)? -- %f"),
    "filter.lfs.process": re.compile(r"git-lfs filter-process(?: --skip)?"),
    "filter.lfs.required": re.compile("true|false"),
}


def names_program(config: Mapping[str, str]) -> str | None:
    """The first local setting that may name a program or another place, or None."""
    for key, value in config.items():
        if key in _EXPECTED:
            if not _EXPECTED[key].fullmatch(value.strip('"')):
                return key
        elif not _HARMLESS.fullmatch(key) or value.startswith("ext::") or "ext::" in value:
            return key
    return None


def inspect_git(argv: list[Field], config: Mapping[str, str]) -> Finding:
    """What `git ARGV` does in a repository with these local settings."""
    rest = list(argv)
    while rest and rest[0].text in _BEFORE:
        rest.pop(0)
    if not rest:
        return Finding()
    if rest[0].text == "-C" and len(rest) > 2 and rest[1].text == ".":
        rest = rest[2:]
    if rest[0].text == "--version":
        return Finding()
    row, used = _subcommand(rest)
    if row is None:
        return Finding(why=f"git {rest[0].text} is not known to only look".replace("\ufffd", "…"))
    if any(not field.known for field in rest):
        return Finding(why="an argument of git is not known")
    if row.name != "git grep" and any(_SIGNED.search(field.text) for field in rest):
        return Finding(why="a format that has signatures verified, by a program")
    arguments = rest[used:]
    if row.name in _LISTING and any(field.text in ("-l", "--list") for field in arguments):
        row = msgspec.structs.replace(row, operands="text", globs=False)
    found = inspect(row, arguments)
    if not found.why and row.name == "git config" and not _gets(arguments):
        return Finding(why="git config that sets something")
    if found.why:
        return found
    if key := names_program(config):
        return Finding(why=f"this repository's own configuration sets {key}, which may run a program or look elsewhere")
    lines = _line_ranges(arguments) if row.name in _WITH_RANGES else []
    return Finding(operands=(Operand(literal("."), "see"), *_paths(found), *lines))


def _gets(arguments: list[Field]) -> bool:
    """Whether `git config` reads: an option says so, or there is a single operand."""
    options = [field for field in arguments if field.text.startswith("-")]
    keys = [field for field in arguments if not field.text.startswith("-")]
    # A single word without a dot is a command of newer gits: `git config edit`.
    return any(field.text in _GETTERS for field in options) or (len(keys) == 1 and "." in keys[0].text)


def _line_ranges(arguments: list[Field]) -> list[Operand]:
    """The files of `-L START,END:FILE`, whose lines git log prints."""
    ranges = [field.text[2:] for field in arguments if field.text.startswith("-L") and len(field.text) > 2]
    ranges += [after.text for field, after in pairwise(arguments) if field.text == "-L"]
    return [Operand(literal(text.rpartition(":")[2] or "."), "read") for text in ranges]


def _subcommand(rest: list[Field]) -> tuple[Row | None, int]:
    two = " ".join(field.text for field in rest[:2])
    if len(rest) > 1 and two in _BY_NAME:
        return _BY_NAME[two], 2
    if rest[0].text == "stash":
        return None, 0
    return _BY_NAME.get(rest[0].text), 1


def _paths(found: Finding) -> list[Operand]:
    """Operands are revisions or paths: each is looked at as a path, and so is what follows the colon of `HEAD:path`."""
    paths = []
    for operand in found.operands:
        text = re.sub(r"\A:[0-3]:", "HEAD:", operand.field.text)
        _, colon, tail = text.partition(":")
        if colon and not text.startswith(":"):
            paths.append(Operand(literal(tail.removeprefix("./") or "."), "read"))
        else:
            paths.append(
                Operand(literal(re.sub(r"^:(?:\([^)]*\)|[!/^]*)", "", text) or "."), "read") if colon else operand
            )
    return paths
