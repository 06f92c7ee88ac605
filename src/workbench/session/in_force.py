"""Which rules hold in a session now, each with where it comes from, and what confines its commands."""

from pathlib import Path

from workbench import places
from workbench.protocol.queries import BUILT_IN, Holding, RuleInForce
from workbench.session.core import Session
from workbench.session.plan import guarding
from workbench.settings.sources import sources
from workbench.settings.types import SettingsError

HERE, NOWHERE = "given in this session", "in no file any more"


def in_force(session: Session) -> Holding:
    """What holds in SESSION as of now. Reads the settings files anew to say where rules stand; blocks."""
    confinement, policy = session.confinement, session.gate.policy
    try:
        written = sources(Path(policy.workspace), Path.home(), places.config())
    except SettingsError:  # broken since the session began: its rules hold all the same
        written = {}
    kinds = (("deny", policy.rules.deny), ("ask", policy.rules.ask), ("allow", policy.rules.allow),
             ("outside", confinement.outside if confinement.layer else ()))  # fmt: skip
    return Holding(
        rules=tuple(
            RuleInForce(kind=kind, rule=rule, source=_source(session, kind, rule, written))
            for kind, rules in kinds
            for rule in dict.fromkeys(rules)
        ),
        sandbox=confinement.name,
        auto_allow=confinement.allows,
        network=confinement.network,
        domains=confinement.settings.domains,
        caches=confinement.settings.caches,
    )


def _source(session: Session, kind: str, rule: str, written: dict[tuple[str, str], Path]) -> str:
    if kind != "outside" and rule in getattr(session.task.rules, kind):
        return "the task"
    if kind == "deny" and rule in session.frame.deny:
        return "the agent's definition"
    if kind == "ask" and rule in guarding(tuple(map(Path, session.gate.policy.roots))):
        return BUILT_IN
    path = written.get((kind, rule))
    return str(path) if path else HERE if rule in session.gate.given else NOWHERE
