"""A session behind the first frame: nothing typed is lost, no key is no wall, a host that goes is told."""

import asyncio

from textual.events import Paste, Resize
from textual.geometry import Size

from support.sample_events import answer, started, text
from support.screens import text_of
from support.workbench import PLAIN, FakeClient, FakeOpener, PlainDiff, PlainTalk, bounded, playing, until
from workbench.protocol import events as e
from workbench.protocol.commands import Fork, SubmitPrompt
from workbench.tui.app import WorkbenchApp
from workbench.tui.opening import NotOpenedError, SessionRow
from workbench.tui.presenter import FULL, Presenter
from workbench.tui.screens.sessions import Sessions
from workbench.tui.view import View
from workbench.tui.widgets.prompt import Prompt

NO_KEY = NotOpenedError("error_authentication", "no key for the model service")


def test_the_screen_stands_before_there_is_a_session(tmp_path):
    async def run() -> None:
        opener = FakeOpener(tmp_path)
        opener.gate.clear()
        app = WorkbenchApp(opener, PLAIN)
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: "opening" in text_of(app))
            assert "ml-engineer · …" in text_of(app)
            await pilot.press("h", "i")
            asyncio.get_running_loop().call_soon(opener.gate.set)
            await app.client.send(SubmitPrompt(id="1", text="hi", by="ana"))
            assert [command.text for command in opener.client.sent] == ["hi"]
            await until(pilot, lambda: app.state.session == "s-00000000")
            assert app.focused.value == "hi" and "opening" not in text_of(app)

    asyncio.run(bounded(run()))


def test_without_a_key_it_says_what_to_do_and_stays_a_monitor(tmp_path):
    async def play(pilot, opener):
        await until(pilot, lambda: "No key yet" in text_of(pilot.app))
        text = text_of(pilot.app)
        assert "export ANTHROPIC_API_KEY" in text and "mlwb demo" in text and "no session" in text.splitlines()[0]
        ack = await pilot.app.client.send(SubmitPrompt(id="1", text="hi", by="ana"))
        assert not ack.ok and "no key" in ack.error
        await pilot.press("tab", "4")
        await until(pilot, lambda: pilot.app.main.focused_view == "gpu")
        await pilot.press("ctrl+q")

    playing(play, tmp_path, error=NO_KEY)


def test_an_agent_that_is_not_there_can_be_chosen_anew(tmp_path):
    async def play(pilot, opener):
        await until(pilot, lambda: "This agent cannot start" in text_of(pilot.app))
        opener.error = None
        pilot.app.do("agent", "devops")
        await until(pilot, lambda: pilot.app.state.agent == "devops")
        assert "cannot start" not in text_of(pilot.app)

    playing(play, tmp_path, error=NotOpenedError("error_agent_definition", "there is no agent 'x'"))


def test_whatever_goes_wrong_on_opening_is_a_calm_line(tmp_path):
    async def play(pilot, opener):
        await until(pilot, lambda: "No session could be opened" in text_of(pilot.app))
        assert "RuntimeError: \u241b[2J" in text_of(pilot.app)

    playing(play, tmp_path, error=RuntimeError("\x1b[2J boom"))


def test_views_get_each_event_once_and_the_fold_with_it(tmp_path):
    async def play(pilot, opener):
        opener.client.give(e.RequestStarted(turn=1, model="m"), *[e.TextDelta(turn=1, index=0, text="x")] * 50)
        opener.client.give(e.Notice(level="info", text="one"))
        talk = pilot.app.main.talk
        await until(pilot, lambda: any(isinstance(event, e.Notice) for event in talk.news))
        assert "".join(event.text for event in talk.news if isinstance(event, e.TextDelta)) == "x" * 50
        assert sum(isinstance(event, e.RequestStarted) for event in talk.news) == 1
        assert talk.states[-1].turns == 1

    playing(play, tmp_path)


def test_a_view_that_fails_is_told_once_and_the_others_go_on(tmp_path):
    class Broken(PlainTalk):
        def show_session(self, state, news):
            raise ValueError("no such item")

    async def play(pilot, opener):
        opener.client.give(e.Notice(level="info", text="one"), e.RequestStarted(turn=1, model="m"))
        prompt = pilot.app.main.prompt
        await until(pilot, lambda: any(isinstance(event, e.Notice) for event in prompt.news))
        await until(pilot, lambda: text_of(pilot.app).count("no such item") == 1)

    playing(play, tmp_path, parts={**PLAIN, "talk": Broken})


def test_a_host_that_lets_go_is_told(tmp_path):
    async def play(pilot, opener):
        opener.client.end()
        await until(pilot, lambda: "let go" in text_of(pilot.app))

    playing(play, tmp_path)


def test_an_old_session_takes_the_place_of_this_one(tmp_path):
    async def play(pilot, opener):
        first, old = opener.client, pilot.app.main
        opener.client.give(e.CallFinished(call_id="a", tool="Edit", status="ok", changed=("a.py",)))
        await until(pilot, lambda: "diff" in pilot.app.main.open)
        pilot.app.do("sessions", "s-bbbbbbbb")
        await until(pilot, lambda: pilot.app.state.session == "s-bbbbbbbb")
        assert first.closed and pilot.app.main is not old
        assert "resumed" in text_of(pilot.app) and pilot.app.main.focused_view == "prompt"
        assert "diff" not in pilot.app.main.open

    playing(play, tmp_path)


def test_a_list_that_is_opened_while_a_session_opens_does_not_end_that(tmp_path):
    async def play(pilot, opener):
        gate, begun, resume = asyncio.Event(), [], opener.resume

        async def slow(session):
            begun.append(session)
            await gate.wait()
            return await resume(session)

        opener.resume = slow
        pilot.app.do("sessions", "s-bbbbbbbb")
        await until(pilot, lambda: begun)
        pilot.app.do("sessions")
        await until(pilot, lambda: isinstance(pilot.app.screen, Sessions))
        await pilot.press("escape")
        gate.set()
        await until(pilot, lambda: pilot.app.state.session == "s-bbbbbbbb")

    playing(play, tmp_path)


def test_a_fork_goes_on_in_its_own_session(tmp_path):
    from workbench.protocol.commands import Ack

    async def play(pilot, opener):
        opener.client.answers[Fork] = Ack(id="x", ok=True, value="s-cccccccc")
        pilot.app.do("fork")
        await until(pilot, lambda: pilot.app.state.session == "s-cccccccc")

    playing(play, tmp_path)


def test_before_anything_was_asked_another_agent_or_model_just_begins(tmp_path):
    async def play(pilot, opener):
        pilot.app.do("model", "local-7b")
        await until(pilot, lambda: ("open", None, "local-7b") in opener.asked)

    playing(play, tmp_path)


def test_later_another_agent_gets_a_brief(tmp_path):
    from workbench.protocol.commands import Ack

    async def play(pilot, opener):
        opener.client.answers[Fork] = Ack(id="x", ok=False, error="not while it works")
        opener.client.give(e.RequestStarted(turn=1, model="m"))
        await until(pilot, lambda: pilot.app.state.turns == 1)
        pilot.app.do("handoff", "devops deploy it")
        await until(pilot, lambda: "not while it works" in text_of(pilot.app))
        fork = opener.client.sent[-1]
        assert (fork.agent, fork.brief) == ("devops", "deploy it")

    playing(play, tmp_path)


def test_it_says_what_happened_here_before(tmp_path):
    row = SessionRow(
        id="s-old", title="Lower the loss", workspace=str(tmp_path), state="done", started=1.0, updated=2.0, turns=12,
        cost_usd=0.42, subtype="success", agent="ml-engineer", model="claude-sonnet-5-5",
    )  # fmt: skip

    async def run() -> None:
        opener = FakeOpener(tmp_path)
        opener.rows = [row]
        app = WorkbenchApp(opener, PLAIN)
        async with app.run_test(size=(140, 40)) as pilot:
            await until(pilot, lambda: "Lower the loss: ended well" in text_of(app))
            assert "12 turns, $0.42" in text_of(app) and "s-old" in text_of(app)
            opener.client.give(e.RequestStarted(turn=1, model="m"))
            await until(pilot, lambda: "ended well" not in text_of(app))

    asyncio.run(bounded(run()))


async def at_rest(pilot, done, seconds):
    """Waits until nothing more is DONE for so many SECONDS: when the last of it is, is the machine's affair."""
    seen = -1
    for _ in range(50):
        if len(done) == seen:
            return
        seen = len(done)
        await pilot.pause(seconds)
    raise AssertionError(f"it never rests: {seen}")


def test_two_sizes_under_way_at_once_come_to_rest(tmp_path):
    async def play(pilot, opener):
        main, layouts = pilot.app.main, []
        main.screen_layout_refresh_signal.subscribe(main, layouts.append)
        for size in (Size(90, 30), Size(120, 40), Size(70, 20)):
            pilot.app.post_message(Resize(size, size))  # the screen itself would pass over it
            await pilot.pause(0.01)
        await at_rest(pilot, layouts, 0.3)
        assert 0 < len(layouts) < 20 and main.size == Size(70, 20)

    playing(play, tmp_path)


def test_nothing_is_drawn_or_scheduled_while_nothing_happens(tmp_path):
    async def play(pilot, opener):
        drawn = []
        main = pilot.app.main
        for widget in (main.header, main.strip, main.footer):
            render = widget.render
            widget.render = lambda render=render: drawn.append(1) or render()
        await at_rest(pilot, drawn, 0.6)
        assert main.footer.ticking is False
        before = len(drawn)
        opener.client.give(e.RequestStarted(turn=1, model="m"))
        await until(pilot, lambda: main.footer.ticking and len(drawn) > before + 3)
        opener.client.give(e.Idle(reason="done"))

    playing(play, tmp_path)


def test_in_reduced_motion_nothing_spins(tmp_path, monkeypatch):
    monkeypatch.setenv("MLWB_REDUCED_MOTION", "1")

    async def play(pilot, opener):
        opener.client.give(e.RequestStarted(turn=1, model="m"))
        await until(pilot, lambda: "● thinking" in text_of(pilot.app))
        pilot.app.do("motion")
        await until(pilot, lambda: "● thinking" not in text_of(pilot.app))

    playing(play, tmp_path)


def test_names_from_outside_cannot_move_the_terminal(tmp_path):
    async def play(pilot, opener):
        opener.client.give(started(title="\x1b]0;x\x07[red]a[/red]", agent="a\x1b[2J", branch="b\u202ec"))
        await until(pilot, lambda: "[red]a[/red]" in text_of(pilot.app))
        assert "\x1b" not in text_of(pilot.app) and "\u202e" not in text_of(pilot.app)

    playing(play, tmp_path)


def test_a_pane_that_is_closed_has_its_news_in_the_strip(tmp_path):
    class Changing(PlainDiff):
        def filled(self, state):
            return False

    async def play(pilot, opener):
        await until(pilot, lambda: "what the agent changes" in text_of(pilot.app))
        opener.client.give(e.CallFinished(call_id="a", tool="Edit", status="ok", changed=("a.py", "b.py")))
        await until(pilot, lambda: "2 diff 2 files" in text_of(pilot.app))

    playing(play, tmp_path, parts={**PLAIN, "diff": Changing})


def test_only_the_view_that_failed_is_left_out_and_none_that_comes_after_it(tmp_path):
    class Late(View):
        shown = 0

        def show_session(self, state, news):
            self.shown += 1

    class Broken(Late):
        def show_session(self, state, news):
            raise ValueError("no such item")

    async def play(pilot, opener):
        for _ in range(100):
            pilot.app.guarded(Broken(), pilot.app.state, ())  # gone at once: its place in memory is taken again
            late = Late()
            pilot.app.guarded(late, pilot.app.state, ())
            assert late.shown == 1

    playing(play, tmp_path)


def test_what_comes_after_a_batch_that_could_not_be_shown_is_shown():
    async def run() -> None:
        client, shown = FakeClient(), []

        def show(state, news):
            first = not shown
            shown.extend(news)
            if first:  # how many it holds is the clock's: a full one, or a frame's
                raise ValueError("this batch")

        told = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, what: told.append(str(what["exception"])))
        presenter = Presenter(client, show, frame=0.01)
        client.give(*[e.Notice(level="info", text=str(at)) for at in range(FULL + 1)])
        client.end()
        await presenter.follow()
        assert len(shown) == FULL + 1 and told == ["this batch"]

    asyncio.run(bounded(run()))


def test_what_is_typed_waits_in_its_session_while_another_is_open(tmp_path):
    async def play(pilot, opener):
        app = pilot.app

        def goes_to(session):
            app.do("sessions", session)
            return until(pilot, lambda: app.state.session == session and not app.main.footer.message)

        def asked(client):
            client.give(e.PromptSubmitted(text="hi", origin="person", by="ana"), e.RequestStarted(turn=1, model="m"))
            client.give(answer(1, text("hello")), e.Idle(reason="completed"))
            return until(pilot, lambda: app.state.turns and app.state.phase == "idle")

        app.main.prompt.editor.set_text("begun before ")
        app.main.prompt.editor.post_message(Paste("\n".join(["a long one"] * 30)))
        await until(pilot, lambda: "[paste 1" in app.main.prompt.text)
        chip = app.main.prompt.text
        await goes_to("s-bbbbbbbb")
        await until(pilot, lambda: app.main.prompt.text == chip)  # nothing was asked there: nobody goes back to it
        await asked(opener.client)
        await goes_to("s-cccccccc")
        assert app.main.prompt.text == ""
        app.main.prompt.editor.set_text("for c")
        await asked(opener.client)
        await goes_to("s-bbbbbbbb")
        await until(pilot, lambda: app.main.prompt.text == chip)
        assert app.main.prompt.editor.sendable().endswith("a long one")
        await goes_to("s-cccccccc")
        await until(pilot, lambda: app.main.prompt.text == "for c")

    playing(play, tmp_path, parts={**PLAIN, "prompt": Prompt})


def test_what_is_typed_and_not_sent_is_among_the_earlier_prompts_next_time(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    async def leaves(pilot, opener):
        app = pilot.app
        opener.client.give(e.PromptSubmitted(text="hi", origin="person", by="ana"), e.RequestStarted(turn=1, model="m"))
        opener.client.give(answer(1, text("hello")), e.Idle(reason="completed"))
        await until(pilot, lambda: app.state.turns and app.state.phase == "idle")
        app.main.prompt.editor.set_text("for the first")
        app.do("sessions", "s-bbbbbbbb")
        await until(pilot, lambda: app.state.session == "s-bbbbbbbb" and not app.main.footer.message)
        app.main.prompt.editor.set_text("half of a")
        app.main.prompt.editor.post_message(Paste("\n".join(["a long one"] * 30)))
        await until(pilot, lambda: "[paste 1" in app.main.prompt.text)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: opener.client.closed)

    async def comes_back(pilot, opener):
        prompt = pilot.app.main.prompt
        await until(pilot, lambda: len(prompt.earlier.history.entries) == 2)
        await pilot.press("up")
        assert prompt.text.startswith("half of a[paste 1") and prompt.editor.sendable().endswith("a long one")
        await pilot.press("up")
        assert prompt.text == "for the first"
        await pilot.press("ctrl+q")  # an earlier one as it was is there already
        await until(pilot, lambda: opener.client.closed)

    async def looks(pilot, opener):
        earlier = pilot.app.main.prompt.earlier
        await until(pilot, lambda: earlier.history.entries)
        assert [entry.text[:9] for entry in earlier.history.entries] == ["for the f", "half of a"]

    for play in (leaves, comes_back, looks):
        playing(play, tmp_path, parts={**PLAIN, "prompt": Prompt})
