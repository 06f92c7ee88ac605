"""The talk as a person sees it: what streams, what finishes, what is scrolled, opened, searched and copied."""

import asyncio

import pytest
from textual.events import MouseScrollUp
from textual.widgets import Input

from support.sample_events import answer, result, started, text
from support.screens import text_of
from support.talking import Many, Talking, until
from workbench.protocol import blocks as b
from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.protocol.blocks import Todo
from workbench.protocol.fold import PLACES
from workbench.protocol.result import CheckResult, Option, Question
from workbench.protocol.state import KEPT_TEXT, Item, SessionState
from workbench.tui.themes import Looks
from workbench.tui.widgets.transcript_strips import referenced


def on_screen(steps, size=(80, 24)):
    """Runs STEPS (app, pilot) on a talk of SIZE."""

    async def run():
        app = Talking()
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await steps(app, pilot)

    asyncio.run(run())


def begin():
    yield started()
    yield e.PromptSubmitted(text="lower the loss", origin="person", by="ada")
    yield e.RequestStarted(turn=1, model="m")


def decided(call_id="c1", tool="Bash", target="make", verdict="allow", **more):
    return e.CallDecided(call_id=call_id, tool=tool, input={"command": target}, target=target, verdict=verdict, **more)


def finished(call_id="c1", tool="Bash", status="ok", **more):
    return e.CallFinished(call_id=call_id, tool=tool, status=status, **more)


def rows(app):
    return text_of(app).split("\n")


def row_of(app, what):
    return next(at for at, row in enumerate(rows(app)) if what in row)


def test_an_empty_talk_says_what_to_do():
    async def steps(app, pilot):
        shown = text_of(app)
        assert "@" in shown and "!" in shown and len([row for row in rows(app) if row]) <= 4

    on_screen(steps)


def test_text_streams_in_and_stays_where_it_is_when_it_is_whole():
    words = "The loss is **flat**.\n\n- one\n- two\n\n```python\nx = 1\n```\n\nDone."

    async def steps(app, pilot):
        app.give(*begin())
        for at in range(0, len(words), 5):
            app.give(e.TextDelta(turn=1, index=0, text=words[at : at + 5]))
        await pilot.pause(0.05)
        before = text_of(app)
        assert "The loss is flat." in before and "• two" in before and "x = 1" in before
        app.give(answer(1, text(words)))
        await pilot.pause()
        assert text_of(app) == before

    on_screen(steps)


def test_a_client_that_missed_deltas_sees_the_whole_answer():
    async def steps(app, pilot):
        app.give(*begin(), e.TextDelta(turn=1, index=0, text="The lo"), e.TextDelta(turn=1, index=0, text="at."))
        app.give(answer(1, text("The loss is flat.")))
        await pilot.pause()
        assert "The loss is flat." in text_of(app) and "The loat" not in text_of(app)

    on_screen(steps)


def test_what_is_told_whole_takes_the_place_of_the_pieces_that_came():
    words = "**The** loss is flat.\n\n```python\nx = 1\n```\n\nAnd"

    async def steps(app, pilot):
        app.give(
            *begin(), e.TextDelta(turn=1, index=0, text="**The** l"),
            e.TextDelta(turn=1, index=0, text=" flat.\n\n```"),
            e.TextDelta(turn=1, index=0, text=words, whole=True), e.TextDelta(turn=1, index=0, text=" so on"),
        )  # fmt: skip
        await pilot.pause()
        shown = text_of(app)
        assert "The loss is flat." in shown and "And so on" in shown and "l flat" not in shown
        app.give(answer(1, text(f"{words} so on")))
        await pilot.pause()
        assert text_of(app) == shown

    on_screen(steps)


def test_an_end_by_an_error_says_which():
    full = "/home/ada/events.jsonl: No space left on device: the disk is full; make room and resume the session"

    async def steps(app, pilot):
        app.give(*begin(), e.SessionEnded(result=result("error_during_execution", errors=[full])))
        await pilot.pause()
        ended, *told = rows(app)[row_of(app, "session ended") :]
        assert ended.split(":")[1].strip().startswith("an error")
        assert " ".join(" ".join(told).split()).startswith(full)

    on_screen(steps)


def test_two_answers_in_one_batch_are_both_there():
    async def steps(app, pilot):
        app.give(
            *begin(), e.TextDelta(turn=1, index=0, text="first"), answer(1, text("first")),
            e.RequestStarted(turn=2, model="m"), e.TextDelta(turn=2, index=0, text="seco"),
        )  # fmt: skip
        await pilot.pause()
        assert text_of(app).count("first") == 1 and "seco" in text_of(app)

    on_screen(steps)


@pytest.mark.parametrize(
    "end",
    [
        e.AnswerDiscarded(turn=1, reason="interrupted by ada"),
        e.Idle(reason="interrupted", message="interrupted by ada"),
    ],
)
def test_an_interrupted_answer_can_still_be_read(end):
    async def steps(app, pilot):
        app.give(*begin(), e.TextDelta(turn=1, index=0, text="half an ans"))
        app.give(end)
        await pilot.pause()
        assert "half an ans" in text_of(app) and "interrupted by ada" in text_of(app)
        app.give(e.RequestStarted(turn=2, model="m"), e.TextDelta(turn=2, index=0, text="anew"))
        await pilot.pause()
        assert row_of(app, "half an ans") < row_of(app, "interrupted by ada") < row_of(app, "anew")

    on_screen(steps)


def test_thinking_is_folded_and_opens():
    async def steps(app, pilot):
        app.give(*begin())
        app.give(*(e.ThinkingDelta(turn=1, index=0, text="hm, wait. ") for _ in range(9)))
        await pilot.pause()
        assert "thinking" in text_of(app) and "hm, wait" not in text_of(app)
        app.give(answer(1, {"type": "thinking", "thinking": "hm, wait. " * 9, "signature": "x"}, text("Yes.")))
        await pilot.pause()
        assert "▸ thought for 8.0 s" in text_of(app)
        await pilot.press("t")
        assert "hm, wait. hm" in text_of(app)
        await pilot.press("t")
        assert "hm, wait" not in text_of(app)

    on_screen(steps)


def test_a_card_keeps_its_place_and_height_when_it_finishes():
    async def steps(app, pilot):
        app.give(*begin(), answer(1, text("I run it.")))
        app.give(e.CallDelta(turn=1, index=1, call_id="c1", name="Bash", text='{"command": "mak'))
        await pilot.pause()
        place = row_of(app, "Bash")
        assert "mak" in rows(app)[place]
        app.give(decided(), e.CallStarted(call_id="c1", turn=1), e.CallProgress(call_id="c1", text="cc a.c\ncc b"))
        app.give(e.CallProgress(call_id="c1", text=".c\n"), e.Notice(level="info", text="under it"))
        await pilot.pause()
        assert row_of(app, "Bash") == place and "●" in rows(app)[place] and "cc b.c" in rows(app)[place + 1]
        below = row_of(app, "under it")
        display = (b.Output(text="cc a.c\ncc b.c\nlinked\n", exit_code=0),)
        app.give(finished(summary="linked", display=display, duration_ms=2500))
        await pilot.pause()
        assert row_of(app, "Bash") == place and row_of(app, "under it") == below
        assert "✓ Bash" in rows(app)[place] and "2.5 s" in rows(app)[place] and "linked" in rows(app)[place + 1]

    on_screen(steps)


def test_a_call_that_is_written_waits_for_those_before_it():
    async def steps(app, pilot):
        app.give(*begin())
        for at in (0, 1):
            written = '{"command": "make all\\t' + f'{at}"}}'
            app.give(e.CallDelta(turn=1, index=at, call_id=f"c{at}", name="Bash", text=written))
        await pilot.pause()
        assert text_of(app).count("writing") == 2
        app.give(answer(1), decided("c0", verdict="ask"))
        await pilot.pause()
        assert "waits for you" in rows(app)[row_of(app, "make")]
        last = rows(app)[row_of(app, "make all 1")]
        assert last.endswith("waits") and "writing" not in text_of(app)

    on_screen(steps)


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        ((decided(),), "○ Bash"),
        ((decided(verdict="ask"),), "waits for you"),
        ((decided(verdict="deny", reason="never pushes", rule="Bash(git *)"),), "never pushes"),
        ((decided(), finished(status="error", summary="exit 2 · 0.1 s")), "exit 2"),
        ((decided(), finished(status="cancelled")), "■ Bash"),
        ((decided(), e.RequestStarted(turn=2, model="m")), "interrupted"),
        ((decided(tool="Edit", target="a.py"), finished(tool="Edit", summary="+14 -5")), "+14 −5"),
        ((decided(tool="Read", target="p.png"), finished(tool="Read", summary="640x480 png")), "640x480 png"),
    ],
)
def test_a_card_says_how_it_stands(events, wanted):
    async def steps(app, pilot):
        app.give(*begin(), *events)
        await pilot.pause()
        assert wanted in text_of(app)

    on_screen(steps)


def test_an_open_card_shows_output_rule_and_who_approved():
    lines = "\n".join(f"line {at}" for at in range(60))

    async def steps(app, pilot):
        app.give(*begin(), decided(verdict="ask"), decided(rule="Bash(make *)", by="ana"))
        app.give(finished(summary="line 59", display=(b.Output(text=lines, exit_code=0, blob="b1"),)))
        app.client.blobs["b1"] = lines + "\nthe whole"
        await pilot.press("k", "enter")
        await pilot.pause()
        shown = text_of(app)
        assert "line 50" in shown and "line 12" not in shown and "by ana" in shown and "Bash(make *)" in shown
        await pilot.press("enter")
        await until(pilot, lambda: "the whole" in "\n".join(one for one in app.talk.window.entries[-1].full.values()))
        assert app.talk.window.entries[-1].opened == 2
        await pilot.press("enter")
        assert "line 50" not in text_of(app)

    on_screen(steps, (80, 40))


def test_an_edit_opens_as_a_diff():
    diff = "--- a/t.py\n+++ b/t.py\n@@ -7,2 +7,3 @@\n a\n-old\n+new\n+more\n"

    async def steps(app, pilot):
        app.give(*begin(), decided(tool="Edit", target="t.py"))
        app.give(finished(tool="Edit", summary="+2 -1", display=(b.Diff(path="t.py", text=diff),)))
        await pilot.pause()
        await pilot.press("enter")
        shown = text_of(app)
        assert "8 - old" in shown and "8 + new" in shown and "9 + more" in shown

    on_screen(steps)


def test_the_list_of_what_is_to_do_is_shown_when_it_changes():
    todos = tuple(Todo(content=f"step {at}", status="completed" if at < 9 else "pending") for at in range(20))

    async def steps(app, pilot):
        app.give(*begin(), decided(tool="TodoWrite", target="20 items"))
        app.give(finished(tool="TodoWrite", summary="9 done", display=(b.Todos(todos=todos),)))
        await pilot.pause()
        shown = text_of(app)
        assert "✓ step 8" in shown and "○ step 9" in shown and "step 2\n" not in shown and "20 in all" in shown

    on_screen(steps)


def test_a_run_stands_on_the_card_that_began_it():
    async def steps(app, pilot):
        app.give(*begin(), decided(), e.CallStarted(call_id="c1", turn=1), e.RunLinked(run="r-14", call_id="c1"))
        await pilot.pause()
        assert "r-14" in rows(app)[row_of(app, "Bash")]

    on_screen(steps)


def test_a_run_stands_on_its_card_also_where_the_words_below_name_it_and_once_beside_its_seeds():
    async def steps(app, pilot):
        linked = e.RunLinked(run="r-2", call_id="c1"), e.RunLinked(run="r-3", call_id="c1")
        app.give(*begin(), decided(), *linked, finished(summary="r-2 running: it goes on by itself; you are told"))
        await pilot.pause()
        assert rows(app)[row_of(app, "Bash")].count("r-2") == 1
        app.give(e.RequestStarted(turn=2, model="m"), decided("c2", target="make seeds"))
        app.give(e.RunLinked(run="r-4", call_id="c2"), finished("c2", summary="2 runs: r-4, r-5"))
        await pilot.pause()
        assert rows(app)[row_of(app, "make seeds")].count("r-4") == 1

    on_screen(steps)


def test_a_verdict_stands_under_its_call_and_not_what_was_printed_last():
    said = "reproduced: 2,424 points of 3 metrics are the same to the last bit"

    async def steps(app, pilot):
        printed = b.Output(text=f"{said}\n[r-9 finished after 2.9 s]")
        app.give(*begin(), decided(), e.RunLinked(run="r-9", call_id="c1"), finished(summary=said, display=(printed,)))
        await pilot.pause()
        assert rows(app)[row_of(app, "Bash") + 1].strip() == said

    on_screen(steps)


def test_deltas_that_come_after_their_answer_say_nothing_twice():
    async def steps(app, pilot):
        app.give(*begin(), answer(1, text("whole")), e.TextDelta(turn=1, index=0, text="whole"))
        await pilot.pause()
        assert text_of(app).count("whole") == 1

    on_screen(steps)


def test_the_agent_is_named_where_it_begins_to_speak_though_a_notice_came_first():
    async def steps(app, pilot):
        notices = [e.Notice(level="warning", text=f"trying again {n}") for n in (1, 2)]
        app.give(*begin(), *notices, answer(1, text("there")), e.Notice(level="info", text="by the way"),
                 answer(2, text("and more")))  # fmt: skip
        await pilot.pause()
        named = [row for row in rows(app) if row.strip().startswith("ml-engineer")]
        assert len(named) == 1 and row_of(app, "trying again 2") < row_of(app, "ml-engineer") < row_of(app, "there")

    on_screen(steps)


def test_what_happens_is_told():
    async def steps(app, pilot):
        app.give(
            *begin(), answer(1, text("done")),
            e.CheckFinished(check=CheckResult(command="make check", exit_code=2, output="E  bad\nFAILED"), attempt=1),
            e.Notice(level="warning", text="disk full"), e.ShellRan(command="ls", output="a.py", exit_code=0, by="ada"),
            e.Rewound(seq=2, talk=False, files=True, by="ana"),
            e.QuestionsAsked(questions=(Question(question="A or B?"),)),
            e.SessionEnded(result=result()),
        )  # fmt: skip
        await pilot.pause()
        shown = text_of(app)
        for words in ("✗ Check", "FAILED", "! disk full", "! ls", "a.py", "⟲", "· ana", "? A or B?", "success"):
            assert words in shown, words

    on_screen(steps, (80, 40))


def test_a_decision_is_read_as_a_question_with_its_options_not_as_the_block_it_came_in():
    block = "Two ways.\n\n```decision\nquestion: A or B?\noptions:\n  - label: A\n    cost: 3 GPU-hours\n```\n"

    async def steps(app, pilot):
        app.give(*begin())
        for at in range(0, len(block), 7):
            app.give(e.TextDelta(turn=1, index=0, text=block[at : at + 7]))
            await pilot.pause()
            assert "label" not in text_of(app)
        options = (Option(label="A", cost="3 GPU-hours"), Option(label="B"))
        app.give(answer(1, text(block)), e.QuestionsAsked(questions=(Question(question="A or B?", options=options),)))
        await pilot.pause()
        shown = [row.strip() for row in rows(app)]
        assert "▸ a decision for you" in shown and "label" not in text_of(app)
        assert shown[shown.index("? A or B?") :][1:3] == ["· A (3 GPU-hours)", "· B"]

    on_screen(steps)


def test_what_is_said_behind_a_long_paste_is_in_sight():
    async def steps(app, pilot):
        log = "\n".join(f"line {n}" for n in range(60))
        app.give(started(), e.PromptSubmitted(text=f"{log} what does it mean?", origin="person", by="ada"))
        await pilot.pause()
        shown = text_of(app)
        assert "line 3\n" in shown and "line 59 what does it mean?" in shown and "48 more lines" in shown
        app.give(e.PromptSubmitted(text="x" * 2_000 + "the end", origin="person", by="ada"))
        await pilot.pause()
        assert "xthe end" in text_of(app) and "▸ more" in text_of(app)

    on_screen(steps, (60, 40))


def test_a_session_that_was_left_is_no_failure():
    async def steps(app, pilot):
        app.give(*begin(), answer(1, text("done")), e.SessionEnded(result=result("error_retryable")))
        await pilot.pause()
        assert "stopped here; it can go on" in text_of(app) and "75" not in text_of(app)

    on_screen(steps)


def test_nothing_untrusted_moves_the_terminal():
    bad = "\x1b[2J\x1b]0;t\x07\u202e\x9b1m\x00"

    async def steps(app, pilot):
        app.give(
            started(), e.PromptSubmitted(text=bad, origin="person", by=bad), e.RequestStarted(turn=1, model=bad),
            e.TextDelta(turn=1, index=0, text=f"{bad} `{bad}`\n```{bad}\n{bad}\n```\n[x]({bad})"),
            e.CallDelta(turn=1, index=1, call_id="c0", name=bad, text='{"command": "' + bad),
            decided(tool=bad, target=bad, rule=bad, reason=bad, by=bad), e.CallStarted(call_id="c1", turn=1),
            e.CallProgress(call_id="c1", text=bad),
        )  # fmt: skip
        await pilot.pause()
        display = (
            b.Output(text=bad), b.Text(text=bad), b.Code(path=bad, text=bad),
            b.Diff(path=bad, text=f"@@ -1 +1 @@{bad}\n-{bad}"),
            b.Listing(lines=(bad,), total=1), b.Image(media_type=bad, blob="x"), b.Todos(todos=(Todo(content=bad),)),
        )  # fmt: skip
        first = text_of(app)
        app.give(
            finished(tool=bad, summary=bad, display=display),
            e.CheckFinished(check=CheckResult(command=bad, exit_code=1, output=bad), attempt=1),
            e.Notice(level="error", text=bad), e.ShellRan(command=bad, output=bad, exit_code=1, by=bad),
            e.QuestionsAsked(questions=(Question(question=bad, recommendation=bad),)),
        )  # fmt: skip
        for entry in app.talk.window.entries:
            app.talk.open_entry(entry)
        app.talk.do("to_start")
        await pilot.pause()
        shown = first + text_of(app)
        assert "␛" in shown and not set(shown) & set("\x1b\x07\u202e\x9b\x00\r")

    on_screen(steps, (100, 90))


def test_what_a_rewind_took_back_is_aside():
    async def steps(app, pilot):
        app.give(*begin(), answer(1, text("wrong way")), e.Rewound(seq=2, talk=True, files=True, by="ada"))
        await pilot.pause()
        entry = next(one for one in app.talk.window.entries if one.item.kind == "answer")
        assert entry.item.rewound and "muted" in entry.blocks[-1].lines(60)[-1][-1][1]

    on_screen(steps)


# --- following and scrolling --------------------------------------------------------------------------------


def test_it_follows_the_end_unless_scrolled_away():
    async def steps(app, pilot):
        app.begin(Many(150), 150)
        await pilot.pause()
        assert "answer number 149" in text_of(app)
        await pilot.press("pageup")
        before = rows(app)
        app.give(answer(7, text("what is new")))
        app.give(e.TextDelta(turn=8, index=0, text="more\n\n" * 40))
        await pilot.pause()
        assert rows(app)[:-1] == before[:-1] and "↓ 1 new" in rows(app)[-1]
        await pilot.press("G")
        assert "more" in text_of(app) and "↓" not in text_of(app)
        app.give(e.TextDelta(turn=8, index=0, text="the very last"))
        await pilot.pause()
        assert "the very last" in text_of(app)

    on_screen(steps)


def test_scrolling_down_to_the_end_follows_again():
    async def steps(app, pilot):
        app.begin(Many(60), 60)
        await pilot.pause()
        await pilot.press("pageup", "pagedown")
        assert app.talk.transcript.follow and "↓" not in text_of(app)

    on_screen(steps)


def test_the_wheel_scrolls():
    async def steps(app, pilot):
        app.begin(Many(60), 60)
        await pilot.pause()
        before = rows(app)
        await pilot._post_mouse_events([MouseScrollUp], "#transcript", offset=(5, 5))
        assert rows(app)[3:10] == before[:7]

    on_screen(steps)


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (160, 50)])
def test_a_long_session_scrolls_to_its_beginning_page_by_page(size):
    async def steps(app, pilot):
        app.begin(Many(450), 450)
        await pilot.pause()
        for _ in range(450):
            await pilot.press("pageup")
            if _numbers(app)[0] == 0:
                break
        numbers = _numbers(app)
        assert numbers[0] == 0 and numbers == sorted(numbers)
        assert len(app.talk.window.entries) <= 600
        await pilot.press("G")
        assert "number 449" in text_of(app)

    on_screen(steps, size)


def _numbers(app):
    return [int(part.split("number ")[1].split(",")[0].split()[0]) for part in rows(app) if "number " in part]


def test_nothing_is_left_out_or_told_twice_on_the_way_down():
    async def steps(app, pilot):
        app.begin(Many(1300), 1300)
        await pilot.pause()
        await pilot.press("g")
        await until(pilot, lambda: _numbers(app)[:1] == [0])
        seen = []
        for _ in range(1300):
            seen += [number for number in _numbers(app) if not seen or number > seen[-1]]
            if app.talk.transcript.follow:
                break
            await pilot.press("pagedown")
        assert seen == list(range(1300)) and app.talk.window.live
        app.give(answer(9, text("live again")))
        await pilot.pause()
        assert "live again" in text_of(app)

    on_screen(steps, (80, 50))


def test_a_session_of_a_hundred_thousand_items_holds_a_few():
    async def steps(app, pilot):
        app.begin(Many(100_000), 100_000)
        await pilot.pause()
        for _ in range(40):
            await pilot.press("pageup")
        assert len(app.talk.window.entries) <= 600 and len(list(app.screen.walk_children())) < 20
        await pilot.press("home")
        await until(pilot, lambda: "prompt number 0" in text_of(app))

    on_screen(steps)


def test_another_width_keeps_the_first_row():
    async def steps(app, pilot):
        items = [
            Item(id=(at + 1) * PLACES, at=1.0, kind="answer", text=f"start {at} " + "word " * 60) for at in range(50)
        ]
        app.begin(items, 50)
        await pilot.pause()
        await pilot.press("pageup", "pageup", "pageup")
        top = app.talk.transcript._places[0][0]
        for width in (30, 120, 61, 20, 80):
            await pilot.resize_terminal(width, 20)
            await pilot.pause()
            assert app.talk.transcript._places[0][0] == top

    on_screen(steps)


def test_another_session_takes_the_place_of_the_first():
    async def steps(app, pilot):
        app.begin(Many(50), 50)
        await pilot.press("pageup")
        app.state = type(app.state)(session="s-other")
        app.talk.show_session(app.state, ())
        await pilot.pause()
        assert "number" not in text_of(app) and app.talk.transcript.follow

    on_screen(steps)


# --- cursor, copy, search ----------------------------------------------------------------------------------


def test_items_and_code_are_copied():
    words = "Look:\n\n```python\nx = 1\ny = 2\n```\n\nand\n\n```\nz\n```"

    async def steps(app, pilot):
        app.give(*begin(), answer(1, text(words)))
        await pilot.pause()
        await pilot.press("y")
        assert app.copied == [words]
        await pilot.press("k", "y")
        assert app.copied[-1] == "z"
        await pilot.press("k", "y")
        assert app.copied[-1] == "x = 1\ny = 2"
        await pilot.press("k", "y", "k", "y", "k", "y")
        assert app.copied[-3:] == [words, "s-aaaaaaaa:t1", "lower the loss"]
        await pilot.press("Y")
        assert app.copied[-1] == "s-aaaaaaaa:t1"
        await pilot.press("j", "j", "j", "y")
        assert app.copied[-1] == "x = 1\ny = 2"

    on_screen(steps)


def test_what_is_too_long_for_a_clipboard_is_cut_and_told():
    async def steps(app, pilot):
        app.begin([Item(id=PLACES, at=1.0, kind="answer", text="x" * 400_000)], 1)
        await pilot.press("y")
        assert len(app.copied[0]) == 256 * 1024
        assert any("first 256 K" in note.message for note in app._notifications)

    on_screen(steps)


def test_a_cut_answer_is_copied_and_opened_whole():
    whole = "word " * 8000

    async def steps(app, pilot):
        app.begin([Item(id=PLACES, at=1.0, kind="answer", text=whole[:KEPT_TEXT], cut=True)], 1)
        app.client.texts[PLACES] = whole
        await pilot.pause()
        assert "there is more" in text_of(app)
        await pilot.press("k", "enter")
        await until(pilot, lambda: app.talk.window.entries[0].text == whole)
        await pilot.press("y")
        assert app.copied == [whole]

    on_screen(steps)


def test_an_answer_that_was_seen_whole_stays_whole():
    whole = "word " * 8000

    async def steps(app, pilot):
        app.give(*begin(), e.TextDelta(turn=1, index=0, text=whole))
        app.give(answer(1, text(whole)))
        await pilot.press("y")
        assert app.copied == [whole] and "there is more" not in text_of(app)

    on_screen(steps)


def test_search_finds_upwards_and_through_pages():
    async def steps(app, pilot):
        app.begin(Many(2000), 2000)
        await pilot.pause()
        await pilot.press("ctrl+f")
        assert isinstance(app.focused, Input)
        await pilot.press(*"number 19")
        await pilot.press("enter")
        assert "number 19" in text_of(app)
        for _ in range(8):
            await pilot.press("backspace")
        await pilot.press(*"umber 37,")
        await until(pilot, lambda: "answer number 37," in text_of(app))
        await pilot.press("escape", "n")
        await until(pilot, lambda: "nothing further" in str(app.query_one("#search-said").content))
        assert app.focused is app.talk.transcript

    on_screen(steps)


def test_search_opens_what_is_folded():
    async def steps(app, pilot):
        app.give(*begin(), decided(), finished(summary="ok", display=(b.Output(text="needle\nhay\nhay"),)))
        await pilot.press("ctrl+f", *"needle")
        await pilot.pause()
        assert "needle" in text_of(app).split("find")[0]

    on_screen(steps)


def test_a_click_opens_a_card_and_a_reference_is_told():
    async def steps(app, pilot):
        app.give(*begin(), answer(1, text("see r-14@812 now")), decided(tool="Read", target="a.py"))
        app.give(finished(tool="Read", summary="3 lines", display=(b.Code(path="a.py", text="import this"),)))
        await pilot.pause()
        await pilot.click("#transcript", offset=(10, row_of(app, "Read")))
        assert "import this" in text_of(app)
        column = rows(app)[row_of(app, "r-14@812")].index("r-14@812")
        await pilot.click("#transcript", offset=(column + 2, row_of(app, "r-14@812")))
        await until(pilot, lambda: app.references == ["r-14@812"])

    on_screen(steps)


def test_an_old_card_shows_its_arguments_output_and_diff_whole():
    """The verdict that told its arguments was not seen here: they are asked for."""
    given = {"file_path": "/data/project/a.py", "old_string": "x", "new_string": "y" * 5_000, "replace_all": True}
    output = b.Text(text="\n".join(f"line {n}" for n in range(4_000)))

    async def steps(app, pilot):
        item = Item(
            id=7 * PLACES, at=1e9, kind="call", call_id="c1", tool="Edit", target="a.py", status="error", turn=1,
            display=(b.Text(text=output.text[:KEPT_TEXT]),), cut=True,
        )  # fmt: skip
        app.client.calls[item.id] = q.CallWhole(input=given, display=(output,))
        app.begin([item], 9)
        app.talk.do("open_card")
        await until(pilot, lambda: "replace_all  true" in text_of(app))
        assert "old_string  x" in text_of(app)
        app.talk.do("open_card")
        await pilot.pause()
        app.talk.do("to_end")
        await until(pilot, lambda: "line 3999" in text_of(app))
        asked = len(app.client.asked)
        app.talk.do("open_card")
        app.talk.do("open_card")
        await pilot.pause()
        assert len(app.client.asked) == asked, "once is enough"

    on_screen(steps, (80, 60))


def test_every_turn_says_its_name_where_there_is_room_and_y_copies_it():
    async def steps(app, pilot):
        app.give(*begin(), answer(1, text("one")), decided(), finished(summary="done"))
        app.give(e.RequestStarted(turn=2, model="m"), decided("c2", target="make test"), finished("c2", summary="fine"))
        app.give(decided("c3", target="make lint"), finished("c3"))
        app.give(e.RequestStarted(turn=3, model="m"), answer(3, text("three")))
        await pilot.pause()
        assert rows(app)[row_of(app, "ml-engineer")].rstrip().endswith("s-aaaaaaaa:t1")
        assert rows(app)[row_of(app, "make test")].rstrip().endswith("t2")
        assert not rows(app)[row_of(app, "make lint")].rstrip().endswith("t2"), "once a turn"
        assert rows(app)[row_of(app, "three")].split() == ["three", "t3"], "no row of its own"
        assert not rows(app)[row_of(app, "three") - 1].strip()
        await pilot.press("k", "Y")
        assert app.copied == ["s-aaaaaaaa:t3"]
        await pilot.click("#transcript", offset=(rows(app)[row_of(app, "make test")].index("t2"), row_of(app, "t2")))
        await until(pilot, lambda: app.references == ["s-aaaaaaaa:t2"])
        await pilot.resize_terminal(50, 24)
        await pilot.pause()
        assert "t2" not in text_of(app), "no room"

    on_screen(steps)


@pytest.mark.parametrize("where", ["prompt", "output", "notice", "answer"])
def test_references_are_known_wherever_they_stand(where):
    words = "as in s-4f:t12, then"

    async def steps(app, pilot):
        app.give(started())
        if where == "prompt":
            app.give(e.PromptSubmitted(text=words, origin="person", by="ada"))
        elif where == "notice":
            app.give(e.Notice(level="info", text=words))
        elif where == "answer":
            app.give(answer(1, text(words)))
        else:
            app.give(decided(), finished(display=(b.Output(text=words),)))
        await pilot.pause()
        row = row_of(app, "s-4f:t12")
        await pilot.click("#transcript", offset=(rows(app)[row].index("s-4f:t12") + 3, row))
        await until(pilot, lambda: app.references == ["s-4f:t12"])

    on_screen(steps)


def test_what_only_looks_like_a_reference_is_text():
    for words in ["for-12", "s-curve", "r-x", "rms-4f:t1", "s-expression", "r-14abc", "as-4f:t12"]:
        assert referenced(words, "") == [(words, "")]


def test_an_editor_that_cannot_be_had_is_told(monkeypatch):
    monkeypatch.setenv("VISUAL", "no-such-editor-anywhere")

    async def steps(app, pilot):
        app.give(*begin(), answer(1, text("x")))
        await pilot.press("e")
        assert any("$EDITOR" in note.message for note in app._notifications)

    on_screen(steps)


# --- what is large or strange ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "x" * (2 << 20),
        "שלום עולם " * 500,
        "e\u0301\u0302" * 3000,
        "👩‍👩‍👧 🏳️‍🌈 👍🏽 " * 300,
        "\t\t\tx\n" * 2000,
        "| a " * 3000,
    ],
    ids=["2 MB line", "rtl", "combining", "emoji", "tabs", "bars"],
)
def test_strange_text_is_shown(words):
    async def steps(app, pilot):
        app.give(*begin())
        for at in range(0, len(words), 65_536):
            app.give(e.TextDelta(turn=1, index=0, text=words[at : at + 65_536]))
        app.give(answer(1, text(words)))
        await pilot.press("pageup", "pageup", "G")
        assert len(rows(app)) == 24

    on_screen(steps)


@pytest.mark.slow
def test_ten_megabytes_are_shown():
    part = ("A sentence of some words that is long enough to be wrapped on a narrow screen. " * 5 + "\n\n") * 150

    async def steps(app, pilot):
        app.give(*begin())
        for _ in range(10_000_000 // len(part)):
            app.give(e.TextDelta(turn=1, index=0, text=part))
        await pilot.press("pageup", "pageup", "G")
        assert "A sentence" in text_of(app)

    on_screen(steps)


def test_a_path_is_shown_as_seen_from_the_workspace():
    async def steps(app, pilot):
        app.give(started(workspace="/data/project"), decided(tool="Read", target="/data/project/src/a.py"))
        await pilot.pause()
        assert "Read   src/a.py" in text_of(app)

    on_screen(steps)


def test_another_theme_colours_what_stands_there():
    async def steps(app, pilot):
        def colour():
            row = app.talk.transcript.render_line(2)
            return row.text, [str(one.style) for one in row]

        app.give(*begin(), answer(1, text("x")))
        await pilot.pause()
        dark = colour()
        Looks().wear(app, "mlwb-light")
        await pilot.pause()
        await pilot.pause()
        assert colour()[0] == dark[0] and colour()[1] != dark[1]

    on_screen(steps)


def test_a_click_on_the_bar_goes_to_another_part():
    async def steps(app, pilot):
        app.begin(Many(5000), 5000)
        await pilot.press("pageup", "pageup")
        await pilot.click("#transcript", offset=(79, 12))
        await until(pilot, lambda: 2400 < _numbers(app)[0] < 2800)
        numbers = _numbers(app)
        await pilot.press("pagedown", "pagedown")
        assert _numbers(app)[0] > numbers[-1]
        await pilot.click("#transcript", offset=(76, 23))
        await until(pilot, lambda: _numbers(app)[-1] == 4999)

    on_screen(steps)


def test_a_page_that_its_host_cannot_read_is_told_and_the_talk_goes_on():
    async def steps(app, pilot):
        app.begin(Many(450), 450)

        async def broken(query):
            raise LookupError("OSError: [Errno 5] Input/output error")

        app.client.query = broken
        await pilot.press("g")
        await until(pilot, lambda: any("read: OSError: [Errno 5]" in note.message for note in app._notifications))
        await pilot.press("G")
        assert app.is_running and "number 449" in text_of(app)

    on_screen(steps)


def test_a_page_that_comes_late_leaves_what_is_held_by_then():
    async def steps(app, pilot):
        app.begin(Many(1300), 1300)
        await pilot.press("g")
        await until(pilot, lambda: _numbers(app)[:1] == [0])
        app.give(e.RequestStarted(turn=9, model="m"), e.TextDelta(turn=9, index=0, text="being written"))
        gate, asked, query = asyncio.Event(), [], app.client.query

        async def slow(wanted):
            asked.append(wanted)
            page = await query(wanted)
            await gate.wait()
            return page

        app.client.query = slow
        for load in (app.talk.load_newer, app.talk.load_older):
            app.talk.window.more = True
            begun = len(asked)
            app.talk.move(load())
            await until(pilot, lambda begun=begun: len(asked) > begun)
            await pilot.press("G")
            gate.set()
            await until(pilot, lambda: not app.talk._paging)
            gate.clear()
            numbers = [int(one.item.text.split("number ")[1].split()[0].strip(",.")) for one in app.talk.window.entries
                       if "number " in one.item.text]  # fmt: skip
            assert numbers == list(range(numbers[0], 1300)), "no gap, nothing twice"
            assert text_of(app).count("being written") == 1
            app.client.query = query
            await pilot.press("g")
            await until(pilot, lambda: _numbers(app)[:1] == [0])
            app.client.query = slow

    on_screen(steps)


@pytest.mark.parametrize("missed", [0, 7, 500])
def test_who_had_scrolled_away_stays_there_when_all_is_told_anew(missed):
    async def steps(app, pilot):
        app.begin(Many(1300), 1300)
        app.give(e.RequestStarted(turn=9, model="m"), e.TextDelta(turn=9, index=0, text="being written\n\n" * 9))
        await pilot.press("pageup", "pageup", "up")
        before = [row[:70].rstrip() for row in rows(app)[:-1]]  # the bar beside them moves
        app.talk.show_session(SessionState(), ())  # as the presenter does it for a client that came back
        app.begin(Many(1300 + missed), 1301 + missed)
        await until(pilot, lambda: app.talk.window.newest > 1301 * PLACES or (not missed and app.talk.window.live))
        assert [row[:70].rstrip() for row in rows(app)[:-1]] == before and not app.talk.transcript.follow
        for _ in range(300):
            if app.talk.window.live:
                break
            await pilot.press("pagedown")
        assert app.talk.window.live
        numbers = [int(one.item.text.split("number ")[1].split()[0].strip(",.")) for one in app.talk.window.entries
                   if "number " in one.item.text]  # fmt: skip
        assert numbers == list(range(numbers[0], 1300 + missed)), "no gap, nothing twice"
        app.give(e.TextDelta(turn=9, index=0, text="told whole", whole=True))
        await pilot.press("G")
        assert text_of(app).count("told whole") == 1 and "being written" not in text_of(app)

    on_screen(steps)
