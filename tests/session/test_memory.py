"""The workspace's own notes: read once, framed as its words, and only from inside the workspace."""

from workbench.session import memory


def test_notes_and_their_imports_from_inside_are_read_once(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "CLAUDE.md").write_text(
        "Rules. See @docs/style.md and @CLAUDE.md, mail a@b.example, `@docs/code.md`.\n"
    )
    (tmp_path / "AGENTS.md").write_text("Seeds 0-4, see @docs/style.md\n")
    (tmp_path / "docs/style.md").write_text("Two spaces.\n")
    (tmp_path / "docs/code.md").write_text("not imported: it stands in code\n")
    found = memory.read(tmp_path)
    assert found.text.count("Two spaces.") == 1 and "Seeds 0-4" in found.text
    assert 'file="docs/style.md"' in found.text and "it stands in code" not in found.text
    assert found.notes == []


def test_nothing_from_outside_the_workspace_is_read(tmp_path):
    work, secret = tmp_path / "work", tmp_path / "secret.md"
    work.mkdir()
    secret.write_text("TOP SECRET\n")
    (work / "CLAUDE.md").write_text("@../secret.md and @~/.netrc and @/etc/passwd here\n")
    (work / "AGENTS.md").symlink_to(secret)
    found = memory.read(work)
    assert "TOP SECRET" not in found.text and "root:" not in found.text
    assert len(found.notes) == 4


def test_a_loop_a_long_file_and_a_binary_are_told(tmp_path):
    (tmp_path / "CLAUDE.md").write_text("@a.md\n" + "x" * 100_000)
    (tmp_path / "a.md").write_text("@b.md\n")
    (tmp_path / "b.md").write_text("@a.md end of b\n")
    (tmp_path / "AGENTS.md").write_bytes(b"\0\1\2")
    found = memory.read(tmp_path)
    assert found.text.count("end of b") == 1 and len(found.text) < 70_000
    assert any("long" in note for note in found.notes) and any("not text" in note for note in found.notes)


def test_a_workspace_without_notes_has_none(tmp_path):
    assert memory.read(tmp_path).text == ""
