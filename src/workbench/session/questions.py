"""Decisions that belong to a person: how an agent asks for one, and how the answer goes back."""

import re
from collections.abc import Sequence
from typing import Any

from workbench.protocol.result import Option, Question

INSTRUCTIONS = """\
Some decisions are a person's: a compute budget, a trade-off between business goals, spending or deleting what cannot \
be had back. Do not make them yourself. Do all that does not depend on the decision, then end your answer with one \
fenced block for each decision and stop; the session goes on with the person's answer. The block holds YAML:

```decision
question: "Train on the full data set? The subset reaches 0.81 F1."
options:
  - label: "full data set"
    cost: "about 30 GPU-hours"
  - label: "subset only"
    cost: "nothing more"
recommendation: "full data set: the error bars of the subset are too wide to decide on"
```

Ask only what you cannot find out or reasonably assume. A task that needs no such decision ends without a block."""

_OPEN = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*([\w-]*)[^`]*$")
_EMPTY = "The agent asked for a decision without saying which; see its answer."


def parse(text: str) -> tuple[Question, ...]:
    """The questions that an answer ends with. A malformed block becomes a question with its raw text."""
    return tuple(question for block in _blocks(text) for question in _questions(block))


def answer_prompt(questions: Sequence[Question], answer: str) -> str:
    """What the agent is told when a person has decided."""
    if not questions:
        return answer
    asked = "\n".join(f"- {question.question}" for question in questions)
    return f"You asked a person to decide:\n\n{asked}\n\nTheir answer:\n\n{answer}\n\nGo on with the task accordingly."


def _blocks(text: str) -> list[str]:
    """Bodies of the blocks marked `decision`; one inside another fence is an example, not a question."""
    blocks: list[str] = []
    body: list[str] = []
    fence, wanted = "", False
    for line in text.splitlines():
        if not fence:
            if opened := _OPEN.match(line):
                fence, wanted, body = opened[1], opened[2].lower() == "decision", []
        elif _closes(line, fence):
            if wanted:
                blocks.append("\n".join(body))
            fence = ""
        else:
            body.append(line)
    if fence and wanted:
        blocks.append("\n".join(body))  # the answer ended before the fence did
    return blocks


def _closes(line: str, fence: str) -> bool:
    bare = line.strip()
    return len(bare) >= len(fence) and not bare.strip(fence[0]) and len(line) - len(line.lstrip()) <= 3


def _questions(block: str) -> list[Question]:
    import yaml

    raw = block.strip() or _EMPTY
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(block)):
            return [Question(question=raw)]  # a few lines of aliases of aliases stand for more text than there is room
        fields = yaml.safe_load(block)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
        return [Question(question=raw)]
    several = fields.get("questions") if isinstance(fields, dict) else fields
    each = several if isinstance(several, list) else [fields]
    found = [_question(item) for item in each if isinstance(item, dict) and _text(item.get("question"))]
    return found if len(found) == len(each) else [Question(question=raw)]


def _question(fields: dict[str, Any]) -> Question:
    return Question(
        question=_text(fields["question"]),
        options=tuple(_options(fields.get("options"))),
        recommendation=_text(fields.get("recommendation")),
    )


def _options(value: Any) -> list[Option]:
    if isinstance(value, dict):  # label: cost, written as a mapping
        return [Option(label=_text(label), cost=_text(cost)) for label, cost in value.items()]
    return [_option(item) for item in (value if isinstance(value, list) else [value]) if item is not None]


def _option(item: Any) -> Option:
    if isinstance(item, dict) and _text(item.get("label")):
        return Option(label=_text(item["label"]), cost=_text(item.get("cost")))
    if isinstance(item, dict) and len(item) == 1:
        ((label, cost),) = item.items()
        return Option(label=_text(label), cost=_text(cost))
    return Option(label=_text(item))


def _text(value: Any) -> str:
    return "" if value is None else value.strip() if isinstance(value, str) else str(value)
