"""The one place where a verdict is asked for, before any tool runs, in every mode and frontend."""

from workbench.permissions.decide import decide
from workbench.permissions.types import Call, Need, Policy, Verdict, World
from workbench.protocol.names import Mode, lower


class Gate:
    """Holds the policy of a session. The mode can be lowered while it runs, never raised."""

    def __init__(self, policy: Policy, world: World) -> None:
        self.policy = policy
        self._world = world

    def judge(self, tool: str, needs: tuple[Need, ...], cwd: str) -> Verdict:
        """The verdict on a call. What goes wrong while deciding is a deny."""
        try:
            return decide(Call(tool=tool, needs=needs, cwd=cwd), self.policy, self._world)
        except Exception as error:  # fail closed, whatever it is
            return Verdict(verdict="deny", reason=f"the gate failed on this call: {error!r}")

    def lower_mode(self, mode: Mode) -> Mode:
        """Narrows the mode to MODE, if it is narrower; returns the mode that holds."""
        import msgspec

        self.policy = msgspec.structs.replace(self.policy, mode=lower(self.policy.mode, mode))
        return self.policy.mode
