"""What the agent did and may do, on screens: the audit, the rules in force, the doctor, the alert of the watch."""

import pytest

from support.sample_events import answer, call, resumed, text
from support.screens import text_of
from support.workbench import PLAIN, FakeOpener, until
from support.workbench import playing as play_in
from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.protocol.commands import Interrupt
from workbench.protocol.fold import PLACES
from workbench.protocol.state import SessionState
from workbench.tui.app import PARTS
from workbench.tui.opening import AuditRows, CallRow, FindingRow, NotOpenedError
from workbench.tui.screens.audit import Audit
from workbench.tui.screens.doctor import Doctor
from workbench.tui.widgets.alert import Alert
from workbench.tui.widgets.header import Facts, header
from workbench.tui.widgets.table import Table

STOPPED = e.Notice(
    level="error", about="protected",
    text="`make` changed what is protected, and no approved call did:\n/w/.git/config: changed\n  +[core]",
)  # fmt: skip
ASIDE = e.Notice(level="warning", about="protected", text="`make` made /w/.envrc. It lies in /s/aside/1-.envrc now.")


def made(seq: int, tool: str, target: str, **more) -> CallRow:
    given = {"at": 1.79e9, "turn": 1, "verdict": "allow", "status": "ok"}
    return CallRow(seq=seq, tool=tool, target=target, **{**given, **more})


CALLS = (
    made(5, "Read", "train.py", reason="reading in the workspace"),
    made(9, "Bash", "python train.py", sandbox="bubblewrap", exit_code=0, files_changed=("out/model.pt",)),
    made(14, "Bash", "pip install x", sandbox="outside", asked=True, decision="always", by="ana", rule="Bash(pip *)"),
    made(20, "Bash", "rm -rf /", asked=True, decision="no", by="ben", verdict="ask", status="denied"),
    made(25, "Read", "~/.netrc", verdict="deny", status="denied", by="nobody", rule="Read(~/.netrc)"),
)


class Opener(FakeOpener):
    """Knows an audit and findings."""

    rows = AuditRows(calls=CALLS)
    found: tuple = ()

    def __init__(self, *args, **more) -> None:
        super().__init__(*args, **more)
        self.rows = []  # of sessions

    async def audit(self, session):
        return type(self).rows

    async def findings(self):
        for one in type(self).found:
            if isinstance(one, Exception):
                raise one
            yield one


def playing(play, workspace, size=(120, 40), parts=PLAIN, **known):
    kind = type("Known", (Opener,), known)

    async def begin(pilot, opener):
        opener.__class__ = kind
        await play(pilot, opener)

    play_in(begin, workspace, size=size, parts=dict(parts))


async def opened(pilot, action: str, words: str) -> str:
    pilot.app.do(action)
    await until(pilot, lambda: words in text_of(pilot.app))
    await pilot.pause()  # what is drawn with these words has its place
    return text_of(pilot.app)


# --- audit -------------------------------------------------------------------------------------------------------


def test_the_audit_says_who_let_each_call_pass_and_how_it_was_confined(tmp_path):
    async def play(pilot, opener):
        await opened(pilot, "audit", "audit   5 calls")
        await until(pilot, lambda: "exit 0" in text_of(pilot.app))  # the columns have their widths
        lines = text_of(pilot.app).splitlines()
        row = {one.target: next(line for line in lines if f" {one.target} " in line) for one in CALLS}
        assert "✓ allowed" in row["python train.py"] and "bubblewrap" in row["python train.py"]
        assert "exit 0" in row["python train.py"]
        for words in ("? always", "outside", "Bash(pip *)", "ana"):
            assert words in row["pip install x"]
        assert "✗ refused" in row["rm -rf /"] and "✗ denied" in row["~/.netrc"]
        assert "denied: nobody could be asked" in text_of(pilot.app), "the newest call is told whole"
        await pilot.press("up", "up", "up")
        await until(pilot, lambda: "files out/model.pt" in " ".join(text_of(pilot.app).split()))
        assert "confined (bubblewrap)" in text_of(pilot.app)

    playing(play, tmp_path, size=(160, 40))


def test_the_audit_is_searched_as_one_types(tmp_path):
    async def play(pilot, opener):
        await opened(pilot, "audit", "audit   5 calls")
        await pilot.press("/", *"outside ana")
        await until(pilot, lambda: "audit   1 of 5 calls" in text_of(pilot.app))
        assert "pip install x" in text_of(pilot.app) and "train.py" not in text_of(pilot.app)
        await pilot.press(*"zzz")
        await until(pilot, lambda: "no call has these words" in text_of(pilot.app))
        await pilot.press("enter", "escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, Audit))

    playing(play, tmp_path)


def test_what_the_watch_said_stands_above_the_calls_and_damage_is_told(tmp_path):
    async def play(pilot, opener):
        screen = await opened(pilot, "audit", "audit   0 calls")
        assert "! `make` changed .git/config" in screen and "1 more remarks" in screen
        assert "2 lines of the journal cannot be read: line 7" in screen
        assert "no call was made in this session yet" in screen

    remarks = ("first", "second", "third", "`make` changed .git/config\nand more")
    playing(play, tmp_path, rows=AuditRows(remarks=remarks, damaged=("line 7: not JSON", "line 8")))


def test_a_call_that_ran_confined_and_was_not_let_out_did_run(tmp_path):
    async def play(pilot, opener):
        lines = (await opened(pilot, "audit", "audit   1 call")).splitlines()
        assert any("✓ not outside" in line and "exit 7" in line for line in lines)
        assert "not outside by ana   confined (bubblewrap)" in "\n".join(lines)

    ran = made(3, "Bash", "curl x", sandbox="bubblewrap", asked=True, decision="no", by="ana", exit_code=7)
    playing(play, tmp_path, rows=AuditRows(calls=(ran,)))


@pytest.mark.parametrize("size", [(60, 16), (80, 24)])
def test_a_narrow_audit_keeps_what_matters(tmp_path, size):
    async def play(pilot, opener):
        lines = (await opened(pilot, "audit", "audit   5 calls")).splitlines()
        row = next(line for line in lines if "pip install x" in line)
        assert "? always" in row
        assert ("outside" in row) == (size[0] >= 80)

    playing(play, tmp_path, size=size)


def test_ten_thousand_calls_are_there_at_once_and_the_last_is_shown(tmp_path):
    async def play(pilot, opener):
        await opened(pilot, "audit", "audit   10,000 calls")
        await until(pilot, lambda: "echo 9999" in text_of(pilot.app))
        await pilot.press("g")
        await until(pilot, lambda: "echo 0 " in text_of(pilot.app))
        await pilot.press("G")
        await until(pilot, lambda: pilot.app.screen.query_one(Table).cursor == 9_999)

    playing(play, tmp_path, rows=AuditRows(calls=tuple(made(n + 1, "Bash", f"echo {n}") for n in range(10_000))))


def test_a_session_whose_journal_cannot_be_read_is_a_word(tmp_path):
    async def play(pilot, opener):
        async def broken(session):
            raise NotOpenedError("error_usage", "the journal is gone")

        opener.audit = broken
        pilot.app.do("audit")
        await until(pilot, lambda: "the journal is gone" in text_of(pilot.app))

    playing(play, tmp_path)


def test_enter_opens_the_call_in_the_talk(tmp_path):
    async def play(pilot, opener):
        app, client = pilot.app, opener.client
        client.give(
            e.PromptSubmitted(text="go", origin="person", by="ana"),
            e.RequestStarted(turn=1, model="m"),
            answer(1, text("I run two.")),
            *call("c1", "echo first"),
            *call("c2", "echo second"),
            e.Idle(reason="done"),
        )
        await until(pilot, lambda: app.state.waiting)
        items = tuple(app.state.items)
        first = next(item for item in items if item.call_id == "c1")

        async def pages(query):
            assert isinstance(query, q.ItemsBefore | q.ItemText), query
            if isinstance(query, q.ItemText):
                return q.Blob(data=b"", total=-1)
            return q.Items(items=tuple(one for one in items if not query.before or one.id < query.before), more=False)

        client.query = pages
        type(opener).rows = AuditRows(calls=(made(first.id // PLACES, "Bash", "echo first"),))
        await opened(pilot, "audit", "audit   1 call")
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, Audit) and app.main.talk.transcript.cursor)
        entry, _ = app.main.talk.chosen()
        assert entry.item.call_id == "c1" and entry.opened
        await until(pilot, lambda: app.main.focused_view == "talk")

    playing(play, tmp_path, parts={**PLAIN, "talk": PARTS["talk"]})


# --- doctor ------------------------------------------------------------------------------------------------------

FOUND = (
    FindingRow(name="key", ok=True, detail="ANTHROPIC_API_KEY"),
    FindingRow(name="bubblewrap", ok=None, detail="bwrap is not installed", fix="apt-get install bubblewrap"),
    FindingRow(name="state", ok=False, detail="nothing can be written", fix="make room"),
)


def test_the_doctor_tells_each_finding_and_how_to_mend_it(tmp_path):
    async def play(pilot, opener):
        lines = (await opened(pilot, "doctor", "1 to mend")).splitlines()
        assert any("✓ key" in line for line in lines) and any("· bubblewrap" in line for line in lines)
        assert any("✗ state" in line for line in lines) and any("→ apt-get install" in line for line in lines)
        type(opener).found = FOUND[:2]
        await pilot.press("r")
        await until(pilot, lambda: "nothing that is needed is missing" in text_of(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, Doctor))

    playing(play, tmp_path, found=FOUND)


def test_a_doctor_that_stumbles_says_so_and_shows_the_rest(tmp_path):
    async def play(pilot, opener):
        screen = await opened(pilot, "doctor", "1 to mend")
        assert "✓ key" in screen and "no such thread" in screen

    playing(play, tmp_path, found=(FOUND[0], RuntimeError("no such thread")))


# --- what the agent may do ---------------------------------------------------------------------------------------

RULES = (
    q.RuleInForce(kind="deny", rule="Read(~/.aws/**)", source="/x/config.yaml"),
    q.RuleInForce(kind="allow", rule="Bash(pytest *)", source="given in this session"),
    q.RuleInForce(kind="outside", rule="Bash(docker *)", source="/x/config.yaml"),
)


def answering(page):
    async def query(asked):
        if isinstance(asked, q.InForce):
            return page
        raise NotImplementedError

    return query


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_the_rules_in_force_are_told_with_where_they_stand(tmp_path, size):
    held = q.Holding(rules=RULES, sandbox="landlock", auto_allow=False, network="allowlist", domains=("lab.test",))

    async def play(pilot, opener):
        opener.client.query = answering(held)
        lines = (await opened(pilot, "permissions", "what the agent may do")).splitlines()
        screen = "\n".join(lines)
        for words in ("acceptEdits", "confined (landlock)", "what only lacks a rule", "allowlist", "lab.test"):
            assert words in screen
        assert any("deny" in line and "Read(~/.aws/**)" in line and "/x/config.yaml" in line for line in lines)
        assert any("allow" in line and "given in this session" in line for line in lines)
        assert any("outside" in line and "Bash(docker *)" in line for line in lines)
        await pilot.press(*["pagedown"] * 3)
        await until(pilot, lambda: "/trust" in text_of(pilot.app) and "/doctor" in text_of(pilot.app))

    playing(play, tmp_path, size=size)


def test_rules_of_the_program_itself_are_counted_not_listed(tmp_path):
    own = tuple(q.RuleInForce(kind="ask", rule=f"Edit(//x/{n})", source=q.BUILT_IN) for n in range(12))

    async def play(pilot, opener):
        opener.client.query = answering(q.Holding(rules=(*RULES, *own), sandbox="bubblewrap"))
        screen = await opened(pilot, "permissions", "and 12 rules of mlwb itself")
        assert "//x/3" not in screen and "Bash(docker *)" in screen

    playing(play, tmp_path)


def test_where_nothing_confines_that_is_said(tmp_path):
    async def play(pilot, opener):
        opener.client.query = answering(q.Holding(network="full"))
        screen = await opened(pilot, "permissions", "unconfined")
        assert "what no rule allows asks" in screen and "the mode alone decides" in screen

    playing(play, tmp_path)


def drawn(width: int, **fields) -> str:
    state = SessionState(agent="ml-engineer", model="claude-sonnet-5-5", mode="acceptEdits", workspace="/w/nanogpt",
                         **fields)  # fmt: skip
    left, right, _ = header(state, Facts(branch="main", window=200_000, user="ana"), width)
    return " ".join("".join(part.text for part in side) for side in (left, right))


@pytest.mark.parametrize("width", [60, 80, 120, 220])
def test_the_header_tells_mode_and_confinement_at_a_glance(width):
    assert "acceptEdits · confined" in drawn(width, sandbox="bubblewrap")
    assert "acceptEdits · unconfined" in drawn(width, sandbox="")
    assert "confined" not in drawn(width, sandbox=None), "what was not told is not claimed"
    assert len(drawn(width, sandbox="bubblewrap")) <= width + 1


@pytest.mark.parametrize("width", [60, 80, 120])
def test_an_agent_of_the_workspace_in_the_place_of_another_is_shown_as_such(width):
    assert "ml-engineer (workspace)" in drawn(width, agent_in_place_of="/home/ana/.config/mlwb/agents/ml-engineer.md")
    assert "(workspace)" not in drawn(width)


def test_the_header_follows_a_resume_on_another_machine(tmp_path):
    async def play(pilot, opener):
        opener.client.give(resumed(sandbox="landlock", network="none"))
        await until(pilot, lambda: "· confined" in text_of(pilot.app).splitlines()[0])
        opener.client.give(resumed(sandbox="", network="full"))
        await until(pilot, lambda: "· unconfined" in text_of(pilot.app).splitlines()[0])

    playing(play, tmp_path)


# --- the watch ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (120, 40)])
def test_a_stop_for_a_protected_path_stands_above_the_prompt_with_the_ways_on(tmp_path, size):
    async def play(pilot, opener):
        opener.client.give(STOPPED, e.Idle(reason="error_during_execution", message="stopped"))
        await until(pilot, lambda: "stopped: a protected path was changed" in text_of(pilot.app))
        await until(pilot, lambda: "Look at what changed" in text_of(pilot.app))
        for words in ("/w/.git/config: changed", "/audit", "/diff", "esc closes"):
            assert words in text_of(pilot.app)
        await until(pilot, lambda: pilot.app.state.phase == "idle")
        await pilot.press("escape")
        await until(pilot, lambda: not pilot.app.main.query(Alert))

    playing(play, tmp_path, size=size)


def test_while_the_agent_works_escape_stops_it_and_the_alert_stays(tmp_path):
    async def play(pilot, opener):
        opener.client.give(e.RequestStarted(turn=1, model="m"), ASIDE)
        await until(pilot, lambda: "moved aside: a protected path appeared" in text_of(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: opener.client.sent)
        assert isinstance(opener.client.sent[0], Interrupt) and pilot.app.main.query(Alert)

    playing(play, tmp_path)


def test_it_stays_until_the_person_tells_the_agent_something(tmp_path):
    async def play(pilot, opener):
        client, main = opener.client, pilot.app.main
        client.give(ASIDE, STOPPED, e.PromptSubmitted(text="checks failed", origin="check", by="mlwb"))
        await until(pilot, lambda: "2 remarks" in text_of(pilot.app))
        screen = text_of(pilot.app)
        assert "✗ stopped" in screen, "the worse of the two names it"
        assert screen.index("/w/.git/config") < screen.index("1-.envrc"), "the newest stands first"
        client.give(e.PromptSubmitted(text="go on", origin="person", by="ana"))
        await until(pilot, lambda: not main.query(Alert))
        client.give(ASIDE)
        await until(pilot, lambda: "moved aside" in text_of(pilot.app))

    playing(play, tmp_path)


def test_a_click_on_the_alert_opens_the_audit(tmp_path):
    async def play(pilot, opener):
        opener.client.give(ASIDE)
        await until(pilot, lambda: "/audit which call" in text_of(pilot.app))
        await pilot.click("Alert Line", offset=(2, 0))
        await until(pilot, lambda: isinstance(pilot.app.screen, Audit))

    playing(play, tmp_path)
