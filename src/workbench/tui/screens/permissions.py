"""What the agent may do now: mode, rules, confinement, what was denied lately, and what would change it."""

from collections.abc import Iterator, Sequence

from textual.content import Content

from workbench.protocol.queries import BUILT_IN, Holding, RuleInForce
from workbench.protocol.state import SessionState
from workbench.protocol.words import counted
from workbench.tui.doing_session import MODES_IN_WORDS
from workbench.tui.safe import content, safe
from workbench.tui.screens.sheet import Sheet, hanging
from workbench.tui.widgets.header import home

_MOST = 100  # rules of a kind that are listed
_REACHED = {"none": "none but loopback", "allowlist": "these domains", "full": "all of it"}
_STYLES = {"deny": "$error", "ask": "$warning", "allow": "$success", "outside": "$warning"}
_CHANGED_BY = (
    ("/mode", "lowers the mode; a wider one needs a start: mlwb --permission-mode MODE"),
    ("s, a", "at an approval: a rule for this session, or always in this workspace"),
    ("settings", "permissions: and sandbox: in ~/.config/mlwb/config.yaml, from the next start on"),
    ("/trust", "whether the rules that this workspace brings count"),
    ("/doctor", "which layers can confine commands here, and how to mend one"),
)


class Permissions(Sheet):
    """STATE is the session's; HELD what its host says, None where it cannot."""

    def __init__(self, state: SessionState, held: Holding | None) -> None:
        super().__init__("what the agent may do")
        self._state, self._held = state, held

    def lines(self, width: int) -> list[Content]:
        """All of it."""
        state, held = self._state, self._held
        lines = _row("mode", state.mode, MODES_IN_WORDS.get(state.mode, ""), width)
        if held is not None:
            lines += _confinement(held, width)
        if state.agent_in_place_of:
            words = f"the workspace's own, in place of {home(state.agent_in_place_of)}"
            lines += _row("agent", state.agent, words, width, "$warning")
        lines += _row("denied", counted(state.denials, "call"), "so far; /audit lists every call", width)
        if held is not None:
            lines += _rules(held.rules, width)
        lines += [*_denied(state, width), Content(""), content("what changes it", "bold")]
        for name, words in _CHANGED_BY:
            lines += hanging(Content.assemble((f"  {name:<9}", "$agent")), content(words, "$muted"), width)
        return lines


def _confinement(held: Holding, width: int) -> list[Content]:
    if not held.sandbox:
        words = "nothing confines them here: what no rule allows asks"
        return _row("commands", "unconfined", words, width, "$warning")
    auto = "what only lacks a rule " + ("runs confined, without asking" if held.auto_allow else "asks all the same")
    lines = _row("commands", f"confined ({held.sandbox})", auto, width)
    wide = "$warning" if held.network == "full" else ""
    lines += _row("network", held.network, _REACHED.get(held.network, ""), width, wide)
    if held.network == "allowlist":
        lines += [content(f"{'':<11}{domain}") for domain in held.domains or ("no domain yet",)]
    for at, cache in enumerate(held.caches):
        lines += _row("" if at else "caches", home(cache), "" if at else "may be written, too", width)
    return lines


def _rules(held: Sequence[RuleInForce], width: int) -> Iterator[Content]:
    rules = [one for one in held if one.source != BUILT_IN]
    yield from (Content(""), content("rules: deny comes before ask, ask before allow", "bold"))
    if not rules:
        yield content("  none: the mode alone decides", "$muted")
    wide = min(width // 2, max((len(safe(one.rule)) for one in rules), default=0))
    for kind in dict.fromkeys(one.kind for one in rules):
        these = [one for one in rules if one.kind == kind]
        named = Content.assemble((f"  {safe(kind)[:8]:<9}", _STYLES.get(kind, "")))
        for one in these[:_MOST]:
            head = named + Content(f"{safe(one.rule):<{wide}}  ")
            if head.cell_length > width * 2 // 3:  # a long rule: where it stands comes under it
                yield from hanging(named, content(one.rule), width)
                head = Content(" " * 11)
            yield from hanging(head, content(home(one.source), "$muted-2"), width)
        if len(these) > _MOST:
            yield content(f"{'':<11}… and {len(these) - _MOST} more", "$muted")
    if own := len(held) - len(rules):
        words = (
            f"and {counted(own, 'rule')} of mlwb itself, which guard its own files and what programs are started from"
        )
        yield from hanging(Content("  "), content(words, "$muted-2"), width)


def _denied(state: SessionState, width: int) -> Iterator[Content]:
    denied = [item for item in state.items if item.status == "denied"][-5:]
    if denied:
        yield from (Content(""), content("denied lately", "bold"))
    for item in denied:
        yield from hanging(Content.assemble(("  ✗ ", "$error")), content(f"{item.tool}  {item.target[:500]}"), width)
        reason = f"{item.reason or 'denied'}" + (f"  (rule {item.rule})" if item.rule else "")
        yield from hanging(Content("    "), content(reason, "$muted"), width)


def _row(name: str, said: str, words: str, width: int, style: str = "") -> list[Content]:
    text = Content.assemble((safe(said), style or "$foreground"), (f"   {safe(words)}" if words else "", "$muted"))
    return hanging(Content.assemble((f"{name:<11}", "$muted")), text, width)
