"""The same with everything real behind the screen: files, trust that is kept, a session, its journal, its sandbox."""

import asyncio
import os

import pytest

from support.endpoint import Endpoint, say, turn, use
from support.workbench import bounded
from workbench.protocol import events as e
from workbench.protocol.commands import Approve, Stop, SubmitPrompt
from workbench.protocol.queries import InForce
from workbench.session.identity import user_name
from workbench.tui.opening import NotOpenedError, StandingRow
from workbench.verbs.workbench import Asked, Opening


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "home/nanogpt"
    (folder / ".mlwb").mkdir(parents=True)
    (folder / ".mlwb/config.yaml").write_text(
        'permissions: {allow: ["Bash(make train)"], deny: ["Bash(make clean)"]}\n'
    )
    (tmp_path / "config/mlwb").mkdir()
    (tmp_path / "config/mlwb/config.yaml").write_text(
        'permissions: {ask: ["Bash(rm *)"]}\nsandbox: {mode: off}\nsnapshots: {maxAge: 1d}\n'
    )
    return folder


class Person:
    """Answers each question of trust by what PLAY does with it; keeps what was asked."""

    def __init__(self, endpoint: Endpoint, workspace, answer: str) -> None:
        env = {**os.environ, "ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "sk-test"}
        self.opener = Opening(Asked(), workspace, env)
        self.opener.asking = self.ask
        self.answer = answer
        self.asked: list[StandingRow] = []

    async def ask(self, row: StandingRow) -> None:
        self.asked.append(row)
        act = {"trust": self.opener.trust, "later": self.opener.trust_later}[self.answer]
        await act(row.workspace, row.digest)


async def rules(client) -> dict[str, str]:
    """rule -> its source, as the session's host says."""
    held = await client.query(InForce())
    return {f"{one.kind} {one.rule}": one.source for one in held.rules}


async def leave(client) -> None:
    """The session ends, and nothing of it is left behind."""
    await client.send(Stop(id="stop", reason="signal", by="ana"))
    async for _ in client.events():
        if client.state.phase == "ended":
            break
    await client.close()


def with_endpoint(play, workspace, answer: str = "trust", turns=()) -> None:
    async def run() -> None:
        with Endpoint(list(turns)) as endpoint:
            await play(Person(endpoint, workspace, answer))

    asyncio.run(bounded(run()))


def test_the_policy_has_what_was_trusted_before_the_session_began(workspace, tmp_path):
    async def play(person):
        client = await person.opener.open()
        (asked,) = person.asked
        assert asked.brings == ((".mlwb/config.yaml", "allow Bash(make train)"),) and not asked.trusted
        found = await rules(client)
        assert found["allow Bash(make train)"] == str(workspace / ".mlwb/config.yaml")
        assert found["deny Bash(make clean)"] == str(workspace / ".mlwb/config.yaml")
        assert found["ask Bash(rm *)"] == str(tmp_path / "config/mlwb/config.yaml")
        await leave(client)
        client = await person.opener.open()
        assert len(person.asked) == 1, "asked once"
        await leave(client)
        assert (await person.opener.standing(str(workspace))).trusted

    with_endpoint(play, workspace)


def test_not_now_leaves_it_out_and_does_not_nag(workspace):
    async def play(person):
        for _ in range(2):
            client = await person.opener.open()
            found = await rules(client)
            assert "allow Bash(make train)" not in found and "deny Bash(make clean)" in found
            await leave(client)
        assert len(person.asked) == 1
        (workspace / ".mlwb/config.yaml").write_text("permissions: {allow: [Bash]}\n")
        client = await person.opener.open()
        assert person.asked[1].brings == ((".mlwb/config.yaml", "allow Bash"),), "other content is asked about"
        await leave(client)

    with_endpoint(play, workspace, "later")


def test_what_changed_since_it_was_trusted_is_asked_about_with_the_difference(workspace):
    async def play(person):
        await leave(await person.opener.open())
        (workspace / ".mlwb/config.yaml").write_text("permissions: {allow: [Bash]}\n")
        person.answer = "later"
        client = await person.opener.open()
        assert "+permissions: {allow: [Bash]}" in person.asked[1].changed
        assert "allow Bash" not in await rules(client)
        await leave(client)

    with_endpoint(play, workspace)


def test_what_was_not_shown_is_not_trusted(workspace):
    async def play(person):
        shown = await person.opener.standing(str(workspace))
        (workspace / ".mlwb/config.yaml").write_text("permissions: {allow: [Bash]}\n")
        with pytest.raises(NotOpenedError, match="changed meanwhile"):
            await person.opener.trust(str(workspace), shown.digest)
        assert not (await person.opener.standing(str(workspace))).trusted

    with_endpoint(play, workspace)


def test_a_session_of_another_folder_is_asked_about_by_its_own_folder(workspace, tmp_path):
    async def play(person):
        client = await person.opener.open()
        session = client.session
        await leave(client)
        elsewhere = tmp_path / "home/other"
        elsewhere.mkdir()
        (workspace / ".mlwb/config.yaml").write_text("permissions: {allow: [Bash]}\n")
        other = Person(person.endpoint, elsewhere, "later")
        client = await other.opener.resume(session)
        assert [one.workspace for one in other.asked] == [str(workspace)]
        await leave(client)

    async def run() -> None:
        with Endpoint([]) as endpoint:
            person = Person(endpoint, workspace, "trust")
            person.endpoint = endpoint
            await play(person)

    asyncio.run(bounded(run()))


def test_broken_settings_are_told_by_the_start_and_not_asked_about(workspace):
    async def play(person):
        (workspace / ".mlwb/config.yaml").write_text("permissions: [\n")
        with pytest.raises(NotOpenedError, match=r"config\.yaml, line"):
            await person.opener.open()
        assert person.asked == []

    with_endpoint(play, workspace)


def test_a_record_that_cannot_be_written_is_a_reason(workspace, tmp_path):
    async def play(person):
        (tmp_path / "state/mlwb").write_text("a file where the folder should be")
        row = await person.opener.standing(str(workspace))
        for attempt in (person.opener.trust, person.opener.trust_later):
            with pytest.raises(NotOpenedError, match="record of trust"):
                await attempt(str(workspace), row.digest)

    with_endpoint(play, workspace)


def test_a_session_tells_its_confinement_and_its_audit_names_each_call(workspace):
    turns = [turn(use("Bash", command="python3 -c 1")), turn(use("Bash", command="rm out.txt")), say("Done.")]

    async def play(person):
        client = await person.opener.open()
        await client.send(SubmitPrompt(id="p", text="go", by="ana"))
        async for envelope in client.events():
            event = envelope.event
            if isinstance(event, e.SessionStarted):
                assert (event.sandbox, event.network) == ("", "full")
            elif isinstance(event, e.ApprovalRequested):
                assert event.sandbox == "" and not event.again
                decision = "no" if "rm" in event.input["command"] else "once"
                await client.send(
                    Approve(
                        id=event.request_id, request_id=event.request_id, digest=event.digest, decision=decision, by="x"
                    )
                )
            elif isinstance(event, e.Idle):
                break
        assert client.state.sandbox == ""
        found = await person.opener.audit(client.session)
        assert [(one.tool, one.asked, one.decision, one.by) for one in found.calls] == [
            ("Bash", True, "once", user_name()), ("Bash", True, "no", user_name()),
        ]  # fmt: skip
        assert (found.calls[0].exit_code, found.calls[1].status) == (0, "denied")
        await leave(client)

    with_endpoint(play, workspace, "later", turns)


def test_the_doctor_gives_its_findings_one_by_one(workspace):
    async def play(person):
        findings = person.opener.findings()
        first = await anext(findings)
        assert first.name == "key"
        await findings.aclose()

    with_endpoint(play, workspace)
