"""A task with everything resolved that it names: definition, model, mode, rules, folders."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from workbench import places, programs
from workbench.definitions import discovery
from workbench.definitions.grants import deny_rules
from workbench.definitions.types import Definition
from workbench.models.base import ModelInfo, Thinking
from workbench.models.catalogue import Catalogue, CatalogueError
from workbench.permissions.rules import RuleError, parse_rule
from workbench.permissions.types import Policy
from workbench.protocol.names import Mode, lower
from workbench.protocol.task import Rules, Task
from workbench.session.end import StartError
from workbench.settings import trust
from workbench.settings.load import load as load_settings
from workbench.settings.types import Settings, SettingsError


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller gives besides the task: the environment, and where answers are recorded to or replayed from."""

    env: Mapping[str, str]
    record: Path | None = None
    replay: Path | None = None
    placeholders: dict[str, str] = {}
    pace: float | None = None
    allow_bypass: bool = False
    trust_workspace: bool = False
    attended: bool | None = None  # whether a person takes the session up; None: as it was started


class Plan(msgspec.Struct, kw_only=True):
    """A task with everything resolved that it names: what `--check` reports and what a session is built from."""

    task: Task
    workspace: Path
    roots: tuple[Path, ...]
    settings: Settings
    definition: Definition
    info: ModelInfo
    mode: Mode
    policy: Policy
    thinking: Thinking | None
    deny: tuple[str, ...]


def plan(task: Task, options: Options) -> Plan:
    """Resolves TASK; raises StartError for whatever it names and is not there or not allowed."""
    workspace, roots = _roots(task)
    settings = settings_of(workspace, options)
    definition = discovery.find(task.agent, workspace, Path.home(), places.config())
    if definition is None:
        near = discovery.nearest(task.agent, workspace, Path.home(), places.config())
        hint = f"did you mean {near}?" if near else "`mlwb agents list` shows what there is."
        raise StartError("error_agent_definition", f"there is no agent {task.agent!r}; {hint}")
    if (why := discovery.startable(definition)) is not None:
        raise StartError("error_agent_definition", f"{definition.path}: {why}")
    info = _model(task, definition, settings)
    if options.replay is not None:  # recorded answers cost nothing
        info = msgspec.structs.replace(info, input=0.0, output=0.0, long_over=None)
    mode = _mode(task, definition, settings, options)
    deny = deny_rules(definition)
    thinking = Thinking(level=definition.thinking_level, tokens=definition.thinking_tokens, effort=definition.effort)
    caps = task.caps
    if caps.max_turns is None and definition.max_turns is not None:
        task = msgspec.structs.replace(task, caps=msgspec.structs.replace(caps, max_turns=definition.max_turns))
    if task.caps.max_gpu_hours is None and settings.max_gpu_hours is not None:
        task = msgspec.structs.replace(
            task, caps=msgspec.structs.replace(task.caps, max_gpu_hours=settings.max_gpu_hours)
        )
    return Plan(
        task=task,
        workspace=workspace,
        roots=roots,
        settings=settings,
        definition=definition,
        info=info,
        mode=mode,
        policy=policy_of(task, settings, definition.grants, deny, mode, workspace, roots),
        thinking=thinking,
        deny=deny,
    )


def _roots(task: Task) -> tuple[Path, tuple[Path, ...]]:
    workspace = Path(task.workspace or Path.cwd()).resolve()
    roots = [workspace]
    for name in task.add_dirs:
        folder = Path(os.path.realpath(workspace / places.named(name)))
        if not folder.is_dir():
            raise StartError("error_usage", f"--add-dir {name}: there is no such folder")
        roots.append(folder)
    if not workspace.is_dir():
        raise StartError("error_usage", f"the workspace {workspace} is not a folder")
    return workspace, tuple(dict.fromkeys(roots))


def settings_of(workspace: Path, options: Options) -> Settings:
    """The settings that hold in WORKSPACE; raises StartError."""
    try:
        trusts = trust.digests(places.state())
        return load_settings(workspace, Path.home(), places.config(), options.trust_workspace, trusts)
    except SettingsError as error:
        raise StartError("error_usage", str(error)) from None


def _model(task: Task, definition: Definition, settings: Settings) -> ModelInfo:
    catalogue = catalogue_of(settings)
    info = catalogue.find(task.model or definition.model or settings.model or "sonnet")
    caps = task.caps
    if caps.max_usd is not None and info.input is None and caps.max_tokens is None:
        raise StartError(
            "error_usage",
            f"maxUsd cannot hold: the price of {info.id} is not known. Give maxTokens, or the price in the settings.",
        )
    return info


def catalogue_of(settings: Settings) -> Catalogue:
    """The models, as SETTINGS correct them. Raises StartError."""
    try:
        return Catalogue.load(settings.models)
    except CatalogueError as error:
        raise StartError("error_usage", f"settings: {error}") from None


def _mode(task: Task, definition: Definition, settings: Settings, options: Options) -> Mode:
    mode = task.permission_mode or settings.permission_mode or "acceptEdits"
    if task.permission_mode == "bypassPermissions" and not options.allow_bypass:
        raise StartError("error_usage", "bypassPermissions needs the flag --permission-mode bypassPermissions")
    if settings.ceiling:
        mode = lower(mode, settings.ceiling)
    return lower(mode, definition.permission_mode) if definition.permission_mode else mode


def policy_of(
    task: Task,
    settings: Settings,
    grants: Mapping[str, tuple[str, ...]],
    deny: tuple[str, ...],
    mode: Mode,
    workspace: Path,
    roots: tuple[Path, ...],
) -> Policy:
    """The gate's policy: rules of the task, of the settings and of the definition together. Raises StartError."""
    rules = Rules(
        allow=(*task.rules.allow, *settings.rules.allow),
        ask=(*task.rules.ask, *settings.rules.ask, *guarding(roots)),
        deny=(*task.rules.deny, *settings.rules.deny, *deny),
    )
    for rule in (*rules.allow, *rules.ask, *rules.deny):
        try:
            parse_rule(rule)
        except RuleError as error:
            raise StartError("error_usage", f"the permission rule {rule!r} cannot be read: {error}") from None
    return Policy(
        grants=grants,
        mode=mode,
        rules=rules,
        workspace=str(workspace),
        roots=tuple(map(str, roots)),
        home=str(Path.home()),
    )


def guarding(roots: tuple[Path, ...]) -> tuple[str, ...]:
    """Ask rules that hold in every session, whatever its mode: for what this program reads when it starts, for what it
    is made of, and for programs in the workspace that are found by their name alone.
    """
    sessions = places.sessions()
    kept = [f"{places.state()}/trusted.json", *(f"{sessions}/*/{name}" for name in ("events.jsonl", "blobs", "aside"))]
    edited = [places.config(), places.state(), *programs.own_folders(roots), *programs.searched(roots)]
    return (*(f"Edit(/{one})" for one in edited), *(f"Read(/{one})" for one in kept))
