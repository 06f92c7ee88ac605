"""Writing at the prompt: keys, lines, sending, queueing, history, slash and shell commands."""

import asyncio
import stat
from pathlib import Path

import msgspec
from textual.events import Paste

from support.prompt_bench import NotingClient, bench, press, say, until
from support.screens import text_of
from workbench.protocol import events as e
from workbench.protocol.commands import Interrupt, RunShell, SubmitPrompt, Withdraw
from workbench.protocol.events import Envelope
from workbench.protocol.fold import apply
from workbench.protocol.result import Result
from workbench.protocol.state import SessionState
from workbench.protocol.task import Caps
from workbench.tui.widgets.history import KEPT, Entry, History
from workbench.tui.widgets.slash import COMMANDS

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}


def typed(client: NotingClient) -> list[str]:
    return [command.text for command in client.sent if isinstance(command, SubmitPrompt)]


def test_enter_sends_and_empties_the_editor():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await say(pilot, "lower the loss")
            await press(pilot, "enter")
            await until(pilot, lambda: client.sent)
            assert typed(client) == ["lower the loss"]
            assert app.done == [("to_end", "")]  # what comes of it is seen
            assert app.prompt.text == ""
            await press(pilot, "enter", *"   ", "enter")
            assert typed(client) == ["lower the loss"], "blank prompts are not sent"

    asyncio.run(body())


def test_new_lines_by_every_key_that_a_terminal_may_send():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await press(pilot, "a", "ctrl+j", "b", "shift+enter", "c", "alt+enter", "d", "\\", "enter", "e")
            assert app.prompt.text == "a\nb\nc\nd\ne"
            assert app.prompt.editor.size.height == 5
            await press(pilot, "enter")
            await until(pilot, lambda: client.sent)
            assert typed(client) == ["a\nb\nc\nd\ne"]
            await pilot.pause()
            assert app.prompt.editor.size.height == 1

    asyncio.run(body())


def test_it_grows_to_eight_lines_and_to_a_third_of_a_small_screen():
    async def body():
        for height, most in ((40, 8), (15, 5)):
            async with bench(NotingClient(), size=(60, height)) as (app, pilot):
                await press(pilot, *["ctrl+j"] * 12)
                await pilot.pause()
                assert app.prompt.editor.size.height == most

    asyncio.run(body())


def test_words_undo_and_clearing():
    async def body():
        async with bench(NotingClient()) as (app, pilot):
            await say(pilot, "one two three")
            await press(pilot, "ctrl+left", "ctrl+w")
            assert app.prompt.text == "one three"
            await press(pilot, "ctrl+z")
            assert app.prompt.text == "one two three"
            await press(pilot, "ctrl+c")
            assert app.prompt.text == ""
            await press(pilot, "ctrl+underscore")
            assert app.prompt.text == "one two three"

    asyncio.run(body())


def test_keys_that_have_nothing_to_do_here_go_to_the_talk_and_the_shell():
    async def body():
        async with bench(NotingClient()) as (app, pilot):
            await press(pilot, "ctrl+z", "ctrl+f", "a", "ctrl+f")
            assert [action for action, _ in app.done] == ["suspend", "search", "search"]
            await press(pilot, "ctrl+z")  # there is something to undo
            assert len(app.done) == 3

    asyncio.run(body())


def test_wide_and_right_to_left_letters_and_joined_emoji_are_sent_as_typed():
    words = "損失 を👩‍🔬 下げる שלום e\u0301 می\u200cخواهم"

    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            app.prompt.editor.post_message(Paste(words))
            await pilot.pause()
            await press(pilot, "home", "right", "right", "x", "end", "!", "enter")
            await until(pilot, lambda: client.sent)
            assert typed(client) == [words[:2] + "x" + words[2:] + "!"]

    asyncio.run(body())


def test_what_would_move_the_terminal_is_spelled_out():
    async def body():
        async with bench(NotingClient()) as (app, pilot):
            app.prompt.editor.post_message(Paste("a\x1b[2Jb\r\nc\u202ed\x85e\rf"))
            await pilot.pause()
            assert app.prompt.text == "a␛[2Jb\nc\\u{202E}d\\u{0085}e\nf"

    asyncio.run(body())


def test_a_refused_prompt_comes_back_with_the_reason():
    async def body():
        client = NotingClient()
        client.refuse = "the session has ended"
        async with bench(client) as (app, pilot):
            await say(pilot, "go on")
            await press(pilot, "enter")
            await until(pilot, lambda: app.prompt.text == "go on")
            await until(pilot, lambda: "the session has ended" in text_of(app))

    asyncio.run(body())


def test_without_a_session_it_says_so_and_keeps_the_words():
    async def body():
        async with bench(None) as (app, pilot):
            await say(pilot, "hello")
            await press(pilot, "enter")
            await until(pilot, lambda: "no session is open" in text_of(app))
            assert app.prompt.text == "hello"
            await press(pilot, "ctrl+c", *"@tr")
            await until(pilot, lambda: "once a session is open" in app.prompt.completing.popup.note)

    asyncio.run(body())


def test_while_the_agent_works_prompts_queue_until_they_are_delivered():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            app.happens(e.RequestStarted(turn=1, model="m"))
            await say(pilot, "use bf16")
            await press(pilot, "enter", *"and log it", "enter")
            await until(pilot, lambda: len(client.sent) == 2)
            await until(pilot, lambda: "queued  use bf16" in text_of(app) and "queued  and log it" in text_of(app))
            app.happens(e.PromptSubmitted(text="use bf16", origin="person", by="me", queued="q-1"))
            await pilot.pause()
            assert "use bf16" not in text_of(app)
            assert "queued  and log it" in text_of(app)
            end = Result(subtype="error_interrupted", is_error=True, session_id="s-1")
            app.happens(e.SessionEnded(result=end))
            await pilot.pause()
            assert "queued  and" not in text_of(app)
            assert "↑ brings it back" in text_of(app)
            await press(pilot, "up")
            assert app.prompt.text == "and log it"

    asyncio.run(body())


def test_a_queued_prompt_is_taken_back_to_be_changed():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            app.happens(e.RequestStarted(turn=1, model="m"))
            await press(pilot, *"use bf16", "enter", *"and log it", "enter")
            await until(pilot, lambda: "queued  and log it" in text_of(app) and "↑ takes it back" in text_of(app))
            await press(pilot, "up")
            await until(pilot, lambda: app.prompt.text == "and log it")
            taken, sent = client.sent[-1], client.sent[-2]
            assert isinstance(taken, Withdraw)
            assert (taken.prompt, taken.by) == ("q-2", sent.by)
            await until(pilot, lambda: "queued  and" not in text_of(app))
            assert "queued  use bf16" in text_of(app)
            await press(pilot, *" too", "enter")
            await until(pilot, lambda: "queued  and log it too" in text_of(app))

    asyncio.run(body())


def test_what_another_terminal_has_queued_is_shown_and_taken_back_whole():
    async def body():
        client = NotingClient()
        client.words = "and log it, " * 400
        async with bench(client) as (app, pilot):
            app.happens(
                e.RequestStarted(turn=1, model="m"),
                e.PromptQueued(queued="q-8", command="x-1", text="use bf16", by="person"),
                e.PromptQueued(queued="q-9", command="x-2", text=client.words, by="li", content=(IMAGE,)),
            )
            await until(pilot, lambda: "queued  use bf16" in text_of(app) and "li: and log it" in text_of(app))
            await press(pilot, "up")
            await until(pilot, lambda: app.prompt.text == client.words)
            assert client.sent[-1].prompt == "q-9"
            assert "taken back, without its pictures" in text_of(app) and "li: and" not in text_of(app)

    asyncio.run(body())


def test_whoever_queued_words_is_told_when_another_takes_them_back():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            app.happens(e.RequestStarted(turn=1, model="m"))
            await press(pilot, *"use bf16", "enter")
            await until(pilot, lambda: "queued  use bf16" in text_of(app))
            app.happens(e.PromptWithdrawn(queued="q-1", by="ana"))
            await pilot.pause()
            assert "ana took back what you had queued: use bf16" in text_of(app)

    asyncio.run(body())


def test_words_that_a_killed_host_left_are_shown_while_the_agent_rests_and_are_not_offered_twice():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            app.happens(e.RequestStarted(turn=1, model="m"))
            await press(pilot, *"use bf16", "enter")
            await until(pilot, lambda: "queued  use bf16" in text_of(app))
            app.at = 2.0
            app.happens(e.SessionResumed(host="h", boot_id="b", user="u", pid=1, mode="default", caps=Caps()))
            await pilot.pause()
            assert "it goes with your next prompt · ↑ takes it back" in text_of(app)
            await press(pilot, "up")
            await until(pilot, lambda: app.prompt.text == "use bf16" and "queued  use" not in text_of(app))
            assert isinstance(client.sent[-1], Withdraw), "not the history's"

    asyncio.run(body())


def test_what_the_agent_has_already_is_not_taken_back():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            app.happens(e.RequestStarted(turn=1, model="m"))
            await press(pilot, *"use bf16", "enter")
            await until(pilot, lambda: "queued  use bf16" in text_of(app))
            client.refuse = "it is on its way to the agent already"
            await pilot.click("Waiting")
            await until(pilot, lambda: "on its way to the agent" in text_of(app))
            assert app.prompt.text == ""
            assert "queued  use bf16" in text_of(app)

    asyncio.run(body())


def test_the_order_of_prompts_holds_while_the_host_is_slow():
    async def body():
        client = NotingClient()
        client.answering.clear()
        async with bench(client) as (_, pilot):
            for word in ("one", "two", "three"):
                await press(pilot, *word, "enter")
            client.answering.set()
            await until(pilot, lambda: len(client.sent) == 3)
            assert typed(client) == ["one", "two", "three"]

    asyncio.run(body())


# --- history -----------------------------------------------------------------------------------------------


def test_history_lasts_across_sessions_and_is_the_users_alone(state_home: Path):
    async def body():
        async with bench(NotingClient()) as (app, pilot):
            await say(pilot, "first")
            await press(pilot, "enter", *"second", "enter", *"second", "enter")
            await until(pilot, lambda: len(History_of(state_home).entries) == 2)
        async with bench(NotingClient()) as (app, pilot):
            await until(pilot, lambda: app.prompt.earlier.history.entries)
            await say(pilot, "draft")
            await press(pilot, "home", *["delete"] * 5, "up")
            assert app.prompt.text == "second"
            await press(pilot, "up", "up")
            assert app.prompt.text == "first"
            await press(pilot, "down", "down")
            assert app.prompt.text == ""

    asyncio.run(body())
    mode = (state_home / "mlwb" / "history.jsonl").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_prompts_that_come_fast_are_kept_in_their_order(state_home: Path):
    words = [f"prompt {at}" for at in range(30)]

    async def body():
        async with bench(NotingClient()) as (_, pilot):
            await press(pilot, *[key for one in words for key in (*one, "enter")])
            await until(pilot, lambda: len(History_of(state_home).entries) == len(words))

    asyncio.run(body())
    assert [entry.text for entry in History_of(state_home).entries] == words


def test_what_is_typed_searches_the_history_and_comes_back_as_the_draft():
    async def body():
        async with bench(NotingClient()) as (app, pilot):
            for words in ("lower the loss", "plot it", "raise the LOSS weight"):
                await press(pilot, *words, "enter")
            await press(pilot, *"loss", "up")
            assert app.prompt.text == "raise the LOSS weight"
            await press(pilot, "up")
            assert app.prompt.text == "lower the loss"
            await press(pilot, "down", "down")
            assert app.prompt.text == "loss"

    asyncio.run(body())


def test_up_and_down_move_within_many_lines_first():
    async def body():
        async with bench(NotingClient()) as (app, pilot):
            await press(pilot, *"old", "enter", *"ab", "ctrl+j", *"cd", "up")
            assert app.prompt.text == "ab\ncd"
            await press(pilot, "up")
            assert app.prompt.text == "ab\ncd", "nothing in the history holds the two lines"
            await press(pilot, "ctrl+c", "up")
            assert app.prompt.text == "old"

    asyncio.run(body())


def test_a_recalled_command_opens_no_list_that_would_catch_the_next_key():
    async def body():
        async with bench(NotingClient()) as (app, pilot):
            await say(pilot, "words")
            await press(pilot, "enter", *"/cost", "enter", "up")
            assert app.prompt.text == "/cost"
            assert not app.prompt.completing.popup.open
            await press(pilot, "up")
            assert app.prompt.text == "words"

    asyncio.run(body())


def test_the_file_stays_bounded_and_broken_lines_are_passed_over(tmp_path: Path):
    path = tmp_path / "history.jsonl"
    path.write_bytes(b"\xff\xfe\n{broken\n" + b"".join(b'{"text":"%d"}\n' % n for n in range(KEPT + 200)))
    history = History(path)
    history.before(history.read())
    assert len(history.entries) == KEPT
    assert history.entries[-1].text == str(KEPT + 199)
    history.save(Entry("new"))
    lines = path.read_bytes().splitlines()
    assert len(lines) == KEPT
    assert msgspec.json.decode(lines[-1]) == {"text": "new"}
    assert [one.name for one in tmp_path.iterdir()] == ["history.jsonl"]


def test_many_programs_may_write_the_history_at_once(tmp_path: Path):
    path = tmp_path / "history.jsonl"

    async def body():
        writers = [History(path) for _ in range(8)]
        await asyncio.gather(
            *(asyncio.to_thread(writer.save, Entry(f"{n}-{i}")) for i in range(20) for n, writer in enumerate(writers))
        )

    asyncio.run(body())
    history = History(path)
    history.before(history.read())
    assert sorted(entry.text for entry in history.entries) == sorted(f"{n}-{i}" for n in range(8) for i in range(20))


def test_a_history_that_cannot_be_written_is_said_once_and_stops_nothing(state_home: Path):
    state_home.mkdir()
    (state_home / "mlwb").write_text("a file where the folder should be")

    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await say(pilot, "hello")
            await press(pilot, "enter")
            await until(pilot, lambda: "not kept for other sessions" in text_of(app))
            assert typed(client) == ["hello"]

    asyncio.run(body())


# --- commands ----------------------------------------------------------------------------------------------


def test_a_slash_command_reaches_its_action_with_its_words():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await say(pilot, "/rename a better title")
            await press(pilot, "enter")
            await pilot.pause()
            assert app.done == [("rename", "a better title")]
            assert app.prompt.text == ""
            assert client.sent == []

    asyncio.run(body())


def test_the_list_of_commands_is_fuzzy_and_enter_runs_the_chosen_one():
    async def body():
        async with bench(NotingClient()) as (app, pilot):
            await press(pilot, "/")
            await pilot.pause()
            assert app.prompt.completing.popup.row.shown == "/agent"
            assert "more: ↓" in app.prompt.completing.popup.note
            await press(pilot, *"cmp")
            await pilot.pause()
            assert app.prompt.completing.popup.row.shown == "/compact"
            await press(pilot, "tab")
            assert app.prompt.text == "/compact "
            assert app.done == []
            await press(pilot, "ctrl+c", *"/th", "enter")
            await pilot.pause()
            assert app.done == [("theme", "")]

    asyncio.run(body())


def test_an_unknown_command_names_the_nearest_and_stays():
    async def body():
        async with bench(NotingClient()) as (app, pilot):
            await say(pilot, "/rewnid now")
            await press(pilot, "enter")
            await until(pilot, lambda: "the nearest is /rewind" in text_of(app))
            assert app.prompt.text == "/rewnid now"
            assert app.done == []

    asyncio.run(body())


def test_a_reference_that_is_sent_alone_is_opened():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            for words in ("r-14@812", "s-4f:t12", "compare r-14@812 and r-13"):
                await say(pilot, words)
                await press(pilot, "enter")
            await until(pilot, lambda: client.sent)
            assert app.done == [("open_reference", "r-14@812"), ("open_reference", "s-4f:t12"), ("to_end", "")]
            assert typed(client) == ["compare r-14@812 and r-13"]

    asyncio.run(body())


def test_every_command_says_in_a_line_what_it_does():
    assert all(
        len(command.title) > 5 and command.title != command.name for command in COMMANDS if command.name != "quit"
    )
    named = {"agent", "model", "mode", "compact", "rewind", "resume", "export", "cost", "permissions", "theme", "help"}
    assert named <= {command.name for command in COMMANDS}


def test_a_path_is_no_command():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await say(pilot, "/usr/bin/python is missing")
            await press(pilot, "enter")
            await until(pilot, lambda: client.sent)
            assert typed(client) == ["/usr/bin/python is missing"]
            assert app.done == [("to_end", "")]

    asyncio.run(body())


def test_an_exclamation_mark_runs_a_command_of_the_persons_own():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await say(pilot, "!nvidia-smi -L")
            await pilot.pause()
            assert "› !nvidia-smi" in text_of(app)
            assert app.prompt.query_one("#mark").has_class("-shell")
            await press(pilot, "enter")
            await until(pilot, lambda: client.sent)
            (command,) = client.sent
            assert isinstance(command, RunShell)
            assert command.command == "nvidia-smi -L"

    asyncio.run(body())


def test_escape_stops_a_command_of_the_persons_own():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            await press(pilot, *"!sleep 9", "enter")
            await until(pilot, lambda: "running !sleep 9" in text_of(app) and "esc stops it" in text_of(app))
            progress = e.CallProgress(call_id=client.sent[-1].id, text="step 1\nstep 2\rstep 3\n")
            app.prompt.show_session(app.state, [Envelope(seq=0, session="s-1", at=1.0, event=progress)])
            await until(pilot, lambda: "step 3" in text_of(app) and "step 2" not in text_of(app))
            await press(pilot, "escape")
            await until(pilot, lambda: isinstance(client.sent[-1], Interrupt))
            assert app.escapes == 0
            app.happens(e.ShellRan(command="sleep 9", output="", exit_code=None, by="me"))
            await until(pilot, lambda: "sleep 9" not in text_of(app))
            await press(pilot, "escape")
            assert app.escapes == 1

    asyncio.run(body())


def test_a_command_of_ones_own_that_ended_unheard_is_not_told_as_running():
    async def body():
        client = NotingClient()
        async with bench(client) as (app, pilot):
            for command in ("sleep 8", "sleep 9"):
                await press(pilot, *f"!{command}", "enter")
                await until(pilot, lambda command=command: f"running !{command}" in text_of(app))
            later = msgspec.structs.replace(app.state, items=list(app.state.items))  # what the host has by now
            apply(later, Envelope(seq=later.seq + 1, session="s-1", at=2.0,
                                  event=e.ShellRan(command="sleep 9", output="", exit_code=0, by="me")))  # fmt: skip
            app.prompt.show_session(SessionState(), ())
            app.prompt.show_session(later, ())
            await until(pilot, lambda: "sleep 9" not in text_of(app))
            assert "running !sleep 8" in text_of(app)

    asyncio.run(body())


def test_escape_reaches_the_app_while_nothing_is_open():
    async def body():
        async with bench(NotingClient()) as (app, pilot):
            await press(pilot, *"/re")
            await pilot.pause()
            await press(pilot, "escape")
            assert app.escapes == 0
            assert not app.prompt.completing.popup.open
            await press(pilot, "escape")
            assert app.escapes == 1
            assert app.prompt.text == "/re"

    asyncio.run(body())


def History_of(state: Path) -> History:  # noqa: N802
    history = History(state / "mlwb" / "history.jsonl")
    history.before(history.read())
    return history
