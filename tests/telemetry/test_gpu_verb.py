"""`mlwb gpu` over made-up cards: what each says, what it lacks, and what happens when one is lost."""

import itertools
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.cards import BUSY, environment

GIB = 1 << 30


def mlwb(cards: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = "from workbench.cli import main; import sys; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "gpu", *arguments]
    return subprocess.run(command, env=environment(cards), text=True, capture_output=True, timeout=60)


def told(tmp_path: Path, *lines: str) -> dict:
    cards = tmp_path / "cards"
    cards.write_text("".join(f"{line}\n" for line in lines))
    done = mlwb(cards, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_a_card_tells_everything(tmp_path):
    found = told(tmp_path, f"{BUSY} nvlink=1000 ecc=3 sm_active=87.25 tensor=43")
    card = found["gpus"][0]
    wanted = {
        "index": 0, "uuid": "GPU-00000000-0000-0000-0000-000000000000", "name": "NVIDIA H100 80GB HBM3",
        "problem": None, "utilization": 92, "memory_utilization": 40, "memory_used": 61 * GIB,
        "memory_total": 80 * GIB, "memory_reserved": GIB, "power": 655.0, "power_limit": 700.0, "energy": 5.0,
        "temperature": 71, "clock_sm": 1755, "clock_sm_max": 1980, "clock_memory": 2619, "clock_memory_max": 2619,
        "throttle_reasons": ["power cap"], "mig": False, "mig_devices": [],
    }  # fmt: skip
    assert {key: card[key] for key in wanted} == wanted
    links = card["links"]
    assert (links["ecc_corrected"], links["ecc_uncorrected"]) == (0, 3)
    assert (links["pcie_generation"], links["pcie_width"], links["pcie_width_max"]) == (4, 8, 16)
    assert (links["pcie_rx"], links["pcie_tx"]) == (2 << 20, 1 << 20)
    assert links["nvlink_active"] == 17
    assert (links["sm_active"], links["tensor_active"]) == (87.2, 43.0)
    assert links["nvlink_rx"] == pytest.approx(1000 << 20, rel=0.01)
    assert (found["driver"], found["cuda"], found["problem"]) == ("580.99", "13.1", None)
    assert list(found)[:3] == ["gpus", "processes", "host"]


def test_a_card_that_tells_only_a_part_of_its_activity_or_none(tmp_path):
    cards = told(tmp_path, f"{BUSY} sm_active=12", f"{BUSY} sm_active=12 lacks=gpm", BUSY)["gpus"]
    told_of = [(card["links"]["sm_active"], card["links"]["tensor_active"]) for card in cards]
    assert told_of == [(12.0, None), (None, None), (None, None)]
    (tmp_path / "cards").write_text(f"{BUSY} sm_active=12\n")
    assert "SM 12% busy, tensor –" in mlwb(tmp_path / "cards").stdout


def test_reasons_are_words_and_an_unknown_one_is_its_number(tmp_path):
    cards = told(tmp_path, "why=1", "why=8a", "why=60", "why=10004", "why=0")["gpus"]
    assert [card["throttle_reasons"] for card in cards] == [
        ["idle"],
        ["application clocks", "hardware slowdown", "power brake"],
        ["software thermal", "hardware thermal"],
        ["power cap", "reason 0x10000"],
        [],
    ]


def test_what_a_card_lacks_is_null_and_the_rest_is_told(tmp_path):
    first, second, third = told(
        tmp_path, "lacks=all", "lacks=temp,power,util,ecc used=2", "old=1 used=3 temp=44 why=4"
    )["gpus"]
    assert first["name"] == "NVIDIA H100 80GB HBM3"
    assert first["problem"] is None
    nothing = {key for key, value in first.items() if value is None}
    assert nothing >= {"utilization", "memory_used", "power", "temperature", "clock_sm", "throttle_reasons", "mig"}
    assert set(first["links"].values()) == {None}
    assert [second[key] for key in ("temperature", "power", "utilization", "memory_used")] == [
        None,
        None,
        None,
        2 * GIB,
    ]
    assert (second["links"]["ecc_uncorrected"], second["links"]["pcie_width"]) == (None, 8)
    # a driver that has only the older names
    assert (third["memory_used"], third["memory_reserved"]) == (3 * GIB, None)
    assert (third["temperature"], third["throttle_reasons"]) == (44, ["power cap"])


@pytest.mark.parametrize("code", [15, 16, 999])
def test_a_lost_card_is_said_and_the_others_are_kept(tmp_path, code):
    cards = told(tmp_path, BUSY, f"lost={code}", BUSY)["gpus"]
    assert [card["index"] for card in cards] == [0, 1, 2]
    assert cards[1]["problem"].startswith("lost: ")
    assert cards[1]["utilization"] is None
    assert [cards[0]["utilization"], cards[2]["utilization"]] == [92, 92]


def test_slices_of_a_card(tmp_path):
    found = told(tmp_path, f"mig=2 used=20 total=80 util=50 pids={os.getpid()}:9")
    card = found["gpus"][0]
    assert (card["mig"], card["utilization"]) == (True, None)
    assert [
        (mig["index"], mig["gpu_instance"], mig["memory_used"], mig["memory_total"]) for mig in card["mig_devices"]
    ] == [
        (0, 1, 10 * GIB, 40 * GIB),
        (2, 2, 10 * GIB, 40 * GIB),
    ]
    assert [(one["pid"], one["mig_uuid"]) for one in found["processes"]] == [
        (os.getpid(), card["mig_devices"][0]["uuid"])
    ]


def test_processes_are_joined_over_lists_and_told_once(tmp_path):
    here = os.getpid()
    found = told(tmp_path, f"util=92 pids={here}:59.5,4194999 draws={here}:0.1", f"draws={here}:1")
    first, gone, second = found["processes"]
    assert (first["gpu"], first["pid"], first["memory"], first["utilization"]) == (0, here, int(59.5 * GIB), 92)
    assert (gone["pid"], gone["memory"], gone["user"], gone["command"]) == (4194999, None, None, None)
    assert (second["gpu"], second["memory"]) == (1, GIB)


def test_eight_cards_and_the_host(tmp_path):
    found = told(tmp_path, *[BUSY] * 8)
    assert [card["index"] for card in found["gpus"]] == list(range(8))
    host = found["host"]
    assert host["memory_total"] > host["memory_used"] > 0
    assert host["disk_total"] >= host["disk_used"] > 0
    assert 0 <= host["cpu_percent"] <= 100
    assert len(host["load"]) == 3


@pytest.mark.parametrize(
    ("line", "words"),
    [("driver=9", "not loaded"), ("driver=18", "differ in version"), ("driver=20", "does not answer")],
)
def test_a_driver_that_does_not_answer_is_one_plain_line(tmp_path, line, words):
    cards = tmp_path / "cards"
    cards.write_text(f"{line}\n")
    done = mlwb(cards)
    assert done.returncode == 0
    assert words in done.stdout.splitlines()[0]
    assert "host" in done.stdout


def test_no_driver_is_one_plain_line_and_the_hosts_figures():
    program = "from workbench.cli import main; import sys; sys.exit(main(['gpu', *sys.argv[1:]]))"
    plain = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
    run = [sys.executable, "-c", program]
    done = subprocess.run(run, env=plain, text=True, capture_output=True, timeout=60)
    if "no NVIDIA driver" not in done.stdout:
        pytest.skip("this machine has an NVIDIA driver")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "no NVIDIA driver"
    assert done.stdout.splitlines()[-1].startswith("host  ")
    found = json.loads(subprocess.run([*run, "--json"], env=plain, text=True, capture_output=True, timeout=60).stdout)
    assert (found["gpus"], found["processes"], found["problem"]) == ([], [], "no NVIDIA driver")
    assert found["host"]["memory_total"] > 0


def test_the_table_is_aligned_and_hostile_names_are_shown(tmp_path):
    cards = tmp_path / "cards"
    process = subprocess.Popen(["bash", "-c", "exec -a $'evil\\e]0;x\\a' sleep 60"])
    try:
        cards.write_text(f"{BUSY} pids={process.pid}:59.8\nlost=15\nlacks=all\n")
        deadline = time.monotonic() + 60
        while b"evil" not in Path(f"/proc/{process.pid}/cmdline").read_bytes():
            assert time.monotonic() < deadline
        done = mlwb(cards)
    finally:
        process.kill()
        process.wait()
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["GPU", "NAME", "UTIL", "MEMORY", "POWER", "TEMP", "CLOCK", "STATE"]
    assert lines[1].split()[:7] == ["0", "H100", "92%", "61/80G", "655/700W", "71°", "1755/1980MHz"]
    assert lines[1].endswith("power cap")
    assert "lost: it fell off the bus" in lines[2]
    assert lines[3].split()[:3] == ["2", "H100", "–"]
    assert len({line.index(word) for line, word in ((lines[0], "STATE"), (lines[1], "power"), (lines[2], "lost"))}) == 1
    assert "\x1b" not in done.stdout


def test_watch_as_lines_of_json_until_it_is_interrupted(tmp_path):
    cards = tmp_path / "cards"
    cards.write_text(f"{BUSY}\n")
    program = "from workbench.cli import main; import sys; sys.exit(main(['gpu', '--json', '--watch']))"
    run = [sys.executable, "-c", program]
    with subprocess.Popen(
        run, env=environment(cards), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        looks = [json.loads(process.stdout.readline())]
        cards.write_text("util=7\n")
        while [card["utilization"] for card in looks[-1]["gpus"]] != [7]:
            looks.append(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert errors == ""
    assert looks[0]["gpus"][0]["utilization"] == 92
    assert all(two["at"] - one["at"] > 0.5 for one, two in itertools.pairwise(looks))


def test_watch_on_a_terminal_draws_in_place_and_leaves_no_trace(tmp_path):
    cards = tmp_path / "cards"
    cards.write_text(f"{BUSY}\n")
    program = "from workbench.cli import main; import sys; sys.exit(main(['gpu', '--watch']))"
    main, side = pty.openpty()
    env = environment(cards) | {"COLUMNS": "60", "LINES": "20"}
    process = subprocess.Popen([sys.executable, "-c", program], env=env, stdin=side, stdout=side, stderr=side)
    os.close(side)
    shown = b""
    deadline = time.monotonic() + 30
    while shown.count(b"H100") < 2 and time.monotonic() < deadline:
        if select.select([main], [], [], 0.1)[0]:
            shown += os.read(main, 65536)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    os.close(main)
    text = shown.decode()
    up = re.search(r"\x1b\[(\d+)F", text)
    assert up, "the second picture is drawn over the first"
    assert int(up[1]) == text[: up.start()].count("\n")
    assert all(len(line) < 60 for line in re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", text).splitlines())
    assert "\x1b[?" not in text, "no mode of the terminal is changed"
