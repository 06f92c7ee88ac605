"""A definition's wish to think, in the form that the model takes.

The 4.5 models take a budget of tokens, newer ones think adaptively with an effort; there is no official conversion.
The display is asked for as a summary, or the screen would look dead while the model thinks.
"""

from typing import Any

from workbench.models.base import ModelInfo, Thinking

LEVELS = {"think": 4_000, "megathink": 10_000, "ultrathink": 31_999}  # tokens
EFFORTS = ("low", "medium", "high", "xhigh", "max")
_LEAST_BUDGET = 1_024  # the API takes no less
_ROOM = 1_024  # tokens that are left for the answer itself


def thinking_params(info: ModelInfo, thinking: Thinking | None, max_tokens: int) -> dict[str, Any]:
    """The fields of a request that make the model think as THINKING wants: `thinking` and `output_config`, or none."""
    wish = thinking or Thinking()
    params: dict[str, Any] = {}
    if info.thinking == "budget":
        budget = _budget(wish, max_tokens)
        if budget is not None:
            params["thinking"] = {"type": "enabled", "budget_tokens": budget}
    elif info.thinking == "adaptive":
        if _thinks(info, wish):
            params["thinking"] = {"type": "adaptive", "display": "summarized"}
        elif info.thinks == "default":
            params["thinking"] = {"type": "disabled"}
    effort = _effort(info, wish)
    if effort is not None:
        params["output_config"] = {"effort": effort}
    return params


def describe(info: ModelInfo, thinking: Thinking | None) -> str:
    """What becomes of THINKING with this model, in plain words."""
    wish = thinking or Thinking()
    if info.thinking == "none":
        wanted = " (the definition's wish is not sent)" if _wants(wish) or wish.effort else ""
        known = "takes no thinking" if info.known else "is not in the catalogue, so it gets a plain request"
        return f"{info.id} {known}{wanted}"
    effort = _effort(info, wish)
    words = _describe_budget(wish) if info.thinking == "budget" else _describe_adaptive(info, wish)
    if effort is not None:
        return f"{words}, effort {effort}{_origin(info, wish, effort)}"
    if wish.effort:
        return f"{words}; {info.id} takes no effort, so `effort: {wish.effort}` is not sent"
    return f"{words}, effort {info.default_effort} (the model's default)" if info.default_effort else words


def _wants(wish: Thinking) -> bool:
    return bool(wish.tokens) or (wish.tokens is None and wish.level in LEVELS)


def _tokens(wish: Thinking) -> int | None:
    return wish.tokens if wish.tokens is not None else LEVELS.get(wish.level or "")


def _budget(wish: Thinking, max_tokens: int) -> int | None:
    """Tokens to think with, always under MAX_TOKENS; None for no thinking, also where there is no room for it."""
    if not _wants(wish):
        return None
    budget = min(max(_tokens(wish) or 0, _LEAST_BUDGET), max_tokens - _ROOM)
    return budget if budget >= _LEAST_BUDGET else None


def _thinks(info: ModelInfo, wish: Thinking) -> bool:
    """Whether an adaptive model is to think: when asked to, and when it would anyway unless told not to."""
    if info.thinks == "always" or _wants(wish):
        return True
    return info.thinks == "default" and wish.tokens != 0


def _effort(info: ModelInfo, wish: Thinking) -> str | None:
    """The effort to send: as written, else made from the tokens for a model that takes no budget of them."""
    wanted = wish.effort
    if wanted is None and info.thinking == "adaptive" and _wants(wish):
        tokens = _tokens(wish) or 0
        wanted = "medium" if tokens < 8_000 else "high" if tokens < 24_000 else "xhigh"
    if wanted not in EFFORTS or not info.efforts:
        return None
    if info.thinks == "default" and not _thinks(info, wish):
        wanted = min(wanted, "high", key=EFFORTS.index)  # a model told not to think takes no more
    lower = EFFORTS[: EFFORTS.index(wanted) + 1]
    return next((effort for effort in reversed(lower) if effort in info.efforts), info.efforts[0])


def _describe_budget(wish: Thinking) -> str:
    if not _wants(wish):
        return "does not think before it answers"
    level = f" ({wish.level})" if wish.level in LEVELS else ""
    return f"thinks with a budget of up to {max(_tokens(wish) or 0, _LEAST_BUDGET):,} tokens{level}"


def _describe_adaptive(info: ModelInfo, wish: Thinking) -> str:
    if not _thinks(info, wish):
        return "does not think before it answers"
    if info.thinks == "always":
        cannot = "; it cannot be told not to" if wish.tokens == 0 else ""
        return f"always thinks, as much as it sees fit{cannot}; a summary is shown"
    return "thinks as much as it sees fit; a summary is shown"


def _origin(info: ModelInfo, wish: Thinking, effort: str) -> str:
    """Where the effort comes from, when it is not simply what was written."""
    if wish.effort:
        return "" if wish.effort == effort else f" ({info.id} does not take {wish.effort})"
    asked = f"{_tokens(wish):,} tokens"
    asked = f"{wish.level}, {asked}" if wish.level in LEVELS else asked
    return f" (made from {asked}: {info.id} takes no budget)"
