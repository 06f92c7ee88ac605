import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from support.tool_calls import Session
from workbench.tools import beneath, search
from workbench.tools.globs import expression
from workbench.tools.ignore import VCS
from workbench.tools.walk import walk

ENGINES = ["re"]
if shutil.which("rg"):
    ENGINES.append("rg")


def lay(root, files):
    """FILES (path -> text or bytes) below ROOT, each a second newer than the one before."""
    for at, (path, data) in enumerate(files.items()):
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data if isinstance(data, bytes) else data.encode())
        os.utime(place, (1_700_000_000 + at, 1_700_000_000 + at))


TREE = {
    "train.py": "import torch\n\n\ndef train(lr=0.1):\n    loss = lr\n    return loss\n",
    "src/model.py": "class Net:\n    def loss(self):\n        return Loss\n\n\n\n\n# loss again\n",
    "src/web/app.ts": "const loss = 1;\n",
    "src/web/app.tsx": "const loss = 2;\n",
    "notes.md": "# Loss\nthe loss fell\n",
    ".hidden/config.yaml": "loss: 1\n",
    ".git/HEAD": "loss\n",
    ".gitignore": "*.log\nbuild/\n!keep.log\n/data\n",
    "a.log": "loss\n",
    "keep.log": "loss\n",
    "build/out.py": "loss\n",
    "data/x.csv": "loss\n",
    "src/data/y.csv": "loss\n",
    "src/.gitignore": "secret*\n",
    "src/secret.txt": "loss\n",
    "windows.txt": "loss\r\nother\r\n",
    "latin.txt": "perte: loss \xe9t\xe9\n".encode("latin-1"),
    "utf16.txt": b"\xff\xfe" + "loss in two bytes\n".encode("utf-16-le"),
    "binary.bin": b"loss\0\1\2",
    "min.js": "var a='" + "é" * 3000 + "', loss=1;" + "b" * 3000 + "\n",
    "umlaut-ö.txt": "loss\n",
    "with space:colon.txt": "loss: 3\n",
    "no_newline.txt": "loss",
}

QUESTIONS = [
    {"pattern": "loss"},
    {"pattern": "loss", "output_mode": "content"},
    {"pattern": "loss", "output_mode": "count"},
    {"pattern": "LOSS", "-i": True, "output_mode": "content", "-n": False},
    {"pattern": "loss", "output_mode": "content", "-C": 1},
    {"pattern": "def", "output_mode": "content", "-A": 2, "-B": 1},
    {"pattern": "loss", "output_mode": "content", "-A": 3, "-C": 0},
    {"pattern": "loss", "glob": "*.{ts,tsx}"},
    {"pattern": "loss", "glob": "*.py, *.md"},
    {"pattern": "loss", "glob": "!*.py"},
    {"pattern": "loss", "glob": "src/**"},
    {"pattern": "loss", "glob": "*.log"},
    {"pattern": "loss", "type": "py", "output_mode": "content"},
    {"pattern": "loss", "type": "ts"},
    {"pattern": "loss", "path": "src", "output_mode": "content"},
    {"pattern": "loss", "path": "src/model.py", "output_mode": "content"},
    {"pattern": "loss", "path": "src/model.py"},
    {"pattern": "loss", "path": "build", "output_mode": "content"},
    {"pattern": r"return.*\n", "multiline": True, "output_mode": "content"},
    {"pattern": r"class.*again", "multiline": True, "output_mode": "content"},
    {"pattern": r"return.*?\n", "multiline": True, "output_mode": "count"},
    {"pattern": r"^\s*return", "output_mode": "content"},
    {"pattern": r"loss$", "output_mode": "content"},
    {"pattern": r"^$", "output_mode": "count"},
    {"pattern": r"\bloss\b", "output_mode": "count"},
    {"pattern": r"été|ö", "output_mode": "content"},
    {"pattern": r"(?P<word>lo)s{2}", "output_mode": "count"},
    {"pattern": "loss", "output_mode": "content", "head_limit": 3, "offset": 2},
    {"pattern": "--", "output_mode": "content"},
    {"pattern": "nowhere"},
    {"pattern": "nowhere", "output_mode": "content"},
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree")
    lay(root, TREE)
    return root


@pytest.fixture
def session(tmp_path):
    return Session(tmp_path)


def ask(session, engine, monkeypatch, **given):
    monkeypatch.setattr(search, "engine", lambda: engine)
    return session.text("Grep", **given)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: " ".join(f"{k}={v}" for k, v in q.items()))
def test_all_engines_give_the_same_answer(tree, question, monkeypatch):
    session = Session(tree)
    answers = {engine: ask(session, engine, monkeypatch, **question) for engine in ENGINES}
    assert len(set(answers.values())) == 1, answers


@pytest.mark.parametrize("engine", ENGINES)
def test_files_come_newest_first_without_the_ignored_the_binary_and_gits_own(tree, engine, monkeypatch):
    assert ask(Session(tree), engine, monkeypatch, pattern="loss").split("\n") == [
        *("no_newline.txt", "with space:colon.txt", "umlaut-ö.txt", "min.js", "utf16.txt", "latin.txt"),
        *("windows.txt", "src/data/y.csv", "keep.log", ".hidden/config.yaml", "notes.md"),
        *("src/web/app.tsx", "src/web/app.ts", "src/model.py", "train.py"),
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_content_counts_and_context(tree, engine, monkeypatch):
    session = Session(tree)
    assert ask(session, engine, monkeypatch, pattern="loss", glob="*.py", output_mode="content", **{"-C": 1}) == (
        "src/model.py-1-class Net:\nsrc/model.py:2:    def loss(self):\nsrc/model.py-3-        return Loss\n"
        "--\nsrc/model.py-7-\nsrc/model.py:8:# loss again\n--\n"
        "train.py-4-def train(lr=0.1):\ntrain.py:5:    loss = lr\ntrain.py:6:    return loss"
    )
    assert ask(session, engine, monkeypatch, pattern="loss", path="src", type="ts", output_mode="count") == (
        "src/web/app.ts:1\nsrc/web/app.tsx:1\n[2 matches in 2 files]"
    )
    text = ask(session, engine, monkeypatch, pattern="loss=1", output_mode="content")
    assert text.startswith("min.js:1:var a='éé") and text.endswith("é… [cut]") and len(text) < 600


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"pattern": "fo("}, "regex parse error"),
        ({"pattern": "a\\nb"}, "multiline"),
        ({"pattern": "x", "type": "nope"}, "unrecognized file type: nope"),
        ({"pattern": "x", "glob": "a[b"}, "a[b"),
        ({"pattern": "x", "path": "srk"}, "srk does not exist. Its folder has src."),
        ({"pattern": "x", "path": "binary.bin"}, "binary file"),
    ],
)
def test_what_cannot_be_searched_is_said(tree, engine, given, said, monkeypatch):
    monkeypatch.setattr(search, "engine", lambda: engine)
    assert said in Session(tree).error("Grep", **given)


def test_a_page_is_cut_and_tells_what_is_left(session, tmp_path):
    lay(tmp_path, {"a": "".join(f"match number {n}\n" for n in range(5000))})
    text = session.text("Grep", pattern="match", output_mode="content")
    assert 29_000 < len(text) < 30_300
    left, start = map(int, re.search(r"\[(\d+) more rows: offset=(\d+) goes on", text).groups())
    assert left + start == 5000
    after = session.text("Grep", pattern="match", output_mode="content", offset=start, head_limit=1)
    assert after.startswith(f"a:{start + 1}:match number {start}\n[{left - 1} more rows")
    assert "[there are only 5000 rows]" in session.text("Grep", pattern="match", output_mode="content", offset=9000)


def test_paths_can_be_given_back_from_wherever_bash_went(tree):
    session = Session(tree)
    session.context.cwd = tree / "src"
    assert session.text("Grep", pattern="class") == "model.py"
    assert session.text("Grep", pattern="torch", path="..") == "../train.py"
    assert session.text("Glob", pattern="../*.md") == "../notes.md"
    for path in ("model.py", "../train.py", "../notes.md"):
        session.call("Read", file_path=path)


def test_a_pipe_named_gitignore_is_not_waited_for(session, tmp_path):
    lay(tmp_path, {"y.py": "needle\n"})
    os.mkfifo(tmp_path / ".gitignore")
    assert session.text("Glob", pattern="*.py") == "y.py"


@pytest.mark.parametrize("engine", ENGINES)
def test_an_ignored_folder_that_is_named_is_searched(session, tmp_path, engine, monkeypatch):
    lay(tmp_path, {".venv/.gitignore": "*\n", ".venv/lib/pkg/x.py": "needle\n", "y.py": "needle\n"})
    assert ask(session, engine, monkeypatch, pattern="needle") == "y.py"
    assert ask(session, engine, monkeypatch, pattern="needle", path=".venv/lib") == ".venv/lib/pkg/x.py"
    assert session.text("Glob", pattern=".venv/lib/**/*.py") == ".venv/lib/pkg/x.py"


def test_files_that_may_not_be_read_are_not_named(tree):
    session = Session(tree)
    session.context.readable = lambda path: not path.endswith((".py", ".txt"))
    assert (
        session.text("Grep", pattern="torch|Net|class") == "No files match (files that .gitignore names were left out)."
    )
    assert "train.py" not in session.text("Grep", pattern="loss", output_mode="content")
    assert ".py" not in session.text("Glob", pattern="**/*") and ".py" not in session.text("LS")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_named_pipe_is_never_waited_for(session, tmp_path, engine, monkeypatch):
    lay(tmp_path, {"a": "needle\n"})
    os.mkfifo(tmp_path / "pipe")
    assert ask(session, engine, monkeypatch, pattern="needle") == "a"
    assert "named pipe" in session.error("Grep", pattern="needle", path="pipe")


def cancelled(session, **given):
    """Starts a search that has no end, cancels it once its process is there, and gives that process's id."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    before = set(children.read_text().split())

    async def scenario():
        call = asyncio.create_task(session.acall("Grep", **given))
        while not (started := set(children.read_text().split()) - before):
            assert not call.done(), call.result()
            await asyncio.sleep(0.005)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        return started.pop()

    return asyncio.run(scenario())


@pytest.mark.parametrize("path", [".", "a"])
def test_a_search_that_is_cancelled_as_it_begins_keeps_nothing_open(session, tmp_path, path):
    lay(tmp_path, {"a": "needle\n"})

    async def scenario():
        call = asyncio.create_task(session.acall("Grep", pattern="needle", path=path))
        await asyncio.sleep(0)  # it has begun, and waits for what it searches to be opened
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    def still_open():
        return {os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if os.path.lexists(entry.path)}

    asyncio.run(scenario())
    assert not {place for place in still_open() if place.startswith(str(tmp_path))}


def test_cancelling_ends_the_worker_even_in_an_endless_match(session, tmp_path, monkeypatch):
    lay(tmp_path, {"f": "a" * 200_000})
    monkeypatch.setattr(search, "engine", lambda: "re")
    began = time.perf_counter()
    child = cancelled(session, pattern=r"(a|aa)+$(b|c)", output_mode="content")
    assert not Path(f"/proc/{child}").exists()
    assert time.perf_counter() - began < 60


def test_cancelling_ends_rg_however_much_it_has_to_say(session, tmp_path, monkeypatch):
    (tmp_path / "rg").write_text("#!/bin/sh\nexec yes ./a\n")
    (tmp_path / "rg").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    child = cancelled(session, pattern="x")
    assert not Path(f"/proc/{child}").exists()


def test_too_much_output_ends_the_search_and_is_said(session, tmp_path, monkeypatch):
    endless = "import sys\nwhile True: sys.stdout.write('./a\\0' + '1:' + 'x' * 5000 + '\\n')"
    (tmp_path / "rg").write_text(f"#!{sys.executable}\n{endless}\n")
    (tmp_path / "rg").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert "ended early and is not complete" in session.text("Grep", pattern="x", output_mode="content")


def test_the_worker_imports_nothing_from_the_searched_folder(session, tmp_path, monkeypatch):
    lay(tmp_path, dict.fromkeys(("json.py", "re.py", "workbench/__init__.py"), "raise SystemExit('taken over')\n"))
    assert len(ask(session, "re", monkeypatch, pattern="taken over").split("\n")) == 3


def test_a_configuration_of_rg_does_not_count(tree, tmp_path, monkeypatch):
    (tmp_path / "rc").write_text("--invert-match\n")
    monkeypatch.setenv("RIPGREP_CONFIG_PATH", str(tmp_path / "rc"))
    assert Session(tree).text("Grep", pattern="torch") == "train.py"


RULES = {
    ".gitignore": "\n".join(
        [
            *("# comment", "*.tmp", "!important.tmp", "/rooted", "a/b", "deep/**/x", "**/any", "tail/**", "folder/"),
            *(r"\#hash", r"\!bang", "trailing ", "[ab]*.c", "[!z]?.d", "q?.e", "{x,y}.f", "wild*/inner", "*/one/two"),
        ]
    ),
    ".ignore": "only_ignore\n!rescued.tmp\n",
    "sub/.gitignore": "!*.tmp\n/local\n",
    "sub/deeper/.gitignore": "*\n!kept\n",
    "repo/.git/info/exclude": "excluded\n",
    "repo/.gitignore": "in_repo\n",
}
NAMES = [
    *("x.tmp", "important.tmp", "rescued.tmp", "rooted", "a/b/c", "a/x", "deep/1/2/x", "deep/x", "any", "m/any/n"),
    *("tail/1", "tail/t/2", "folder/f", "m/folder", "#hash", "!bang", "trailing", "a1.c", "c1.c", "zz.d", "yy.d"),
    *("q1.e", "q12.e", "x.f", "z.f", "wild1/inner", "wild/m/inner", "p/one/two", "one/two", "only_ignore", "local"),
    *("kept", "excluded", "in_repo", "Any", "y.tmp"),
]


@pytest.mark.skipif("rg" not in ENGINES, reason="ripgrep is the reference")
@pytest.mark.parametrize("start", ["", "sub", "repo", "deep", "tail", "sub/deeper"])
def test_ignore_rules_are_read_as_ripgrep_reads_them(tmp_path, start):
    lay(
        tmp_path,
        {**{f"{place}{name}": "" for place in ("", "sub/", "sub/deeper/", "repo/") for name in NAMES}, **RULES},
    )
    base = tmp_path / start
    hidden = [f"--glob=!{name}" for name in VCS]
    command = ["rg", "--no-config", "--files", "--hidden", "--no-require-git", "--no-ignore-global", *hidden, "./"]
    listed = subprocess.run(command, cwd=base, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8").stdout
    with beneath.holding(str(base)) as held:
        assert sorted(walk(str(base), held)) == sorted(line.removeprefix("./") for line in listed.splitlines())


@pytest.mark.parametrize("engine", ENGINES)
def test_names_that_are_no_utf8_can_be_shown(session, tmp_path, engine, monkeypatch):
    name = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    with open(name, "wb") as file:
        file.write(b"needle\n")
    assert ask(session, engine, monkeypatch, pattern="needle") == r"caf\udce9.txt"
    assert ask(session, engine, monkeypatch, pattern="needle", output_mode="count").startswith(r"caf\udce9.txt:1")
    for tool, given in (("Glob", {"pattern": "*"}), ("LS", {})):
        outcome = session.call(tool, **given)
        assert b"udce9.txt" in msgspec.json.encode(outcome)
    assert "udce9.txt" in session.error("Read", file_path="cafe.txt")


# --- Glob and LS ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.md", ["notes.md"]),
        ("**/*.py", ["src/model.py", "train.py"]),
        ("src/**/*.{ts,tsx}", ["src/web/app.tsx", "src/web/app.ts"]),
        ("src/*/*.ts", ["src/web/app.ts"]),
        ("**/app.ts?", ["src/web/app.tsx"]),
        ("[nm]*.[mj]*", ["min.js", "notes.md"]),
        ("src/model.py", ["src/model.py"]),
        (".hidden/*", [".hidden/config.yaml"]),
        ("./train.py", ["train.py"]),
        ("src/web/", ["src/web/app.tsx", "src/web/app.ts"]),
        ("*.log", ["keep.log"]),
        (".git/*", [".git/HEAD"]),
        ("**/HEAD", []),
    ],
)
def test_glob_finds_newest_first_what_is_not_ignored(tree, pattern, found):
    text = Session(tree).text("Glob", pattern=pattern)
    assert text.split("\n") == (found or ["No files match (those that .gitignore names were left out)."])


def test_glob_shows_a_hundred_and_counts_the_rest(session, tmp_path):
    lay(tmp_path, {f"d/f{n:03}.txt": "" for n in range(130)})
    lines = session.text("Glob", pattern="**/*.txt").split("\n")
    assert (lines[0], lines[99], len(lines)) == ("d/f129.txt", "d/f030.txt", 101)
    assert lines[100] == "[the newest 100 of 130; a narrower pattern shows the others]"


def test_glob_names_links_to_files_and_does_not_follow_links_to_folders(session, tmp_path):
    lay(tmp_path, {"blobs/1": "x", "far/deep/y": ""})
    (tmp_path / "snap").mkdir()
    (tmp_path / "snap/config.json").symlink_to("../blobs/1")
    (tmp_path / "snap/around").symlink_to("..")
    assert session.text("Glob", pattern="snap/**") == "snap/config.json"


def test_glob_elsewhere_and_its_errors(session, tmp_path, tree):
    assert session.text("Glob", pattern=f"{tree}/*.md") == f"{tree}/notes.md"
    assert session.text("Glob", pattern="*.md", path=str(tree)) == f"{tree}/notes.md"
    assert "does not exist" in session.error("Glob", pattern="*", path="nope")
    assert "cannot be read" in session.error("Glob", pattern="[a")
    assert "is a file" in session.error("Glob", pattern="*", path=f"{tree}/notes.md")


HEAVY = {
    "*a" * 40 + "*b": "a" * 255,
    "*?" * 40 + "b": "a" * 255,
    "{*,*}a" * 9 + "b": "a" * 255,
    "**/a/" * 30 + "b": "a/" * 2000 + "c",
    "a\\/**/" * 30 + "b": "a/" * 2000 + "c",
    "**/*a*a*a*/" * 8 + "b": ("a" * 20 + "/") * 180 + "c",
}


@pytest.mark.parametrize("glob", HEAVY)
def test_no_pattern_of_a_repository_holds_a_search(glob):
    """Nothing else of the host runs while an expression is matched: this would take longer than a life."""
    assert not re.compile(expression(glob), re.DOTALL).fullmatch(HEAVY[glob])


def test_braces_that_stand_for_too_many_patterns_are_refused(session, tmp_path):
    assert "more than 1000 patterns" in session.error("Glob", pattern="{a,b}" * 20)
    assert "nested more than" in session.error("Glob", pattern="{" * 5000 + "a" + "}" * 5000)


def test_ls_shows_a_tree_with_closed_folders_marked(tree):
    text = Session(tree).text("LS", ignore=["*.txt", "web/"])
    assert text == "\n".join(
        [
            f"{tree}/",
            *("  .git/ …", "  .gitignore", "  .hidden/", "    config.yaml", "  a.log", "  binary.bin", "  build/ …"),
            *(
                "  data/ …",
                "  keep.log",
                "  min.js",
                "  notes.md",
                "  src/",
                "    .gitignore",
                "    data/",
                "      y.csv",
            ),
            *("    model.py", "  train.py"),
            "[… marks folders that were not opened: ignored by git, or beyond the limit]",
        ]
    )


def test_ls_is_bounded_and_shows_the_upper_levels_first(session, tmp_path):
    lay(tmp_path, {f"many/d{n:02}/f{m:02}": "" for n in range(30) for m in range(60)} | {"zz/last.txt": ""})
    lines = session.text("LS").split("\n")
    assert len([line for line in lines if line.startswith("  ")]) == 1000
    assert "  zz/" in lines and "    last.txt" in lines and "    d29/ …" in lines
    assert "[1000 entries of more; list a folder below, or use Glob]" in lines


def test_ls_says_links_emptiness_and_errors(session, tmp_path):
    assert session.text("LS") == ". is an empty folder."
    (tmp_path / "latest").symlink_to("run-3")
    (tmp_path / "run-3").mkdir()
    assert session.text("LS", path=str(tmp_path)) == f"{tmp_path}/\n  latest -> run-3\n  run-3/"
    (tmp_path / "f").touch()
    assert "Use Read" in session.error("LS", path="f")
    assert "does not exist" in session.error("LS", path="nope")
    assert "cannot be read" in session.error("LS", ignore=["[a"])


def test_a_long_walk_ends_when_it_is_cancelled(session, tmp_path):
    lay(tmp_path, {f"d{n}/f": "" for n in range(500)})

    async def scenario():
        call = asyncio.create_task(session.acall("Glob", pattern="**/*"))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(scenario())
