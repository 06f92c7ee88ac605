"""What the real Messages service refuses, and how it signs thinking: the rules of `Endpoint`."""

import hashlib
import json
import re
from typing import Any


def refusal(body: dict[str, Any]) -> str | None:
    """Why the real service would answer BODY with a 400, in its own manner of speaking; None where it would not."""
    for name in ("model", "max_tokens", "messages"):
        if not body.get(name):
            return f"{name}: Field required"
    messages = body["messages"]
    if messages[0]["role"] != "user":
        return "messages: first message must use the user role"
    checks = (_thinking_refusal(body), _calls_refusal(messages), _texts_refusal(body), _signature_refusal(body))
    return next((why for why in checks if why), None)


def _takes_budget(model: str) -> bool:
    return bool(re.search(r"-4-[56](-|$)", model))


def _thinking_refusal(body: dict[str, Any]) -> str | None:
    thinking = body.get("thinking") or {"type": "disabled"}
    if thinking["type"] == "enabled":
        if not _takes_budget(body["model"]):
            return 'thinking.type: "enabled" is not supported for this model; use "adaptive"'
        if thinking["budget_tokens"] < 1024:
            return "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
        if thinking["budget_tokens"] >= body["max_tokens"]:
            return "`max_tokens` must be greater than `thinking.budget_tokens`"
    if thinking["type"] == "adaptive" and re.search(r"-4-5(-|$)", body["model"]):
        return "adaptive thinking is not supported on this model"
    return None


def _blocks(message: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    content = message["content"]
    return [block for block in content if block.get("type") == kind] if isinstance(content, list) else []


def _calls_refusal(messages: list[dict[str, Any]]) -> str | None:
    asked: list[str] = []
    for index, message in enumerate(messages):
        given = [block["tool_use_id"] for block in _blocks(message, "tool_result")]
        if stray := [one for one in given if one not in asked]:
            return f"messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks: {', '.join(stray)}"
        if missing := [one for one in asked if one not in given]:
            ids = ", ".join(missing)
            return f"messages.{index - 1}: `tool_use` ids without `tool_result` blocks immediately after: {ids}"
        asked = [block["id"] for block in _blocks(message, "tool_use")]
        if len(set(asked)) < len(asked):
            return f"messages.{index}: `tool_use` ids must be unique"
    return (
        f"messages.{len(messages) - 1}: `tool_use` ids without `tool_result` blocks immediately after"
        if asked
        else None
    )


def _texts_refusal(body: dict[str, Any]) -> str | None:
    for index, message in enumerate(body["messages"]):
        if message["content"] in ("", []) and index < len(body["messages"]) - 1:
            return f"messages.{index}: all messages must have non-empty content"
        if any(not block["text"].strip() for block in _blocks(message, "text")):
            return f"messages.{index}: text content blocks must contain non-whitespace text"
    marks = json.dumps(body).count('"cache_control":')
    return f"A maximum of 4 blocks with cache_control may be provided. Found {marks}." if marks > 4 else None


def _signature_refusal(body: dict[str, Any]) -> str | None:
    for index, message in enumerate(body["messages"]):
        for block in _blocks(message, "thinking"):
            if block.get("signature") != signature(block["thinking"], body, index):
                return f"messages.{index}: Invalid `signature` in `thinking` block"
    return None


def signature(text: str, body: dict[str, Any], before: int) -> str:
    """Newer models bind a thinking block to system, tools and the messages BEFORE it; older ones to its text alone."""
    prefix: Any = None
    if not _takes_budget(body["model"]):
        prefix = _unmarked([body.get("system"), body.get("tools"), body["messages"][:before]])
    return hashlib.sha256(json.dumps([text, prefix]).encode()).hexdigest()


def _unmarked(value: Any) -> Any:
    """VALUE without cache marks, which may move from request to request."""
    if isinstance(value, dict):
        return {name: _unmarked(one) for name, one in value.items() if name != "cache_control"}
    return [_unmarked(one) for one in value] if isinstance(value, list) else value
