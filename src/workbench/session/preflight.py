"""What would stand in a task's way, found without spending a token: `mlwb run --check`."""

import asyncio
import subprocess
from collections.abc import Mapping

import msgspec

from workbench.permissions.shell import read
from workbench.permissions.syntax import AndOr, Lit, Pipe, Simple, UnreadableError
from workbench.permissions.types import Runs
from workbench.permissions.world import RealWorld
from workbench.protocol.task import Task
from workbench.sandbox import layers, pythonenv
from workbench.sandbox.launcher import PlainLauncher, shell
from workbench.session import checks, gpus
from workbench.session.end import MODEL_ERRORS, StartError
from workbench.session.gate import Gate
from workbench.session.plan import Options, Plan, plan

_LOOK_S = 5.0  # what bash may take to say whether there is a program


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `ok` is None where it could not be told; `fix` says how to mend it."""

    name: str
    ok: bool | None
    detail: str
    fix: str = ""
    subtype: str = "error_usage"  # how a run would end if this is not mended


async def preflight(task: Task, options: Options) -> list[Finding]:
    """All findings on TASK. A task that cannot even be resolved gives one finding that says why."""
    try:
        made = plan(task, options)
    except StartError as error:
        return [Finding(name="task", ok=False, detail=error.message, subtype=error.subtype)]
    sandbox, confined = _sandbox(made)
    findings = [_agent(made), _model(made), await _endpoint(made, options), _budget(made), sandbox]
    findings.append(await asyncio.to_thread(_gpus, made, options.env))
    findings += [*_rules(made), *await asyncio.to_thread(_checks, made, confined, options.env)]
    return [*findings, *await asyncio.to_thread(_locked, made)]


def _agent(made: Plan) -> Finding:
    definition = made.definition
    tools = ", ".join(definition.grants)
    detail = f"{definition.name} ({definition.source}: {definition.path}), mode {made.mode}, tools {tools}"
    return Finding(name="agent", ok=True, detail=detail)


def _model(made: Plan) -> Finding:
    info = made.info
    if info.input is None or info.output is None:
        return Finding(name="model", ok=None, detail=f"{info.id}: price not known", fix="give maxTokens as a limit")
    return Finding(
        name="model", ok=True, detail=f"{info.id}: ${info.input:g} in, ${info.output:g} out a million tokens"
    )


async def _endpoint(made: Plan, options: Options) -> Finding:
    if options.replay is not None:
        there = options.replay.is_file()
        return Finding(name="endpoint", ok=there, detail=f"answers are replayed from {options.replay}")
    from workbench.models.anthropic import AnthropicClient

    client = AnthropicClient(env=options.env)
    try:
        ok, detail, fix, kind = await client.check(made.info)
    finally:
        await client.close()
    subtype = MODEL_ERRORS.get(kind, "error_during_execution")
    return Finding(name="endpoint", ok=ok, detail=detail, fix=fix, subtype=subtype)


def _budget(made: Plan) -> Finding:
    caps = msgspec.to_builtins(made.task.caps)
    timeout = caps.pop("timeoutS")
    held = [f"{key} {value:.12g}" for key, value in caps.items() if value is not None]
    held += [] if timeout is None else [f"timeout {timeout:.12g} s"]
    if not held:
        return Finding(name="budget", ok=None, detail="no limit", fix="set maxUsd, maxTurns or timeout")
    return Finding(name="budget", ok=True, detail=", ".join(held))


def _sandbox(made: Plan) -> tuple[Finding, bool]:
    """What confines commands; and whether one that only lacks a rule runs confined."""
    settings = made.settings.sandbox
    if "off" in (made.task.sandbox, settings.mode):
        words = "off, as asked: a command that no rule allows is denied"
        return Finding(name="sandbox", ok=True, detail=words), False
    layer = layers.choose(settings.mode)
    if layer is None:
        words = "nothing confines commands here: one that no rule allows is denied"
        return Finding(name="sandbox", ok=None, detail=words, fix="`mlwb doctor` says what is missing"), False
    allows = layer.auto_allow if settings.auto_allow is None else settings.auto_allow
    rest = "runs confined" if allows else "is denied (setting sandbox.autoAllow)"
    detail = f"{layer.name}, network {settings.network}: a command that only lacks a rule {rest}"
    return Finding(name="sandbox", ok=True, detail=detail), allows


def _gpus(made: Plan, env: Mapping[str, str]) -> Finding:
    """The cards that its commands may see, and who is on them."""
    from workbench.telemetry.nvml import Nvml

    word, most, nvml = made.task.gpus or made.settings.gpus, made.task.max_gpus, Nvml()
    if word == "none":
        return Finding(name="gpus", ok=True, detail="none, as asked")
    if not nvml.open():
        listed = word not in gpus.WORDS
        fix = "leave out `gpus`, or start it where they are" if listed else ""
        return Finding(name="gpus", ok=False if listed else None, detail=nvml.problem or "no GPU", fix=fix)
    told = gpus.standing(word, env, nvml)
    ok = not told.startswith("none of them")
    held = made.settings.max_gpus if most is None else most
    detail = f"{word}{'' if held is None else f', {held} at a time'}: {told}"
    return Finding(name="gpus", ok=ok or None if word in gpus.WORDS else ok, detail=detail)


def _rules(made: Plan) -> list[Finding]:
    rules = made.policy.rules
    detail = f"{len(rules.allow)} allow, {len(rules.ask)} ask, {len(rules.deny)} deny"
    ignored = [Finding(name="settings", ok=None, detail=note) for note in made.settings.notes]
    return [Finding(name="rules", ok=True, detail=detail), *ignored]


def _checks(made: Plan, confined: bool, env: Mapping[str, str]) -> list[Finding]:
    """A check is the user's own word and runs whatever the verdict; the agent may want to run it, too."""
    gate, found = Gate(made.policy, RealWorld()), []
    for command in made.task.checks:
        verdict = gate.judge("Bash", (Runs(command),), str(made.workspace))
        allowed = verdict.verdict == "allow" or (confined and verdict.confinable)
        detail = f"`{command}` runs at the end; the agent itself " + ("may run it" if allowed else "may not run it")
        if missing := _missing(command, made, env):
            words = f"there is no {missing} here: unless the work brings it, this check fails"
            found.append(Finding(name="check", ok=None, detail=detail, fix=words))
            continue
        found.append(Finding(name="check", ok=True, detail=detail, fix="" if allowed else f"allow: Bash({command})"))
    if not found:
        found.append(Finding(name="check", ok=None, detail="none: nothing will confirm the work", fix="add `checks`"))
    return found


def _locked(made: Plan) -> list[Finding]:
    """What the task locks; a glob that names no file locks nothing, and is most likely misspelt."""
    lost = checks.unmatched(made.task.locked, made.workspace)
    held = ", ".join(f"`{each}`" for each in made.task.locked if each not in lost)
    found = [Finding(name="locked", ok=True, detail=f"{held} must be the same at the end")] if held else []
    fix = f"mend its name; globs begin at {made.workspace}, and a file that the work makes there counts as changed"
    return found + [Finding(name="locked", ok=None, detail=f"`{each}` names no file", fix=fix) for each in lost]


def _missing(command: str, made: Plan, env: Mapping[str, str]) -> str:
    """The program that COMMAND begins with, where bash finds none of that name; empty where that cannot be told."""
    name = _program(command)
    if not name or made.settings.shell.setup:  # which may put it on the path
        return ""
    own = PlainLauncher(env).environment()
    own = pythonenv.activated(own, pythonenv.find(made.workspace, own))
    try:  # it looks the name up, and runs nothing
        asked = [*shell('command -v -- "$0"'), name]
        done = subprocess.run(
            asked,
            cwd=made.workspace,
            env=own,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LOOK_S,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    return name if done.returncode else ""


def _program(command: str) -> str:
    """The first word of COMMAND, where it stands there as it is."""
    try:
        first = read(command).items[0]
    except (UnreadableError, IndexError):
        return ""
    while isinstance(first, Pipe | AndOr):
        first = first.parts[0] if isinstance(first, Pipe) else first.left
    if not isinstance(first, Simple) or first.assigns or not first.words:
        return ""
    parts = first.words[0].parts
    name = "".join(part.text for part in parts if isinstance(part, Lit))
    plain = all(isinstance(part, Lit) for part in parts) and not set(name) & set("~*?[{")
    return name if plain else ""
