"""Recordings: what is written, what is played, and what a file that is none gets."""

import asyncio
import json
from pathlib import Path

import pytest

from support.asking import Asked, client_of, collect, request
from support.endpoint import Endpoint, fault, say, turn, use
from workbench.models.base import Answer, ModelClient, ModelError
from workbench.models.replay import Recorder, ReplayClient

HEADER = '{"format":"mlwb-replay","version":1}\n'


def written(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def record(endpoint: Endpoint, path: Path, count: int, names: dict[str, str]) -> list[Asked]:
    async def run() -> list[Asked]:
        recorder = Recorder(client_of(endpoint), path, names)
        found = [await collect(recorder, request()) for _ in range(count)]
        await recorder.close()
        return found

    return asyncio.run(run())


def play(path: Path, count: int, names: dict[str, str] | None = None) -> list[Asked]:
    async def run() -> list[Asked]:
        client: ModelClient = ReplayClient(path, names or {})
        return [await collect(client, request()) for _ in range(count)]

    return asyncio.run(run())


def test_what_was_recorded_is_played_again(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    thinking = {"type": "thinking", "thinking": "Look at the loss first."}
    call = use(
        "Write", "toolu_1", file_path="/home/a/proj/out/x.md", content="in /home/a/proj.\n/home/a/project2 stays"
    )
    turns = [turn(thinking, {"type": "text", "text": "Two  words\nand more."}, call), say("Done.")]
    with Endpoint(turns) as endpoint:
        live = record(endpoint, path, 2, {"{{workspace}}": "/home/a/proj"})
    played = play(path, 2, {"{{workspace}}": "/srv/b"})
    assert [one.whole.stop_reason for one in played] == ["tool_use", "end_turn"]
    assert played[0].text("thinking") == live[0].text("thinking") == thinking["thinking"]
    assert played[0].text() == "Two  words\nand more."
    assert [piece.text for piece in played[0].pieces if piece.kind == "text"] == ["Two  ", "words\n", "and ", "more."]
    assert played[0].whole.usage == live[0].whole.usage
    assert played[0].whole.content[:2] == live[0].whole.content[:2]
    assert played[0].whole.content[2]["input"] == {
        "file_path": "/srv/b/out/x.md",
        "content": "in /srv/b.\n/home/a/project2 stays",
    }
    started, body = [piece for piece in played[0].pieces if piece.kind == "call"]
    assert (started.call_id, started.name) == ("toolu_1", "Write")
    assert json.loads(body.text) == played[0].whole.content[2]["input"]


def test_each_answer_is_a_line_and_nothing_of_the_request_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with Endpoint([say("one"), say("two")]) as endpoint:
        record(endpoint, path, 2, {"{{workspace}}": str(tmp_path)})
    header, *lines = written(path)
    assert header == {"format": "mlwb-replay", "version": 1, "placeholders": ["{{workspace}}"]}
    assert [line["content"] for line in lines] == [[{"type": "text", "text": text}] for text in ("one", "two")]
    text = path.read_text()
    assert "sk-test" not in text
    assert "Be brief" not in text
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_call_that_was_broken_is_broken_when_played(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with Endpoint([turn({**use("Bash", "toolu_1"), "input_raw": '{"command":"rm'})]) as endpoint:
        (live,) = record(endpoint, path, 1, {})
    (played,) = play(path, 1)
    assert played.whole.broken == live.whole.broken != {}


def test_retries_and_errors_are_recorded_and_played(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with Endpoint([fault(529), say("ok"), fault(401)]) as endpoint:
        live = record(endpoint, path, 2, {})
    played = play(path, 2)
    assert played[0].retries == live[0].retries
    assert played[0].text() == "ok"
    assert (played[1].failed.kind, str(played[1].failed)) == ("authentication", str(live[1].failed))


def test_an_answer_that_was_left_is_noted_and_not_played(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with Endpoint([say("one two three", chunk=4), say("whole")]) as endpoint:

        async def run() -> None:
            recorder = Recorder(client_of(endpoint), path, {})
            stream = recorder.stream(request())
            await anext(stream)
            await stream.aclose()
            await collect(recorder, request())
            await recorder.close()

        asyncio.run(run())
    assert "stopped" in str(written(path)[1]["discarded"])
    assert play(path, 1)[0].text() == "whole"


def test_a_recording_is_gone_on_with_and_another_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with Endpoint([say("one"), say("two")]) as endpoint:
        record(endpoint, path, 1, {})
        record(endpoint, path, 1, {})
    assert [one.text() for one in play(path, 2)] == ["one", "two"]
    notes = tmp_path / "notes.txt"
    notes.write_text("mine\n")
    with Endpoint() as endpoint, pytest.raises(ModelError, match=r"notes\.txt is no recording"):
        record(endpoint, notes, 1, {})
    assert notes.read_text() == "mine\n"


def test_a_recording_that_a_person_wrote_needs_only_content(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    call = use("Bash", "toolu_1", command="cd {{workspace}} && {{python}} train.py")
    path.write_text(HEADER + json.dumps({"content": [call]}) + "\n\n" + json.dumps({"content": []}) + "\n")
    one, two = play(path, 2, {"{{workspace}}": "/w", "{{python}}": "python3.12"})
    assert one.whole.content[0]["input"] == {"command": "cd /w && python3.12 train.py"}
    assert (one.whole.stop_reason, two.whole.stop_reason) == ("tool_use", "end_turn")
    assert one.whole.message_id != two.whole.message_id


def test_the_end_of_a_recording_is_told(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(HEADER + '{"content":[{"type":"text","text":"all"}]}\n')
    _, over = play(path, 2)
    assert "is at its end" in str(over.failed)
    assert str(path) in str(over.failed)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no recording"),
        ("hello\n", "no recording"),
        ('{"format":"har","version":1}\n', "no recording"),
        ('{"format":"mlwb-replay","version":2}\n', "version 2"),
        (HEADER + '{"content":[{"type":"text"}]}\n{"content":\n', "line 3"),
        (HEADER + '{"content":[{"text":"a"}]}\n', "line 2: block 0 has no type"),
        (HEADER + '{"content":[{"type":"tool_use","name":"LS"}]}\n', "needs an id and a name"),
        (
            HEADER + '{"content":[' + ",".join(2 * ['{"type":"tool_use","id":"a","name":"LS"}']) + "]}\n",
            "have the id 'a'",
        ),
        (HEADER + '{"content":"hi"}\n', "line 2"),
    ],
)
def test_a_file_that_is_no_recording_is_told_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(text)
    with pytest.raises(ModelError, match=words):
        ReplayClient(path, {})


def test_a_missing_recording_and_a_folder_that_is_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read the recording"):
        ReplayClient(tmp_path / "none.jsonl", {})
    with Endpoint() as endpoint, pytest.raises(ModelError, match="cannot record to"):
        record(endpoint, tmp_path / "none" / "answers.jsonl", 1, {})


def test_a_pace_is_kept_word_by_word(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(HEADER + '{"content":[{"type":"text","text":"one two three"}]}\n')
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def run() -> list[object]:
        return [item async for item in ReplayClient(path, {}, pace=50, sleep=sleep).stream(request())]

    items = asyncio.run(run())
    assert waits == [0.02] * 3
    assert isinstance(items[-1], Answer)
