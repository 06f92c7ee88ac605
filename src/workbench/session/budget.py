"""What a session may still spend. Amounts count across resumes; nothing here looks at a clock by itself."""

from workbench.protocol.state import SessionState
from workbench.protocol.task import Caps
from workbench.session.end import EndSession

OUTPUT_FLOOR = 1024


def check(state: SessionState, caps: Caps, answers: int, gpu_hours: float = 0.0) -> None:
    """Raises EndSession when the next request would exceed a cap; GPU_HOURS are those of its runs by now."""
    if caps.max_turns is not None and answers >= caps.max_turns:
        raise EndSession("error_max_turns", f"the limit of {caps.max_turns} turns is reached (maxTurns)")
    if caps.max_usd is not None and state.cost_usd is not None and state.cost_usd >= caps.max_usd:
        raise EndSession("error_max_budget", f"${state.cost_usd:.2f} of ${caps.max_usd:.2f} are spent (maxUsd)")
    if caps.max_tokens is not None and state.usage.total >= caps.max_tokens:
        raise EndSession(
            "error_max_budget", f"{state.usage.total:,} of {caps.max_tokens:,} tokens are spent (maxTokens)"
        )
    if caps.max_gpu_hours is not None and gpu_hours >= caps.max_gpu_hours:
        raise EndSession(
            "error_max_budget", f"{gpu_hours:.3g} of {caps.max_gpu_hours:g} GPU-hours are used (maxGpuHours)"
        )


def seconds_left(state: SessionState, caps: Caps) -> float | None:
    """Wall time that is left, None without a limit. Time at work counts, time between resumes does not."""
    return None if caps.timeout_s is None else max(0.0, caps.timeout_s - state.active_s)


def output_limit(state: SessionState, caps: Caps, wanted: int, output_price: float | None) -> int:
    """How long the next answer may be, so that one answer does not run far past a cap. In tokens."""
    if caps.max_tokens is not None:
        wanted = min(wanted, max(OUTPUT_FLOOR, caps.max_tokens - state.usage.total))
    if caps.max_usd is not None and output_price and state.cost_usd is not None:
        wanted = min(wanted, max(OUTPUT_FLOOR, int((caps.max_usd - state.cost_usd) / output_price * 1e6)))
    return wanted
