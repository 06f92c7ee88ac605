"""Pages and state tell the same items, however a session is split."""

import asyncio
import tempfile
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.sample_events import SESSION, answer, call, clock, result, resumed, started, text, write_journal
from workbench.protocol import blocks
from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.protocol.fold import PLACES, apply
from workbench.protocol.result import CheckResult, Option, Question
from workbench.protocol.state import KEPT_ITEMS, KEPT_TEXT, SessionState, state_digest
from workbench.session.blobs import Blobs
from workbench.session.changes import Changes
from workbench.session.journal import Journal, Reader
from workbench.session.pages import Pages

IDS = st.sampled_from(["toolu_1", "toolu_2", "toolu_3"])
WORDS = st.text(max_size=12)
EVENTS = st.one_of(
    st.builds(e.PromptSubmitted, text=WORDS, origin=st.just("person"), by=WORDS),
    st.builds(lambda turn: e.RequestStarted(turn=turn, model="m"), st.integers(1, 9)),
    st.builds(lambda words: answer(1, *map(text, words)), st.lists(st.text(min_size=1, max_size=5), max_size=3)),
    st.builds(lambda n: answer(1, *[text("x")] * n), st.just(PLACES + 3)),
    st.builds(
        lambda i, v: e.CallDecided(call_id=i, tool="Bash", input={}, target="ls", verdict=v),
        IDS,
        st.sampled_from(["allow", "ask", "deny"]),
    ),
    st.builds(lambda i: e.CallStarted(call_id=i, turn=1), IDS),
    st.builds(lambda run, i: e.RunLinked(run=run, call_id=i), st.sampled_from(["r-1", "r-2"]), IDS),
    st.builds(
        lambda i, s: e.CallFinished(
            call_id=i, tool="Bash", status=s, summary="done", display=(blocks.Text(text="out"),), changed=("a",)
        ),
        IDS,
        st.sampled_from(["ok", "error", "denied", "interrupted"]),
    ),
    st.builds(
        lambda i: e.ApprovalRequested(
            request_id=f"r-{i}", call_id=i, tool="Bash", input={}, rule=None, reason="", digest="d"
        ),
        IDS,
    ),
    st.builds(lambda i: e.ApprovalResolved(request_id=f"r-{i}", decision="once", by="ada"), IDS),
    st.just(e.CheckFinished(check=CheckResult(command="make", exit_code=1, output="no"), attempt=1)),
    st.just(e.QuestionsAsked(questions=(Question(question="which?", options=(Option(label="a"),)),) * 2)),
    st.just(e.Notice(level="info", text="hm")),
    st.just(resumed()),
    st.just(e.SessionEnded(result=result())),
    st.just(e.Unknown(name="dreamt", data={"x": 1})),
)


def folded(envelopes, kept):
    state = SessionState()
    for envelope in envelopes:
        apply(state, envelope, kept=kept)
    return state


def paged(pages, before, n):
    """All items before BEFORE, asked for N at a time."""
    found, more = [], True
    while more:
        page = pages.items(before, n)
        found[:0] = page.items
        more = page.more
        assert page.items or not more
        before = page.items[0].id if page.items else before
    return found


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EVENTS, max_size=60), st.integers(1, 12), st.integers(1, 9))
def test_pages_and_state_are_one_transcript(events, kept, n):
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / SESSION
        envelopes = write_journal(folder, [started(), *events])
        whole = folded(envelopes, kept=10**9)
        held = folded(envelopes, kept=kept)
        assert held.items_total == whole.items_total == len(whole.items)
        assert held.items == whole.items[-kept:]
        assert len({item.id for item in whole.items}) == len(whole.items)
        with Reader(folder) as reader:
            pages = Pages(reader, Blobs(folder / "blobs"))
            older = paged(pages, held.items[0].id, n) if held.items else []
            assert older + held.items == whole.items
            assert paged(pages, 0, n) == whole.items


def test_a_client_that_comes_late_sees_the_same(tmp_path):
    folder = tmp_path / SESSION
    events = [started()]
    for turn in range(1, 200):
        events += [e.RequestStarted(turn=turn, model="m"), answer(turn, text(f"answer {turn}"))]
        events += call(f"toolu_{turn}", f"echo {turn}", turn=turn)
    envelopes = write_journal(folder, events)
    state = folded(envelopes, KEPT_ITEMS)
    assert len(state.items) == KEPT_ITEMS
    assert state_digest(state) == state_digest(folded(envelopes, KEPT_ITEMS))
    with Reader(folder) as reader:
        pages = Pages(reader, Blobs(folder / "blobs"))
        page = pages.items(state.items[0].id, 50)
        assert (len(page.items), page.more) == (50, True)
        assert page.items[-1].status == "ok"
        assert page.items[-1].turn == state.items[0].turn - 1
        assert pages.items(state.items[0].id, 10_000).more is False
        assert pages.items(1, 10) == q.Items(items=(), more=False)
        assert pages.items(10**15, 3).items == tuple(state.items[-3:])
        assert pages.items(0, 0) == q.Items(items=(), more=True)
        assert pages.items(0, -5).items == ()


def test_words_of_a_model_do_not_begin_a_turn(tmp_path):
    folder = tmp_path / SESSION
    hostile = {"event": {"type": "request_started"}, "seq": 1, "session": "s", "at": 1}
    events = [started(), e.RequestStarted(turn=1, model="m")]
    decided = e.CallDecided(call_id="a", tool="Bash", input=hostile, target="x", verdict="allow")
    events += [decided, e.CallFinished(call_id="a", tool="Bash", status="ok", summary="fine")]
    envelopes = write_journal(folder, events)
    with Reader(folder) as reader:
        assert list(Pages(reader, Blobs(folder / "b")).items(0, 5).items) == folded(envelopes, 99).items


def test_the_whole_text_of_a_cut_item(tmp_path):
    folder = tmp_path / SESSION
    words = "naïve " * KEPT_TEXT
    envelopes = write_journal(folder, [started(), e.PromptSubmitted(text=words, origin="task", by="ada")])
    item = folded(envelopes, 9).items[0]
    assert item.cut
    assert len(item.text) == KEPT_TEXT
    with Reader(folder) as reader:
        pages, data, total = Pages(reader, Blobs(folder / "b")), b"", 1
        while len(data) < total:
            page = asyncio.run(pages.answer(q.ItemText(item=item.id, offset=len(data), size=50_000)))
            data, total = data + page.data, page.total
        assert data.decode() == words
        for wrong in (0, -1, item.id + 1, item.id + PLACES, 10**15):
            assert asyncio.run(pages.answer(q.ItemText(item=wrong))).total == -1


def test_blobs_by_page(tmp_path):
    blobs = Blobs(tmp_path / "blobs")
    blob = blobs.put(b"0123456789")
    write_journal(tmp_path / SESSION, [started()])
    with Reader(tmp_path / SESSION) as reader:
        pages = Pages(reader, blobs)

        def page(**asked):
            return asyncio.run(pages.answer(q.BlobPage(**asked)))

        assert page(blob=blob, offset=2, size=3) == q.Blob(data=b"234", total=10)
        assert page(blob=blob, offset=50) == q.Blob(data=b"", total=10)
        assert page(blob=blob, offset=-4, size=-1) == q.Blob(data=b"", total=10)
        for wrong in ("0" * 64, "../../etc/passwd", "", blob.upper(), blob + "\n"):
            assert page(blob=wrong) == q.Blob(data=b"", total=-1)


def test_diffs_by_page(tmp_path):
    workspace, folder = tmp_path / "work", tmp_path / SESSION
    workspace.mkdir()
    (workspace / "a.txt").write_text("")
    with Journal.create(folder, SESSION, clock()) as journal:
        journal.append(started())
        changes = Changes.begin(workspace, (), Blobs(folder / "blobs"), folder)
        asyncio.run(changes.ready())
        (workspace / "a.txt").write_text("".join(f"{n}\n" for n in range(100)))
        pages = Pages(journal, Blobs(folder / "blobs"), changes)
        page = asyncio.run(pages.answer(q.DiffPage(path="a.txt", offset=3, lines=2)))
        assert page == q.Diff(lines=("+0", "+1"), total=103)
        assert asyncio.run(pages.answer(q.DiffPage(path="no such"))) == q.Diff(lines=(), total=0)


def test_a_call_is_told_whole_though_its_verdict_was_cut(tmp_path: Path):
    content = "x" * 9_000
    given = {"file_path": "a.py", "content": content, "mode": [1, 2]}
    shown = blocks.Text(text="y" * (2 * KEPT_TEXT))
    use = {"type": "tool_use", "id": "c1", "name": "Write", "input": given}
    cut = {**given, "content": content[:4000] + "… (9,000 characters)"}
    events = [
        started(), e.RequestStarted(turn=1, model="m"), answer(1, use),
        e.CallDecided(call_id="c1", tool="Write", input=cut, target="a.py", verdict="ask"),
        e.CallDecided(call_id="c1", tool="Write", input=cut, target="a.py", verdict="allow", by="ada"),
        e.CallFinished(call_id="c1", tool="Write", status="ok", display=(shown,)),
        e.RequestStarted(turn=2, model="m"),
    ]  # fmt: skip
    whole = _call(tmp_path / "a", events)
    assert (whole.input, whole.display) == (given, (shown,))
    changed = {**given, "content": "z"}
    events[4] = e.CallDecided(call_id="c1", tool="Write", input=changed, target="a.py", verdict="allow", by="ada")
    assert _call(tmp_path / "b", events).input == changed, "what ran, where a person changed it"


def _call(folder: Path, events) -> q.CallWhole:
    folder.mkdir()
    write_journal(folder, events)
    blobs = Blobs(folder / "blobs")
    with Reader(folder) as reader:
        pages = Pages(reader, blobs)
        state = folded(reader.read(0), KEPT_ITEMS)
        item = next(one for one in state.items if one.kind == "call")
        page = asyncio.run(pages.answer(q.ItemText(item=item.id, size=1 << 20)))
        part = asyncio.run(pages.answer(q.ItemText(item=item.id, offset=5, size=7)))
    assert (part.data, part.total) == (page.data[5:12], len(page.data))
    return msgspec.json.decode(page.data, type=q.CallWhole)
