"""A call that waits says how it would run, and a person may let it out of the sandbox: for one answer, and plainly."""

import asyncio

import pytest
from textual.widgets import Static

from support.prompt_bench import Bench, NotingClient, bench, press, until
from support.screens import text_of
from workbench.protocol import events as e
from workbench.tui.widgets.approval import ApprovalCard

AGAIN = "it failed confined (the network is not reached: lab.test; the setting sandbox.domains allows it)"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ApprovalCard, "SETTLE", 0.0)
    monkeypatch.setattr(ApprovalCard, "HOLD", 0.05)


def asked(number: int = 1, **fields) -> e.ApprovalRequested:
    given = {
        "request_id": f"a{number}", "call_id": f"c{number}", "tool": "Bash", "rule": "Bash(make *)",
        "input": {"command": "make train"}, "reason": "a rule asks", "digest": "d",
        "suggestion": "Bash(make train)", "sandbox": "bubblewrap",
    }  # fmt: skip
    return e.ApprovalRequested(**{**given, **fields})


def again(**fields) -> e.ApprovalRequested:
    """It ran confined, and failed for that."""
    return asked(reason=f"{AGAIN}; run it again outside?", rule=None, sandbox="outside", again=True, **fields)


def card(app: Bench) -> ApprovalCard:
    assert app.prompt.cards.approval is not None
    return app.prompt.cards.approval


async def asks(app: Bench, pilot, *requests: e.ApprovalRequested) -> None:
    app.happens(*requests)
    await until(pilot, lambda: card(app).display and card(app).query("Spelled"))
    await pilot.pause()


def label(app: Bench) -> str:
    return str(card(app).query_one("#field-label", Static).content)


def playing(play, *requests, size=(100, 30)) -> NotingClient:
    async def run() -> None:
        async with bench(client, size=size) as (app, pilot):
            await asks(app, pilot, *requests)
            await play(app, pilot)

    client = NotingClient()
    asyncio.run(run())
    return client


@pytest.mark.parametrize(
    ("sandbox", "words"),
    [("bubblewrap", "runs  confined (bubblewrap)"), ("landlock", "runs  confined (landlock)"),
     ("outside", "runs  outside the sandbox")],
)  # fmt: skip
def test_it_says_how_the_command_would_run(sandbox, words):
    async def play(app, pilot):
        assert words in text_of(app)
        assert ("o outside" in text_of(app)) == (sandbox != "outside")
        assert card(app).query_one(".runs.said").has_class("-outside") == (sandbox == "outside")

    playing(play, asked(sandbox=sandbox))


def test_where_nothing_confines_nothing_is_said_of_it():
    async def play(app, pilot):
        assert "runs" not in text_of(app) and "outside" not in text_of(app)
        await press(pilot, "o")
        await pilot.pause(0.1)
        assert app.prompt.editor.text == "o"

    assert playing(play, asked(sandbox="")).sent == []


def test_outside_is_never_preset_and_said_before_it_is_answered():
    async def play(app, pilot):
        await press(pilot, "o")
        await until(pilot, lambda: "runs  outside the sandbox, because you chose so" in text_of(app))
        assert "o confined" in text_of(app)
        await press(pilot, "y")
        await until(pilot, lambda: client_of(app).sent)

    client = playing(play, asked())
    assert (client.sent[0].decision, client.sent[0].outside) == ("once", True)


def client_of(app: Bench) -> NotingClient:
    assert app.client is not None
    return app.client


def test_the_choice_can_be_taken_back_and_does_not_reach_the_next_request():
    async def play(app, pilot):
        await press(pilot, "o")
        await until(pilot, lambda: card(app).outside)
        await press(pilot, "o")
        await until(pilot, lambda: "runs  confined (bubblewrap)" in text_of(app))
        await press(pilot, "o")
        await until(pilot, lambda: card(app).outside)
        app.happens(e.ApprovalResolved(request_id="a1", decision="once", by="ben"))
        await until(pilot, lambda: card(app).request.request_id == "a2")
        assert "runs  confined (bubblewrap)" in text_of(app)
        await press(pilot, "y")
        await until(pilot, lambda: client_of(app).sent)

    client = playing(play, asked(), asked(2))
    assert [(one.request_id, one.outside) for one in client.sent] == [("a2", False)]


def test_a_word_that_begins_with_o_is_a_word(monkeypatch):
    monkeypatch.setattr(ApprovalCard, "HOLD", 0.5)  # longer than a busy machine needs for the next letter

    async def play(app, pilot):
        await press(pilot, *"only once")
        await pilot.pause(0.6)
        assert app.prompt.editor.text == "only once" and not card(app).outside

    assert playing(play, asked()).sent == []


@pytest.mark.parametrize(("key", "decision"), [("s", "session"), ("a", "always")])
def test_a_rule_that_is_given_outside_says_that_it_holds_there_too(key, decision):
    async def play(app, pilot):
        await press(pilot, key)
        await until(pilot, lambda: card(app).editing)
        await pilot.pause()
        assert "outside" not in label(app)
        await press(pilot, "escape")
        await press(pilot, "o")
        await until(pilot, lambda: card(app).outside)
        await press(pilot, key)
        await until(pilot, lambda: card(app).editing)
        await until(pilot, lambda: "what it allows runs outside the sandbox too" in label(app))
        await press(pilot, "enter")
        await until(pilot, lambda: client_of(app).sent)

    (sent,) = playing(play, asked()).sent
    assert (sent.decision, sent.rule, sent.outside) == (decision, "Bash(make train)", True)


def test_a_changed_command_runs_outside_where_that_was_chosen():
    async def play(app, pilot):
        await press(pilot, "o")
        await until(pilot, lambda: card(app).outside)
        await press(pilot, "e")
        await until(pilot, lambda: card(app).editing)
        await until(pilot, lambda: "runs as it stands here, outside the sandbox" in text_of(app))
        await press(pilot, "x", "enter")
        await until(pilot, lambda: client_of(app).sent)

    (sent,) = playing(play, asked()).sent
    assert (sent.input, sent.outside) == ({"command": "make trainx"}, True)


def test_no_is_no_whatever_was_chosen():
    async def play(app, pilot):
        await press(pilot, "o")
        await until(pilot, lambda: card(app).outside)
        await press(pilot, "n")
        await until(pilot, lambda: card(app).editing)
        await press(pilot, "enter")
        await until(pilot, lambda: client_of(app).sent)

    (sent,) = playing(play, asked()).sent
    assert (sent.decision, sent.outside) == ("no", False)


# --- once more, outside ------------------------------------------------------------------------------------


def test_the_question_after_a_failure_is_asked_as_one():
    async def play(app, pilot):
        screen = " ".join(text_of(app).split())
        assert "run Bash again, outside the sandbox?" in screen
        assert "why it failed confined (the network is not reached: lab.test" in screen
        assert "run it again outside?" not in screen and "make train" in screen
        for words in ("y run it again", "s session", "a always", "n no"):
            assert words in screen
        assert "e edit" not in screen and "o outside" not in screen
        await press(pilot, "y")
        await until(pilot, lambda: client_of(app).sent)

    (sent,) = playing(play, again()).sent
    assert (sent.decision, sent.outside) == ("once", True)


def test_a_no_to_it_needs_no_reason():
    async def play(app, pilot):
        await press(pilot, "n")
        await until(pilot, lambda: client_of(app).sent)

    (sent,) = playing(play, again()).sent
    assert (sent.decision, sent.outside) == ("no", False)


def test_a_rule_given_there_says_that_it_holds_outside():
    async def play(app, pilot):
        await press(pilot, "a")
        await until(pilot, lambda: card(app).editing)
        await until(pilot, lambda: "what it allows runs outside the sandbox too" in label(app))

    playing(play, again())


@pytest.mark.parametrize("size", [(80, 24), (60, 16)])
@pytest.mark.parametrize("request_", [asked(), again(), asked(input={"command": "\n".join("x" * 30)})])
def test_nothing_important_is_cut_on_a_small_screen(request_, size):
    async def play(app, pilot):
        screen = text_of(app)
        keys = next(line for line in screen.split("\n") if " y " in line and " n" in line)
        for key in card(app)._choices():
            assert f" {key} " in keys
        assert "…" not in keys
        assert ("outside the sandbox" if request_.again else "confined (bubblewrap)") in screen
        app.query_one("#talk").focus()  # the prompt is left: what to do to answer is said
        await until(pilot, lambda: "i to answer" in text_of(app))
        keys = next(line for line in text_of(app).split("\n") if "i to answer" in line)
        assert all(f" {key} " in keys for key in card(app)._choices()) and "…" not in keys

    playing(play, request_, size=size)
