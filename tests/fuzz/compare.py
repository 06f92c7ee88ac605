"""What bash ran against what the gate believed would run."""

import os
import re
import shlex

import msgspec

from fuzz.arena import Arena
from workbench.permissions.decide import decide
from workbench.permissions.paths import PathError, Places
from workbench.permissions.shell import read
from workbench.permissions.survey import Piece, Survey
from workbench.permissions.syntax import Block, Lit, Node, Simple, UnreadableError
from workbench.permissions.types import Call, Policy, Rules, Runs
from workbench.permissions.words import UNKNOWN
from workbench.permissions.world import RealWorld
from workbench.session.exp_calls import one_command

_HARMFUL = ("evil",)
_PLAIN = str.maketrans("", "", "\\\n'\"")
# Builtins and keywords that run what they are given.
_EVALUATE = ("eval", "trap", "coproc", "exec", "source", ".")


# A command that is printed first: what a program writes is known to nobody before it ran.
_PRINTED = re.compile(r"(?:^|[;&|({\n])[ \t]*(?:`|\$\()[^`)]*\b(?:echo|printf)\b")


class Tally(msgspec.Struct):
    """How many commands were refused, understood and run, let through; and what bash did that was not seen."""

    refused: int = 0
    understood: int = 0
    allowed: int = 0
    ran: int = 0
    withheld: int = 0  # not understood, where a deny rule saw nothing of its own, and run by bash
    carried: int = 0  # that the session's host would have carried out in bash's place
    hidden: list[str] = msgspec.field(default_factory=list)


def judge(arena: Arena, command: str, tally: Tally) -> None:
    """Runs COMMAND if the gate understands it, and holds one against the other."""
    world = RealWorld()
    survey = Survey(Places(world, str(arena.home)), str(arena.workspace))
    try:
        survey.run(read(command))
    except (UnreadableError, PathError):
        tally.refused += 1
        judge_withheld(arena, command, tally)
        return
    policy = Policy(grants={"Bash": ()}, mode="acceptEdits", workspace=str(arena.workspace), home=str(arena.home))
    call = Call(tool="Bash", needs=(Runs(command),), cwd=str(arena.workspace))
    allowed = decide(call, policy, world).verdict == "allow"
    if survey.reach.refused or any(piece.argv[:1] and piece.argv[0] in _EVALUATE for piece in survey.pieces):
        # Asked about as a whole, whatever the rules: what they run, or where (`cd` to the home), is not claimed known.
        tally.refused += 1
        if allowed:
            tally.hidden.append(f"{command!r}: allowed")
        judge_withheld(arena, command, tally)
        return
    tally.understood += 1
    tally.allowed += allowed
    writes = [touch for piece in survey.pieces for touch in piece.touches if touch.use == "write"]
    touched = {survey.places.locate(touch.path, touch.cwd).real for touch in writes}
    ran, made = arena.run(command)
    tally.ran += bool(ran)
    believed = {form for piece in survey.pieces for form in _forms(piece)}
    hidden = [argv for argv in ran if not any(_same(argv, form) for form in believed)]
    strange = [path for path in made if path not in touched]
    harmful = [argv for argv in ran if allowed and argv[0] in _HARMFUL]
    if hidden or strange or harmful:
        tally.hidden.append(
            f"{command!r}: ran {hidden or harmful}, made {[os.path.relpath(p, arena.root) for p in strange]}"
        )


def judge_withheld(arena: Arena, command: str, tally: Tally) -> None:
    """Whether a deny rule holds for what bash runs of COMMAND, also where the gate does not understand it."""
    if "evil" not in command.translate(_PLAIN):
        return
    rules = Rules(deny=tuple(f"Bash({name} *)" for name in _HARMFUL))
    policy = Policy(
        grants={"Bash": ()}, mode="bypassPermissions", workspace=str(arena.workspace), home=str(arena.home), rules=rules
    )
    call = Call(tool="Bash", needs=(Runs(command),), cwd=str(arena.workspace))
    if decide(call, policy, RealWorld()).verdict == "deny":
        return
    tally.withheld += 1
    ran, _ = arena.run(command)
    if (escaped := [argv for argv in ran if argv[0] in _HARMFUL]) and not _PRINTED.search(command):
        tally.hidden.append(f"{command!r}: ran {escaped} past a deny rule")


def judge_experiment(arena: Arena, command: str, tally: Tally) -> None:
    """Where the host would carry COMMAND out as one `mlwb`: whether bash would have run that, and nothing else."""
    found = one_command(command)
    if found is None or found[1][:1] != ["mlwb"]:
        return
    tally.carried += 1
    ran, made = arena.run(command)
    if ran != [tuple(found[1])] or made:
        tally.hidden.append(f"{command!r}: carried out as {found[1]}, bash ran {ran} and made {sorted(made)}")


def _forms(piece: Piece) -> list[tuple[str, ...]]:
    """The argument lists that PIECE stands for: with each of its wrappers, and without."""
    forms = [tuple(piece.argv), *_written(piece.text)]
    for form, _ in piece.forms:
        try:
            forms.append(tuple(shlex.split(form)))
        except ValueError:
            continue
    return [form for form in forms if form]


def _written(text: str) -> list[tuple[str, ...]]:
    """The words of the command TEXT without the assignments before it, where each of them is written out."""
    node: Node = read(text)
    while isinstance(node, Block) and len(node.items) == 1:
        node = node.items[0]
    if not isinstance(node, Simple) or not node.assigns:
        return []
    words = [[part.text if isinstance(part, Lit) else UNKNOWN for part in word.parts] for word in node.words]
    return [tuple("".join(parts) for parts in words)]


def _same(argv: tuple[str, ...], form: tuple[str, ...]) -> bool:
    """Whether ARGV is FORM; where a word of it is computed or a glob, the name of the command alone is compared."""
    if argv == form:
        return True
    loose = any(UNKNOWN in word or any(sign in word for sign in "*?[") for word in form)
    assigned = next((at for at, word in enumerate(form) if "=" not in word), 0)
    return (loose and argv[0] == form[0]) or (assigned > 0 and argv[0] == form[assigned])
