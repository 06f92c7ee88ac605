"""What `tools` and `disallowedTools` come to: grants and deny rules."""

import difflib

import msgspec

from workbench.definitions.entries import ALL, Entry, entry
from workbench.definitions.fields import brief
from workbench.definitions.types import Definition, Problem
from workbench.protocol.names import ORCHESTRATION, TOOLS, WITH_BASH, canonical

# What a scope can be matched against: a command or a path. The others take none.
SCOPED = ("Read", "Write", "Edit", "MultiEdit", "Grep", "Glob", "LS", "Bash")

_BOUNDARY = "no sub-agents exist here: it is not offered, and a call of it ends the session"


class Grants(msgspec.Struct, frozen=True, kw_only=True):
    """`tools`: canonical name -> scopes, none of them meaning all of the tool. `problems` is for the author."""

    tools: dict[str, tuple[str, ...]] = {}
    problems: tuple[Problem, ...] = ()


def means_all(tools: tuple[str, ...]) -> bool:
    """Whether the entries are one of the ways to say: every tool."""
    return len(tools) == 1 and tools[0] in ALL


def resolve(tools: tuple[str, ...] | None, disallowed: tuple[str, ...]) -> Grants:
    """The grants of entries as written; `tools` None means every tool but the orchestration ones.

    An entry that cannot be read grants nothing; one in `disallowed` takes the whole tool away.
    """
    problems: list[Problem] = []
    granted = _granted(tools, problems) if tools is not None else dict.fromkeys(TOOLS, ())
    came_along = [name for name in WITH_BASH if "Bash" in granted and name not in granted]
    granted.update(dict.fromkeys(came_along, ()))
    for text in disallowed:
        taken = entry(text)
        name = canonical(taken.tool)
        if taken.tool == "*":
            granted.clear()
        elif name is None:
            problems.append(_unknown("disallowedTools", text, taken.tool, "nothing is taken away by it"))
        elif taken.wrong:
            message = f"{brief(text)}: {taken.wrong}; all of {name} is taken away"
            problems.append(Problem(field="disallowedTools", message=message))
        if name and (taken.scopes is None or taken.wrong or name not in SCOPED):
            granted.pop(name, None)
    if "Bash" not in granted:
        for name in came_along if tools is not None else WITH_BASH:
            granted.pop(name, None)
    return Grants(tools={name: granted[name] for name in TOOLS if name in granted}, problems=tuple(problems))


def deny_rules(definition: Definition) -> tuple[str, ...]:
    """The definition's scoped `disallowedTools` as permission rules, one scope each: `Bash(rm:*)`.

    Entries that take away a whole tool are not in it: that tool is not granted.
    """
    rules: list[str] = []
    for text in definition.disallowed_tools:
        taken = entry(text)
        if (name := canonical(taken.tool)) in SCOPED and taken.scopes:
            rules += [f"{name}({scope})" for scope in taken.scopes]
    return tuple(dict.fromkeys(rules))


def _granted(tools: tuple[str, ...], problems: list[Problem]) -> dict[str, tuple[str, ...]]:
    granted: dict[str, tuple[str, ...]] = {}
    for text in tools:
        listed = entry(text)
        name = canonical(listed.tool)
        if wrong := _wrong(text, listed, name):
            problems.append(wrong)
        elif name is not None:
            before = granted.get(name)
            granted[name] = () if before == () or not listed.scopes else (*(before or ()), *listed.scopes)
    return {name: tuple(dict.fromkeys(scopes)) for name, scopes in granted.items()}


def _wrong(text: str, listed: Entry, name: str | None) -> Problem | None:
    """Why an entry of `tools` grants nothing; None where it does."""
    if name is None:
        return _unknown("tools", text, listed.tool, "nothing is granted by it")
    if name in ORCHESTRATION:
        return Problem(field="tools", message=f"{brief(text)}: {_BOUNDARY}")
    if listed.wrong:
        return Problem(field="tools", message=f"{brief(text)}: {listed.wrong}; nothing is granted by it")
    if listed.scopes and name not in SCOPED:
        return Problem(field="tools", message=f"{brief(text)}: {name} takes no scope; nothing is granted by it")
    return None


def _unknown(field: str, text: str, tool: str, outcome: str) -> Problem:
    if tool in ALL:
        return Problem(field=field, message=f"`{tool}` means every tool only where it stands alone; {outcome}")
    near = [name for name in TOOLS if name.lower() == tool.lower()] or difflib.get_close_matches(tool, TOOLS, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return Problem(field=field, message=f"{brief(text)} names no tool here{hint}; {outcome}")
