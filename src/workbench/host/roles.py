"""What each command needs of whoever sends it. One table; what does not stand in it, nobody may.

A guest that steers has the agent do things, which the gate judges and the sandbox confines. What acts on the machine
without them (a person's own command, files put back), widens what the agent may do, or is about the session itself, is
its owner's alone.
"""

from workbench.protocol import commands as c

ROLES = ("viewer", "suggester", "driver")
# The levels: anybody who is here; a suggester; whoever holds the wheel; its owner, holding the wheel; its owner.
VIEWER, SUGGESTER, WHEEL, OWNERS_WHEEL, OWNER = "viewer", "suggester", "wheel", "owner's wheel", "owner"

LEAST: dict[type[c.Command], str] = {
    c.At: VIEWER,
    c.AskWheel: VIEWER,
    c.TakeWheel: VIEWER,  # the wheel itself says whose it may be
    c.LeaveWheel: VIEWER,
    c.Withdraw: VIEWER,  # one's own words; those of others as `Guests` has it
    c.Say: SUGGESTER,
    c.Suggest: SUGGESTER,
    c.SubmitPrompt: WHEEL,
    c.Interrupt: WHEEL,
    c.Approve: WHEEL,
    c.Compact: WHEEL,
    c.TakeSuggestion: WHEEL,
    c.GrantWheel: WHEEL,
    c.Rewind: OWNERS_WHEEL,
    c.UndoRewind: OWNERS_WHEEL,
    c.RevertHunks: OWNERS_WHEEL,
    c.StageHunks: OWNERS_WHEEL,
    c.SetMode: OWNER,
    c.Rename: OWNER,
    c.RunShell: OWNER,
    c.Fork: OWNER,
    c.Share: OWNER,
    c.EndShare: OWNER,
    c.Stop: OWNER,
    c.StopRuns: OWNER,
    c.AnnotateRun: OWNER,
    c.RaiseGpuHours: OWNER,
}
# What the owner may always do, from a client that only watches as well.
ALWAYS = (c.Stop, c.Interrupt, c.TakeWheel, c.EndShare, c.StopRuns, c.AnnotateRun, c.RaiseGpuHours)
# A run that nobody steers is watched, talked about, shared, and stopped.
HEADLESS = (c.Stop, c.Interrupt, c.At, c.Say, c.Share, c.EndShare, c.StopRuns, c.AnnotateRun, c.RaiseGpuHours)

_WORDS = {
    c.SubmitPrompt: "prompt the agent",
    c.Withdraw: "take back what others have queued",
    c.Interrupt: "stop the agent",
    c.Approve: "answer the agent's requests",
    c.Compact: "compact the talk",
    c.TakeSuggestion: "take suggestions",
    c.GrantWheel: "hand the wheel over",
    c.Rewind: "rewind",
    c.UndoRewind: "undo a rewind",
    c.RevertHunks: "take changes back",
    c.StageHunks: "stage changes",
    c.SetMode: "change the mode",
    c.Rename: "rename the session",
    c.RunShell: "run commands of their own",
    c.Fork: "fork the session",
    c.Share: "invite others",
    c.EndShare: "end invitations",
    c.Stop: "end the session",
    c.StopRuns: "stop runs",
    c.AnnotateRun: "write notes on runs",
    c.RaiseGpuHours: "raise its GPU-hours",
    c.Say: "talk here",
    c.Suggest: "suggest",
}


def words(command: c.Command) -> str:
    """What COMMAND does, as in `only ana may …`."""
    return _WORDS.get(type(command), type(command).__name__)


def lesser(one: str, other: str) -> str:
    """The lesser of two roles; a viewer for one that is none."""
    return min(one, other, key=ROLES.index) if one in ROLES and other in ROLES else "viewer"
