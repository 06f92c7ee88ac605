"""Where things are: wide, narrow and tiny, who opens what, what is kept, and that the focus is never stolen."""

import json

import pytest

from support.screens import text_of
from support.workbench import playing, until
from workbench.protocol import events as e
from workbench.protocol.blocks import Todo

CHANGED = e.CallFinished(call_id="a", tool="Edit", status="ok", changed=("train.py",))
PLAN = e.TodosChanged(todos=(Todo(content="find the bug"),))


def shown(app) -> list[str]:
    """The frames that are on the screen."""
    return [view for view, frame in app.main.frames.items() if frame.region.area and frame.display]


def test_the_first_screen_is_the_talk_and_one_line_for_the_panes(tmp_path):
    async def play(pilot, opener):
        await until(pilot, lambda: "no NVIDIA driver" in text_of(pilot.app))
        assert shown(pilot.app) == ["talk"]
        lines = text_of(pilot.app).splitlines()
        assert "ml-engineer · sonnet 5.5 · acceptEdits" in lines[0] and "main" in lines[0] and "$0.00" in lines[0]
        strip = next(line for line in lines if "no NVIDIA driver" in line)
        assert all(name in strip for name in ("2 diff", "3 runs", "4 gpu", "5 to-do"))

    playing(play, tmp_path, (160, 48))


def test_a_pane_opens_when_it_has_something_and_leaves_the_focus_alone(tmp_path):
    async def play(pilot, opener):
        await pilot.press("h", "i")
        opener.client.give(CHANGED)
        await until(pilot, lambda: "diff" in shown(pilot.app))
        await pilot.press("!")
        assert pilot.app.focused.value == "hi!"
        assert pilot.app.main.frames["talk"].region.right <= pilot.app.main.frames["diff"].region.x

    playing(play, tmp_path)


def test_what_the_user_closed_stays_closed_also_the_next_time(tmp_path):
    async def close(pilot, opener):
        opener.client.give(CHANGED)
        await until(pilot, lambda: "diff" in shown(pilot.app))
        await pilot.press("tab", "2")
        await until(pilot, lambda: pilot.app.main.focused_view == "diff")
        await pilot.press("2")
        await until(pilot, lambda: shown(pilot.app) == ["talk"])
        assert pilot.app.main.focused_view == "prompt"

    async def again(pilot, opener):
        opener.client.give(CHANGED, PLAN)
        await until(pilot, lambda: "todo" in shown(pilot.app))
        assert "diff" not in shown(pilot.app)

    playing(close, tmp_path)
    assert json.loads((tmp_path / "state/mlwb/ui.json").read_text())["panes"] == {"diff": False}
    playing(again, tmp_path)


def test_what_the_user_opened_is_there_the_next_time(tmp_path):
    async def put(pilot, opener):
        await pilot.press("tab", "3")
        await until(pilot, lambda: shown(pilot.app) == ["talk", "runs"])

    async def again(pilot, opener):
        await until(pilot, lambda: shown(pilot.app) == ["talk", "runs"])
        assert pilot.app.main.focused_view == "prompt"

    playing(put, tmp_path)
    playing(again, tmp_path)


def test_preferences_that_cannot_be_read_are_as_none(tmp_path):
    (tmp_path / "state/mlwb").mkdir()
    (tmp_path / "state/mlwb/ui.json").write_text('{"dock": "wide"')

    async def play(pilot, opener):
        assert shown(pilot.app) == ["talk"]

    playing(play, tmp_path)


def test_narrow_shows_one_view_and_the_strip_tells_of_the_others(tmp_path):
    async def play(pilot, opener):
        opener.client.give(CHANGED)
        await until(pilot, lambda: "2 diff 1 files" in text_of(pilot.app))
        assert shown(pilot.app) == ["talk"]
        await pilot.press("tab", "2")
        await until(pilot, lambda: shown(pilot.app) == ["diff"])
        assert "1 talk" in text_of(pilot.app)
        await pilot.press("escape")
        await until(pilot, lambda: shown(pilot.app) == ["talk"])
        assert pilot.app.main.focused_view == "prompt"

    playing(play, tmp_path, (80, 24))


def test_a_tiny_screen_has_talk_prompt_and_strip_alone(tmp_path):
    async def play(pilot, opener):
        await pilot.pause()
        main = pilot.app.main
        assert not main.header.display and not main.footer.display and main.strip.display
        assert shown(pilot.app) == ["talk"] and main.prompt.region.area

    playing(play, tmp_path, (59, 15))


@pytest.mark.parametrize("size", [(220, 60), (120, 40), (100, 24), (99, 24), (80, 24), (60, 16), (59, 15), (20, 5)])
def test_nothing_falls_off_the_screen(tmp_path, size):
    async def play(pilot, opener):
        opener.client.give(CHANGED, PLAN, e.RequestStarted(turn=1, model="claude-sonnet-5-5"))
        await until(pilot, lambda: pilot.app.state.phase == "thinking")
        await pilot.pause()
        assert pilot.app.main.prompt.region.bottom <= size[1]
        for view in shown(pilot.app):
            region = pilot.app.main.frames[view].region
            assert region.right <= size[0] and region.bottom <= size[1]
        for line in text_of(pilot.app).splitlines():
            assert len(line) <= size[0]

    playing(play, tmp_path, size)


def test_a_storm_of_resizes_ends_where_it_ends(tmp_path):
    async def play(pilot, opener):
        opener.client.give(CHANGED, PLAN)
        await until(pilot, lambda: len(shown(pilot.app)) == 3)
        for width, height in [(80, 24), (20, 5), (220, 60), (59, 15), (100, 30), (99, 30), (160, 48)] * 3:
            await pilot.resize_terminal(width, height)
        await until(pilot, lambda: shown(pilot.app) == ["talk", "diff", "todo"])
        assert pilot.app.main.focused_view == "prompt"

    playing(play, tmp_path)


def test_the_view_that_has_the_focus_stays_in_sight_when_it_gets_narrow(tmp_path):
    async def play(pilot, opener):
        await pilot.press("tab", "3")
        await until(pilot, lambda: pilot.app.main.focused_view == "runs")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: shown(pilot.app) == ["runs"])
        await pilot.resize_terminal(140, 40)
        await until(pilot, lambda: shown(pilot.app) == ["talk", "runs"])

    playing(play, tmp_path)


def test_zoom_gives_one_view_all_the_room_and_back(tmp_path):
    async def play(pilot, opener):
        await pilot.press("tab", "3")
        await until(pilot, lambda: pilot.app.main.focused_view == "runs")
        await pilot.press("z")
        await until(pilot, lambda: shown(pilot.app) == ["runs"])
        assert pilot.app.main.frames["runs"].region.width == 120
        await pilot.press("escape")
        await until(pilot, lambda: shown(pilot.app) == ["talk", "runs"])

    playing(play, tmp_path)


def test_the_dock_is_dragged_by_its_line_and_kept(tmp_path):
    async def play(pilot, opener):
        await pilot.press("tab", "3")
        await until(pilot, lambda: shown(pilot.app) == ["talk", "runs"])
        splitter = pilot.app.main.query_one("Splitter")
        before = pilot.app.main.frames["runs"].region.width
        await pilot.mouse_down(splitter, offset=(0, 5))
        await pilot.hover(pilot.app.main, offset=(40, 10))
        await pilot.mouse_up(pilot.app.main, offset=(40, 10))
        await until(pilot, lambda: pilot.app.main.frames["runs"].region.width > before + 10)

    playing(play, tmp_path)
    assert json.loads((tmp_path / "state/mlwb/ui.json").read_text())["dock"] > 0.6


def test_panes_are_sized_by_keys_and_by_their_title_lines(tmp_path):
    async def play(pilot, opener):
        main = pilot.app.main
        await pilot.press("tab", "2")
        await until(pilot, lambda: main.focused_view == "diff")
        await pilot.press("3")
        await until(pilot, lambda: main.focused_view == "runs")
        height, width = main.frames["runs"].region.height, main.frames["runs"].region.width
        await pilot.press("}", "}", "<")
        await until(pilot, lambda: main.frames["runs"].region.height > height)
        assert main.frames["runs"].region.width > width
        height = main.frames["runs"].region.height
        line = main.frames["runs"].title_line
        to = (100, line.region.y + 5)
        await pilot.mouse_down(line, offset=(20, 0))
        await pilot.hover(main, offset=to)
        await pilot.mouse_up(main, offset=to)
        await until(pilot, lambda: main.frames["runs"].region.height < height)

    playing(play, tmp_path)


def test_more_panes_than_rows_leaves_the_last_taken(tmp_path):
    async def play(pilot, opener):
        for key, view in (("2", "diff"), ("3", "runs"), ("5", "todo")):
            pilot.app.do(view)
            await until(pilot, lambda view=view: pilot.app.main.focused_view == view), key
        await until(pilot, lambda: shown(pilot.app) == ["talk", "runs", "todo"])

    playing(play, tmp_path, (120, 20))


def test_tab_walks_all_views_that_are_on_the_screen(tmp_path):
    async def play(pilot, opener):
        opener.client.give(CHANGED)
        await until(pilot, lambda: shown(pilot.app) == ["talk", "diff"])
        walked = []
        for _ in range(3):
            await pilot.press("tab")
            walked.append(pilot.app.main.focused_view)
        assert walked == ["talk", "diff", "prompt"]
        await pilot.press("shift+tab")
        assert pilot.app.main.focused_view == "diff"

    playing(play, tmp_path)


def test_a_pane_in_which_nothing_takes_the_focus_takes_it_itself(tmp_path):
    async def play(pilot, opener):
        await pilot.press("tab", "4")
        await until(pilot, lambda: pilot.app.main.focused_view == "gpu")

    playing(play, tmp_path)


def test_a_click_on_the_strip_opens_and_on_the_cross_closes(tmp_path):
    async def play(pilot, opener):
        await until(pilot, lambda: "3 runs" in text_of(pilot.app))
        strip = pilot.app.main.strip
        column = text_of(pilot.app).splitlines()[strip.region.y].index("3 runs")
        await pilot.click(strip, offset=(column + 2, 0))
        await until(pilot, lambda: shown(pilot.app) == ["talk", "runs"])
        line = pilot.app.main.frames["runs"].title_line
        await pilot.click(line, offset=(line.size.width - 2, 0))
        await until(pilot, lambda: shown(pilot.app) == ["talk"])

    playing(play, tmp_path)


def test_where_one_is_stands_over_the_talk_where_the_header_is_too_short_for_it(tmp_path):
    async def play(pilot, opener):
        place = opener.workspace.name
        await until(pilot, lambda: "main" in text_of(pilot.app).splitlines()[1])
        assert place in text_of(pilot.app).splitlines()[1] and place not in text_of(pilot.app).splitlines()[0]
        opener.client.give(e.Renamed(title="a title that is as long as anybody would make it, and longer " * 3))
        await until(pilot, lambda: "a title" in text_of(pilot.app).splitlines()[1])
        line = text_of(pilot.app).splitlines()[1]
        assert line.startswith("─ 1 talk ") and "…" in line and len(line) <= 66
        await pilot.resize_terminal(160, 40)
        await until(pilot, lambda: place in text_of(pilot.app).splitlines()[0])
        assert place not in text_of(pilot.app).splitlines()[1]

    playing(play, tmp_path, (66, 24))
