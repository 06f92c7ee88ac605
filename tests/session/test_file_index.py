"""Files by a few letters of their path."""

import asyncio
import os
import subprocess

import pytest

from workbench.session.file_index import FileIndex

FILES = [
    "README.md", "train.py", "src/model/transformer.py", "src/model/train_loop.py", "src/data/loader.py", "setup.cfg",
    "src/data/DataModule.py", "tests/test_train.py", "configs/base.yaml", "tools/rainbow/trace.py",
]  # fmt: skip


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture(params=["git", "plain"])
def workspace(request, tmp_path):
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / ".gitignore").write_text("*.pt\nout/\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/train.py").write_text("ignored")
    (tmp_path / "weights.pt").write_text("ignored")
    (tmp_path / ".mlwb/runs").mkdir(parents=True)
    (tmp_path / ".mlwb/runs/train.json").write_text("a run's own")
    if request.param == "git":
        subprocess.run("git init -q; git add -A -- :!src/data; git -c user.name=a -c user.email=a@b commit -qm 1",
                       shell=True, cwd=tmp_path, check=True)  # fmt: skip
    return tmp_path


def found(index, pattern, n=50):
    return list(asyncio.run(index.find(pattern, n)).paths)


def test_the_likeliest_first(workspace):
    index = FileIndex(workspace)
    assert found(index, "train")[:2] == ["train.py", "tests/test_train.py"] or found(index, "train")[0] == "train.py"
    assert found(index, "trf")[0] == "src/model/transformer.py"
    assert found(index, "tl")[0] == "src/model/train_loop.py"
    assert found(index, "dm")[0] == "src/data/DataModule.py"
    assert found(index, "data/lo")[0] == "src/data/loader.py"
    assert found(index, "./configs") == ["configs/base.yaml"]
    assert found(index, "loop model") == ["src/model/train_loop.py"]
    assert found(index, "TRAIN.PY")[0] == "train.py"
    assert found(index, "zzz") == []


def test_all_files_and_no_ignored_ones(workspace):
    index = FileIndex(workspace)
    page = asyncio.run(index.find("", 100))
    assert set(page.paths) == {*FILES, ".gitignore"} and page.total == len(FILES) + 1
    assert page.paths[0] == min(page.paths, key=lambda path: (len(path), path))
    page = asyncio.run(index.find("r", 2))
    assert len(page.paths) == 2 and page.total > 5
    assert found(index, "weights") == []
    assert asyncio.run(index.find("train", -3)).paths == ()


def test_what_came_and_went_is_known_a_little_later(workspace):
    clock = Clock()
    index = FileIndex(workspace, clock)

    async def script():
        assert (await index.find("newcomer", 5)).paths == ()
        (workspace / "newcomer.py").write_text("x")
        (workspace / "setup.cfg").unlink()
        clock.now += 1
        assert (await index.find("newcomer", 5)).paths == ()  # the list is fresh enough
        clock.now += 10
        for _ in range(3000):
            if (await index.find("newcomer", 5)).paths:
                break
            await asyncio.sleep(0.01)
        assert (await index.find("newcomer", 5)).paths == ("newcomer.py",)
        assert (await index.find("setup", 5)).paths == ()

    asyncio.run(script())


def test_names_that_are_no_text_and_letters_that_grow(tmp_path):
    raw = os.fsencode(tmp_path) + b"/bad\xff.txt"
    with open(raw, "w") as file:
        file.write("x")
    (tmp_path / "İstanbul.py").write_text("x")
    (tmp_path / "a\nb.txt").write_text("x")
    index = FileIndex(tmp_path)
    assert [os.fsencode(path) for path in found(index, "bad")] == [b"bad\xff.txt"]
    assert found(index, "stanbul") == ["İstanbul.py"]
    assert found(index, "ab.txt") == ["a\nb.txt"]
    assert found(index, "[.*") == []


def test_repositories_inside(tmp_path):
    inner = tmp_path / "vendor/lib"
    inner.mkdir(parents=True)
    (inner / "deep.py").write_text("x")
    (tmp_path / "top.py").write_text("x")
    for folder in (inner, tmp_path):
        subprocess.run("git init -q; git add -A; git -c user.name=a -c user.email=a@b commit -qm 1",
                       shell=True, cwd=folder, check=True, capture_output=True)  # fmt: skip
    assert found(FileIndex(tmp_path), "deep") == ["vendor/lib/deep.py"]
    assert asyncio.run(FileIndex(tmp_path).find("", 9)).total == 2


def test_a_letter_that_is_two_in_lower_case(tmp_path):
    for name in ("İstanbul.txt", "I\u0307zmir.txt", "i\u0307zmit.txt"):
        (tmp_path / name).write_text("a")

    async def find(pattern):
        return (await FileIndex(tmp_path).find(pattern, 9)).paths

    assert asyncio.run(find("İ")) == ("İstanbul.txt",)
    assert len(asyncio.run(find("i\u0307"))) == 2
