import base64
import json
import os
import socket
import struct
import time
import zlib

import pytest

from support.tool_calls import Session


@pytest.fixture
def session(tmp_path):
    return Session(tmp_path)


def png(width=2, height=3):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (width + 1) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_lines_are_numbered_and_the_file_is_in_hand(session, tmp_path):
    (tmp_path / "a.py").write_text("one\n\ttwo\n\nlast")
    outcome = session.call("Read", file_path="a.py")
    assert outcome.content == [{"type": "text", "text": "     1→one\n     2→\ttwo\n     3→\n     4→last"}]
    assert (outcome.display[0].path, outcome.display[0].text) == ("a.py", "one\n\ttwo\n\nlast")
    assert session.context.files.paths() == [tmp_path / "a.py"]


def test_offset_and_limit_choose_lines_and_say_how_to_go_on(session, tmp_path):
    (tmp_path / "a").write_text("".join(f"line {n}\n" for n in range(1, 5001)))
    whole = session.text("Read", file_path="a").split("\n")
    assert (len(whole), whole[1999]) == (2001, "  2000→line 2000")
    assert whole[2000] == "[lines 1-2000 of 5000; offset=2001 goes on]"
    part = session.text("Read", file_path="a", offset=4999, limit=50)
    assert part == "  4999→line 4999\n  5000→line 5000\n[lines 4999-5000 of 5000: the end]"
    assert session.text("Read", file_path="a", offset=0, limit=1).startswith("     1→line 1\n")


def test_past_the_end_and_empty_are_said(session, tmp_path):
    (tmp_path / "a").write_text("one\n")
    (tmp_path / "empty").touch()
    assert session.text("Read", file_path="a", offset=9) == "a has 1 line; line 9 is past its end."
    assert session.text("Read", file_path="empty") == "empty is empty."


def test_long_lines_and_full_pages_are_cut_with_a_word(session, tmp_path):
    (tmp_path / "min.js").write_text("x" * 5000 + "\n")
    assert session.text("Read", file_path="min.js").endswith("x… [3300 more characters]")
    (tmp_path / "wide").write_text(("y" * 1900 + "\n") * 1000)
    text = session.text("Read", file_path="wide")
    assert len(text) < 101_000
    assert text.endswith("[lines 1-52 of 1000; offset=53 goes on]")


@pytest.mark.parametrize(
    ("data", "note"),
    [
        ("naïve\r\nzwei\r\n".encode(), ""),
        ("\ufeffnaïve\nzwei\n".encode(), ""),
        (b"\xff\xfe" + "naïve\nzwei\n".encode("utf-16-le"), "\n[The file is UTF-16-LE.]"),
        (b"\xfe\xff" + "naïve\r\nzwei\n".encode("utf-16-be"), "\n[The file is UTF-16-BE.]"),
        ("naïve\nzwei\n".encode("latin-1"), "\n[The file is not UTF-8; it is read as Latin-1.]"),
    ],
)
def test_encodings_and_line_ends(session, tmp_path, data, note):
    (tmp_path / "a").write_bytes(data)
    assert session.text("Read", file_path="a") == f"     1→naïve\n     2→zwei{note}"


def test_a_sparse_file_of_5_gb_is_instant_wherever_one_looks(session, tmp_path):
    with open(tmp_path / "big.log", "wb") as file:
        file.write(b"head\n" * 3000)
        file.truncate(5_000_000_000)
    began = time.process_time()
    assert session.text("Read", file_path="big.log").endswith(
        "  2000→head\n[lines 1-2000 of a file of 5.0 GB; offset=2001 goes on]"
    )
    assert "  2999→head\n  3000→head\n" in session.text("Read", file_path="big.log", offset=2999)
    assert "fewer than 9000 lines" in session.error("Read", file_path="big.log", offset=9000)
    assert time.process_time() - began < 2
    assert "too large to be edited" in session.error("Edit", file_path="big.log", old_string="a", new_string="b")


def test_a_large_file_is_read_by_window(session, tmp_path):
    (tmp_path / "big").write_bytes(b"".join(b"%07d\r\n" % n for n in range(1, 1_300_001)))
    text = session.text("Read", file_path="big", offset=1_299_999, limit=10)
    assert text == "1299999→1299999\n1300000→1300000\n[lines 1299999-1300000 of a file of 11.7 MB: the end]"
    assert session.text("Read", file_path="big", limit=1).startswith("     1→0000001\n")


def test_what_is_no_file_is_refused_without_waiting(session, tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(tmp_path)  # a socket's path is short
        listener.bind("sock")
        began = time.perf_counter()
        assert "named pipe" in session.error("Read", file_path="pipe")
        assert "socket" in session.error("Read", file_path="sock")
        assert "device" in session.error("Read", file_path="/dev/zero")
        assert "Use LS" in session.error("Read", file_path="folder")
        assert "leads back to itself" in session.error("Read", file_path="loop")
        assert time.perf_counter() - began < 30


def test_a_missing_file_names_its_neighbours(session, tmp_path):
    (tmp_path / "train.py").touch()
    assert session.error("Read", file_path="trian.py") == "trian.py does not exist. Its folder has train.py."
    assert session.error("Read", file_path="no/such/x.py").endswith(f"The nearest folder that does is {tmp_path}.")
    assert "not a folder" in session.error("Read", file_path="train.py/x")


def test_a_link_is_followed_and_the_target_is_in_hand(session, tmp_path):
    (tmp_path / "real").write_text("x\n")
    (tmp_path / "link").symlink_to("real")
    assert session.text("Read", file_path="link") == "     1→x"
    assert session.context.files.paths() == [tmp_path / "real"]


def test_files_of_proc_which_have_no_size_can_be_read(session):
    assert "MemTotal" in session.text("Read", file_path="/proc/meminfo", limit=1)


def test_a_picture_is_recognised_by_its_bytes(session, tmp_path):
    (tmp_path / "chart.dat").write_bytes(png())
    outcome = session.call("Read", file_path="chart.dat")
    (block,) = outcome.content
    assert (block["type"], block["source"]["media_type"]) == ("image", "image/png")
    assert base64.b64decode(block["source"]["data"]) == png()
    assert session.blobs[outcome.display[0].blob] == png()
    assert outcome.summary == "2x3 png"
    (tmp_path / "words.png").write_text("no picture\n")
    assert session.text("Read", file_path="words.png") == "     1→no picture"


def test_other_kinds_of_pictures_are_measured(session, tmp_path):
    gif = b"GIF89a" + struct.pack("<HH", 7, 8) + b"\0" * 3 + b";"
    jpeg = b"\xff\xd8\xff\xe0\0\4\0\0\xff\xc0\0\x0b\x08" + struct.pack(">HH", 9, 10) + b"\1\1\x11\0\xff\xd9"
    webp = b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\0" * 4 + b"\x0a\0\0\x0b\0\0"
    for name, data, size in (("a", gif, "7x8 gif"), ("b", jpeg, "10x9 jpeg"), ("c", webp, "11x12 webp")):
        (tmp_path / name).write_bytes(data)
        assert session.call("Read", file_path=name).summary == size


def test_pictures_that_would_break_the_session_are_refused(session, tmp_path):
    (tmp_path / "torn.png").write_bytes(png()[:-6])
    assert "damaged" in session.error("Read", file_path="torn.png")
    (tmp_path / "wide.png").write_bytes(png(9000, 1))
    assert "9000x1 pixels" in session.error("Read", file_path="wide.png")
    (tmp_path / "huge.png").write_bytes(png() + b"\0" * 4_000_000)
    assert "4.0 MB" in session.error("Read", file_path="huge.png")
    (tmp_path / "short.jpg").write_bytes(b"\xff\xd8\xff")
    assert "damaged" in session.error("Read", file_path="short.jpg")


def test_binary_files_are_refused_with_the_command_that_looks_inside(session, tmp_path):
    for name, data, said in (
        ("model.pt", b"PK\3\4\0\0", "weights_only=True"),
        ("my model.safetensors", b"\x10\0\0\0\0\0\0\0{}", "'my model.safetensors'"),
        ("x.npz", b"PK\3\4\0", "numpy"),
        ("t.parquet", b"PAR1\0", "pyarrow"),
        ("paper.pdf", b"%PDF-1.7\ntext", "pdftotext"),
        ("unknown", b"\0\1\2", "xxd"),
    ):
        (tmp_path / name).write_bytes(data)
        said_of_it = session.error("Read", file_path=name)
        assert said in said_of_it and "bytes)" in said_of_it


def notebook():
    return {
        "nbformat": 4,
        "cells": [
            {"cell_type": "markdown", "source": ["# Title\n", "words"]},
            {
                "cell_type": "code",
                "execution_count": 3,
                "source": "plot()",
                "outputs": [
                    {"output_type": "stream", "name": "stdout", "text": ["loss 0.5\n"]},
                    {
                        "output_type": "display_data",
                        "data": {"image/png": base64.b64encode(png()).decode(), "text/plain": ["<Figure>"]},
                    },
                    {"output_type": "error", "traceback": ["\x1b[31mValueError\x1b[0m: no"]},
                ],
            },
        ],
    }


def test_a_notebook_is_shown_cell_by_cell_with_its_pictures(session, tmp_path):
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook(), indent=1))
    content = session.call("Read", file_path="a.ipynb").content
    assert [part["type"] for part in content] == ["text", "image", "text"]
    before, after = content[0]["text"], content[2]["text"]
    assert "[cell 1: markdown]\n# Title\nwords\n" in before
    assert "[cell 2: code, ran as 3]\nplot()\n\n[stdout]\nloss 0.5\n" in before
    assert "[error]\nValueError: no" in after and "\x1b" not in after
    assert session.text("Read", file_path="a.ipynb", offset=1, limit=2).startswith("     1→{\n     2→")


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"cells": 3}', '{"cells": [{"source": 1}]}'])
def test_what_is_no_notebook_is_shown_as_text(session, tmp_path, text):
    (tmp_path / "a.ipynb").write_text(text)
    assert session.text("Read", file_path="a.ipynb") == (f"     1→{text}" if text else "a.ipynb is empty.")
