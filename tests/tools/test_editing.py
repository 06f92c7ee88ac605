import os
import stat
import subprocess
import time

import pytest

from support.tool_calls import Session


@pytest.fixture
def session(tmp_path):
    return Session(tmp_path)


def given(session, path, data):
    """A file that the model has read."""
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    session.call("Read", file_path=str(path))
    return path


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


# --- Write ---------------------------------------------------------------------------------------------------


def test_write_creates_a_file_and_its_folders(session, tmp_path):
    outcome = session.call("Write", file_path="src/new/a.py", content="x = 1\ny = 2\n")
    assert (tmp_path / "src/new/a.py").read_text() == "x = 1\ny = 2\n"
    assert outcome.content[0]["text"] == "Created src/new/a.py (2 lines)."
    assert outcome.changed == [str(tmp_path / "src/new/a.py")]
    (diff,) = outcome.display
    assert (diff.added, diff.removed, diff.created) == (2, 0, True)
    assert diff.text == "--- /dev/null\n+++ b/src/new/a.py\n@@ -0,0 +1,2 @@\n+x = 1\n+y = 2\n"
    assert names(tmp_path / "src/new") == ["a.py"]


def test_a_new_file_gets_the_mode_of_the_umask(session, tmp_path):
    old = os.umask(0o027)
    try:
        session.call("Write", file_path="a", content="x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_an_existing_file_must_have_been_read(session, tmp_path):
    (tmp_path / "a").write_text("old\n")
    assert "has not been read" in session.error("Write", file_path="a", content="new")
    assert "has not been read" in session.error("Edit", file_path="a", old_string="old", new_string="new")
    assert (tmp_path / "a").read_text() == "old\n"
    session.call("Read", file_path="a")
    outcome = session.call("Write", file_path="a", content="new\n")
    assert (tmp_path / "a").read_text() == "new\n"
    assert outcome.display[0].text == "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-old\n+new\n"


def test_what_was_written_can_be_edited_and_written_again(session, tmp_path):
    session.call("Write", file_path="a", content="one\n")
    session.call("Edit", file_path="a", old_string="one", new_string="two")
    session.call("Write", file_path="a", content="three\n")
    assert (tmp_path / "a").read_text() == "three\n"


def test_an_empty_file_needs_no_reading(session, tmp_path):
    (tmp_path / "a").touch()
    session.call("Write", file_path="a", content="x")
    assert (tmp_path / "a").read_text() == "x"


def test_the_same_text_is_not_written_again(session, tmp_path):
    path = given(session, tmp_path / "a", "x\n")
    inode = path.stat().st_ino
    outcome = session.call("Write", file_path="a", content="x\n")
    assert (outcome.changed, outcome.display, path.stat().st_ino) == ([], [], inode)


# --- changed since it was read -------------------------------------------------------------------------------


def test_a_file_changed_since_it_was_read_is_refused(session, tmp_path):
    path = given(session, tmp_path / "a", "one\n")
    before = path.stat()
    path.write_text("two\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # same size and time: the bytes decide
    for tool, more in (
        ("Write", {"content": "x"}),
        ("Edit", {"old_string": "two", "new_string": "x"}),
        ("MultiEdit", {"edits": [{"old_string": "two", "new_string": "x"}]}),
    ):
        assert "has changed since it was last read" in session.error(tool, file_path="a", **more)
    assert path.read_text() == "two\n"
    session.call("Read", file_path="a")
    session.call("Edit", file_path="a", old_string="two", new_string="x")


def test_a_file_that_was_only_touched_is_not_changed(session, tmp_path):
    path = given(session, tmp_path / "a", "one\n")
    os.utime(path, (1, 1))
    session.call("Edit", file_path="a", old_string="one", new_string="two")
    assert path.read_text() == "two\n"


def test_a_file_that_is_gone_can_be_written_anew_but_not_edited(session, tmp_path):
    path = given(session, tmp_path / "a", "one\n")
    path.unlink()
    assert "does not exist" in session.error("Edit", file_path="a", old_string="one", new_string="two")
    session.call("Write", file_path="a", content="anew\n")
    assert path.read_text() == "anew\n"


# --- Edit ----------------------------------------------------------------------------------------------------


def test_edit_replaces_and_shows_the_place(session, tmp_path):
    path = given(session, tmp_path / "a.py", "".join(f"line {n}\n" for n in range(1, 21)))
    outcome = session.call("Edit", file_path="a.py", old_string="line 10\n", new_string="ten\nten and a half\n")
    assert outcome.content[0]["text"] == (
        "Changed a.py (+2 -1):\n"
        "     7→line 7\n     8→line 8\n     9→line 9\n    10→ten\n    11→ten and a half\n"
        "    12→line 11\n    13→line 12\n    14→line 13"
    )
    assert "ten and a half\nline 11\n" in path.read_text()
    assert outcome.summary == "+2 -1"


def test_the_diff_is_one_that_git_applies(session, tmp_path):
    old = "".join(f"line {n}\n" for n in range(100)) + "no newline"
    given(session, tmp_path / "a.txt", old)
    edits = [
        {"old_string": "line 3\n", "new_string": ""},
        {"old_string": "line 50\n", "new_string": "fifty\nmore\n"},
        {"old_string": "no newline", "new_string": "a newline\n"},
    ]
    diff = session.call("MultiEdit", file_path="a.txt", edits=edits).display[0]
    new = (tmp_path / "a.txt").read_text()
    (tmp_path / "a.txt").write_text(old)
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=diff.text, encoding="utf-8", check=True)
    assert (tmp_path / "a.txt").read_text() == new
    assert (diff.added, diff.removed) == (3, 3)


def test_a_piece_that_occurs_often_needs_replace_all(session, tmp_path):
    path = given(session, tmp_path / "a", "x\ny\nx\nx\n")
    error = session.error("Edit", file_path="a", old_string="x", new_string="z")
    assert "occurs 3 times in a (lines 1, 3, 4)" in error and "replace_all" in error
    session.call("Edit", file_path="a", old_string="x", new_string="z", replace_all=True)
    assert path.read_text() == "z\ny\nz\nz\n"


@pytest.mark.parametrize(
    ("text", "old", "said"),
    [
        ("\tif x:\n", "    if x:\n", "the file has tabs, old_string has spaces"),
        ("    if x:\n", "\tif x:\n", "the file has spaces, old_string has tabs"),
        ("    if x:\n        y\n", "  if x:\n    y", "indentation alone:\n     1→    if x:\n     2→        y"),
        ("a  \nb\n", "a\nb", "spaces at the end of lines"),
        ("print(‘x’)\n", "print('x')", "quotes, dashes or special spaces:\n     1→print(‘x’)"),
        ("a = 1\nlearning_rate = 0.1\nb\n", "learning_rate = 0.01", "The nearest lines are:\n     2→learning_rate"),
        ("a\nb\n", "     1→a\n     2→b", "line numbers"),
        ("a\n", "something else entirely", "No line is like it"),
        ("", "x", "No line is like it"),
    ],
)
def test_a_piece_that_is_absent_gets_help(session, tmp_path, text, old, said):
    path = given(session, tmp_path / "a", text)
    error = session.error("Edit", file_path="a", old_string=old, new_string="new")
    assert said in error
    assert path.read_text() == text


def test_help_for_a_large_file_comes_soon(session, tmp_path):
    given(session, tmp_path / "a", "".join(f"value_{n} = compute({n}) + offset\n" for n in range(50_000)))
    began = time.process_time()
    assert "does not occur" in session.error("Edit", file_path="a", old_string="valeu = compute()", new_string="x")
    assert time.process_time() - began < 5


def test_replacing_by_itself_is_refused(session, tmp_path):
    given(session, tmp_path / "a", "x\n")
    assert "are the same" in session.error("Edit", file_path="a", old_string="x", new_string="x")


def test_an_empty_old_string_only_creates(session, tmp_path):
    session.call("Edit", file_path="d/new", old_string="", new_string="x\n")
    assert (tmp_path / "d/new").read_text() == "x\n"
    assert "has text already" in session.error("Edit", file_path="d/new", old_string="", new_string="y\n")


def test_regular_expression_characters_and_backslashes_are_plain_text(session, tmp_path):
    path = given(session, tmp_path / "a", r"re.sub(r'\d+$', '\1', x)" + "\n")
    session.call("Edit", file_path="a", old_string=r"\d+$', '\1'", new_string=r"\g<0>\n', '$1'")
    assert path.read_text() == r"re.sub(r'\g<0>\n', '$1', x)" + "\n"


# --- MultiEdit -----------------------------------------------------------------------------------------------


def test_multi_edit_works_in_order_on_one_text(session, tmp_path):
    path = given(session, tmp_path / "a", "a\nb\n")
    edits = [
        {"old_string": "a", "new_string": "b"},
        {"old_string": "b", "new_string": "c", "replace_all": True},
        {"old_string": "c\nc", "new_string": "d"},
    ]
    session.call("MultiEdit", file_path="a", edits=edits)
    assert path.read_text() == "d\n"


def test_multi_edit_makes_all_or_none(session, tmp_path):
    path = given(session, tmp_path / "a", "a\nb\n")
    inode = path.stat().st_ino
    edits = [{"old_string": "a", "new_string": "x"}, {"old_string": "nope", "new_string": "y"}]
    error = session.error("MultiEdit", file_path="a", edits=edits)
    assert error.startswith("Edit 2 of 2: old_string does not occur") and error.endswith("No edit was made.")
    assert (path.read_text(), path.stat().st_ino) == ("a\nb\n", inode)


def test_multi_edit_can_create_and_go_on(session, tmp_path):
    edits = [{"old_string": "", "new_string": "one\ntwo\n"}, {"old_string": "two", "new_string": "three"}]
    session.call("MultiEdit", file_path="new", edits=edits)
    assert (tmp_path / "new").read_text() == "one\nthree\n"
    assert "does not exist" in session.error("MultiEdit", file_path="other", edits=edits[1:])
    assert names(tmp_path) == ["new"]
