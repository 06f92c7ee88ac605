"""Blobs: the same bytes once, whole or not at all, and an id that never is a path."""

import hashlib
import threading

import pytest

from workbench.session.blobs import BlobError, Blobs


def test_put_and_get(tmp_path):
    blobs = Blobs(tmp_path / "blobs")
    assert blobs.total() == 0
    blob = blobs.put(b"0123456789", sync=True)
    assert blob == hashlib.sha256(b"0123456789").hexdigest()
    assert (blobs.get(blob), blobs.get(blob, 8), blobs.get(blob, 2, 3), blobs.get(blob, 99)) == (
        b"0123456789", b"89", b"234", b"",
    )  # fmt: skip
    assert blobs.put(b"0123456789") == blob
    assert blobs.put(b"") != blob
    assert (blobs.size(blob), blobs.total()) == (10, 10)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "blobs").rglob("*")} == {0o600, 0o700}


@pytest.mark.parametrize("wrong", ["", "0" * 64, "0" * 63, "../../../etc/passwd", "A" * 64, "0" * 64 + "\n", "/" * 64])
def test_an_id_is_never_a_path(tmp_path, wrong):
    blobs = Blobs(tmp_path / "blobs")
    blobs.put(b"x")
    for ask in (blobs.get, blobs.size):
        with pytest.raises(BlobError):
            ask(wrong)


def test_a_half_written_blob_is_mended(tmp_path):
    blobs = Blobs(tmp_path / "blobs")
    blob = blobs.put(b"0123456789")
    next((tmp_path / "blobs").glob("??/*")).write_bytes(b"01")
    assert blobs.put(b"0123456789") == blob
    assert blobs.get(blob) == b"0123456789"


def test_a_blob_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "blobs").write_text("a file is in the way")
    with pytest.raises(OSError):
        Blobs(tmp_path / "blobs").put(b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["blobs"]


def test_many_writers_of_the_same(tmp_path):
    blobs, data = Blobs(tmp_path / "blobs"), [bytes([n]) * 5000 for n in range(20)]
    writers = [threading.Thread(target=lambda: [blobs.put(one) for one in data]) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert blobs.total() == 100_000
    assert sum(path.is_file() for path in (tmp_path / "blobs").rglob("*")) == 20  # no temporary file stays
