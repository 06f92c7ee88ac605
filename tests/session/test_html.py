"""A session as one page: whole, standing alone, and harmless whatever was said in it."""

import base64
import hashlib
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from support.sample_events import answer, call, session_events, started, text, write_journal
from workbench.protocol import blocks
from workbench.protocol import events as e
from workbench.protocol.result import CheckResult, FileChange, Option, Question, Result
from workbench.protocol.task import Task
from workbench.session.blobs import Blobs
from workbench.session.html import page
from workbench.session.html_markdown import markdown
from workbench.session.html_runs import _line

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
EVIL = (
    "<script>alert(1)</script><img src=x onerror=alert(2)><svg/onload=alert(3)></bdi></pre></details></div></body>"
    '"\' onmouseover="alert(4)" <a href="javascript:alert(5)">x</a> [a](javascript:alert(6)) [b](<data:text/html,x>) '
    "![p](http://evil.example/p.png) [bank](https://bank.example@evil.example/) <https://ok.example> "
    "\u202eevil\u2066 \x1b]52;c;QUJD\x07 \x00 \u200b <!-- --> ]]> &lt;b&gt; {{7*7}} [x]: javascript:1\n\n"
    '[r]: javascript:alert(7) "t"\n\n[r]\n\n<style>*{display:none}</style>\n\n<meta http-equiv=refresh content=0>\n\n'
    "# </h1><script>\n\n| <script> | b |\n|---|---|\n| `</code><script>` | x |\n\n```html\n</code></pre><script>\n```\n"
)
VOID = {"meta", "img", "br", "hr", "link", "input", "polyline"}
TAGS = {
    "html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "p", "dl", "dt", "dd", "bdi", "div",
    "section", "details", "summary", "pre", "code", "span", "b", "ul", "ol", "li", "a", "em", "strong", "s", "table",
    "thead", "tbody", "tr", "th", "td", "blockquote", "time", "footer", "img", "figure", "figcaption", "svg",
    "polyline", "hr", "br",
}  # fmt: skip


class Page(HTMLParser):
    """Reads a page strictly: known tags, closed in order, no attribute that acts or loads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.images: list[str] = []
        self.tags: list[str] = []
        self.text = self.style = self.policy = ""
        self.feed(html)
        self.close()
        assert self.open == [], self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        self.tags.append(tag)
        given = dict(attrs)
        assert not [name for name in given if name.startswith("on") or name in ("style", "srcset", "action")], given
        if tag == "meta" and given.get("http-equiv"):
            assert given["http-equiv"] == "Content-Security-Policy"
            self.policy = given["content"] or ""
        if "href" in given:
            assert tag == "a"
            self.links.append(given["href"] or "")
        if "src" in given:
            assert tag == "img"
            self.images.append(given["src"] or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open and self.open[-1] == tag, (tag, self.open[-4:])
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def of(folder: Path, thinking: bool = False) -> Page:
    html = "".join(page(folder, thinking))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", html)
    return Page(html)


def test_a_page_tells_the_session_and_stands_alone(tmp_path):
    folder = tmp_path / "s-aaaaaaaa"
    write_journal(folder, session_events())
    found = of(folder)
    for words in ("Lower the loss", "Verified: its check passed.", "begun 2026-09-21T14:13:21Z by ada on box",
                  "2 turns, 240 tokens, $0.5000", "train.py", "python train.py", "ran python train.py",
                  "The loss is 0.5.", "check make check: passed",
                  "End: success, exit code 0", "tune", "mode acceptEdits"):  # fmt: skip
        assert words in found.text, words
    assert "thinking" not in found.text
    assert "thinkinghm" in of(folder, thinking=True).text.replace("\n", "")
    digest = base64.b64encode(hashlib.sha256(found.style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in found.policy and "default-src 'none'" in found.policy
    assert "url(" not in found.style and "@import" not in found.style and "script" not in found.policy
    assert "prefers-color-scheme: dark" in found.style
    assert found.links == [] and found.images == [] and "details" in found.tags


def hostile() -> list[object]:
    """Events with hostile text wherever text can be."""
    diff = f"--- a/{EVIL}\n+++ b/x\n@@ -1 +1 @@\n-{EVIL}\n+{EVIL}\n"
    shown = (
        blocks.Diff(path=EVIL, text=diff, added=1, removed=1), blocks.Output(text=EVIL, exit_code=1),
        blocks.Code(path=EVIL, text=EVIL), blocks.Listing(lines=(EVIL,), total=1), blocks.Text(text=EVIL),
        blocks.Image(media_type=EVIL, blob="0" * 64), blocks.Image(media_type="image/svg+xml", blob="0" * 64),
        blocks.Todos(todos=(blocks.Todo(content=EVIL, status=EVIL),)),
    )  # fmt: skip
    ended = Result(
        subtype=EVIL, is_error=True, session_id=EVIL, result=EVIL, errors=[EVIL], questions=[],
        checks=[CheckResult(command=EVIL, exit_code=1, output=EVIL)],
        files_changed=[FileChange(path=EVIL, change=EVIL, added=1)],
    )  # fmt: skip
    picture = {"type": "image", "source": {"type": "base64", "media_type": f'image/png"{EVIL}', "data": "AAAA"}}
    return [
        started(title=EVIL, task=Task(prompt=EVIL), workspace=f"/{EVIL}", agent=EVIL, model=EVIL, branch=EVIL,
                user=EVIL, host=EVIL, agent_path=EVIL),
        e.PromptSubmitted(text=EVIL, origin="task", by=EVIL, content=(picture,)),
        e.PromptSubmitted(text=EVIL, origin=EVIL, by=EVIL),
        e.RequestStarted(turn=1, model=EVIL),
        answer(1, text(EVIL), {"type": "thinking", "thinking": EVIL, "signature": "x"}),
        e.CallDecided(call_id="c", tool=EVIL, input={EVIL: EVIL}, target=EVIL, verdict=EVIL, rule=EVIL, reason=EVIL,
                      by=EVIL),
        e.ApprovalRequested(request_id="r", call_id="c", tool=EVIL, input={}, rule=EVIL, reason=EVIL, digest=""),
        e.ApprovalResolved(request_id="r", decision=EVIL, by=EVIL, rule=EVIL, reason=EVIL),
        e.CallFinished(call_id="c", tool=EVIL, status=EVIL, summary=EVIL, display=shown),
        e.CallDecided(call_id="left", tool=EVIL, input={}, target=EVIL, verdict="allow"),
        e.Notice(level=EVIL, text=EVIL), e.ShellRan(command=EVIL, output=EVIL, exit_code=1, by=EVIL),
        e.CheckFinished(check=CheckResult(command=EVIL, exit_code=1, output=EVIL), attempt=1),
        e.QuestionsAsked(questions=(Question(question=EVIL, options=(Option(label=EVIL, cost=EVIL),),
                                             recommendation=EVIL),)),
        e.RunLinked(run=EVIL), e.RunsTold(runs=(e.Heard(run=EVIL, status=EVIL, alerts=(EVIL,)),), text=EVIL),
        e.Compacted(summary=EVIL, messages=(), tokens_before=1, usage=answer(1).usage), e.Renamed(title=EVIL),
        e.AnswerDiscarded(turn=1, reason=EVIL, text=EVIL), e.Said(text=EVIL, by=EVIL),
        e.Suggested(suggestion="s", text=EVIL, by=EVIL, path=EVIL),
        e.Shared(share="s", who=(EVIL,), role=EVIL, by=EVIL), e.WheelPassed(to=EVIL, by=EVIL, why=EVIL),
        e.TodosChanged(todos=(blocks.Todo(content=EVIL, status=EVIL),)), e.SessionEnded(result=ended),
    ]  # fmt: skip


def test_hostile_text_stays_text_everywhere(tmp_path):
    folder = tmp_path / "s-aaaaaaaa"
    write_journal(folder, hostile())  # type: ignore[arg-type]
    found = of(folder, thinking=True)
    assert "<script>alert(1)</script>" in found.text  # to be read, not to run
    assert {link.partition(":")[0] for link in found.links} <= {"http", "https"}
    assert found.images == []
    assert "(evil.example)" in found.text  # where `bank` really leads
    assert "\\u{202E}" in found.text and "␛]52" in found.text


@pytest.mark.parametrize(
    "words",
    ["[a](javascript:alert(1))", "[a](JaVaScRiPt:x)", "[a](java\nscript:x)", "[a](&#106;avascript:x)",
     "[a](vbscript:x)", "[a](data:text/html;base64,AAAA)", "[a](//evil.example)", "[a](file:///etc/passwd)",
     "[a](\x01javascript:x)", "<javascript:x>", "[a]( javascript:x)", "[a](blob:x)"],
)  # fmt: skip
def test_no_link_leads_elsewhere_than_to_the_web(words):
    assert "href" not in markdown(words)


def test_a_link_says_where_it_leads_unless_its_words_do():
    assert markdown("[the paper](https://arxiv.org/abs/1)").count("(arxiv.org)") == 1
    assert "(ok.example)" not in markdown("<https://ok.example>")
    assert "(evil.example)" in markdown("[https://ok.example](https://evil.example/ok.example)")
    assert "(a@b.example)" in markdown("[write](mailto:a@b.example)")


def test_pictures_are_within_the_page_up_to_a_bound(tmp_path):
    folder = tmp_path / "s-aaaaaaaa"
    blobs = Blobs(folder / "blobs")
    folder.mkdir()
    small, large = blobs.put(PNG), blobs.put(b"x" * (3 << 20))
    data = base64.b64encode(PNG).decode()
    prompt = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    shown = tuple(blocks.Image(media_type="image/png", blob=blob) for blob in (small, large, "f" * 64))
    write_journal(folder, [
        started(), e.PromptSubmitted(text="look", origin="person", by="ana", content=(prompt,)),
        e.RequestStarted(turn=1, model="m"), e.CallFinished(call_id="c", tool="Read", status="ok", display=shown),
    ])  # fmt: skip
    found = of(folder)
    assert found.images == [f"data:image/png;base64,{data}"] * 2
    assert found.text.count("not on this page") == 2


def test_a_diff_has_signs_as_well_as_colours(tmp_path):
    folder = tmp_path / "s-aaaaaaaa"
    diff = blocks.Diff(path="/data/project/a.py", text="--- a\n+++ b\n@@ -1 +1 @@\n-old <b>\n+new\n same\n", added=1)
    write_journal(folder, [started(), e.CallFinished(call_id="c", tool="Edit", status="ok", display=(diff,))])
    html = "".join(page(folder))
    assert '<span class="d">-old &lt;b&gt;</span><span class="a">+new</span><span> same</span>' in html


def test_a_session_that_goes_on_and_a_very_long_output(tmp_path):
    folder = tmp_path / "s-aaaaaaaa"
    output = blocks.Output(text="begin" + "x" * 1_000_000 + "end", exit_code=0)
    write_journal(folder, [
        started(), e.RequestStarted(turn=1, model="m"), *call("c0", "ls"),
        e.CallFinished(call_id="c", tool="Bash", status="ok", display=(output,)),
    ])  # fmt: skip
    html = "".join(page(folder))
    assert "It has not ended" in html and len(html) < 60_000 and "xend" in html


def test_runs_are_told_with_the_verdict_of_the_journal_without_a_ledger(tmp_path):
    folder = tmp_path / "s-aaaaaaaa"
    told = "r-1 finished after 2.0 s\n  base\n  against r-0 (val_loss): within noise. -0.01 ± 0.04, n=3"
    write_journal(folder, [
        started(workspace="/nowhere"), e.RunLinked(run="r-1"), e.RunLinked(run="r-2"),
        e.RunsTold(runs=(e.Heard(run="r-1", status="finished", exit_code=0),), text=told),
    ])  # fmt: skip
    found = of(folder)
    assert "r-1 finished; within noise against r-0 (val_loss): -0.01 ± 0.04, n=3" in found.text
    assert found.text.count("its numbers are not on this machine") == 2 and found.tags.count("figure") == 2


def test_a_curve_is_broken_where_it_is_nan():
    drawn = _line([(0, 1.0), (1, 0.5), (2, None), (3, 0.4), (4, 0.2)])
    assert drawn.count("<polyline") == 2 and "NaN" not in drawn
    assert _line([(0, 1.0)]) == "" and _line([(0, None)]) == ""


def test_the_verb_writes_it_by_the_ending_of_the_file(tmp_path):
    write_journal(tmp_path / "mlwb/sessions/s-aaaaaaaa", session_events())
    env = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}

    def mlwb(*args: str) -> subprocess.CompletedProcess[str]:
        run = "import sys; from workbench.cli import main; sys.exit(main())"
        return subprocess.run([sys.executable, "-c", run, "sessions", "export", *args], env=env, cwd=tmp_path,
                              capture_output=True, text=True, timeout=30)  # fmt: skip

    assert mlwb("-o", "a.html", "s-aaaa").returncode == 0
    assert mlwb("--html", "-o", "b", str(tmp_path / "mlwb/sessions/s-aaaaaaaa")).returncode == 0
    written = (tmp_path / "a.html").read_text()
    assert written == (tmp_path / "b").read_text() == mlwb("--html", "s-aaaa").stdout
    assert Page(written).policy and (tmp_path / "a.html").stat().st_mode & 0o777 == 0o600
    assert mlwb("--markdown", "-o", "c.html", "s-aaaa").returncode == 0
    assert (tmp_path / "c.html").read_text().startswith("# Lower the loss")
    failed = mlwb("-o", "no/where.html", "s-aaaa")
    assert failed.returncode == 1 and failed.stderr.startswith("mlwb: no/where.html: ")
