"""The one place where a verdict is asked for, before any tool runs, in every mode and frontend."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from workbench.permissions.decide import decide
from workbench.permissions.gitwork import only_git_writes
from workbench.permissions.paths import Places, secret_path
from workbench.permissions.rules import RuleError, parse_rule
from workbench.permissions.types import Call, Need, Policy, Reads, Runs, Stat, Verdict, World
from workbench.protocol.names import Mode, lower
from workbench.protocol.task import Rules


class _Once:
    """A world in which nothing changes any more once it was looked at."""

    def __init__(self, world: World) -> None:
        self._stats: dict[str, Stat | None] = {}
        self._links: dict[str, str | None] = {}
        self._world = world
        self.listdir = world.listdir

    def lstat(self, path: str) -> Stat | None:
        """The file at PATH when it was first asked for."""
        if path not in self._stats:
            self._stats[path] = self._world.lstat(path)
        return self._stats[path]

    def readlink(self, path: str) -> str | None:
        """Where the link at PATH pointed then."""
        if path not in self._links:
            self._links[path] = self._world.readlink(path)
        return self._links[path]

    def git_config(self, folder: str) -> Mapping[str, str]:
        """The settings that hold in FOLDER."""
        return self._world.git_config(folder)


class Gate:
    """Holds the policy of a session. The mode can be lowered while it runs, never raised.

    `reached`: where the paths of the call that was judged last lead, as the verdict saw them. Its tool opens these.
    """

    def __init__(self, policy: Policy, world: World) -> None:
        self.policy = policy
        self._world = world
        self.reached: dict[str, str] = {}
        self.given: tuple[str, ...] = ()  # rules that a person gave while the session ran
        self._withholds = any(rule.startswith("Read") for rule in policy.rules.deny)

    def judge(self, tool: str, needs: tuple[Need, ...], cwd: str) -> Verdict:
        """The verdict on a call. What goes wrong while deciding is a deny."""
        world = _Once(self._world)
        verdict = self._decide(Call(tool=tool, needs=needs, cwd=cwd), world)
        self.reached = {}
        if verdict.verdict != "deny":
            places = Places(world, self.policy.home)
            self.reached = {
                str(Path(need.path)): places.locate(need.path, cwd).real for need in needs if not isinstance(need, Runs)
            }
        return verdict

    def _decide(self, call: Call, world: World, policy: Policy | None = None) -> Verdict:
        try:
            return decide(call, policy or self.policy, world)
        except Exception as error:  # fail closed, whatever it is
            return Verdict(verdict="deny", reason=f"the gate failed on this call: {error!r}")

    def may_name(self, path: str) -> bool:
        """Whether a tool that looks through a folder may name the file at PATH: no deny rule withholds it."""
        if not self._withholds:
            return True
        call = Call(tool="Read", needs=(Reads(path),), cwd=self.policy.workspace)
        return self._decide(call, self._world).verdict != "deny"

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

    def covers(self, rules: tuple[str, ...], needs: tuple[Need, ...], cwd: str) -> bool:
        """Whether RULES, read as allow rules, are about all that a command would do."""
        given = msgspec.structs.replace(self.policy, mode="default", rules=Rules(allow=rules))
        verdict = self._decide(Call(tool="Bash", needs=needs, cwd=cwd), self._world, given) if rules else None
        return verdict is not None and verdict.verdict == "allow" and verdict.rule is not None

    def only_git_writes(self, needs: tuple[Need, ...], cwd: str) -> bool:
        """Whether a command does nothing but git's own work on the repository."""
        try:
            return only_git_writes(Call(tool="Bash", needs=needs, cwd=cwd), self.policy, self._world)
        except Exception:  # as in `judge`: what cannot be told is not so
            return False

    def allow(self, rule: str) -> None:
        """Adds an allow rule that a person gave for this session."""
        rules, self.given = self.policy.rules, (*self.given, rule)
        rules = msgspec.structs.replace(rules, allow=(*rules.allow, rule))
        self.policy = msgspec.structs.replace(self.policy, rules=rules)

    def lower_mode(self, mode: Mode) -> Mode:
        """Narrows the mode to MODE, if it is narrower; returns the mode that holds."""
        self.policy = msgspec.structs.replace(self.policy, mode=lower(self.policy.mode, mode))
        return self.policy.mode
