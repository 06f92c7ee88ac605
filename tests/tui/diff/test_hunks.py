"""Diffs of one file, read and carried out: against difflib, and against git where there is one."""

import difflib
import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.protocol.hunks import NO_NEWLINE, HunkError, apply, hunk_digest, parse, revert

NO_FAULT = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)
LINE = st.sampled_from(["a", "b", "", " ", "-- x", "++ y", "@@ -1 +1 @@", "\\ odd", "\ttab", "cr\r", "é\u2028", "\x0c"])
TEXT = st.builds(
    lambda lines, end: "\n".join(lines) + ("\n" if end and lines else ""), st.lists(LINE, max_size=25), st.booleans()
)


def split(text):
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def unified(old, new, context=3):
    diff = []
    for line in difflib.unified_diff(split(old), split(new), "a/f", "b/f", n=context):
        diff += [line.removesuffix("\n")] if line.endswith("\n") else [line, NO_NEWLINE]
    return diff


@given(TEXT, TEXT, st.integers(0, 4))
def test_all_hunks_turn_the_old_text_into_the_new_and_back(old, new, context):
    found = parse(unified(old, new, context))
    assert apply(old, found.hunks) == new
    assert revert(new, found.hunks) == old


@given(TEXT, TEXT, st.integers(0, 3), st.data())
def test_what_is_chosen_and_what_is_left_make_the_whole(old, new, context, data):
    hunks = parse(unified(old, new, context)).hunks
    chosen = data.draw(st.lists(st.booleans(), min_size=len(hunks), max_size=len(hunks)))
    some = [hunk for hunk, wanted in zip(hunks, chosen, strict=True) if wanted]
    others = [hunk for hunk, wanted in zip(hunks, chosen, strict=True) if not wanted]
    assert apply(old, some) == revert(new, others)


@given(TEXT, TEXT)
def test_numbers_name_the_lines_they_stand_at(old, new):
    before, after = split(old), split(new)
    found = parse(unified(old, new))
    for hunk in found.hunks:
        for row in hunk.rows():
            line = row.text + ("\n" if row.newline else "")
            assert row.old == 0 or before[row.old - 1] == line
            assert row.new == 0 or after[row.new - 1] == line
            assert (row.sign == "+", row.sign == "-") == (row.old == 0, row.new == 0)
    codes = difflib.SequenceMatcher(None, before, after).get_opcodes()
    assert sum(h.added for h in found.hunks) == sum(j - i for tag, _, _, i, j in codes if tag != "equal")
    assert sum(h.removed for h in found.hunks) == sum(j - i for tag, i, j, _, _ in codes if tag != "equal")


@given(TEXT, TEXT)
def test_hunks_of_one_diff_have_names_of_their_own(old, new):
    hunks = parse(unified(old, new)).hunks
    assert len({hunk_digest("f", hunk) for hunk in hunks}) == len(hunks)


@given(TEXT, TEXT, st.data())
def test_a_diff_cut_anywhere_is_read_up_to_there_and_never_carried_out(old, new, data):
    lines = unified(old, new)
    at = data.draw(st.integers(0, len(lines)))
    found, whole = parse(lines[:at]), parse(lines)
    read = [line for hunk in found.hunks for line in hunk.lines]
    assert read == [line for hunk in whole.hunks for line in hunk.lines][: len(read)]
    assert len(found.head) + len(found.hunks) + len(read) == at
    if found.hunks and found.hunks[-1].cut:
        with pytest.raises(HunkError, match="not all there"):
            apply(old, found.hunks)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@settings(deadline=None, max_examples=25, suppress_health_check=NO_FAULT)
@given(TEXT, TEXT, st.data())
def test_git_applies_to_the_same_text(tmp_path, old, new, data):
    hunks = parse(unified(old, new)).hunks
    chosen = [hunk for hunk in hunks if data.draw(st.booleans())]
    (tmp_path / "f").write_bytes(old.encode())
    patch = ["--- a/f", "+++ b/f"]
    shift = 0
    for hunk in chosen:
        start = hunk.old + shift + (1 if not hunk.old_count else 0) - (1 if not hunk.new_count else 0)
        patch += [f"@@ -{hunk.old},{hunk.old_count} +{start},{hunk.new_count} @@", *hunk.lines]
        shift += hunk.new_count - hunk.old_count
    if chosen:
        options = ["--whitespace=nowarn", "--unidiff-zero", "-p1", "-"]
        text = "\n".join(patch) + "\n"
        subprocess.run(["git", "apply", *options], cwd=tmp_path, input=text.encode(), check=True, capture_output=True)
    left = tmp_path / "f"
    assert (left.read_bytes().decode() if left.exists() else "") == apply(old, chosen)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@settings(deadline=None, max_examples=15, suppress_health_check=NO_FAULT)
@given(TEXT, TEXT)
def test_diffs_that_git_wrote_are_read(tmp_path, old, new):
    (tmp_path / "old").write_bytes(old.encode())
    (tmp_path / "new").write_bytes(new.encode())
    command = ["git", "diff", "--no-index", "--no-color", "old", "new"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    hunks = parse(done.stdout.decode().split("\n")).hunks
    assert apply(old, hunks) == new
    assert revert(new, hunks) == old


def test_a_name_survives_a_move_and_not_a_change():
    old = "".join(f"line {n}\n" for n in range(40))
    new = old.replace("line 30\n", "other\n")
    (first,) = parse(unified(old, new)).hunks
    moved = parse(unified(old, "top\n" + new)).hunks[1]
    (changed,) = parse(unified(old, new.replace("other", "third"))).hunks
    assert first.new != moved.new
    assert hunk_digest("f", first) == hunk_digest("f", moved)
    assert hunk_digest("f", first) != hunk_digest("f", changed)
    assert hunk_digest("f", first) != hunk_digest("g", first)


def test_bytes_that_are_no_text_are_named_alike_however_they_were_read():
    raw = b"caf\xe9\xe2\x82\n"
    names = set()
    for errors in ("replace", "surrogateescape"):
        (hunk,) = parse(unified("plain\n", raw.decode(errors=errors))).hunks
        names.add(hunk_digest("f", hunk))
    assert len(names) == 1


def test_a_text_that_changed_meanwhile_is_left_alone():
    hunks = parse(unified("a\nb\nc\n", "a\nB\nc\n")).hunks
    with pytest.raises(HunkError, match=r"line 1 .* changed meanwhile"):
        revert("a\nsomething else\nc\n", hunks)
    with pytest.raises(HunkError):
        revert("a\n", hunks)


def test_what_is_no_diff_is_said_to_be_none():
    with pytest.raises(HunkError, match="in the middle of a hunk"):
        parse(["@@ -1,2 +1,2 @@", "-a", "oops"])
    with pytest.raises(HunkError, match="where a hunk should begin"):
        parse(["@@ -1 +1 @@", "-a", "+b", "oops"])


def test_words_before_the_first_hunk_are_kept():
    found = parse(["diff --git a/x b/y", "rename from x", "rename to y", "--- a/x", "+++ b/y", "@@ -1 +1 @@ def f():"])
    assert found.head[1] == "rename from x"
    assert found.hunks[0].section == "def f():"
    assert found.hunks[0].cut
