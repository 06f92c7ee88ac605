"""Keys: one table, the user's own keys, and what is made from both."""

from pathlib import Path

from textual import events

from support.bombs import MERGED
from support.screens import text_of
from support.workbench import playing, until
from workbench.protocol import events as e
from workbench.protocol.commands import Interrupt
from workbench.tui import keys, letters
from workbench.tui.actions import ACTIONS

ROOT = Path(__file__).parents[3]


def test_the_page_of_keys_is_made_from_the_table():
    assert (ROOT / "docs/keys.md").read_text() == keys.markdown(), "python -m workbench.tui.keys > docs/keys.md"


def test_no_two_actions_of_one_place_share_a_key():
    for place in {action.on for action in ACTIONS}:
        taken = [keys.name_of(key) for action in ACTIONS if action.on == place for key in action.keys]
        assert len(taken) == len(set(taken)), f"{place}: {sorted(key for key in taken if taken.count(key) > 1)}"


def test_ids_and_slash_names_are_unique():
    ids = [action.id for action in ACTIONS]
    names = [action.slash for action in ACTIONS if action.slash]
    assert len(ids) == len(set(ids)) and len(names) == len(set(names))


# what a terminal sends as bytes of their own, through tmux and plain SSH; not ctrl+b and ctrl+a (tmux, screen), ctrl+s,
# ctrl+q apart from quitting (flow control is off in raw mode), ctrl+c, ctrl+h, ctrl+i, ctrl+m, ctrl+[
NAMED = {
    "escape",
    "tab",
    "shift+tab",
    "enter",
    "space",
    "up",
    "down",
    "left",
    "right",
    "home",
    "end",
    "pageup",
    "pagedown",
}
CHORDS = {f"ctrl+{letter}" for letter in "defgjklnopqrtuvwxyz"}


def test_no_key_that_a_plain_terminal_cannot_send():
    for action in ACTIONS:
        for key in map(keys.name_of, action.keys):
            assert (len(key) == 1 and key.isascii()) or key in NAMED | CHORDS, f"{action.id}: {key}"


def test_every_slash_command_and_footer_entry_is_one_that_can_be_asked_for():
    for action in ACTIONS:
        assert not action.footer or action.keys, action.id
        assert action.slash is None or action.slash.isidentifier(), action.id


def test_a_users_key_takes_it_from_whoever_had_it():
    keymap = keys.Keymap({"diff": "3", "help": ["?", "ctrl+y"]})
    assert keymap.find("talk", "3").id == "diff" and keymap.find("talk", "ctrl+y").id == "help"
    assert keymap.keys("runs") == () and any("runs has no key" in note for note in keymap.notes)
    assert keymap.find("talk", "2") is None


def test_a_view_comes_before_the_app():
    assert keys.Keymap().find("diff", "n").id == "diff_next"
    assert keys.Keymap().find("prompt", "ctrl+p").id == "palette"


def test_what_cannot_be_taken_is_told_and_the_rest_holds():
    keymap = keys.Keymap({"dif": "x", "runs": {"a": 1}, "gpu": "ctrl+u"})
    assert keymap.label("gpu") == "ctrl+u" and keymap.label("runs") == "3"
    assert any("did you mean diff" in note for note in keymap.notes) and len(keymap.notes) == 2


def test_the_way_out_is_never_lost():
    assert keys.Keymap({"quit": []}).keys("quit") == ("ctrl+q",)


def test_broken_or_missing_files_leave_the_table_as_it_is(tmp_path):
    assert keys.load(tmp_path).label("diff") == "2"
    tags = ("keys: !!bool maybe\n", 'keys: !!int ""\n', "keys: !!timestamp x\n")
    for text in ("keys: [", "keys: 3\n", "other: 1\n", "\xff", f"{MERGED}\nkeys: *a29\n", *tags):
        (tmp_path / "config.yaml").write_text(text, encoding="latin-1")
        assert keys.load(tmp_path).label("diff") == "2"


def test_the_users_keys_work_in_the_app_and_a_wrong_name_is_a_toast(tmp_path):
    folder = tmp_path / "config/mlwb"
    folder.mkdir()
    (folder / "config.yaml").write_text("keys:\n  runs: ctrl+t\n  quit: ctrl+x\n  rusn: 9\n")

    async def play(pilot, opener):
        await until(pilot, lambda: "did you mean runs" in text_of(pilot.app))
        await pilot.press("ctrl+t")
        await until(pilot, lambda: pilot.app.main.focused_view == "runs")
        await pilot.press("ctrl+x")
        await until(pilot, lambda: opener.client.closed)

    playing(play, tmp_path)


def test_actions_of_a_view_work_while_it_has_the_focus(tmp_path):
    async def play(pilot, opener):
        await pilot.press("tab", "y")
        await until(pilot, lambda: pilot.app.main.talk.did == ["copy"])
        await pilot.press("2")
        await until(pilot, lambda: pilot.app.main.focused_view == "diff")
        await pilot.press("a", "]")
        assert pilot.app.main.frames["diff"].held.did == ["diff_accept", "diff_next"]

    playing(play, tmp_path)


def test_letters_and_digits_are_typed_at_the_prompt(tmp_path):
    async def play(pilot, opener):
        await pilot.press("2", "y", "z", "question_mark")
        assert pilot.app.focused.value == "2yz?"
        assert pilot.app.main.focused_view == "prompt" and not pilot.app.main.open

    playing(play, tmp_path)


def test_escape_stops_the_agent_and_nothing_else(tmp_path):
    async def play(pilot, opener):
        opener.client.give(e.RequestStarted(turn=1, model="m"))
        await until(pilot, lambda: pilot.app.state.phase == "thinking")
        await pilot.press("escape")
        await until(pilot, lambda: opener.client.sent)
        assert isinstance(opener.client.sent[0], Interrupt) and opener.client.sent[0].by == "ana"

    playing(play, tmp_path)


def test_escape_when_idle_goes_back_and_sends_nothing(tmp_path):
    async def play(pilot, opener):
        await pilot.press("tab", "3")
        await until(pilot, lambda: pilot.app.main.focused_view == "runs")
        await pilot.press("escape")
        assert pilot.app.main.focused_view == "prompt" and opener.client.sent == []

    playing(play, tmp_path)


def test_ctrl_c_only_hints(tmp_path):
    async def play(pilot, opener):
        await pilot.press("tab", "ctrl+c")
        await until(pilot, lambda: "ctrl+q quits" in text_of(pilot.app))

    playing(play, tmp_path)


def test_the_footer_shows_what_works_here(tmp_path):
    async def play(pilot, opener):
        assert "ctrl+q quit" in text_of(pilot.app).splitlines()[-1]
        await pilot.press("tab")
        await until(pilot, lambda: "y copy" in text_of(pilot.app).splitlines()[-1])

    playing(play, tmp_path)


def test_quitting_stops_the_session_for_a_resume_and_closes_it(tmp_path):
    async def play(pilot, opener):
        await pilot.press("ctrl+q")
        await until(pilot, lambda: opener.client.closed)
        assert [type(command).__name__ for command in opener.client.sent] == ["Stop"]
        assert pilot.app.return_code == 0

    playing(play, tmp_path)


def test_while_the_agent_works_quitting_wants_to_be_asked_twice(tmp_path):
    async def play(pilot, opener):
        opener.client.give(e.RequestStarted(turn=1, model="m"))
        await until(pilot, lambda: pilot.app.state.phase == "thinking")
        await pilot.press("ctrl+q")
        await until(pilot, lambda: "again stops it and quits" in text_of(pilot.app))
        assert not opener.client.closed
        await pilot.press("ctrl+q")
        await until(pilot, lambda: opener.client.closed)

    playing(play, tmp_path)


def test_a_session_that_outlives_its_clients_is_left_at_work(tmp_path):
    async def play(pilot, opener):
        opener.client.outlives = True
        opener.client.give(e.RequestStarted(turn=1, model="m"))
        await until(pilot, lambda: pilot.app.state.phase == "thinking")
        await pilot.press("ctrl+q")
        await until(pilot, lambda: "again leaves it at work, esc stops" in text_of(pilot.app))
        assert not opener.client.closed
        await pilot.press("ctrl+q")
        await until(pilot, lambda: opener.client.closed)
        assert opener.client.sent == []

    playing(play, tmp_path)


def test_going_to_another_session_asks_nothing_where_this_one_goes_on(tmp_path):
    async def play(pilot, opener):
        first = opener.client
        first.outlives = True
        first.give(e.ShellStarted(shell_id="bash_1", call_id="c1", command="python train.py", pid=7, path="o"))
        await until(pilot, lambda: pilot.app.state.shells)
        pilot.app.do("sessions", "s-bbbbbbbb")
        await until(pilot, lambda: first.closed and opener.client is not first)
        assert first.sent == []

    playing(play, tmp_path)


def test_a_session_whose_host_is_gone_is_taken_up_again_from_the_list(tmp_path):
    async def play(pilot, opener):
        first = opener.client
        first.outlives, first.ended = True, "gone"
        first.give(e.RequestStarted(turn=1, model="m"))
        await until(pilot, lambda: pilot.app.state.phase == "thinking")
        pilot.app.do("sessions", pilot.app.state.session)
        await until(pilot, lambda: first.closed and opener.client is not first)

    playing(play, tmp_path)


def test_what_runs_in_the_background_is_named_before_it_ends_with_the_session(tmp_path):
    async def play(pilot, opener):
        opener.client.give(e.ShellStarted(shell_id="bash_1", call_id="c1", command="python train.py", pid=7, path="o"))
        await until(pilot, lambda: pilot.app.state.shells)
        first = opener.client
        pilot.app.do("sessions", "s-bbbbbbbb")
        await until(pilot, lambda: "stops it; this talk can be taken up again" in text_of(pilot.app))
        await pilot.press("enter")  # stays
        await until(pilot, lambda: "stops it; this talk" not in text_of(pilot.app))
        await pilot.press("ctrl+q")
        await until(pilot, lambda: "1 command runs in the background; ctrl+q again stops it" in text_of(pilot.app))
        assert not first.closed and len(opener.clients) == 1
        pilot.app.do("sessions", "s-bbbbbbbb")
        await until(pilot, lambda: "this talk can be taken up again" in text_of(pilot.app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: first.closed and len(opener.clients) == 2)

    playing(play, tmp_path)


def test_at_the_prompt_the_footer_names_keys_that_work_there(tmp_path):
    async def play(pilot, opener):
        def foot():
            return text_of(pilot.app).splitlines()[-1]

        await until(pilot, lambda: "ctrl+g keys and help" in foot())
        await pilot.press("tab")
        await until(pilot, lambda: "? keys and help" in foot())

    playing(play, tmp_path)


def test_the_search_of_the_talk_opens_from_wherever_one_is(tmp_path):
    async def play(pilot, opener):
        did = []
        pilot.app.main.frames["talk"].held.do = did.append
        pilot.app.main.go("diff")  # narrow: the talk is not in sight
        await until(pilot, lambda: pilot.app.main.current == "diff")
        pilot.app.do("search")
        await until(pilot, lambda: did == ["search"] and pilot.app.main.current == "talk")

    playing(play, tmp_path, (80, 24))


def in_the_talk(play):
    """PLAY(pilot, field of the prompt, what the talk did) with the focus in the talk."""

    async def begin(pilot, opener):
        field = pilot.app.main.prompt.query_one("Input")
        pilot.app.main.focus_view("talk")
        await until(pilot, lambda: pilot.app.main.focused_view == "talk")
        await play(pilot, field, pilot.app.main.frames["talk"].held.did)

    return begin


def test_words_that_are_typed_in_the_talk_go_to_the_prompt(tmp_path, monkeypatch):
    monkeypatch.setattr(letters, "HOLD", 60.0)  # keys of a pilot may be seconds apart

    async def play(pilot, field, did):
        await pilot.press(*"explain it")
        await until(pilot, lambda: field.value == "explain it")
        assert did == [] and pilot.app.main.focused_view == "prompt"

    playing(in_the_talk(play), tmp_path)


def test_a_sign_that_means_nothing_in_the_talk_goes_to_the_prompt_and_a_slash_too(tmp_path):
    for sign in "c/@":

        async def play(pilot, field, did, sign=sign):
            await pilot.press(sign)
            await until(pilot, lambda: field.value == sign)
            assert did == []

        (tmp_path / f"in{ord(sign)}").mkdir()
        playing(in_the_talk(play), tmp_path / f"in{ord(sign)}")


def test_a_letter_by_itself_does_what_it_is_for_and_again_at_once(tmp_path):
    async def play(pilot, field, did):
        await pilot.press("e")
        await until(pilot, lambda: did == ["edit_block"])
        await pilot.press("n", "n", "n")
        await until(pilot, lambda: did[1:] == ["search_next"] * 3)
        await pilot.press("g", "enter")
        await until(pilot, lambda: did[4:] == ["to_start", "open_card"])
        await pilot.press("j", "k")
        await until(pilot, lambda: did[6:] == ["item_next", "item_previous"])
        assert field.value == ""

    playing(in_the_talk(play), tmp_path)


def test_what_arrives_at_once_goes_to_the_prompt_whole_and_in_order(tmp_path):
    async def play(pilot, field, did):
        for sign in "/explain it twice":
            pilot.app.post_message(events.Key("space" if sign == " " else sign, sign))
        await until(pilot, lambda: field.value == "/explain it twice")
        assert did == []

    playing(in_the_talk(play), tmp_path)
