"""Calls that wait for a person: what is shown, which keys answer, and that typing on never does."""

import asyncio
import time

import msgspec
import pytest
from textual import events

from support.prompt_bench import Bench, NotingClient, bench, press, say, until
from support.screens import text_of
from workbench.protocol import blocks
from workbench.protocol import events as e
from workbench.protocol.commands import Approve
from workbench.protocol.state import SessionState
from workbench.tui.widgets.approval import ApprovalCard
from workbench.tui.widgets.approval_text import command_lines, display_lines


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ApprovalCard, "SETTLE", 0.0)
    monkeypatch.setattr(ApprovalCard, "HOLD", 0.05)


def asked(number: int = 1, **fields) -> e.ApprovalRequested:
    given = {
        "request_id": f"a{number}", "call_id": f"c{number}", "tool": "Bash", "input": {"command": "make train"},
        "rule": "Bash(make *)", "reason": "make runs whatever its file says", "digest": f"digest-{number}",
        "suggestion": "Bash(make train)",
    }  # fmt: skip
    return e.ApprovalRequested(**{**given, **fields})


def card(app: Bench) -> ApprovalCard:
    assert app.prompt.cards.approval is not None
    return app.prompt.cards.approval


async def asks(app: Bench, pilot, *requests: e.ApprovalRequested) -> None:
    app.happens(*(requests or (asked(),)))
    await until(pilot, lambda: card(app).display and card(app).query("Spelled"))
    await pilot.pause()


# --- what is shown -----------------------------------------------------------------------------------------


def test_padding_tabs_line_ends_and_controls_can_be_seen():
    lines = [line.plain for line in command_lines("ls  -la   \n\trm -rf x\x1b[2J\u202e \u00a0; a b")]
    assert lines == ["ls··-la···↵", "→rm -rf x␛[2J\\u{202E} \\u{00A0}; a b"]


def test_no_part_of_a_long_command_is_silently_missing():
    lines = command_lines("x" * 250_000)
    assert lines[-1].plain == "… 50,000 more characters are not shown"


def test_a_diff_keeps_its_signs_and_shows_blanks_at_line_ends():
    block = blocks.Diff(path="a\nb.py", text="@@ -1 +1 @@\n-    x\n+    y  ", added=1, removed=1)
    assert [line.plain for line in display_lines([block])] == ["a␊b.py  +1 −1", "-     x", "+     y··"]


def test_indentation_however_deep_is_no_padding_and_what_stands_far_out_is():
    deep, far = " " * 24 + "x", "y" + " " * 24 + "z"
    block = blocks.Diff(path="a.py", text=f"@@ -1 +1 @@\n-{deep}\n+{far}", added=1, removed=1)
    assert [line.plain for line in display_lines([block])][1:] == [f"- {deep}", f"+ {far.replace(' ', '·')}"]


def test_a_diffs_head_is_left_out_and_later_places_are_told_by_their_lines():
    text = "--- /dev/null\n+++ b/a.py\n@@ -1,2 +1,2 @@\n-- x\n+++ y\n z\r\n@@ -40 +41,2 @@ def f():\n+w\n"
    block = blocks.Diff(path="a.py", text=text, added=2, removed=1, created=True, blob="0" * 64)
    assert [line.plain for line in display_lines([block])] == [
        "a.py  new file  +2 −1", "- - x", "+ ++ y", "  z␍", "line 41", "+ w",
        "… the rest of this change is too long to be shown here",
    ]  # fmt: skip


def test_it_says_what_where_and_why():
    async def body():
        async with bench(NotingClient()) as (app, pilot):
            await asks(app, pilot, asked(input={"command": "make  train\n\techo done "}), asked(2))
            screen = text_of(app)
            for words in ("allow Bash?", "1 of 2", "make··train↵", "→echo done·", "in    /srv/nanogpt",
                          "why   make runs whatever its file says", "rule  Bash(make *)", "y once"):  # fmt: skip
                assert words in screen

    asyncio.run(body())


def test_markup_and_escapes_in_a_request_are_text():
    async def body():
        async with bench(NotingClient()) as (app, pilot):
            await asks(app, pilot, asked(tool="[red]B\x1b", input={"command": "echo [bold]x[/]"}, reason="[b]why\x07"))
            screen = text_of(app)
            assert "allow [red]B␛?" in screen
            assert "echo [bold]x[/]" in screen
            assert "why   [b]why␇" in screen

    asyncio.run(body())


def test_a_long_command_scrolls_and_says_how_much_is_below():
    async def body():
        async with bench(NotingClient(), size=(80, 36)) as (app, pilot):
            await asks(app, pilot, asked(input={"command": "\n".join(f"step {n}" for n in range(40))}))
            await until(pilot, lambda: "↓ 28 more lines" in text_of(app))
            await press(pilot, "pagedown", "down")
            await until(pilot, lambda: "step 22" in text_of(app) and "step 10" not in text_of(app))
            await until(pilot, lambda: "↓ 17 more lines" in text_of(app))

    asyncio.run(body())


def test_the_whole_command_is_shown_though_the_state_holds_only_its_beginning():
    async def body():
        command = "echo " + "x" * 20_000 + " ; rm -rf /"
        async with bench(NotingClient(), size=(80, 30)) as (app, pilot):
            await asks(app, pilot, asked(input={"command": command}))
            await press(pilot, *["pagedown"] * 30)
            await until(pilot, lambda: "rm -rf /" in text_of(app))

    asyncio.run(body())


# --- answers -----------------------------------------------------------------------------------------------


def test_one_key_answers_with_the_digest_that_was_shown():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await asks(app, pilot)
            await press(pilot, "y")
            await until(pilot, lambda: client.sent)
            (answer,) = client.sent
            assert isinstance(answer, Approve)
            assert (answer.request_id, answer.digest, answer.decision) == ("a1", "digest-1", "once")
            assert answer.input is None
            await pilot.pause()
            assert not card(app).display

    asyncio.run(body())


def test_always_shows_the_rule_and_saves_it_as_edited():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await asks(app, pilot)
            await press(pilot, "a")
            await until(pilot, lambda: card(app).editing)
            await pilot.pause()
            assert "this rule will be saved" in text_of(app)
            assert client.sent == []
            await press(pilot, *["left"] * 6, *["delete"] * 5, *"test", "enter")
            await until(pilot, lambda: client.sent)
            assert (client.sent[0].decision, client.sent[0].rule) == ("always", "Bash(make test)")
            await pilot.pause()
            assert app.prompt.editor.has_focus

    asyncio.run(body())


def test_a_call_without_a_rule_to_save_offers_no_always():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await asks(app, pilot, asked(suggestion=None, tool="Edit", input={"file_path": "a"}))
            assert "always" not in text_of(app) and "asked each time" in text_of(app)
            assert "e edit" not in text_of(app)
            await press(pilot, "a")
            await pilot.pause(0.1)
            assert client.sent == []
            assert app.prompt.text == "a"

    asyncio.run(body())


def test_no_takes_a_reason_and_escape_goes_back():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await asks(app, pilot)
            await press(pilot, "n")
            await until(pilot, lambda: card(app).editing)
            await say(pilot, "use make")
            await press(pilot, "escape")
            await until(pilot, lambda: app.prompt.editor.has_focus)
            assert (client.sent, app.escapes) == ([], 0)
            await press(pilot, "n")
            await until(pilot, lambda: card(app).editing)
            await say(pilot, " test")  # what was written stays
            await press(pilot, "enter")
            await until(pilot, lambda: client.sent)
            assert (client.sent[0].decision, client.sent[0].reason) == ("no", "use make test")

    asyncio.run(body())


def test_for_this_session_shows_the_rule_too():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await asks(app, pilot)
            await press(pilot, "s")
            await until(pilot, lambda: card(app).editing)
            await until(pilot, lambda: "until the session ends" in text_of(app))
            assert card(app).query_one("Editor").text == "Bash(make train)"
            await press(pilot, "enter")
            await until(pilot, lambda: client.sent)
            assert (client.sent[0].decision, client.sent[0].rule) == ("session", "Bash(make train)")

    asyncio.run(body())


def test_it_says_the_folder_that_the_command_would_run_in():
    async def body():
        async with bench(NotingClient()) as (app, pilot):
            await asks(app, pilot, asked(cwd="/srv/nanogpt/data"))
            assert "in    /srv/nanogpt/data" in text_of(app)

    asyncio.run(body())


def test_a_command_that_may_have_come_cut_is_not_edited():
    async def body():
        async with bench(NotingClient()) as (app, pilot):
            await asks(app, pilot, asked(input={"command": "make train", "description": "x" * 20_000}))
            assert "e edit" not in text_of(app)

    asyncio.run(body())


def test_an_edited_command_is_sent_as_the_call_to_run():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await asks(app, pilot)
            await press(pilot, "e")
            await until(pilot, lambda: card(app).editing)
            await press(pilot, "space", *"-n", "enter")
            await until(pilot, lambda: client.sent)
            assert (client.sent[0].decision, client.sent[0].input) == ("once", {"command": "make train -n"})

    asyncio.run(body())


def test_a_click_answers():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await asks(app, pilot)
            line = card(app).query_one("Line")
            assert await pilot.click(line, offset=(0, 0))
            await until(pilot, lambda: client.sent)
            assert client.sent[0].decision == "once"

    asyncio.run(body())


def test_an_answer_that_is_not_taken_shows_the_card_again_and_why():
    async def body():
        client = NotingClient()
        client.refuse = "the call is another one by now"
        async with bench(client) as (app, pilot):
            await asks(app, pilot)
            await press(pilot, "y")
            await until(pilot, lambda: client.sent)
            await until(pilot, lambda: "not taken: the call is another one by now" in text_of(app))

    asyncio.run(body())


# --- never by typing ---------------------------------------------------------------------------------------


def test_enter_alone_never_approves():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await asks(app, pilot)
            await press(pilot, "enter", "enter", "space", "enter")
            await pilot.pause(0.1)
            assert client.sent == []

    asyncio.run(body())


def test_who_was_typing_types_on():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await press(pilot, *"then l")
            await asks(app, pilot)
            assert "tab to answer" in text_of(app)
            await press(pilot, *"say")
            await pilot.pause(0.1)
            assert app.prompt.text == "then lsay"
            assert client.sent == []
            await press(pilot, "tab", "y")
            await until(pilot, lambda: client.sent)
            assert client.sent[0].decision == "once"
            assert app.prompt.text == "then lsay", "the draft is still there"

    asyncio.run(body())


def test_tab_holds_while_news_stream_in_and_ends_when_typing_goes_on():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await press(pilot, *"draft")
            await asks(app, pilot)
            await press(pilot, "tab")
            app.happens(e.Notice(level="info", text="news"))
            await pilot.pause()
            assert "tab to answer" not in text_of(app)
            await press(pilot, "x")
            await until(pilot, lambda: "tab to answer" in text_of(app))
            assert app.prompt.text == "draftx"
            await press(pilot, "y")
            await pilot.pause(0.1)
            assert client.sent == []
            await press(pilot, "tab", "y")
            await until(pilot, lambda: client.sent)

    asyncio.run(body())


def test_scrolled_by_the_wheel_it_says_what_is_still_below():
    async def body():
        async with bench(NotingClient(), size=(80, 36)) as (app, pilot):
            await asks(app, pilot, asked(input={"command": "\n".join(f"step {n}" for n in range(40))}))
            card(app).query_one("Spelled").scroll_relative(y=3, animate=False)  # what the wheel does
            await until(pilot, lambda: "↓ 28 more lines" not in text_of(app) and "more lines" in text_of(app))

    asyncio.run(body())


def test_a_word_typed_while_the_program_is_busy_is_no_answer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ApprovalCard, "HOLD", 0.2)

    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await asks(app, pilot)
            for word in ("st", "ye", "al"):
                await press(pilot, word[0])
                loop = asyncio.get_running_loop()
                typed = app._post_message(events.Key(word[1], word[1]))  # as it comes from the terminal's thread
                asyncio.run_coroutine_threadsafe(typed, loop)
                time.sleep(0.4)  # noqa: ASYNC251  the loop does nothing else meanwhile
                await until(pilot, lambda word=word: app.prompt.text == word)
                assert client.sent == []
                await press(pilot, "backspace", "backspace", "tab")

    asyncio.run(body())


def test_a_word_that_begins_with_an_answers_letter_is_a_word(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ApprovalCard, "HOLD", 5.0)

    async def body():
        for word in ("yes but", "sure", "and", "no", "Yes"):
            client = NotingClient()
            async with bench(client) as (app, pilot):
                await asks(app, pilot)
                await press(pilot, *word)
                await pilot.pause()
                assert app.prompt.text == word
                assert client.sent == []
                assert "tab to answer" in text_of(app)

    asyncio.run(body())


def test_a_key_right_after_the_card_came_was_for_the_prompt(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ApprovalCard, "SETTLE", 60.0)

    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await asks(app, pilot)
            await press(pilot, "y")
            await pilot.pause(0.2)
            assert (app.prompt.text, client.sent) == ("y", [])

    asyncio.run(body())


def test_an_answers_letter_that_came_too_fast_is_neither_taken_nor_sent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ApprovalCard, "SETTLE", 60.0)

    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await asks(app, pilot)
            await press(pilot, "n", "enter")
            await until(pilot, lambda: "came too fast" in text_of(app))
            assert (app.prompt.text, client.sent) == ("", [])
            await press(pilot, *"no, wait", "enter")
            await until(pilot, lambda: client.sent)
            assert client.sent[0].text == "no, wait"

    asyncio.run(body())


def test_a_paste_answers_nothing():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await asks(app, pilot)
            await say(pilot, "y")
            await pilot.pause(0.1)
            assert (app.prompt.text, client.sent) == ("y", [])
            assert "tab to answer" in text_of(app)

    asyncio.run(body())


def test_the_card_takes_no_focus_from_elsewhere():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            app.query_one("#talk").focus()
            await asks(app, pilot)
            assert app.focused.id == "talk"
            await press(pilot, "y")
            await pilot.pause(0.1)
            assert client.sent == []
            assert "i to answer" in text_of(app)
            app.prompt.focus()
            await pilot.pause()
            await press(pilot, "y")
            await until(pilot, lambda: client.sent)

    asyncio.run(body())


# --- more than one, and other people -----------------------------------------------------------------------


def test_two_requests_are_answered_one_after_the_other():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await asks(app, pilot, asked(), asked(2, input={"command": "make clean"}))
            await press(pilot, "y")
            await until(pilot, lambda: client.sent)
            await until(pilot, lambda: "make clean" in text_of(app))
            assert "1 of 2" not in text_of(app)
            app.happens(e.ApprovalResolved(request_id="a1", decision="once", by="me"))
            await press(pilot, "y")
            await until(pilot, lambda: len(client.sent) == 2)
            assert [answer.request_id for answer in client.sent] == ["a1", "a2"]
            assert [answer.decision for answer in client.sent] == ["once", "once"]

    asyncio.run(body())


def test_a_key_for_the_first_request_does_not_answer_the_one_behind_it(monkeypatch: pytest.MonkeyPatch):
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await asks(app, pilot, asked(), asked(2))
            monkeypatch.setattr(ApprovalCard, "SETTLE", 60.0)
            app.happens(e.ApprovalResolved(request_id="a1", decision="no", by="ana"))
            await press(pilot, "y")
            await pilot.pause(0.2)
            assert client.sent == []
            assert app.prompt.text == ""

    asyncio.run(body())


@pytest.mark.parametrize(
    ("decision", "words"),
    [("once", "Bash: allowed once by ana"), ("no", "Bash: refused by ana"), ("gone", "Bash: no longer asked")],
)
def test_resolved_elsewhere_the_card_goes_and_says_by_whom(decision: str, words: str):
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await asks(app, pilot)
            await press(pilot, "a")
            await until(pilot, lambda: card(app).editing)
            app.happens(e.ApprovalResolved(request_id="a1", decision=decision, by="ana"))
            await until(pilot, lambda: words in text_of(app))
            assert not card(app).display
            await until(pilot, lambda: app.prompt.editor.has_focus)
            await press(pilot, *"on")
            assert app.prompt.text == "on"
            assert client.sent == []

    asyncio.run(body())


def test_a_request_that_was_there_before_the_screen_is_asked_too():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            app.happens(asked())
            app.prompt.show_session(app.state, ())
            await pilot.pause()
            await press(pilot, "y")
            await until(pilot, lambda: client.sent)
            assert client.sent[0].digest == "digest-1"

    asyncio.run(body())


def test_a_field_stays_open_with_its_words_when_the_whole_state_is_told_anew():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await asks(app, pilot)
            await press(pilot, "e")
            await until(pilot, lambda: card(app).editing)
            await press(pilot, *" -j4")
            app.prompt.show_session(SessionState(), ())
            app.prompt.show_session(msgspec.structs.replace(app.state), ())
            await press(pilot, *" all", "enter")
            await until(pilot, lambda: client.sent)
            assert client.sent[-1].input == {"command": "make train -j4 all"}

    asyncio.run(body())


def test_a_request_that_goes_while_its_field_is_open_takes_the_field_along():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await asks(app, pilot, asked(), asked(2, input={"command": "make test"}))
            await press(pilot, "e")
            await until(pilot, lambda: card(app).editing)
            app.happens(e.ApprovalResolved(request_id="a1", decision="gone", by=""))
            await until(pilot, lambda: "make test" in text_of(app) and not card(app).editing)
            await until(pilot, lambda: app.prompt.editor.has_focus)
            await press(pilot, "enter")
            await pilot.pause(0.1)
            assert client.sent == [], "what was meant for the first does not answer the second"

    asyncio.run(body())


def test_how_an_old_request_ended_is_no_news_to_who_takes_the_session_up():
    async def body():
        async with bench(NotingClient()) as (app, pilot):
            app.happens(asked(), e.ApprovalResolved(request_id="a1", decision="no", by="ana"))
            await pilot.pause()
            assert "refused" not in text_of(app)

    asyncio.run(body())
