"""How an agent's answer becomes questions for a person, and none is lost."""

import pytest

from workbench.protocol.result import Option, Question
from workbench.session.questions import INSTRUCTIONS, answer_prompt, parse

FULL = Question(question="Train on all?", options=(Option(label="all", cost="30 h"), Option(label="part")),
                recommendation="all")  # fmt: skip


def block(body: str, fence: str = "```") -> str:
    return f"I tried the subset.\n\n{fence}decision\n{body}\n{fence}\n"


def test_the_example_of_the_instructions_is_read() -> None:
    (question,) = parse(INSTRUCTIONS)
    assert question.question.startswith("Train on the full data set?")
    assert [option.cost for option in question.options] == ["about 30 GPU-hours", "nothing more"]
    assert question.recommendation.startswith("full data set")


@pytest.mark.parametrize(
    "body",
    [
        "question: Train on all?\noptions:\n  - label: all\n    cost: 30 h\n  - label: part\nrecommendation: all",
        "question: Train on all?\noptions:\n  - all: 30 h\n  - part\nrecommendation: all",
        "question: Train on all?\noptions:\n  all: 30 h\n  part:\nrecommendation: all",
        "- question: Train on all?\n  options: [{label: all, cost: 30 h}, part]\n  recommendation: all",
        "questions:\n  - {question: 'Train on all?', options: [{label: all, cost: 30 h}, part], recommendation: all}",
    ],
)
def test_ways_to_write_one(body: str) -> None:
    assert parse(block(body)) == (FULL,)
    assert parse(block(body, "~~~~")) == (FULL,)
    assert parse(block(body).replace("\n", "\r\n")) == (FULL,)


def test_several_blocks_are_several_questions() -> None:
    text = block("question: A?") + "and\n" + block("question: B?") + block("- question: C?\n- question: D?")
    assert [question.question for question in parse(text)] == ["A?", "B?", "C?", "D?"]


@pytest.mark.parametrize(
    "body",
    [
        "Should I use the: big: model?",
        "question: a: b: c",
        "options: [a, b]",
        "question:",
        "- question: A?\n- and what of B?",
        "just words",
        "question: 2026-13-45",
        "!!python/object:x.y {}",
    ],
)
def test_a_malformed_block_keeps_its_words(body: str) -> None:
    (question,) = parse(block(body))
    assert question.question == body.strip()


def test_aliases_of_aliases_stay_the_few_lines_that_they_are() -> None:
    levels = [f"l{at}: &l{at} [{', '.join([f'*l{at - 1}'] * 9)}]" for at in range(1, 30)]
    body = "\n".join(["l0: &l0 [lol]", *levels, "question: *l29"])
    assert [question.question for question in parse(f"```decision\n{body}\n```")] == [body]


def test_odd_blocks() -> None:
    assert parse(block(""))[0].question.startswith("The agent asked for a decision")
    assert parse("```decision\nquestion: cut off?") == (Question(question="cut off?"),)
    assert parse("``` decision yaml\nquestion: A?\n```") == (Question(question="A?"),)
    assert parse(block("question: 3\nrecommendation: 4\noptions: 5")) == (
        Question(question="3", options=(Option(label="5"),), recommendation="4"),
    )


def test_what_is_no_question() -> None:
    assert parse("") == ()
    assert parse("A decision was taken.\n```yaml\nquestion: A?\n```") == ()
    assert parse("Write it so:\n````markdown\n```decision\nquestion: A?\n```\n````\n") == ()
    assert parse("    ```decision\n    question: A?\n    ```") == ()


def test_the_answer_goes_back_with_its_questions() -> None:
    text = answer_prompt([FULL], "part, please")
    assert "- Train on all?" in text
    assert "part, please" in text
    assert answer_prompt([], "go on") == "go on"
