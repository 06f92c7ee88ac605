"""Permission rules in Claude Code's syntax: `Tool` or `Tool(specifier)`."""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from workbench.permissions.words import names, set_of
from workbench.protocol.names import ALIASES, ORCHESTRATION, TOOLS, canonical

READING = ("Read", "Grep", "Glob", "LS")
EDITING = ("Edit", "Write", "MultiEdit")
# Tools of other programs: rules about them are well-formed and meet nothing here.
_FOREIGN = names(
    "WebFetch WebSearch NotebookEdit Skill SlashCommand ExitPlanMode EnterPlanMode AskUserQuestion PowerShell "
    "Monitor Cd LSP ToolSearch CronCreate CronDelete CronList EnterWorktree ExitWorktree ListMcpResourcesTool "
    "ReadMcpResourceTool SendMessage TeamCreate TeamDelete"
)
_PATTERN_CHARACTERS = re.compile(r"[*?\[]")


class RuleError(ValueError):
    """A rule that cannot be read; the message names it and says what is wrong."""


class Rule(msgspec.Struct, frozen=True):
    """A rule: the tool's canonical name (`*` for all), its specifier if any, and the text as written."""

    tool: str
    spec: str | None
    text: str

    def names(self, tool: str) -> bool:
        """Whether the rule is about TOOL: Read rules are about all that reads, Edit rules about all that edits."""
        if self.tool in ("*", tool):
            return True
        return (self.tool == "Read" and tool in READING) or (self.tool == "Edit" and tool in EDITING)


@lru_cache(maxsize=4096)
def parse_rule(text: str) -> Rule:
    """TEXT as a rule. Raises RuleError."""
    found = re.fullmatch(r"\s*([^\s()]+)\s*(?:\((.*)\))?\s*", text, re.DOTALL)
    if found is None:
        raise RuleError(f"rule {text!r} is not of the form Tool or Tool(specifier)")
    name, spec = found[1], found[2]
    if name == "*" or name.startswith("mcp__"):
        return Rule(name, spec, text)
    tool = canonical(name) or (name if name in _FOREIGN else None)
    if tool is None:
        near = difflib.get_close_matches(name, [*TOOLS, *ORCHESTRATION, *ALIASES, *_FOREIGN], n=1)
        near = near or [known for known in TOOLS if known.lower() == name.lower()]
        raise RuleError(f"rule {text!r} names no tool" + (f"; did you mean {near[0]}?" if near else ""))
    if spec is not None and not spec.strip():
        raise RuleError(f"rule {text!r} has an empty specifier; write {name} for all of the tool")
    return Rule(tool, None if spec is None or spec == "*" else spec, text)


@lru_cache(maxsize=512)
def parse_rules(texts: tuple[str, ...]) -> tuple[Rule, ...]:
    """All of TEXTS. Raises RuleError at the first that is malformed."""
    return tuple(parse_rule(text) for text in texts)


@lru_cache(maxsize=4096)
def _command_pattern(spec: str) -> tuple[re.Pattern[str], str]:
    """SPEC of a Bash rule as a pattern, and the fixed text before its first wildcard."""
    if spec.endswith(":*"):
        spec = spec[:-2] + " *"
    fixed = spec.split("*", 1)[0].rstrip() if "*" in spec else spec
    body, tail = (spec[:-2], r"(?:\s.*)?") if spec.endswith(" *") else (spec, "")
    return re.compile(".*".join(re.escape(part) for part in body.split("*")) + tail, re.DOTALL), fixed


def command_matches(spec: str | None, form: str, fixed: str = "") -> bool:
    """Whether a Bash rule's SPEC matches FORM. FIXED is what the rule must spell out before its first wildcard."""
    if spec is None:
        return True
    pattern, spelled = _command_pattern(spec)
    return pattern.fullmatch(form) is not None and (not fixed or spelled == form or spelled.startswith(fixed))


@lru_cache(maxsize=4096)
def _path_pattern(spec: str, base: str, home: str) -> re.Pattern[str]:
    """SPEC of a path rule as a pattern over absolute paths; relative ones start at BASE.

    `//x` is absolute, `~/x` in the home, `/x`, `./x` and `x/y` below BASE, a bare name anywhere below BASE (gitignore).
    What matches a folder matches all that is in it.
    """
    if spec.startswith("//"):
        root, rest = "", spec[2:]
    elif spec == "~" or spec.startswith("~/"):
        root, rest = home.rstrip("/"), spec[2:]
    else:
        root, rest = base.rstrip("/"), spec.removeprefix("./").lstrip("/")
        if "/" not in spec.rstrip("/"):
            rest = "**/" + rest
    pattern = re.escape(root)
    parts = [part for part in rest.split("/") if part not in ("", ".")]
    for at, part in enumerate(parts):
        if part == "**":
            # At the end: the folder's content, or the folder itself; before that: any folders or none.
            pattern += r"(?:/.*)?" if at == len(parts) - 1 else r"(?:/[^/]+)*"
        else:
            pattern += "/" + _component(part)
    return re.compile(pattern + r"(?:/.*)?", re.DOTALL)


def _component(part: str) -> str:
    """One component of a path pattern; `*` and `?` stay within it."""
    out, at = "", 0
    while at < len(part):
        char = part[at]
        if char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "[" and (close := part.find("]", at + 2)) > 0:
            inner = set_of(part[at + 1 : close])
            out += "[" + ("^/" + inner[1:] if inner[0] in "!^" else inner) + "]"
            at = close
        else:
            out += re.escape(char)
        at += 1
    return out


def path_matches(spec: str | None, path: str, base: str, home: str, *, fold: bool = False) -> bool:
    """Whether a path rule's SPEC matches the absolute PATH. FOLD: whatever the case, as deny and ask rules do."""
    if spec is None:
        return True
    if fold:
        spec, path, base, home = (_folded(text) for text in (spec, path, base, home))
    try:
        return _path_pattern(spec, base, home).fullmatch(path) is not None
    except re.error:  # a broken character class: take the rule's text literally
        return _path_pattern(_PATTERN_CHARACTERS.sub("?", spec), base, home).fullmatch(path) is not None


@lru_cache(maxsize=4096)
def _folded(text: str) -> str:
    """TEXT as a file system that minds neither case nor how an accent is written would compare it."""
    return text.casefold() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def about(rules: Iterable[Rule], tool: str) -> list[Rule]:
    """Those of RULES that speak of TOOL."""
    return [rule for rule in rules if rule.names(tool)]
