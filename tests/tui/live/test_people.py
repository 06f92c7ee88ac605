"""The people at a session, on its screen: who drives, suggestions, words, where the others look."""

import asyncio
import time

import msgspec

from support.screens import text_of
from support.workbench import playing, until
from workbench.protocol import commands as c
from workbench.protocol import events as e
from workbench.protocol.codec import decode_command
from workbench.protocol.state import SessionState
from workbench.tui.app import PARTS
from workbench.tui.widgets.header import Facts, header

ANA = e.Person(client="c-1", user="ana", role="driver", owner=True, place="pts/3")
LI = e.Person(client="c-2", user="li", role="suggester", place="pts/9")
REAL = {**PARTS}


def here(client, *people, driver="ana", me="c-1"):
    """PEOPLE are at CLIENT's session, one of them ME."""
    client.me = me
    client.user = next(one.user for one in people if one.client == me)
    client.owner = next(one.owner for one in people if one.client == me)
    client.give(e.Presence(people=people, driver=driver))


def now(client, event):
    """EVENT happens at this moment, not at that of the tests."""
    client._seq += 1
    client._queue.put_nowait(e.Envelope(seq=client._seq, session=client.session, at=time.time(), event=event))


def play(steps, tmp_path, **more):
    playing(steps, tmp_path, parts=REAL, **more)


def sent(opener, kind):
    return [one for one in opener.client.sent if isinstance(one, kind)]


def test_the_header_tells_who_drives_and_who_else_is_here(tmp_path):
    async def steps(pilot, opener):
        await until(pilot, lambda: "● ana" in text_of(pilot.app))
        here(opener.client, ANA, LI)
        await until(pilot, lambda: "◉ ana drives · li" in text_of(pilot.app))
        here(opener.client, ANA, msgspec.structs.replace(LI, typing=True))
        await until(pilot, lambda: "ana drives · li…" in text_of(pilot.app))
        now(opener.client, e.WheelAsked(by="li"))
        await until(pilot, lambda: "li… asks" in text_of(pilot.app))
        here(opener.client, ANA)
        await until(pilot, lambda: "● ana" in text_of(pilot.app))

    play(steps, tmp_path, size=(140, 40))


def test_who_drives_is_said_before_branch_and_context_where_the_row_is_short():
    state = SessionState(agent="ml-engineer", model="claude-sonnet-5-5", mode="acceptEdits", sandbox="", workspace="/w")
    for width in (80, 100, 120, 160):
        left, right, _ = header(state, Facts("a-branch", 200_000, "ana", people="ana drives · li… · mo asks"), width)
        assert "ana drives · li… · mo asks" in "".join(part.text for part in right), width
        assert "unconfined" in "".join(part.text for part in left), width


def test_who_comes_later_sees_for_how_long_it_has_been_at_work(tmp_path):
    async def steps(pilot, opener):
        footer, state = pilot.app.main.footer, SessionState(phase="calling", resumed_at=time.time() - 7200)
        footer.joined(state)
        footer.show(state, "prompt", pilot.app.keymap, True)
        assert "working 2:00:0" in str(footer.render())

    play(steps, tmp_path)


def test_a_suggestion_is_taken_with_one_key_and_the_words_at_the_prompt(tmp_path):
    async def steps(pilot, opener):
        here(opener.client, ANA, LI)
        now(opener.client, e.Suggested(suggestion="g-1", text="Try warm-up first.", by="li", path="train.py"))
        await until(pilot, lambda: "li suggests" in text_of(pilot.app) and "ctrl+t takes it" in text_of(pilot.app))
        await pilot.press(*"and")
        await pilot.press("ctrl+t")
        await until(pilot, lambda: bool(sent(opener, c.TakeSuggestion)))
        (taken,) = sent(opener, c.TakeSuggestion)
        assert (taken.suggestion, taken.words, taken.drop) == ("g-1", "and", False)
        await until(pilot, lambda: pilot.app.main.prompt.text == "")
        now(opener.client, e.SuggestionTaken(suggestion="g-1", by="ana"))
        await until(pilot, lambda: "ctrl+t takes it" not in text_of(pilot.app))
        pilot.app.do("drop_suggestion")
        assert len(sent(opener, c.TakeSuggestion)) == 1

    play(steps, tmp_path, size=(120, 40))


def test_what_is_typed_on_while_a_suggestion_is_taken_stays(tmp_path):
    async def steps(pilot, opener):
        here(opener.client, ANA, LI)
        now(opener.client, e.Suggested(suggestion="g-1", text="warm-up first", by="li"))
        await until(pilot, lambda: "ctrl+t takes it" in text_of(pilot.app))
        gate, begun, send = asyncio.Event(), [], opener.client.send

        async def slow(command):
            if isinstance(command, c.TakeSuggestion):
                begun.append(command)
                await gate.wait()
            return await send(command)

        opener.client.send = slow
        await pilot.press(*"and", "ctrl+t")
        await until(pilot, lambda: begun)
        await pilot.press(*" more")
        gate.set()
        await until(pilot, lambda: bool(sent(opener, c.TakeSuggestion)))
        await pilot.pause(0.05)
        assert pilot.app.main.prompt.text == "and more"

    play(steps, tmp_path, size=(120, 40))


def test_what_is_typed_stays_when_what_was_said_comes_to_the_prompt(tmp_path):
    async def steps(pilot, opener):
        here(opener.client, ANA, LI)
        now(opener.client, e.Said(text="the scale is never reset", by="li"))
        await until(pilot, lambda: "not sent to the agent" in text_of(pilot.app))
        await pilot.press(*"half ")
        pilot.app.do("send_on")
        await until(pilot, lambda: "li says" in pilot.app.main.prompt.text)
        assert pilot.app.main.prompt.text == "half li says: the scale is never reset"

    play(steps, tmp_path, size=(120, 40))


def test_where_another_drives_enter_suggests(tmp_path):
    async def steps(pilot, opener):
        here(opener.client, ANA, LI, me="c-2")
        await until(pilot, lambda: "ana drives: enter suggests" in text_of(pilot.app))
        await pilot.press(*"warm", "enter")
        await until(pilot, lambda: bool(sent(opener, c.Suggest)))
        assert sent(opener, c.Suggest)[0].text == "warm"
        assert not sent(opener, c.SubmitPrompt) and pilot.app.main.prompt.text == ""

    play(steps, tmp_path, size=(120, 40))


def test_a_viewer_is_told_what_it_may_do_and_its_words_stay(tmp_path):
    async def steps(pilot, opener):
        watcher = msgspec.structs.replace(LI, role="viewer")
        here(opener.client, ANA, watcher, me="c-2")
        await until(pilot, lambda: "you watch, ana drives; /wheel asks for it" in text_of(pilot.app))
        await pilot.press(*"warm", "enter")
        await pilot.pause()
        assert not sent(opener, c.Suggest) and not sent(opener, c.SubmitPrompt)
        assert pilot.app.main.prompt.text == "warm"
        pilot.app.do("wheel")
        await until(pilot, lambda: bool(sent(opener, c.AskWheel)))
        here(opener.client, ANA, msgspec.structs.replace(watcher, role="driver"), me="c-2", driver="li")
        await until(pilot, lambda: pilot.app.people.enter == "prompts")
        await pilot.press("enter")
        await until(pilot, lambda: bool(sent(opener, c.SubmitPrompt)))
        await until(pilot, lambda: "ask, or /command, @file" in text_of(pilot.app))
        assert "!shell" not in text_of(pilot.app)  # a guest runs no command of their own

    play(steps, tmp_path, size=(120, 40))


def test_only_the_driver_is_asked_for_an_answer(tmp_path):
    async def steps(pilot, opener):
        here(opener.client, ANA, LI, me="c-2")
        now(opener.client, e.RequestStarted(turn=1, model="m"))
        asked = {"request_id": "a-1", "call_id": "c1", "tool": "Bash", "input": {"command": "make"}, "digest": "d"}
        now(opener.client, e.ApprovalRequested(**asked, rule=None, reason="", suggestion="Bash(make)"))
        await until(pilot, lambda: "ana drives, and answers" in text_of(pilot.app))
        assert "waits for ana" in text_of(pilot.app) and "always" not in text_of(pilot.app)
        await pilot.press("y")
        await asyncio.sleep(0.5)
        assert not sent(opener, c.Approve) and pilot.app.main.prompt.text == "y"
        await pilot.press("backspace")
        here(opener.client, ANA, msgspec.structs.replace(LI, role="driver"), me="c-2", driver="li")
        await until(pilot, lambda: "waits for you" in text_of(pilot.app) and "y once" in text_of(pilot.app))
        assert "always" not in text_of(pilot.app)  # a guest saves no rule
        await asyncio.sleep(0.5)
        await pilot.press("y")
        await until(pilot, lambda: bool(sent(opener, c.Approve)))
        assert sent(opener, c.Approve)[0].decision == "once"

    play(steps, tmp_path, size=(120, 40))


def test_the_wheel_is_handed_to_the_one_who_asked_and_taken_back(tmp_path):
    async def steps(pilot, opener):
        here(opener.client, ANA, LI)
        now(opener.client, e.WheelAsked(by="li"))
        await until(pilot, lambda: pilot.app.state.wheel_asked == ("li",))
        pilot.app.do("wheel")
        await until(pilot, lambda: bool(sent(opener, c.GrantWheel)))
        assert sent(opener, c.GrantWheel)[0].to == "li"
        now(opener.client, e.WheelPassed(to="li", by="ana", why="ana handed the wheel over"))
        here(opener.client, ANA, msgspec.structs.replace(LI, role="driver"), driver="li")
        await until(pilot, lambda: "li drives · ana" in text_of(pilot.app))
        await until(pilot, lambda: "/wheel takes it back" in text_of(pilot.app))
        pilot.app.do("wheel")
        await until(pilot, lambda: bool(sent(opener, c.TakeWheel)))

    play(steps, tmp_path, size=(140, 40))


def test_what_is_said_stands_in_the_talk_and_can_be_sent_on(tmp_path):
    async def steps(pilot, opener):
        here(opener.client, ANA, LI)
        now(opener.client, e.Said(text="the scale is never reset", by="li"))
        await until(pilot, lambda: "not sent to the agent" in text_of(pilot.app))
        pilot.app.do("send_on")
        await until(pilot, lambda: pilot.app.main.prompt.text == "li says: the scale is never reset")
        pilot.app.do("say", "thanks")
        await until(pilot, lambda: bool(sent(opener, c.Say)))
        assert sent(opener, c.Say)[0].text == "thanks"

    play(steps, tmp_path, size=(120, 40))


def test_where_one_looks_is_told_only_while_others_are_here(tmp_path):
    async def steps(pilot, opener):
        await pilot.press("2", "tab")
        await asyncio.sleep(0.5)
        assert not sent(opener, c.At)
        here(opener.client, ANA, LI)
        await until(pilot, lambda: bool(sent(opener, c.At)))
        count = len(sent(opener, c.At))
        await pilot.press("escape", "escape")
        await asyncio.sleep(0.5)
        assert len(sent(opener, c.At)) == count  # it is the talk that one looks at, still
        pilot.app.do("diff")
        await pilot.press("down")
        await until(pilot, lambda: sent(opener, c.At)[-1].looks.startswith("diff"))
        assert decode_command(msgspec.json.encode(sent(opener, c.At)[-1]))

    play(steps, tmp_path, size=(140, 40))


def test_following_goes_where_the_other_looks(tmp_path):
    async def steps(pilot, opener):
        here(opener.client, ANA, msgspec.structs.replace(LI, looks="diff train.py"))
        await until(pilot, lambda: bool(pilot.app.people.others))
        await pilot.press("ctrl+l")
        await until(pilot, lambda: pilot.app.main.focused_view == "diff")
        here(opener.client, ANA, msgspec.structs.replace(LI, looks="runs r-14"))
        await until(pilot, lambda: pilot.app.main.focused_view == "runs")
        await pilot.press("ctrl+l")
        here(opener.client, ANA, msgspec.structs.replace(LI, looks="diff train.py"))
        await pilot.pause(0.2)
        assert pilot.app.main.focused_view == "runs"

    play(steps, tmp_path, size=(140, 40))


def test_who_is_here_and_inviting(tmp_path):
    async def steps(pilot, opener):
        here(opener.client, ANA, msgspec.structs.replace(LI, looks="diff train.py"))
        now(opener.client, e.Shared(share="i-1", who=("li", "@ml"), role="suggester", by="ana", until=time.time() + 60))
        await until(pilot, lambda: "ana invites li, @ml" in text_of(pilot.app))
        pilot.app.do("who")
        await until(pilot, lambda: "looks at diff train.py" in text_of(pilot.app))
        assert "ana (you)" in text_of(pilot.app) and "invited as suggester" in text_of(pilot.app)
        await pilot.press("escape")
        invited = c.Invited(share="i-2", socket="/tmp/x/s.sock", until=time.time() + 60,
                            invitations=(c.Invitation(who="mo", token="t-0-k-e-n"),))  # fmt: skip
        opener.client.answers[c.Share] = c.Ack(id="x", ok=True, value=msgspec.json.encode(invited).decode())
        pilot.app.do("share", "mo driver 2h")
        await until(pilot, lambda: "t-0-k-e-n" in text_of(pilot.app))
        (asked,) = sent(opener, c.Share)
        assert (asked.who, asked.role) == (("mo",), "driver") and 7100 < asked.until - time.time() < 7300
        await pilot.press("escape")
        pilot.app.do("share", "mo driver never")
        await until(pilot, lambda: "no time of day" in text_of(pilot.app))
        pilot.app.do("share", "stop")
        await until(pilot, lambda: bool(sent(opener, c.EndShare)))

    play(steps, tmp_path, size=(120, 40))
