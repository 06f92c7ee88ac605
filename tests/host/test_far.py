"""The way to a session on another machine: addresses, and what an ssh may answer. The ssh of most is a script."""

import asyncio
from pathlib import Path

import pytest

from support.endpoint import say
from support.hosted import Followed, begin, hosted
from workbench.host.far import Far, FarError, Ssh, read
from workbench.host.remote import NotAttachedError, RemoteClient
from workbench.protocol import wire
from workbench.protocol.commands import Rename


@pytest.mark.parametrize(
    ("url", "far"),
    [
        ("ssh://gpu07", Far("gpu07")),
        ("ssh://gpu07/", Far("gpu07")),
        ("ssh://li@gpu07.lab.test:2222/s-4k7w9x2m", Far("gpu07.lab.test", "li", 2222, "s-4k7w9x2m")),
        ("ssh://GPU07/4k", Far("GPU07", session="4k")),
        ("ssh://[::1]:22/s-1", Far("::1", port=22, session="s-1")),
        ("ssh://10.0.0.7/s-1", Far("10.0.0.7", session="s-1")),
    ],
)
def test_an_address_is_read_and_told_again(url: str, far: Far) -> None:
    assert read(url) == far
    assert read(far.url()) == far


@pytest.mark.parametrize(
    "url",
    [
        "ssh://", "ssh:///s-1", "ssh://-oProxyCommand=id", "ssh://-oProxyCommand=id@host", "ssh://h/-x", "ssh://h/s-1;id",
        "ssh://h/$(id)", "ssh://h/s-1/../x", "ssh://h:port/s", "ssh://h:70000", "ssh://a b/s-1", "ssh://u:secret@h/s-1",
        "ssh://h/s-1?x=1", "ssh://h/s-1#x", "ssh://u'x@h", "ssh://h\n-oX", "http://h/s-1", "ssh://[::1/s", "ssh://h/S-1",
    ],
)  # fmt: skip
def test_what_could_be_an_option_or_a_command_is_no_address(url: str) -> None:
    with pytest.raises(FarError):
        read(url)


def test_the_command_holds_nothing_that_a_shell_could_read_otherwise() -> None:
    words = Ssh(read("ssh://li@gpu07:22/s-1"), ssh="ssh -F 'my config'", remote="/opt/mlwb").command(quietly=True)
    assert words[:4] == ["ssh", "-F", "my config", "-T"] and "BatchMode=yes" in words
    assert words[-3:] == ["--", "li@gpu07", "/opt/mlwb attach --stdio s-1"]
    assert "BatchMode=yes" not in Ssh(read("ssh://gpu07")).command(quietly=False)
    with pytest.raises(FarError, match="MLWB_SSH cannot be read"):
        Ssh(read("ssh://gpu07"), ssh="ssh 'x")


def script(folder: Path, text: str) -> str:
    """An ssh that does TEXT; the far command is its last argument, `$COMMAND`."""
    path = folder / "ssh"
    path.write_text(f"#!/bin/sh\nfor COMMAND; do :; done\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("exit 127", "--remote-command /path/to/mlwb"),
        ("echo 'ssh: connect to host gpu07 port 22: Connection refused' >&2; exit 255", "Connection refused"),
        ("echo 'li@gpu07: Permission denied (publickey).' >&2; exit 255", "lets it ask"),
        ("echo \"mlwb: there is no verb 'attach'\" >&2; exit 2", "there is no verb 'attach'"),
        ("exit 3", "ended with 3"),
        ("yes welcome | head -c 100000", "is no mlwb: welcome"),
        ("printf 'motd\\n{\"type\":\"refused\",\"code\":\"gone\",\"why\":\"no session\"}\\n'; cat", "no session"),
    ],
)  # fmt: skip
def test_why_there_is_no_session_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(FarError) as error:
        Ssh(read("ssh://gpu07"), ssh=script(tmp_path, text)).begin()
    assert told in str(error.value)


def test_without_ssh_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(FarError, match="cannot be started"):
        Ssh(read("ssh://gpu07"), ssh=str(tmp_path / "none")).begin()


def test_the_second_time_nobody_is_asked_and_a_network_that_is_away_may_come_back(tmp_path: Path) -> None:
    async def dial(text: str) -> None:
        link = Ssh(read("ssh://gpu07"), ssh=script(tmp_path, text))
        await link.dial()

    with pytest.raises(ConnectionError, match="no route"):
        asyncio.run(dial("echo 'ssh: no route to host' >&2; exit 255"))
    with pytest.raises(NotAttachedError, match="lets it ask"):
        asyncio.run(dial("echo 'Permission denied (password).' >&2; exit 255"))
    with pytest.raises(ConnectionError, match="asks nothing"):
        asyncio.run(dial('case "$*" in *BatchMode=yes*) echo asks nothing >&2; exit 255;; esac'))


def test_through_a_shell_that_talks_it_is_joined_and_the_token_stays_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said"

    async def run() -> None:
        first = await begin(place)
        talks = f'echo "Last login: today"; printf "no newline"; echo; tee {said} | sh -c "$COMMAND" | cat'
        link = Ssh(read(f"ssh://gpu07/{first.session}"), ssh=script(tmp_path, talks))
        link.begin()
        far = RemoteClient(link.dial, wire.Hello, None, link.hang_up, far=True)
        await far.begin()
        async with Followed(first) as near, Followed(far) as followed:
            assert far.owner and far.session == first.session
            assert (await far.send(Rename(id="r-1", title="From afar", by="li"))).ok
            await near.until(lambda: first.state.title == "From afar")
            await followed.until(lambda: far.state.title == "From afar")
        assert "hello" in said.read_text() and "token" not in said.read_text()

    with hosted(tmp_path, monkeypatch, [say("Hello.")]) as place:
        asyncio.run(run())


def test_of_several_sessions_there_one_is_chosen_on_the_same_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        first, second = await begin(place), await begin(place)
        asked: list[set[str]] = []

        async def choose(sessions: object) -> str:
            asked.append({one.id for one in sessions})  # type: ignore[attr-defined]
            return second.session

        link = Ssh(read("ssh://gpu07"), ssh=script(tmp_path, 'sh -c "$COMMAND"'))
        link.begin()
        far = RemoteClient(link.dial, wire.Hello, None, link.hang_up, far=True, choose=choose)
        await far.begin()
        async with Followed(first), Followed(second), Followed(far) as followed:
            assert far.session == second.session and asked == [{first.session, second.session}]
            link.hang_up()  # it comes back to the same one, and asks nobody
            assert (await far.send(Rename(id="r-1", title="Again", by="li"))).ok
            await followed.until(lambda: far.state.title == "Again")
            assert len(asked) == 1

    with hosted(tmp_path, monkeypatch, []) as place:
        asyncio.run(run())
