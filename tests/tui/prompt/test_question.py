"""Decisions that the agent leaves to a person."""

import asyncio

import pytest

from support.prompt_bench import NotingClient, bench, press, say, until
from support.screens import text_of
from workbench.protocol import events as e
from workbench.protocol.result import Option, Question
from workbench.tui.widgets.question import QuestionCard

DATA = Question(
    question="Train on the full data set?",
    options=(Option(label="full data set", cost="about 30 GPU-hours"), Option(label="subset only")),
    recommendation="subset only: the error bars are narrow enough",
)
NAME = Question(question="What shall the run be called?")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QuestionCard, "SETTLE", 0.0)


def test_options_stand_with_their_cost_and_the_recommended_one_is_chosen():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            app.happens(e.QuestionsAsked(questions=(DATA,)))
            await until(pilot, lambda: "the agent asks" in text_of(app))
            screen = text_of(app)
            assert "1 full data set   about 30 GPU-hours" in screen
            assert "› 2 subset only" in screen
            assert "the agent's advice: the error bars" in screen and screen.count("recommended") == 1
            await press(pilot, "1", "enter")
            await until(pilot, lambda: client.sent)
            assert client.sent[0].text == "full data set"
            app.happens(e.PromptSubmitted(text="full data set", origin="person", by="me"))
            await pilot.pause()
            assert "the agent asks" not in text_of(app)

    asyncio.run(body())


def test_words_of_ones_own_are_an_answer_and_several_go_together():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            app.happens(e.QuestionsAsked(questions=(DATA, NAME)))
            await until(pilot, lambda: "1 of 2" in text_of(app))
            await press(pilot, "up", "enter")
            await until(pilot, lambda: "2 of 2" in text_of(app))
            assert client.sent == []
            await say(pilot, "warmup-3e-4")
            await press(pilot, "enter")
            await until(pilot, lambda: client.sent)
            assert client.sent[0].text == (
                "Train on the full data set?\n→ full data set\n\nWhat shall the run be called?\n→ warmup-3e-4"
            )

    asyncio.run(body())


def test_digits_and_arrows_are_text_once_something_is_typed():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            app.happens(e.QuestionsAsked(questions=(DATA,)))
            await until(pilot, lambda: "the agent asks" in text_of(app))
            await press(pilot, *"the 1st", "enter")
            await until(pilot, lambda: client.sent)
            assert client.sent[0].text == "the 1st"

    asyncio.run(body())


def test_a_click_chooses_and_another_one_answers():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            app.happens(e.QuestionsAsked(questions=(DATA,)))
            await until(pilot, lambda: "the agent asks" in text_of(app))
            await pilot.pause()
            await pilot.click(QuestionCard, offset=(6, 3))
            await until(pilot, lambda: "› 1 full data set" in text_of(app))
            assert app.prompt.editor.has_focus and client.sent == []
            app.simulate_key("space")  # the next click is no double click
            await press(pilot, "backspace")
            await pilot.click(".option")
            await until(pilot, lambda: client.sent)
            assert client.sent[0].text == "full data set"

    asyncio.run(body())


@pytest.mark.parametrize("size", [(80, 24), (40, 12)])
def test_a_long_question_leaves_the_prompt_and_enter_shows_what_it_would_answer(size):
    async def body():
        client = NotingClient()
        long = Question(
            question="\n".join(f"line {n}" for n in range(40)), options=DATA.options, recommendation="subset only"
        )
        async with bench(client, size=size) as (app, pilot):
            app.happens(e.QuestionsAsked(questions=(long,)))
            await until(pilot, lambda: "line 1" in text_of(app))
            assert "› " in text_of(app).splitlines()[-2] + text_of(app).splitlines()[-1]
            assert "subset only" not in text_of(app)
            await press(pilot, "enter")
            await until(pilot, lambda: "› 2 subset only" in text_of(app))
            assert client.sent == []
            await press(pilot, "pageup")
            await until(pilot, lambda: "subset only" not in text_of(app))
            await press(pilot, "enter")
            await until(pilot, lambda: "› 2 subset only" in text_of(app))
            await press(pilot, "enter")
            await until(pilot, lambda: client.sent)
            assert client.sent[0].text == "subset only"

    asyncio.run(body())


def test_commands_are_still_commands_and_a_call_that_waits_comes_first():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            app.happens(e.QuestionsAsked(questions=(DATA,)))
            await until(pilot, lambda: "the agent asks" in text_of(app))
            await say(pilot, "/cost")
            await press(pilot, "enter")
            assert (app.done, client.sent) == ([("cost", "")], [])

    asyncio.run(body())


def test_nothing_is_asked_while_the_agent_works():
    async def body():
        async with bench(NotingClient()) as (app, pilot):
            app.happens(e.QuestionsAsked(questions=(DATA,)), e.RequestStarted(turn=2, model="m"))
            await pilot.pause(0.1)
            assert "the agent asks" not in text_of(app)

    asyncio.run(body())


def test_a_question_cannot_move_the_terminal_or_the_layout():
    async def body():
        odd = Question(question="a\x1b[2J[red]b[/]\n" * 40, options=(Option(label="损失" * 40, cost="[x]\u202e"),))
        async with bench(NotingClient(), size=(60, 24)) as (app, pilot):
            app.happens(e.QuestionsAsked(questions=(odd,)))
            await until(pilot, lambda: "a␛[2J[red]b[/]" in text_of(app))
            assert app.prompt.cards.question.size.height <= 14

    asyncio.run(body())


def test_answers_that_could_not_be_sent_stand_at_the_prompt_and_go_as_they_are():
    async def body():
        client = NotingClient()
        client.refuse = "not sent: the connection is lost"
        async with bench(client) as (app, pilot):
            app.happens(e.QuestionsAsked(questions=(DATA, NAME)))
            await until(pilot, lambda: "1 of 2" in text_of(app))
            await press(pilot, "enter")
            await until(pilot, lambda: "2 of 2" in text_of(app))
            await say(pilot, "warmup-3e-4")
            await press(pilot, "enter")
            await until(pilot, lambda: "the connection is lost" in text_of(app))
            assert "the agent asks" not in text_of(app), "no card shows one question and takes an answer to another"
            client.refuse, answers = "", client.sent[0].text
            assert app.prompt.text == answers
            await press(pilot, "enter")
            await until(pilot, lambda: len(client.sent) == 2)
            assert client.sent[1].text == answers

    asyncio.run(body())


def test_the_same_questions_are_asked_anew_from_their_beginning():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            for count in (1, 2):
                app.happens(e.QuestionsAsked(questions=(DATA, NAME)))
                await until(pilot, lambda: "1 of 2" in text_of(app) and "full data set" in text_of(app))
                await press(pilot, "1", "enter")
                await until(pilot, lambda: "2 of 2" in text_of(app))
                await say(pilot, f"run {count}")
                await press(pilot, "enter")
                await until(pilot, lambda count=count: len(client.sent) == count)
                assert client.sent[-1].text.endswith(f"→ run {count}")
                app.happens(e.PromptSubmitted(text=client.sent[-1].text, origin="person", by="me"))
                await until(pilot, lambda: "the agent asks" not in text_of(app))

    asyncio.run(body())
