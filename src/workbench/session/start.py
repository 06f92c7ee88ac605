"""A new session: from a plan to its first events. Nothing is left behind when it fails."""

import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from workbench import __version__, places, programs
from workbench.definitions import discovery
from workbench.models.base import ModelClient, ModelError, ModelInfo
from workbench.permissions.types import Policy
from workbench.permissions.world import RealWorld
from workbench.protocol import events as e
from workbench.protocol.task import Task
from workbench.protocol.version import PROTOCOL
from workbench.sandbox import leftovers, system
from workbench.sandbox.confined import ConfinedLauncher
from workbench.sandbox.launcher import PlainLauncher
from workbench.session import finish, found, gpus, memory, store
from workbench.session.blobs import Blobs
from workbench.session.changes import Changes
from workbench.session.confinement import confine
from workbench.session.core import Session
from workbench.session.end import StartError
from workbench.session.gate import Gate
from workbench.session.head import git_head
from workbench.session.identity import boot_id, user_name
from workbench.session.journal import Journal, JournalError
from workbench.session.plan import Options, Plan, plan
from workbench.session.prompt import Frame, reminder, system_prompt
from workbench.session.redact import Redactor
from workbench.session.snapshots import Snapshots
from workbench.settings.types import Settings
from workbench.tools import registry
from workbench.tools.base import Context


def create(task: Task, options: Options, clock: Callable[[], float] = time.time, parent: str | None = None) -> Session:
    """A new session on TASK, which goes on from the session PARENT if any, its first events journalled. StartError."""
    made = plan(task, options)
    session_id = store.new_id()
    folder = places.sessions() / session_id
    try:
        journal = Journal.create(folder, session_id, clock)
    except JournalError as error:
        raise StartError("error_during_execution", str(error)) from None
    try:
        return _begun(journal, made, options, clock, parent)
    except (JournalError, OSError) as error:
        _undo(journal)
        why = getattr(error, "strerror", None) or error
        raise StartError("error_during_execution", f"no session can be kept in {folder}: {why}") from None
    except ModelError as error:  # a recording that cannot be read or written
        _undo(journal)
        raise StartError("error_usage", str(error)) from None
    except StartError:
        _undo(journal)
        raise


def laid_down(task: Task, options: Options, parent: str) -> str:
    """A new session on TASK, handed over by the session PARENT, that nobody works on yet; its id. Raises StartError."""
    session = create(task, options, parent=parent)
    session.journal.close()
    return session.id


def _undo(journal: Journal) -> None:
    journal.close()
    shutil.rmtree(journal.folder, ignore_errors=True)


def _begun(journal: Journal, made: Plan, options: Options, clock: Callable[[], float], parent: str | None) -> Session:
    programs.shun(made.roots)  # before anything looks at them
    frame, blobs = Redactor(options.env).struct(_frame(made)), Blobs(journal.folder / "blobs")
    prefix = blobs.put(msgspec.json.encode(frame), sync=True)
    if parent is None:
        changes = Changes.begin(made.workspace, made.roots, blobs, journal.folder)
    else:  # nobody works on it yet: whoever takes it up takes the baseline
        changes = Changes(journal.folder, blobs)
    session = assemble(journal, blobs, made.task, frame, made.settings, made.info, made.policy, changes, options, clock)
    _first_events(session, made, prefix, parent)
    return session


def _frame(made: Plan) -> Frame:
    definition = made.definition
    system = system_prompt(
        name=definition.name,
        body=definition.prompt,
        workspace=made.workspace,
        roots=made.roots,
        mode=made.mode,
        interactive=made.task.interactive,
    )
    return Frame(
        system=[{"type": "text", "text": system}],
        tools=registry.specs(definition.grants),
        thinking=made.thinking,
        deny=made.deny,
        ceiling=definition.permission_mode,
    )


def assemble(
    journal: Journal,
    blobs: Blobs,
    task: Task,
    frame: Frame,
    settings: Settings,
    info: ModelInfo,
    policy: Policy,
    changes: Changes,
    options: Options,
    clock: Callable[[], float],
) -> Session:
    """A session's parts put together, before any event."""
    journal.redactor = Redactor(options.env)
    system.keep_secrets_to_ourselves()
    outputs = journal.folder / "outputs"
    outputs.mkdir(mode=0o700, exist_ok=True)
    own = {leftovers.VARIABLE: journal.session} | found.at_once(options.env)
    plain = PlainLauncher(options.env, settings.shell.env, own)
    confinement = confine(task.sandbox, settings.sandbox, plain, policy, journal.folder, options.env)
    scratch = (outputs, *([confinement.temp] if confinement.temp else []))
    policy = msgspec.structs.replace(policy, scratch=tuple(map(str, scratch)))
    sessions: list[Session] = []
    context = Context(
        workspace=Path(policy.workspace),
        roots=tuple(map(Path, policy.roots)),
        outputs=outputs,
        launcher=confinement.launcher,
        put_blob=lambda data: blobs.put(journal.redactor.data(data)),
        emit=lambda event: sessions[0].emit(event),
        now=clock,
    )
    context.extras["shell_setup"] = settings.shell.setup
    if isinstance(confinement.launcher, ConfinedLauncher):
        context.closers.append(confinement.launcher.close)
    gate = Gate(policy, RealWorld())
    context.readable, context.searchable = gate.may_name, gate.may_search
    session = Session(
        journal=journal,
        blobs=blobs,
        task=task,
        frame=frame,
        model=_client(options, settings, policy.workspace),
        info=info,
        gate=gate,
        context=context,
        changes=changes,
        grants=dict(policy.grants),
        confinement=confinement,
        clock=clock,
    )
    session.wakes = settings.runs.wake
    sessions.append(session)
    most = settings.max_gpus if task.max_gpus is None else task.max_gpus
    gpus.wire(session, task.gpus or settings.gpus, most, options.env)
    found.wire(session)
    if task.interactive:
        session.snapshots = Snapshots(journal.folder, journal.session, context.roots, changes, blobs, clock)
    return session


def _client(options: Options, settings: Settings, workspace: str) -> ModelClient:
    from workbench.models import replay

    names = {"{{workspace}}": workspace, **options.placeholders}
    client: ModelClient
    if options.replay is not None:
        client = replay.ReplayClient(options.replay, names, options.pace)
    else:
        from workbench.models.anthropic import AnthropicClient

        client = AnthropicClient(
            env=options.env, max_requests=settings.retries.max_requests, max_seconds=settings.retries.max_s
        )
    return replay.Recorder(client, options.record, names) if options.record is not None else client


def _first_events(session: Session, made: Plan, prefix: str, parent: str | None) -> None:
    branch, commit = git_head(made.workspace)
    definition = made.definition
    other = discovery.displaced(definition, made.workspace, Path.home(), places.config())
    session.emit(
        e.SessionStarted(
            protocol=PROTOCOL,
            version=__version__,
            task=made.task,
            workspace=str(made.workspace),
            roots=tuple(map(str, made.roots)),
            agent=definition.name,
            agent_path=definition.path,
            agent_source=definition.source,
            agent_digest=definition.digest,
            agent_in_place_of=other.path if other else "",
            color=definition.color,
            grants=session.grants,
            model=made.info.id,
            mode=made.mode,
            prefix=prefix,
            host=socket.gethostname(),
            boot_id=boot_id(),
            user=user_name(),
            pid=os.getpid(),
            title=_title(made.task.prompt),
            parent=parent,
            commit=commit,
            branch=branch,
            sandbox=session.confinement.name,
            network=session.confinement.network,
        )
    )
    for note in (*made.settings.notes, *(f"{definition.path}: {p.message}" for p in definition.problems)):
        session.notice("info", note, "settings")
    if other is not None:
        whose = "your own" if other.source == "user" else "the shipped one"
        said = f"the agent {definition.name} is the workspace's {definition.path}, in place of {whose} ({other.path})"
        session.notice("warning", said, "agent")
    if own := programs.own_folders(made.roots):
        said = (
            f"mlwb itself lies in the workspace ({', '.join(map(str, own))}): commands find it read-only, edits there "
            "ask. Install mlwb elsewhere (`uv tool install`, `pipx`) to let them work on it"
        )
        session.notice("warning", said, "installation")
    remembered = memory.read(made.workspace)
    for note in remembered.notes:
        session.notice("warning", note, "memory")
    if remembered.text:
        session.emit(e.PromptSubmitted(text=remembered.text, origin="memory", by="workspace"))
    if definition.initial_prompt:
        session.emit(e.PromptSubmitted(text=definition.initial_prompt, origin="definition", by=definition.name))
    if made.task.brief:
        session.emit(e.PromptSubmitted(text=f"<brief>\n{made.task.brief}\n</brief>", origin="person", by=user_name()))
    now = reminder(session.clock(), branch, commit, made.workspace, session.confinement.words())
    if made.task.prompt.strip():
        session.emit(e.PromptSubmitted(text=made.task.prompt, origin="task", by=user_name(), reminder=now), sync=True)
    session.journal.sync()
    if parent is not None and made.task.locked:  # nobody works on it yet; else `finish.lock` reads them beside the loop
        finish.save_locks(session, *finish.found_locks(session))


def _title(prompt: str) -> str:
    line = next((line.strip("# ").strip() for line in prompt.splitlines() if line.strip("# ").strip()), "")
    return line if len(line) <= 80 else line[:79] + "…"
