"""The gate: one pure function from a call, a policy and a world to a verdict."""

import re
from copy import copy

import msgspec

from workbench.permissions.paths import (
    MOST_SEARCHED,
    PathError,
    Places,
    odd_target,
    protected,
    secret,
    unreadable,
    within,
)
from workbench.permissions.rules import EDITING, Rule, about, command_matches, parse_rules, path_matches
from workbench.permissions.seen import REMOVERS, all_of, commands
from workbench.permissions.sight import LONGEST, Sight, Spot
from workbench.permissions.suggest import suggest_rule
from workbench.permissions.survey import Piece
from workbench.permissions.syntax import UnreadableError
from workbench.permissions.types import Call, Part, Policy, Runs, Verdict, World
from workbench.permissions.wrappers import base, starts_agent
from workbench.protocol.names import ORCHESTRATION


def decide(call: Call, policy: Policy, world: World) -> Verdict:
    """Whether CALL may run under POLICY, and why. Pure: what it knows of files and of git comes from WORLD.

    Order: not granted, deny rule -> deny; ask rule -> ask; built-in asks -> ask, which no allow rule lifts; mode and
    allow rules -> allow; else ask. In dontAsk every ask is a deny. Raises RuleError for a malformed rule of POLICY.
    """
    if call.tool in ORCHESTRATION:
        return _deny(f"{call.tool} starts another agent; none is started from a session")
    if call.tool not in policy.grants:
        return _deny(f"the agent's definition does not grant {call.tool}")
    try:
        judge = _Judge(call, policy, world)
        verdict = judge.verdict()
    except PathError as error:
        return _deny(str(error))
    if verdict.verdict == "allow":
        return verdict
    verdict = msgspec.structs.replace(verdict, part=judge.part)
    if policy.mode == "dontAsk" and verdict.verdict == "ask":
        reason = f"{verdict.reason} (mode dontAsk)"
        return msgspec.structs.replace(verdict, verdict="deny", reason=reason, confinable=False)
    return verdict


def parts(call: Call, policy: Policy, world: World) -> list[Part]:
    """The commands of CALL, each with the verdict on it; empty where it runs none or cannot be read. For explaining."""
    if call.tool != "Bash" or "Bash" not in policy.grants:
        return []
    judge = _Judge(call, policy, world)
    return [] if judge.sight.refused else [judge.alone(piece) for piece, _ in judge.sight.pieces if piece.argv]


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
        self.cwd = call.cwd or policy.workspace
        self.sight = Sight(call, self.places, self.cwd)
        self.part = ""  # what decided

    def folders(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        """PATHS as written and as they really are."""
        ends = [end for path in paths if path for end in self.places.locate(path, "/").ends]
        return tuple(dict.fromkeys(ends))

    def verdict(self) -> Verdict:
        """The first stage that decides."""
        for stage in (self.granted, self.denied, self.asked, self.bypassed, self.guarded):
            if (verdict := stage()) is not None:
                return verdict
        return self.allowed()

    # Not granted

    def granted(self) -> Verdict | None:
        """Whether the definition's scopes cover the call."""
        scopes = self.policy.grants[self.call.tool]
        if not scopes or not self.call.needs:
            return None
        only = f"the definition grants {self.call.tool} only for {', '.join(scopes)}"
        if self.call.tool != "Bash":
            return None if all(self.scoped(spot, scopes) for spot in self.sight.spots) else _deny(only)
        if self.sight.refused:
            return _deny(f"{only}, and {self.sight.refused[0]}")
        for piece, spots in self.sight.pieces:
            self.part = piece.text
            if (piece.argv or not piece.kind) and not any(_covers(scope, piece) for scope in scopes):
                return _deny(f"{only}; `{_short(piece.text)}` is something else")
            for spot in spots:
                if spot.use == "write" and not self.may_edit(spot):
                    return _deny(f"the definition does not grant writing {spot.located.real}")
        self.part = ""
        return None

    def scoped(self, spot: Spot, scopes: tuple[str, ...]) -> bool:
        """Whether one of SCOPES covers every end of SPOT."""
        base, home = self.policy.workspace, self.policy.home
        return any(all(path_matches(scope, end, base, home) for end in spot.located.ends) for scope in scopes)

    def may_edit(self, spot: Spot) -> bool:
        """Whether the grants cover writing SPOT, through whatever tool."""
        given = [self.policy.grants[tool] for tool in EDITING if tool in self.policy.grants]
        return any(not scopes or self.scoped(spot, scopes) for scopes in given)

    # Rules that deny or ask

    def denied(self) -> Verdict | None:
        """Deny rules, other agents, and what no tool can do."""
        for command in self.sight.commands:
            if not command.strip():
                return _deny("the command is empty")
            if len(command) > LONGEST:
                return _deny(f"the command is longer than {LONGEST:,} characters; put it into a file")
            if not all_of(command):
                return _deny("it holds too many commands within commands to look at; put them into a file")
        if (rule := self.hit(self.deny)) is not None:
            return Verdict(verdict="deny", rule=rule.text, reason=f"the deny rule {rule.text} matches")
        for argv in self.sight.seen:
            if agent := starts_agent(list(argv)):
                self.part = " ".join(argv)
                return _deny(f"`{agent}` would start another agent; none is started from a command")
        for spot in self.sight.spots:
            if not spot.command and spot.use == "read" and (why := unreadable(spot.located)):
                return _deny(why)
        return None

    def asked(self) -> Verdict | None:
        """Ask rules."""
        if (rule := self.hit(self.ask)) is None:
            return None
        return Verdict(verdict="ask", rule=rule.text, reason=f"the ask rule {rule.text} matches")

    def hit(self, rules: tuple[Rule, ...]) -> Rule | None:
        """The first of RULES, of those that deny or ask, that meets the call or any part of it."""
        if not rules:
            return None
        for rule in about(rules, self.call.tool):
            if rule.spec is None:
                return rule
            matching = [form for form in self.sight.written if command_matches(rule.spec, form)]
            if self.call.tool == "Bash" and matching:
                self.part = min(matching, key=len)
                return rule
        edits = self.sight.edits if about(rules, "Edit") else ()
        for spot in (*self.sight.spots, *self.sight.strange, *edits):
            if (rule_there := self.withheld(rules, spot)) is not None:
                self.part = spot.located.given
                return rule_there
        return None

    def withheld(self, rules: tuple[Rule, ...], spot: Spot) -> Rule | None:
        """The rule, of those that deny or ask, that speaks of an end of SPOT. What is not read is not written."""
        chosen = about(rules, spot.tool)
        if spot.use == "write":
            chosen += [rule for rule in about(rules, "Read") if rule.spec is not None]
        base, home = self.policy.workspace, self.policy.home
        for rule in chosen:
            if any(path_matches(rule.spec, end, base, home, fold=True) for end in spot.located.ends):
                return rule
        return None

    def bypassed(self) -> Verdict | None:
        """bypassPermissions: nothing else asks, but what a deny rule withholds is not used with the folder it is in."""
        if self.policy.mode != "bypassPermissions":
            return None
        for spot in self.sight.spots:
            if spot.tree and (why := self.holds_withheld(spot, "Edit" if spot.use == "write" else "Read")):
                self.part = spot.located.given
                return _ask(why)
        return Verdict(verdict="allow", reason="mode bypassPermissions")

    # Built-in asks

    def guarded(self) -> Verdict | None:
        """What asks whatever the allow rules say."""
        if self.sight.refused:
            return _ask(self.sight.refused[0])
        whys = (
            *((spot.located.given, self.guard(spot)) for spot in self.sight.spots),
            *((spot.located.given, secret(spot.located, self.policy.home)) for spot in self.sight.strange),
            *((spot.located.given, protected(spot.located, self.roots, self.places)) for spot in self.sight.outputs()),
            *((piece.text, self.critical(piece, spots)) for piece, spots in self.sight.pieces),
        )
        self.part, why = next(((part, why) for part, why in whys if why), ("", None))
        return _ask(why) if why else None

    def guard(self, spot: Spot) -> str | None:
        """Why using SPOT asks, or None."""
        located = spot.located
        if located.odd:
            return f"{located.given!r}: {located.odd}"
        if spot.use in ("see", "name") or self.in_scratch(spot):
            return None
        why = odd_target(located, "write" if spot.use == "write" else "read") or secret(located, self.policy.home)
        if why is None and spot.use == "write":
            why = protected(located, self.roots, self.places)
            return why or (self.holds_withheld(spot, "Edit") if spot.tree else None)
        return why or (self.holds_withheld(spot, "Read") if spot.tree else None)

    def in_scratch(self, spot: Spot) -> bool:
        """Whether SPOT is in a folder of the session's own."""
        return any(within(spot.located.real, folder) for folder in self.scratch)

    def holds_withheld(self, spot: Spot, tool: str) -> str | None:
        """Why using all that lies below SPOT may use what a deny rule withholds from TOOL, Read or Edit."""
        rules = [rule for rule in about(self.deny, tool) if rule.spec is not None]
        root, base, home = spot.located.real, self.policy.workspace, self.policy.home
        if not rules:
            return None
        try:
            below = self.places.below(root, MOST_SEARCHED)
        except UnreadableError:
            if self.policy.mode == "bypassPermissions":
                return None
            return f"{root} holds too many files to tell whether a deny rule is about one of them"
        for path in below:
            if any(path_matches(rule.spec, f"{root}/{path}", base, home, fold=True) for rule in rules):
                return f"it uses all of {root}, where a deny rule withholds {path}"
        return None

    def critical(self, piece: Piece, spots: list[Spot]) -> str | None:
        """Why it asks: removing or moving a root, what holds one, or all that lies in one."""
        guarded = (*self.roots, self.policy.home or "/")
        gone = [spot for spot in spots if spot.use == "write"] if piece.argv and base(piece.argv[0]) in REMOVERS else []
        for spot in (*gone, *(self.sight.removals(piece) if not piece.kind else ())):
            for end in spot.located.ends:
                folder, _, last = end.rpartition("/")
                if last == "*" and (folder or "/") in (*guarded, "/"):
                    return f"`{_short(piece.text)}` would remove all that lies in {folder or '/'}"
                if end.count("/") < 2 or any(within(root, end) for root in guarded):
                    return f"`{_short(piece.text)}` would remove {end}"
                if spot.tree and self.places.stat(f"{end}/.git") is not None:
                    return f"`{_short(piece.text)}` would remove or move {end}, a git repository"
        for word in piece.argv[1:] if gone else ():
            head, _, last = word.rpartition("/")
            folder = head or ("/" if word.startswith("/") else ".")
            places = {self.places.locate(folder, touch.cwd).real for touch in piece.touches} if last == "*" else set()
            if places & {*guarded, "/"}:
                return f"`{_short(piece.text)}` would remove all that lies in {folder}"
        return None

    # Mode and allow rules

    def allowed(self) -> Verdict:
        """Mode and allow rules; else the question."""
        whole = next((rule for rule in about(self.allow, self.call.tool) if rule.spec is None), None)
        if self.call.tool == "Bash":
            answers = [(*self.passes(piece, spots, whole), piece.text) for piece, spots in self.sight.pieces]
        else:
            answers = [(*self.may(spot), spot.located.given) for spot in self.sight.spots]
        self.part, why = next(((part, why) for _, why, part in answers if why), ("", None))
        if why is not None:
            confinable = self.call.tool == "Bash" and self.policy.mode != "plan"
            lifted_by = suggest_rule(self.call, self.policy)
            return Verdict(verdict="ask", reason=why, lifted_by=lifted_by, confinable=confinable)
        rule = next((rule for rule, _, _ in answers if rule), None)
        if rule is not None:
            return Verdict(verdict="allow", rule=rule.text, reason=f"the allow rule {rule.text} matches")
        return Verdict(verdict="allow", reason=self.why_allowed())

    def why_allowed(self) -> str:
        """In words why no rule is needed."""
        if not self.call.needs:
            return f"{self.call.tool} touches nothing outside the session"
        writes = any(spot.use == "write" for spot in self.sight.spots)
        return (
            f"it edits within the workspace (mode {self.policy.mode})" if writes else "it only reads, in the workspace"
        )

    def alone(self, piece: Piece) -> Part:
        """PIECE as if it were all that is run."""
        other = copy(self)
        other.sight = copy(self.sight)
        for worked_out in ("written", "strange", "edits"):
            other.sight.__dict__.pop(worked_out, None)
        other.sight.pieces = [(one, spots) for one, spots in self.sight.pieces if one is piece]
        other.sight.spots = other.sight.pieces[0][1]
        other.sight.commands, other.sight.seen = [piece.text], commands(piece.text)
        other.call = Call(tool="Bash", needs=(Runs(piece.text),), cwd=self.call.cwd)
        verdict = other.verdict()
        return Part(
            text=_short(piece.text),
            verdict=verdict.verdict,
            rule=verdict.rule,
            reason=verdict.reason,
            lifted_by=verdict.lifted_by,
        )

    def passes(self, piece: Piece, spots: list[Spot], whole: Rule | None) -> tuple[Rule | None, str]:
        """The rule that lets a command pass, and why it does not pass without one."""
        covering = (rule for rule in about(self.allow, "Bash") if rule.spec and _covers(rule.spec, piece))
        rule = whole or next(covering, None)
        if rule is not None and piece.computed:
            return None, f"`{_short(piece.text)}`: what it runs is not written out"
        if self.policy.mode == "plan" and piece.kind != "reads":
            return None, f"mode plan: `{_short(piece.text)}` is not known to only read"
        if rule is None and not piece.kind:
            return None, f"`{_short(piece.text)}`: {piece.why}"
        for spot in spots:
            # A rule for a command covers what it does, not where the shell sends its output.
            if rule is None or spot.redirect:
                found, why = self.may(spot)
                if why:
                    return None, f"`{_short(piece.text)}`: {why}"
                rule = rule or found
        return rule, ""

    def may(self, spot: Spot) -> tuple[Rule | None, str]:
        """The rule that lets a path be used, and why it may not be without one."""
        located, mode = spot.located, self.policy.mode
        if self.in_scratch(spot) or located.real == "/dev/null":
            return None, ""
        if spot.use == "write" and mode == "plan":
            return None, f"mode plan: nothing is written ({located.real})"
        base, home = self.policy.workspace, self.policy.home
        for rule in about(self.allow, spot.tool):
            if all(path_matches(rule.spec, end, base, home) for end in located.ends):
                return rule, ""
        outside = [end for end in located.ends if not any(within(end, root) for root in self.roots)]
        if outside:
            return None, f"{outside[-1]} is outside the workspace"
        if spot.use == "write" and mode != "acceptEdits":
            return None, f"mode {mode} asks before {located.real} is written"
        return None, ""


def _covers(spec: str, piece: Piece) -> bool:
    """Whether a Bash allow rule or scope covers a command, and spells out what it must."""
    return spec == "*" or any(
        spec == form or (spell is not None and command_matches(spec, form, spell)) for form, spell in piece.forms
    )


def _short(text: str) -> str:
    """TEXT on one line, cut."""
    line = re.sub(r"\s+", " ", text)
    return line if len(line) <= 80 else line[:79] + "…"


def _deny(reason: str) -> Verdict:
    return Verdict(verdict="deny", reason=reason)


def _ask(reason: str) -> Verdict:
    return Verdict(verdict="ask", reason=reason)
