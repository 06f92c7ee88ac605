"""Files after `@`: found by the host, taken by keys or mouse, never in the way."""

import asyncio

import pytest

from support.prompt_bench import NotingClient, bench, press, say, until
from support.screens import text_of
from workbench.tui.widgets.completion import file_row, folder_rows, mention, narrowed

FILES = ("train.py", "src/model/attention.py", "src/model/layers.py", "data/a b.txt", "README.md")


@pytest.mark.parametrize(
    ("before", "found"),
    [
        ("@", (0, "")),
        ("look at @tra", (8, "tra")),
        ("(@src/m", (1, "src/m")),
        ('see @"a b', (4, "a b")),
        ("mail ana@example.org", None),
        ("@train.py and", None),
        ("@train.py ", None),
        ("", None),
    ],
)
def test_where_a_mention_is(before, found):
    assert mention(before) == found


@pytest.mark.parametrize(
    ("path", "put"),
    [
        ("src/train.py", "@src/train.py "),
        ("data/a b.txt", '@"data/a b.txt" '),
        ("name\nwith\x1bescapes", '@"name\\nwith\\u001bescapes" '),
        ("größe.py", "@größe.py "),
    ],
)
def test_a_name_that_no_word_can_hold_is_quoted(path, put):
    assert file_row(path).value == put


def test_what_was_found_is_narrowed_until_the_host_has_answered():
    rows = [file_row(path) for path in FILES]
    assert [row.shown for row in narrowed(rows, "mdlr")] == ["src/model/layers.py"]


def test_a_file_is_found_chosen_and_put_in():
    async def body():
        client = NotingClient(FILES)
        async with bench(client) as (app, pilot):
            await say(pilot, "look at @mod")
            popup = app.prompt.completing.popup
            await until(pilot, lambda: "src/model/attention.py" in text_of(app))
            assert len(popup.rows) == 2
            await press(pilot, "down", "tab")
            assert app.prompt.text == "look at @src/model/layers.py "
            await pilot.pause()
            assert not popup.open
            await press(pilot, "enter")
            await until(pilot, lambda: client.sent)
            assert client.sent[0].text == "look at @src/model/layers.py"

    asyncio.run(body())


def test_a_folder_is_taken_and_gone_on_from():
    files = ["src/workbench/tui/app.py", *(f"src/workbench/{at}.py" for at in range(9)), "my data/a b.csv", "work.md"]

    async def body():
        async with bench(NotingClient(files)) as (app, pilot):
            await press(pilot, *"@wor")
            await until(pilot, lambda: len(app.prompt.completing.popup.rows) == 12)
            assert [row.shown for row in app.prompt.completing.popup.rows][:2] == [files[0], "src/workbench/"]
            await press(pilot, "down", "tab")
            assert app.prompt.text == "@src/workbench/"
            await until(pilot, lambda: [row.shown for row in app.prompt.completing.popup.rows] == files[:10])
            await press(pilot, "down", "tab")
            assert app.prompt.text == "@src/workbench/0.py "

    asyncio.run(body())


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [("my", ['@"my data/']), ("my data/", []), ("src/t", ["@src/tests/", "@src/talk/"]), ("lk", []), ("", [])],
)
def test_folders_that_a_pattern_may_mean(pattern, wanted):
    paths = ["my data/a.csv", "src/talk/x/b.py", "src/tests/c.py", *(f"t/src{at}.py" for at in range(9))]
    assert folder_rows(paths[:8], pattern) == []
    assert sorted(row.value for row in folder_rows(paths, pattern)) == sorted(wanted)


def test_enter_takes_and_escape_closes_only_the_list():
    async def body():
        client = NotingClient(FILES)
        async with bench(client) as (app, pilot):
            popup = app.prompt.completing.popup
            await say(pilot, "@tra")
            await until(pilot, lambda: popup.rows)
            await press(pilot, "enter")
            assert app.prompt.text == "@train.py "
            assert client.sent == []
            await say(pilot, "@READ")
            await until(pilot, lambda: popup.rows)
            await press(pilot, "escape", "M")
            await pilot.pause()
            assert not popup.open, "closed means closed until another word begins"
            assert app.escapes == 0
            await press(pilot, "space", "@")
            await until(pilot, lambda: len(popup.rows) == len(FILES))

    asyncio.run(body())


def test_a_whole_name_is_sent_by_enter():
    async def body():
        client = NotingClient(FILES)
        async with bench(client) as (app, pilot):
            await say(pilot, "@train.py")
            await until(pilot, lambda: app.prompt.completing.popup.rows)
            await press(pilot, "enter")
            await until(pilot, lambda: client.sent)

    asyncio.run(body())


def test_tab_waits_for_the_host_and_never_leaves_a_word_that_is_a_file():
    async def body():
        client = NotingClient(FILES)
        async with bench(client) as (app, pilot):
            await press(pilot, *"@READ", "tab", "x")
            await until(pilot, lambda: client.asked)
            await until(pilot, lambda: app.prompt.completing.popup.open)
            assert app.prompt.text == "@READx", "what was typed after the key is another word"
            await press(pilot, "backspace", "tab")
            await until(pilot, lambda: app.prompt.text == "@README.md ")
            await press(pilot, *"@nothing", "tab")
            await until(pilot, lambda: "no file of that name" in text_of(app))
            await press(pilot, "tab", "!")
            assert app.prompt.text == "@README.md @nothing!"

    asyncio.run(body())


def test_fast_typing_asks_the_host_once():
    async def body():
        client = NotingClient(FILES)
        async with bench(client) as (app, pilot):
            for at in range(1, len("@attention") + 1):
                app.prompt.put("@attention"[:at])
            await until(pilot, lambda: app.prompt.completing.popup.rows)
            assert client.asked == ["attention"]

    asyncio.run(body())


def test_an_answer_that_comes_late_is_not_shown():
    async def body():
        client = NotingClient(FILES)
        client.answering.clear()
        async with bench(client) as (app, pilot):
            await say(pilot, "@train")
            await until(pilot, lambda: client.asked)
            await press(pilot, "space")
            client.answering.set()
            await pilot.pause(0.1)
            assert not app.prompt.completing.popup.open

    asyncio.run(body())


def test_more_than_fit_and_names_that_would_move_the_terminal():
    async def body():
        client = NotingClient([f"run/{n:06}.json" for n in range(100_000)] + ["bad\n\x1b[31mname\u202e"])
        async with bench(client, size=(60, 24)) as (app, pilot):
            await say(pilot, "@run")
            await until(pilot, lambda: "99,950 more" in text_of(app))
            await press(pilot, "up")
            await until(pilot, lambda: "run/000049.json" in text_of(app))
            await press(pilot, "ctrl+c")
            await say(pilot, "@bad")
            await until(pilot, lambda: "bad␊␛[31mname\\u{202E}" in text_of(app))

    asyncio.run(body())


def test_a_click_takes_a_row_and_the_prompt_keeps_the_focus():
    async def body():
        async with bench(NotingClient(FILES)) as (app, pilot):
            await say(pilot, "@mod")
            popup = app.prompt.completing.popup
            await until(pilot, lambda: popup.rows)
            await pilot.pause()
            assert await pilot.click(popup, offset=(8, 2))
            await pilot.pause()
            assert app.prompt.text == "@src/model/layers.py "
            assert app.prompt.editor.has_focus

    asyncio.run(body())


def test_a_host_that_fails_is_said_and_stops_nothing():
    class Failing(NotingClient):
        async def query(self, query):
            raise ConnectionError("the host is gone")

    async def body():
        client = Failing()
        async with bench(client) as (app, pilot):
            await say(pilot, "@x")
            await until(pilot, lambda: "no list of files: the host is gone" in text_of(app))
            await press(pilot, "enter")
            await until(pilot, lambda: client.sent)

    asyncio.run(body())
