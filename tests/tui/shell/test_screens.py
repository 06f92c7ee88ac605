"""Lists and questions over the session: palette, help, sessions, models, modes, themes."""

from textual import events

from support.screens import text_of
from support.workbench import FakeOpener, playing, until
from workbench.protocol import events as e
from workbench.protocol.commands import Rename, SetMode
from workbench.tui.actions import ACTIONS
from workbench.tui.keys import Keymap
from workbench.tui.opening import SessionRow, TurnRow
from workbench.tui.screens.ask import Ask, Confirm
from workbench.tui.screens.chooser import Row, found
from workbench.tui.screens.help import Help
from workbench.tui.screens.palette import rows
from workbench.tui.screens.sessions import listed

ROWS = [
    SessionRow(id="s-one", title="Lower the loss", workspace="/w", state="resumable", updated=3.0, turns=3),
    SessionRow(id="s-two", title="Serve it", workspace="/w", state="live", updated=2.0, turns=1),
    SessionRow(id="s-onex", title="Old", workspace="/v", state="done", updated=1.0, turns=2, cost_usd=0.1),
]


def listing(play):
    """PLAY with three sessions in the list, which is open."""

    async def begin(pilot, opener):
        opener.rows = list(ROWS)
        await pilot.press("ctrl+o")
        await until(pilot, lambda: "Lower the loss" in text_of(pilot.app))
        await play(pilot, opener)

    return begin


def test_the_palette_has_every_action_and_does_what_is_chosen(tmp_path):
    assert {row.id for row in rows(Keymap())} == {action.id for action in ACTIONS} - {"palette"}

    async def play(pilot, opener):
        await pilot.press("ctrl+p", *"runs pane", "enter")
        await until(pilot, lambda: pilot.app.main.focused_view == "runs")

    playing(play, tmp_path)


def test_the_last_row_of_a_long_list_is_in_sight(tmp_path):
    async def play(pilot, opener):
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "all commands" in text_of(pilot.app))
        rows = pilot.app.screen.query_one("#rows")
        rows.focus()
        await pilot.press("end")
        await until(pilot, lambda: rows.at == len(rows.rows) - 1)
        await until(pilot, lambda: rows.rows[-1].text.plain.split("  ")[-1].strip() in text_of(pilot.app))
        assert rows.region.bottom < pilot.app.screen.query_one("Vertical").region.bottom

    for size in ((80, 24), (160, 48)):
        playing(play, tmp_path, size)


def test_what_goes_on_behind_a_list_is_seen_behind_it(tmp_path):
    async def play(pilot, opener):
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "enter does it" in text_of(pilot.app))
        opener.client.give(e.Renamed(title="warm-up first"))
        await until(pilot, lambda: "warm-up first" in text_of(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: "enter does it" not in text_of(pilot.app) and "warm-up first" in text_of(pilot.app))

    playing(play, tmp_path)


def test_help_shows_every_action_with_its_key_by_where_it_works(tmp_path):
    listed = Help(Keymap()).rows
    assert [row.id for row in listed if row.group == "In the diff pane"] == [
        action.id for action in ACTIONS if action.group == "diff"
    ]

    async def play(pilot, opener):
        await pilot.press("tab", "?")
        await until(pilot, lambda: "keys and help" in text_of(pilot.app))
        await pilot.press(*"zoom")
        await until(pilot, lambda: "one pane, whole screen" in text_of(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: "one pane, whole screen" not in text_of(pilot.app))

    playing(play, tmp_path)


def test_searching_finds_words_anywhere_then_letters_in_order():
    listed = [Row(id="a", label="diff pane", key="2"), Row(id="b", label="undo the rewind", note="/undo")]
    assert [row.id for row in found(listed, "REWIND undo")] == ["b"]
    assert [row.id for row in found(listed, "dfp")] == ["a"]
    assert found(listed, "zzz") == [] and len(found(listed, "")) == 2


def test_a_list_that_nothing_is_left_of_says_so(tmp_path):
    async def play(pilot, opener):
        await pilot.press("ctrl+p", *"qqqq")
        await until(pilot, lambda: "nothing has these words" in text_of(pilot.app))
        await pilot.press("enter", "escape")

    playing(play, tmp_path)


def test_a_session_is_resumed_from_the_list(tmp_path):
    async def play(pilot, opener):
        await pilot.press("/", *"lower", "enter")
        await until(pilot, lambda: ("resume", "s-one") in opener.asked)

    playing(listing(play), tmp_path)


def test_a_session_that_is_open_elsewhere_is_joined(tmp_path):
    async def play(pilot, opener):
        await pilot.press("j", "enter")
        await until(pilot, lambda: ("resume", "s-two") in opener.asked)

    playing(listing(play), tmp_path)


def test_a_session_is_renamed_exported_and_deleted_after_a_yes(tmp_path):
    async def play(pilot, opener):
        await pilot.press("r")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("!", "enter")
        await until(pilot, lambda: ("rename", "s-one", "Lower the loss!") in opener.done)
        await until(pilot, lambda: "Lower the loss!" in text_of(pilot.app))
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("enter")
        await until(pilot, lambda: ("export", "s-one", str(tmp_path / "s-one.md")) in opener.done)
        await until(pilot, lambda: "written to" in text_of(pilot.app))
        await pilot.press("d")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("n")
        await pilot.pause()
        assert not any(done[0] == "remove" for done in opener.done)
        await pilot.press("d")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: ("remove", "s-one") in opener.done)
        await until(pilot, lambda: "Lower the loss" not in text_of(pilot.app))

    playing(listing(play), tmp_path)


def test_after_the_open_session_got_another_name_the_list_still_opens_others(tmp_path):
    async def play(pilot, opener):
        here = SessionRow(id=opener.client.session, title="Here", workspace=str(tmp_path), updated=9.0, turns=3)
        opener.rows = [here, *ROWS]
        await pilot.press("ctrl+o")
        await until(pilot, lambda: "Here" in text_of(pilot.app))
        await pilot.press("r")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("!", "enter")
        await until(pilot, lambda: Rename in map(type, opener.client.sent) and "Here!" in text_of(pilot.app))
        await pilot.press("/", *"lower", "enter")
        await until(pilot, lambda: ("resume", "s-one") in opener.asked)

    playing(play, tmp_path)


def test_a_session_that_cannot_be_deleted_stays_and_says_why(tmp_path):
    async def play(pilot, opener):
        await pilot.press("j", "j", "d")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: "the disk is read-only" in text_of(pilot.app))
        assert "Old" in text_of(pilot.app)

    playing(listing(play), tmp_path)


def test_a_session_is_forked_from_any_of_its_turns(tmp_path):
    async def play(pilot, opener):
        opener.prompts["s-one"] = [
            TurnRow(seq=3, turn=1, at=1.0, text="first"), TurnRow(seq=9, turn=4, at=2.0, text="second"),
        ]  # fmt: skip
        await pilot.press("f")
        await until(pilot, lambda: "fork before which prompt" in text_of(pilot.app))
        await pilot.press(*"first", "enter")
        await until(pilot, lambda: pilot.app.state.session == "s-forked00")
        assert ("fork", "s-one", "3") in opener.done and pilot.app.focused.value == "first"

    playing(listing(play), tmp_path)


def test_one_that_the_boundary_ended_is_forked_and_not_resumed(tmp_path):
    async def play(pilot, opener):
        row = SessionRow(id="s-bound", title="Delegate", workspace="/w", state="done", updated=9.0, turns=1,
                         subtype="error_system_boundary")  # fmt: skip
        opener.rows, opener.prompts["s-bound"] = [row], [TurnRow(seq=3, turn=1, at=1.0, text="delegate")]
        await pilot.press("ctrl+o")
        await until(pilot, lambda: "system boundary" in text_of(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: "it stopped at the system boundary" in text_of(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: ("fork", "s-bound", "3") in opener.done)
        assert ("resume", "s-bound") not in opener.asked

    playing(play, tmp_path)


def test_the_list_has_this_folder_first_and_one_line_a_session_in_80_columns(tmp_path):
    async def play(pilot, opener):
        here = SessionRow(id="s-here0000", title="a title " * 20, workspace=str(tmp_path), updated=1.0, turns=1)
        opener.rows = [*ROWS, here]
        await pilot.press("ctrl+o")
        await until(pilot, lambda: "in this folder" in text_of(pilot.app))
        lines = [line for line in text_of(pilot.app).splitlines() if " turn" in line]
        assert len(lines) == 4 and "a title" in lines[0]
        assert pilot.app.screen.current == "s-here0000"

    playing(play, tmp_path, (80, 24))


def test_two_presses_of_esc_close_one_list(tmp_path):
    async def play(pilot, opener):
        pilot.app.do("help")
        await until(pilot, lambda: "quit" in text_of(pilot.app) and len(pilot.app.screen_stack) == 2)
        screen = pilot.app.screen
        for _ in range(3):
            screen.post_message(events.Key("escape", None))
        await until(pilot, lambda: len(pilot.app.screen_stack) == 1)
        await pilot.press("h")
        assert pilot.app.focused.value == "h"

    playing(play, tmp_path)


def test_an_action_that_fails_is_a_word_in_the_corner(tmp_path):
    async def play(pilot, opener):
        async def broken():
            raise RuntimeError("the list is gone")

        opener.agents = broken
        pilot.app.do("agent")
        await until(pilot, lambda: "the list is gone" in text_of(pilot.app))
        pilot.app.main.go = broken  # not even called right
        pilot.app.do("diff")
        await until(pilot, lambda: "diff pane:" in text_of(pilot.app))
        assert pilot.app.is_running

    playing(play, tmp_path)


def test_no_line_of_a_long_word_in_the_corner_is_lost(tmp_path):
    """Its lines are counted at the width at which they are drawn."""

    async def play(pilot, opener):
        for width in (91, 92, 93, 94):
            pilot.app.tell(f"diff pane: {'x' * (width - 11)} takes no arguments, {width} were given")
            await until(pilot, lambda width=width: f"{width} were given" in text_of(pilot.app))

    playing(play, tmp_path)


def test_the_open_session_is_renamed_by_a_command(tmp_path):
    async def play(pilot, opener):
        pilot.app.do("rename", "better name")
        await until(pilot, lambda: opener.client.sent)
        assert isinstance(opener.client.sent[0], Rename) and opener.client.sent[0].title == "better name"

    playing(play, tmp_path)


def test_modes_are_lowered_and_never_raised(tmp_path):
    async def play(pilot, opener):
        pilot.app.do("mode")
        await until(pilot, lambda: "now acceptEdits" in text_of(pilot.app))
        assert "bypassPermissions" not in text_of(pilot.app)
        await pilot.press(*"plan", "enter")
        await until(pilot, lambda: opener.client.sent)
        assert isinstance(opener.client.sent[0], SetMode) and opener.client.sent[0].mode == "plan"
        pilot.app.do("mode", "bypasspermissions")
        await until(pilot, lambda: "only lowered" in text_of(pilot.app))
        pilot.app.do("mode", "yolo")
        await until(pilot, lambda: "no mode 'yolo'" in text_of(pilot.app))
        assert len(opener.client.sent) == 1

    playing(play, tmp_path)


def test_models_are_listed_with_their_prices(tmp_path):
    async def play(pilot, opener):
        pilot.app.do("model")
        await until(pilot, lambda: "$2 in, $10 out" in text_of(pilot.app))
        assert "price not known" in text_of(pilot.app)

    playing(play, tmp_path)


def test_what_it_cost_and_what_was_denied_can_be_read(tmp_path):
    from workbench.protocol.result import Usage

    async def play(pilot, opener):
        opener.client.give(
            e.RequestStarted(turn=1, model="m"),
            e.AnswerCompleted(turn=1, message_id="m1", model="m", stop_reason="tool_use",
                              usage=Usage(input_tokens=1200, output_tokens=34), cost_usd=0.0123),
            e.CallDecided(call_id="c", tool="Bash", input={}, target="rm -rf /", verdict="deny",
                          reason="critical path"),
        )  # fmt: skip
        await until(pilot, lambda: pilot.app.state.denials == 1)
        pilot.app.do("cost")
        await until(pilot, lambda: "$0.0123" in text_of(pilot.app) and "1,200" in text_of(pilot.app))
        await pilot.press("escape")
        pilot.app.do("permissions")
        await until(pilot, lambda: "rm -rf /" in text_of(pilot.app) and "critical path" in text_of(pilot.app))

    playing(play, tmp_path)


def test_a_theme_is_tried_on_the_way_and_kept_when_chosen(tmp_path):
    async def play(pilot, opener):
        pilot.app.do("theme")
        await until(pilot, lambda: "light" in text_of(pilot.app))
        worn = [line for line in text_of(pilot.app).splitlines() if "worn now" in line]
        assert len(worn) == 1 and "● " in worn[0] and " dark " in worn[0]
        await pilot.press("down")
        await until(pilot, lambda: pilot.app.theme != "mlwb-dark")
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.theme == "mlwb-dark")
        pilot.app.do("theme", "mlwb-light")
        assert pilot.app.theme == "mlwb-light"

    async def again(pilot, opener):
        assert pilot.app.theme == "mlwb-light"

    playing(play, tmp_path)
    playing(again, tmp_path)


def test_an_action_that_does_not_exist_is_told(tmp_path):
    async def play(pilot, opener):
        pilot.app.do("fly")
        await until(pilot, lambda: "no action 'fly'" in text_of(pilot.app))

    playing(play, tmp_path)


def test_every_action_of_the_app_can_be_done(tmp_path):
    """None of them fails, whatever the session is at."""

    async def play(pilot, opener: FakeOpener):
        for action in ACTIONS:
            if action.on == "app" and action.id not in ("quit", "rewind"):
                pilot.app.do(action.id)
                await pilot.pause()
                while len(pilot.app.screen_stack) > 1:
                    await pilot.press("escape")
                    await pilot.pause()

    playing(play, tmp_path)


def test_a_list_uses_the_room_there_is_also_when_that_changes(tmp_path):
    async def play(pilot, opener):
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "all commands" in text_of(pilot.app))
        await pilot.resize_terminal(60, 24)
        await until(pilot, lambda: "stop the agent" in text_of(pilot.app))
        assert "open a reference: s-4f:t12, r-14@812" not in text_of(pilot.app)
        await pilot.press(*"open a ref", "down", "up")
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: "open a reference: s-4f:t12, r-14@812" in text_of(pilot.app))

    playing(play, tmp_path)


def test_a_session_in_which_nothing_was_asked_says_so():
    rows = [SessionRow(id="s-1", state="resumable"), SessionRow(id="s-2", turns=3)]
    assert {row.id: row.label for row in listed(rows, 0.0, "/w")} == {"s-1": "nothing asked yet", "s-2": "untitled"}
