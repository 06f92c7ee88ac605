"""The gate: one pure function from a call, a policy and a world to a verdict."""

import re

import msgspec

from workbench.permissions import seen
from workbench.permissions.paths import Located, PathError, Places, odd_target, protected, secret, unreadable, within
from workbench.permissions.reach import Touch
from workbench.permissions.rules import (
    EDITING,
    Rule,
    about,
    command_matches,
    parse_rules,
    path_matches,
)
from workbench.permissions.shell import read
from workbench.permissions.survey import Piece, Survey
from workbench.permissions.syntax import UnreadableError
from workbench.permissions.types import Call, Policy, Reads, Runs, Verdict, World
from workbench.permissions.words import UNKNOWN
from workbench.permissions.wrappers import starts_agent
from workbench.protocol.names import ORCHESTRATION

_LONGEST = 100_000  # beyond it deny rules could not be held against all of a command
_EDIT_MODES = ("acceptEdits", "bypassPermissions")


def decide(call: Call, policy: Policy, world: World) -> Verdict:
    """Whether CALL may run under POLICY, and why. Pure: what it knows of files and of git comes from WORLD.

    Order: not granted, deny rule -> deny; ask rule -> ask; built-in asks -> ask, which no allow rule lifts; mode and
    allow rules -> allow; else ask. In dontAsk every ask is a deny. Raises RuleError for a malformed rule of POLICY.
    """
    verdict = _Judge(call, policy, world).verdict()
    if policy.mode == "dontAsk" and verdict.verdict == "ask":
        return Verdict(
            verdict="deny", rule=verdict.rule, reason=f"{verdict.reason} (mode dontAsk)", lifted_by=verdict.lifted_by
        )
    return verdict


class _Spot(msgspec.Struct, frozen=True):
    """A path that the call uses, looked up. `tool`: whose rules are about it. `command`: it comes from a command."""

    located: Located
    use: str
    tool: str
    tree: bool = False
    redirect: bool = False
    command: bool = False


class _Judge:
    """One call being judged. Each stage returns a verdict or None, which hands on to the next."""

    def __init__(self, call: Call, policy: Policy, world: World) -> None:
        self.call, self.policy = call, policy
        self.places = Places(world, policy.home)
        self.allow = parse_rules(policy.rules.allow)
        self.ask = parse_rules(policy.rules.ask)
        self.deny = parse_rules(policy.rules.deny)
        self.roots = self.folders((policy.workspace, *policy.roots))
        self.scratch = self.folders(policy.scratch)
        self.spots: list[_Spot] = []
        self.pieces: dict[int, list[_Spot]] = {}
        self.seen: tuple[tuple[str, ...], ...] = ()
        self.survey: Survey | None = None
        self.refused: list[str] = []

    def folders(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        """PATHS as written and as they really are."""
        ends = [end for path in paths if path for end in self.places.locate(path, "/").ends]
        return tuple(dict.fromkeys(ends))

    def verdict(self) -> Verdict:
        """The first stage that decides."""
        if self.call.tool in ORCHESTRATION:
            return _deny(f"{self.call.tool} starts another agent; none is started from a session")
        if self.call.tool not in self.policy.grants:
            return _deny(f"the agent's definition does not grant {self.call.tool}")
        try:
            self.look()
        except PathError as error:
            return _deny(str(error))
        stages = (self.granted, self.denied, self.asked, self.bypassed, self.guarded)
        return next((verdict for stage in stages if (verdict := stage()) is not None), None) or self.allowed()

    # What the call would do

    def look(self) -> None:
        """Finds the paths and commands of the call."""
        for need in self.call.needs:
            if isinstance(need, Runs) and len(need.command) > _LONGEST:
                continue
            if isinstance(need, Runs):
                self.look_at_command(need.command)
            else:
                located = self.places.locate(need.path, self.call.cwd or self.policy.workspace)
                self.spots.append(_Spot(located, "read" if isinstance(need, Reads) else "write", self.call.tool))

    def look_at_command(self, command: str) -> None:
        """Reads a command twice: generously for deny rules, strictly for what may be allowed."""
        self.seen = seen.commands(command)
        survey = Survey(self.places, self.call.cwd or self.policy.workspace)
        try:
            survey.run(read(command))
        except (UnreadableError, PathError) as error:
            self.refused.append(f"the command cannot be read: {error}")
            return
        except RecursionError:
            self.refused.append("the command cannot be read: it is nested too deeply")
            return
        finally:
            for at, piece in enumerate(survey.pieces):
                self.pieces[at] = [spot for touch in piece.touches if (spot := self.spot(touch)) is not None]
                self.spots += self.pieces[at]
            self.survey = survey
        self.refused += [f"the command cannot be read: {why}" for why in survey.reach.refused]

    def spot(self, touch: Touch) -> _Spot | None:
        """A path of a command, looked up."""
        try:
            located = self.places.locate(touch.path, touch.cwd)
        except PathError as error:
            self.refused.append(f"{touch.path[:80]!r}: {error}")
            return None
        tool = "Edit" if touch.use == "write" else "Read"
        return _Spot(located, touch.use, tool, touch.tree, touch.redirect, command=True)

    def strange(self) -> list[_Spot]:
        """Words of commands that no table knows, as the paths that they may be."""
        survey = self.survey
        if survey is None:
            return []
        unknown = [piece.argv for piece in survey.pieces if piece.argv and not piece.kind]
        spots = []
        for argv in unknown if not self.refused else [*unknown, *self.seen]:
            for word in argv[1:]:
                for path in {word, word.rpartition("=")[2], word.rpartition("@")[2], word.rpartition(":")[2]} - {""}:
                    spot = (
                        self.spot(Touch(path, self.call.cwd or self.policy.workspace, "read"))
                        if UNKNOWN not in path
                        else None
                    )
                    spots += [spot] if spot is not None else []
        return spots

    # Rules

    def matching(self, rules: tuple[Rule, ...], spot: _Spot, *, every: bool) -> Rule | None:
        """The rule that speaks of SPOT. EVERY end of its links must match to allow; any is enough to deny or ask."""
        chosen = about(rules, spot.tool)
        if not every and spot.use == "write":  # what may not be read may not be written either
            chosen += [rule for rule in about(rules, "Read") if rule.spec is not None]
        for rule in chosen:
            hits = (
                path_matches(rule.spec, end, self.policy.workspace, self.policy.home, fold=not every)
                for end in spot.located.ends
            )
            if all(hits) if every else any(hits):
                return rule
        return None

    def hit(self, rules: tuple[Rule, ...]) -> Rule | None:
        """The first of RULES, of those that deny or ask, that meets the call or any part of it."""
        if not rules:
            return None
        for spot in (*self.spots, *self.strange()):
            if (rule := self.matching(rules, spot, every=False)) is not None:
                return rule
        for rule in about(rules, self.call.tool):
            if rule.spec is None:
                return rule
            if self.call.tool == "Bash" and any(command_matches(rule.spec, form) for form in self.written()):
                return rule
        return None

    def written(self) -> set[str]:
        """All that a deny or ask rule may match in the command."""
        found = {form for argv in self.seen for form in seen.forms(argv)}
        for piece in self.survey.pieces if self.survey else ():
            found |= {form for form, _ in piece.forms} | (seen.forms(piece.argv) if piece.argv else set())
        return found | {need.command for need in self.call.needs if isinstance(need, Runs)}

    # Stages

    def granted(self) -> Verdict | None:
        """Whether the definition's scopes cover the call."""
        scopes = self.policy.grants[self.call.tool]
        if not scopes or not self.call.needs:
            return None
        if self.call.tool != "Bash":
            base, home = self.policy.workspace, self.policy.home
            for spot in self.spots:
                if not any(all(path_matches(scope, end, base, home) for end in spot.located.ends) for scope in scopes):
                    return _deny(f"the definition grants {self.call.tool} only for {', '.join(scopes)}")
            return None
        if self.refused:
            return _deny(f"the definition grants Bash only for {', '.join(scopes)}, and {self.refused[0]}")
        for at, piece in enumerate(self.survey.pieces if self.survey else ()):
            if piece.argv and not any(_covers(scope, piece) for scope in scopes):
                return _deny(
                    f"the definition grants Bash only for {', '.join(scopes)}; `{_short(piece.text)}` is something else"
                )
            for spot in self.pieces[at]:
                if spot.use == "write" and not self.may_edit(spot):
                    return _deny(f"the definition does not grant writing {spot.located.real}")
        return None

    def may_edit(self, spot: _Spot) -> bool:
        """Whether the grants cover writing SPOT, through whatever tool."""
        base, home = self.policy.workspace, self.policy.home
        for tool in EDITING:
            scopes = self.policy.grants.get(tool)
            if scopes is not None and (
                not scopes
                or any(all(path_matches(scope, end, base, home) for end in spot.located.ends) for scope in scopes)
            ):
                return True
        return False

    def denied(self) -> Verdict | None:
        """Deny rules, other agents, and what no file tool can open."""
        if any(isinstance(need, Runs) and not need.command.strip() for need in self.call.needs):
            return _deny("the command is empty")
        if any(isinstance(need, Runs) and len(need.command) > _LONGEST for need in self.call.needs):
            return _deny(f"the command is longer than {_LONGEST:,} characters; put it into a file")
        if (rule := self.hit(self.deny)) is not None:
            return Verdict(verdict="deny", rule=rule.text, reason=f"the deny rule {rule.text} matches")
        for argv in self.seen:
            if agent := starts_agent(list(argv)):
                return _deny(f"`{agent}` would start another agent; none is started from a command")
        for spot in self.spots:
            if not spot.command and spot.use == "read" and (why := unreadable(spot.located)):
                return _deny(why)
        return None

    def asked(self) -> Verdict | None:
        """Ask rules."""
        rule = self.hit(self.ask)
        return (
            None if rule is None else Verdict(verdict="ask", rule=rule.text, reason=f"the ask rule {rule.text} matches")
        )

    def bypassed(self) -> Verdict | None:
        """bypassPermissions: nothing else asks."""
        return (
            Verdict(verdict="allow", reason="mode bypassPermissions")
            if self.policy.mode == "bypassPermissions"
            else None
        )

    def guarded(self) -> Verdict | None:
        """What asks whatever the allow rules say."""
        if self.refused:
            return _ask(self.refused[0])
        for spot in self.spots:
            if why := self.guard(spot):
                return _ask(why)
        for spot in self.strange():
            if why := secret(spot.located, self.policy.home):
                return _ask(why)
        return self.critical()

    def guard(self, spot: _Spot) -> str | None:
        """Why using SPOT asks, or None."""
        if (
            any(within(end, folder) for folder in self.scratch for end in spot.located.ends[-1:])
            and not spot.located.odd
        ):
            return None
        if spot.use == "see":
            return f"{spot.located.given!r}: {spot.located.odd}" if spot.located.odd else None
        why = odd_target(spot.located, "write" if spot.use == "write" else "read") or secret(
            spot.located, self.policy.home
        )
        if why is None and spot.use == "write":
            why = protected(spot.located, self.roots, self.places)
        if why is None and spot.tree and spot.use == "read":
            why = self.holds_denied(spot)
        return why

    def holds_denied(self, spot: _Spot) -> str | None:
        """Why reading all that lies below SPOT may read what a deny rule withholds."""
        rules = tuple(rule for rule in about(self.deny, "Read") if rule.spec is not None)
        if not rules or self.survey is None:
            return None
        root = spot.located.real
        try:
            below = self.survey.reach.below(root)
        except UnreadableError:
            return f"{root} holds too many files to tell whether a deny rule is about one of them"
        for path in below:
            if any(
                path_matches(rule.spec, f"{root}/{path}", self.policy.workspace, self.policy.home, fold=True)
                for rule in rules
            ):
                return f"it reads all of {root}, where a deny rule withholds {path}"
        return None

    def critical(self) -> Verdict | None:
        """Removing or moving a root, what holds one, or all that lies in one."""
        guarded = (*self.roots, self.policy.home or "/")
        for at, piece in enumerate(self.survey.pieces if self.survey else ()):
            if not piece.argv or piece.argv[0].rsplit("/", 1)[-1] not in ("rm", "rmdir", "mv"):
                continue
            for spot in self.pieces[at]:
                for end in spot.located.ends if spot.use == "write" else ():
                    if end.count("/") < 2 or any(within(folder, end) for folder in guarded):
                        return _ask(f"`{_short(piece.text)}` would remove {end}")
            for word in piece.argv[1:]:
                head, _, last = word.rpartition("/")
                if (
                    last == "*"
                    and self.places.locate(
                        head or ("/" if word[:1] == "/" else "."), self.call.cwd or self.policy.workspace
                    ).real
                    in guarded
                ):
                    return _ask(f"`{_short(piece.text)}` would remove all that lies in a root")
        return None

    def allowed(self) -> Verdict:
        """Mode and allow rules; else the question."""
        tool_rule = next((rule for rule in about(self.allow, self.call.tool) if rule.spec is None), None)
        reasons: list[str] = []
        rule: Rule | None = tool_rule
        if self.call.tool == "Bash":
            for at, piece in enumerate(self.survey.pieces if self.survey else ()):
                found, why = self.passes(piece, self.pieces[at], tool_rule)
                rule, reasons = found or rule, reasons + ([why] if why else [])
        else:
            for spot in self.spots:
                found, why = self.may(spot)
                rule, reasons = found or rule, reasons + ([why] if why else [])
        if not reasons:
            return Verdict(
                verdict="allow",
                rule=rule.text if rule else None,
                reason="an allow rule" if rule else self.why_allowed(),
            )
        from workbench.permissions.suggest import suggest_rule

        confinable = self.call.tool == "Bash" and self.policy.mode != "plan"
        return Verdict(
            verdict="ask", reason=reasons[0], lifted_by=suggest_rule(self.call, self.policy), confinable=confinable
        )

    def why_allowed(self) -> str:
        writes = any(spot.use == "write" for spot in self.spots)
        if not self.call.needs:
            return f"{self.call.tool} touches nothing outside the session"
        return (
            f"it edits within the workspace (mode {self.policy.mode})"
            if writes
            else "it only reads, within the workspace"
        )

    def passes(self, piece: Piece, spots: list[_Spot], tool_rule: Rule | None) -> tuple[Rule | None, str]:
        """The rule that lets a command pass, and why it does not pass without one."""
        rule = tool_rule or next(
            (rule for rule in about(self.allow, "Bash") if rule.spec and _covers(rule.spec, piece)), None
        )
        if rule is not None and self.policy.mode == "plan" and piece.kind != "reads":
            return None, f"mode plan: `{_short(piece.text)}` is not known to only read"
        left = [spot for spot in spots if rule is None or spot.redirect]
        if rule is None and not piece.kind:
            return None, f"`{_short(piece.text)}`: {piece.why}"
        for spot in left:
            found, why = self.may(spot)
            if why:
                return None, f"`{_short(piece.text)}`: {why}"
            rule = rule or found
        return rule, ""

    def may(self, spot: _Spot) -> tuple[Rule | None, str]:
        """The rule that lets a path be used, and why it may not be without one."""
        located, mode = spot.located, self.policy.mode
        if any(within(located.real, folder) for folder in self.scratch) or located.real == "/dev/null":
            return None, ""
        if spot.use == "write" and mode == "plan":
            return None, f"mode plan: nothing is written ({located.real})"
        if (rule := self.matching(self.allow, spot, every=True)) is not None:
            return rule, ""
        outside = [end for end in located.ends if not any(within(end, root) for root in self.roots)]
        if outside:
            return None, f"{outside[-1]} is outside the workspace"
        if spot.use == "write" and mode not in _EDIT_MODES:
            return None, f"mode {mode} asks before {located.real} is written"
        return None, ""


def _covers(spec: str, piece: Piece) -> bool:
    """Whether a Bash allow rule or scope covers a command, and spells out what it must."""
    for form, spell in piece.forms:
        if command_matches(spec, form) and (
            spec == form or (spell is not None and command_matches(spec, form, spell)) or spec == "*"
        ):
            return True
    return False


def _short(text: str) -> str:
    """TEXT on one line, cut."""
    line = re.sub(r"\s+", " ", text)
    return line if len(line) <= 80 else line[:77] + "…"


def _deny(reason: str) -> Verdict:
    return Verdict(verdict="deny", reason=reason)


def _ask(reason: str) -> Verdict:
    return Verdict(verdict="ask", reason=reason)
