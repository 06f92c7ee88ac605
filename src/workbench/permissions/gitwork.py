"""Which commands do nothing but git's own work on the repository: they get a way of their own into `.git`."""

from workbench.permissions.paths import Places
from workbench.permissions.sight import Sight
from workbench.permissions.types import Call, Policy, World
from workbench.permissions.words import names
from workbench.permissions.wrappers import base

# Subcommands that write objects, refs and the index, and talk to nobody.
LOCAL = names(
    "add commit rm mv restore checkout switch branch tag merge rebase stash reset cherry-pick revert notes am"
)

_EXECUTES = frozenset(("-x", "--exec"))  # of a rebase: they run anything


def only_git_writes(call: Call, policy: Policy, world: World) -> bool:
    """Whether every command of CALL either reads, or is git writing the repository that it stands in."""
    sight = Sight(call, Places(world, policy.home), call.cwd or policy.workspace)
    if sight.refused or not sight.pieces:
        return False
    works = [_works(piece.argv) for piece, _ in sight.pieces]
    reads = [piece.kind == "reads" or base(piece.argv[0] if piece.argv else "") == "cd" for piece, _ in sight.pieces]
    return any(works) and all(work or read for work, read in zip(works, reads, strict=True))


def _works(argv: tuple[str, ...]) -> bool:
    return len(argv) > 1 and argv[0] == "git" and argv[1] in LOCAL and not _EXECUTES.intersection(argv)
