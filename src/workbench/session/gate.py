"""The one place where a verdict is asked for, before any tool runs, in every mode and frontend."""

import msgspec

from workbench.permissions.decide import decide
from workbench.permissions.paths import secret_path
from workbench.permissions.rules import RuleError, parse_rule
from workbench.permissions.types import Call, Need, Policy, Reads, Verdict, World
from workbench.protocol.names import Mode, lower


class Gate:
    """Holds the policy of a session. The mode can be lowered while it runs, never raised."""

    def __init__(self, policy: Policy, world: World) -> None:
        self.policy = policy
        self._world = world
        self._withholds = any(rule.startswith("Read") for rule in policy.rules.deny)

    def judge(self, tool: str, needs: tuple[Need, ...], cwd: str) -> Verdict:
        """The verdict on a call. What goes wrong while deciding is a deny."""
        try:
            return decide(Call(tool=tool, needs=needs, cwd=cwd), self.policy, self._world)
        except Exception as error:  # fail closed, whatever it is
            return Verdict(verdict="deny", reason=f"the gate failed on this call: {error!r}")

    def may_name(self, path: str) -> bool:
        """Whether a tool that looks through a folder may name the file at PATH: no deny rule withholds it."""
        if not self._withholds:
            return True
        return self.judge("Read", (Reads(path),), self.policy.workspace).verdict != "deny"

    def may_search(self, path: str) -> bool:
        """Whether such a tool may show what the file at PATH holds: it is no secret either."""
        return secret_path(path, self.policy.home) is None and self.may_name(path)

    def refuse_rule(self, rule: str | None) -> str:
        """Why RULE cannot be saved; empty where it can."""
        try:
            parse_rule(rule or "")
        except RuleError as error:
            return f"the rule {rule!r} cannot be read: {error}"
        return ""

    def allow(self, rule: str) -> None:
        """Adds an allow rule that a person gave for this session."""
        rules = self.policy.rules
        rules = msgspec.structs.replace(rules, allow=(*rules.allow, rule))
        self.policy = msgspec.structs.replace(self.policy, rules=rules)

    def lower_mode(self, mode: Mode) -> Mode:
        """Narrows the mode to MODE, if it is narrower; returns the mode that holds."""
        self.policy = msgspec.structs.replace(self.policy, mode=lower(self.policy.mode, mode))
        return self.policy.mode
