"""A wish to think, in the form that each model takes, and in words."""

import pytest

from workbench.models.base import Thinking
from workbench.models.catalogue import Catalogue
from workbench.models.thinking import describe, thinking_params

CATALOGUE = Catalogue.load()
SEED = Thinking(level="megathink", tokens=10_000)
SHOWN = {"type": "adaptive", "display": "summarized"}


def budget(tokens: int) -> dict[str, object]:
    return {"type": "enabled", "budget_tokens": tokens}


@pytest.mark.parametrize(
    ("model", "wish", "thinking", "effort"),
    [
        ("claude-sonnet-4-5", SEED, budget(10_000), None),
        ("claude-sonnet-4-5", Thinking(level="think"), budget(4_000), None),
        ("claude-haiku-4-5", Thinking(tokens=50), budget(1_024), None),
        ("claude-haiku-4-5", Thinking(level="ultrathink"), budget(14_976), None),
        ("claude-sonnet-4-5", None, None, None),
        ("claude-sonnet-4-5", Thinking(tokens=0), None, None),
        ("claude-sonnet-4-5", Thinking(effort="high"), None, None),
        ("claude-opus-4-5", Thinking(level="think", effort="xhigh"), budget(4_000), "high"),
        ("claude-opus-4-6", SEED, SHOWN, "high"),
        ("claude-sonnet-4-6", Thinking(level="ultrathink"), SHOWN, "high"),
        ("claude-sonnet-4-6", Thinking(effort="max"), None, "max"),
        ("claude-sonnet-4-6", None, None, None),
        ("sonnet", SEED, SHOWN, "high"),
        ("sonnet", Thinking(level="think"), SHOWN, "medium"),
        ("sonnet", Thinking(level="ultrathink"), SHOWN, "xhigh"),
        ("sonnet", Thinking(level="think", effort="low"), SHOWN, "low"),
        ("sonnet", None, SHOWN, None),
        ("sonnet", Thinking(tokens=0), {"type": "disabled"}, None),
        ("sonnet", Thinking(tokens=0, effort="max"), {"type": "disabled"}, "high"),
        ("opus", Thinking(tokens=0), SHOWN, None),
        ("opus", None, SHOWN, None),
        ("sonnet", Thinking(level="galaxybrain"), SHOWN, None),
        ("llama-3.3", SEED, None, None),
    ],
)
def test_what_is_sent(
    model: str, wish: Thinking | None, thinking: dict[str, object] | None, effort: str | None
) -> None:
    params = thinking_params(CATALOGUE.find(model), wish, 16_000)
    assert params.get("thinking") == thinking
    assert params.get("output_config") == (None if effort is None else {"effort": effort})


@pytest.mark.parametrize("max_tokens", [1, 1_000, 2_047, 2_048, 5_000, 64_000])
def test_a_budget_leaves_room_for_the_answer(max_tokens: int) -> None:
    params = thinking_params(CATALOGUE.find("claude-sonnet-4-5"), Thinking(level="ultrathink"), max_tokens)
    if "thinking" in params:
        assert 1_024 <= params["thinking"]["budget_tokens"] <= max_tokens - 1_024
    else:
        assert max_tokens < 2_048


@pytest.mark.parametrize(
    ("model", "wish", "words"),
    [
        ("claude-sonnet-4-5", SEED, "thinks with a budget of up to 10,000 tokens (megathink)"),
        ("sonnet", SEED, "effort high (made from megathink, 10,000 tokens: claude-sonnet-5-5 takes no budget)"),
        (
            "opus",
            None,
            "always thinks, as much as it sees fit; a summary is shown, effort medium (the model's",
        ),
        ("opus", Thinking(tokens=0), "it cannot be told not to"),
        ("claude-sonnet-4-5", Thinking(effort="max"), "`effort: max` is not sent"),
        ("claude-sonnet-4-6", Thinking(effort="xhigh"), "effort high (claude-sonnet-4-6 does not take xhigh)"),
        ("llama-3.3", SEED, "is not in the catalogue, so it gets a plain request"),
        ("claude-haiku-4-5", None, "does not think before it answers"),
    ],
)
def test_what_is_said(model: str, wish: Thinking | None, words: str) -> None:
    assert words in describe(CATALOGUE.find(model), wish)
