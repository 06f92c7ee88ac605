"""The rewind: what one can go back to, what it would change, and what is sent."""

import asyncio

from support.changes import FakeClient, PaneApp, until
from support.screens import text_of
from workbench.protocol import commands as c
from workbench.protocol import queries as q
from workbench.protocol.state import Item
from workbench.tui.screens.rewind import RewindScreen

NOW = 1_795_000_000.0
FILES = {"train.py": ("a\nb\n", "a\nc\nd\n"), "new.py": (None, "x\n"), "gone\x1b[2J.txt": ("y\n", None)}


class Held(FakeClient):
    """Has older items as well."""

    older: tuple[Item, ...] = ()

    async def query(self, query):
        if isinstance(query, q.ItemsBefore):
            self.asked.append(query)
            return q.Items(items=self.older, more=False)
        return await super().query(query)


def prompt(seq, text, origin="person", **given):
    return Item(id=seq * 64, at=NOW, kind="prompt", origin=origin, by="ana", text=text, **given)


def answer(seq, turn, kind="answer"):
    return Item(id=seq * 64, at=NOW, kind=kind, turn=turn, text="…")


ITEMS = (
    prompt(3, "first words", "task"),
    answer(5, 1),
    prompt(8, "the workspace's notes", "memory"),
    prompt(10, "second [b]words[/b]\x1b[31m\nand more"),
    answer(12, 2),
    answer(14, 2, "call"),
    prompt(16, "taken back", rewound=True),
    prompt(18, "third words", "answer"),
    answer(20, 3),
)


def drive(body, items=ITEMS, size=(100, 30), client=None, **given):
    """Runs BODY(app, pilot, client, screen) over an open rewind."""

    async def run():
        fake = client or Held(files=dict(FILES), **given)
        app = PaneApp(fake)
        app.state.items, app.state.items_total = list(items), len(items) + len(getattr(fake, "older", ()))
        async with app.run_test(size=size, notifications=True) as pilot:
            await app.opened(pilot)
            screen = RewindScreen()
            await app.push_screen(screen)
            await pilot.pause()
            await body(app, pilot, fake, screen)

    asyncio.run(run())


def rewinds(client):
    return [command for command in client.sent if isinstance(command, c.Rewind)]


def test_prompts_of_people_are_listed_with_their_turns():
    async def body(app, pilot, client, screen):
        await until(pilot, lambda: "files go back" in text_of(app))
        shown = text_of(app)
        for words in ("t1", "first words", "t2", "second [b]words[/b]␛[31m", "t3", "third words"):
            assert words in shown
        for words in ("the workspace's notes", "taken back", "\x1b"):
            assert words not in shown

    drive(body)


def test_what_will_change_is_said_before_it_is_done():
    async def body(app, pilot, client, screen):
        await pilot.press("k")
        await until(pilot, lambda: q.ChangedFiles(since="rewind:10") in client.asked)
        await until(pilot, lambda: "3 files go back" in text_of(app))
        shown = text_of(app)
        assert "the agent forgets 2 prompts, 2 answers, 1 call" in shown
        for words in ("train.py  +2 −1 undone", "new.py  is removed", "gone␛[2J.txt  comes back"):
            assert words in shown
        await pilot.press("t")
        assert "the files stay as they are" in text_of(app) and "is removed" not in text_of(app)
        await pilot.press("f")
        assert "the talk goes on from here" in text_of(app) and "forgets" not in text_of(app)
        assert not client.sent

    drive(body)


def test_enter_goes_back_and_says_how_that_is_undone():
    async def body(app, pilot, client, screen):
        await pilot.press("k", "enter")
        await until(pilot, lambda: not screen.is_current)
        (command,) = rewinds(client)
        assert (command.seq, command.talk, command.files, command.by) == (10, True, True, "ana")
        await until(pilot, lambda: "/undo" in text_of(app))

    drive(body)


def test_the_talk_or_the_files_alone():
    async def body(app, pilot, client, screen):
        await pilot.press("t", "enter")
        await until(pilot, lambda: client.sent)
        assert (rewinds(client)[0].talk, rewinds(client)[0].files) == (True, False)

    async def files(app, pilot, client, screen):
        await pilot.press("tab", "tab", "enter")
        await until(pilot, lambda: client.sent)
        assert (rewinds(client)[0].talk, rewinds(client)[0].files) == (False, True)

    drive(body)
    drive(files)


def test_a_refusal_is_said_and_the_choice_stays():
    async def body(app, pilot, client, screen):
        await pilot.press("enter")
        await until(pilot, lambda: "the agent is at work: interrupt it first" in text_of(app))
        assert screen.is_current
        client.refuse = ""
        await pilot.press("enter")
        await until(pilot, lambda: not screen.is_current)
        assert len(rewinds(client)) == 2

    drive(body, refuse="the agent is at work: interrupt it first")


def test_what_cannot_be_told_of_the_files_is_said():
    async def body(app, pilot, client, screen):
        client.broken = "this session takes no snapshots"
        await pilot.press("k")
        await until(pilot, lambda: "the files cannot be told: this session takes no snapshots" in text_of(app))

    drive(body)


def test_older_prompts_come_in_above():
    client = Held(files=dict(FILES))
    client.older = (prompt(1, "the very first"), answer(2, 0))

    async def body(app, pilot, fake, screen):
        await until(pilot, lambda: "the very first" in text_of(app))
        assert screen.chosen.id == 18 * 64
        await pilot.press("home", "enter")
        await until(pilot, lambda: fake.sent)
        assert rewinds(fake)[0].seq == 1

    drive(body, client=client)


def test_one_click_chooses_and_a_second_goes_back():
    async def body(app, pilot, client, screen):
        row = next(y for y, line in enumerate(text_of(app).split("\n")) if "first words" in line)
        await pilot.click(offset=(40, row))
        assert screen.is_current and not client.sent
        assert screen.chosen.id == 3 * 64
        await pilot.pause(0.6)  # or it would be a double click
        await pilot.click(offset=(40, row))
        await until(pilot, lambda: client.sent)
        assert rewinds(client)[0].seq == 3

    drive(body)


def test_nothing_to_go_back_to_and_a_small_terminal():
    async def body(app, pilot, client, screen):
        assert "nothing was asked yet" in text_of(app)
        await pilot.press("enter", "escape")
        assert not client.sent and not screen.is_current

    drive(body, items=(), size=(44, 12))
