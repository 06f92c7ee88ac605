"""Xid errors: heard from the driver as they happen, and found in the kernel's log."""

import json
import time
from pathlib import Path

from support.cards import BUSY, python
from workbench.telemetry.xid import Xid, bus_of, listen, recent_xids

HEAR = """
import json, sys, time
from pathlib import Path
from workbench.telemetry.xid import listen, recent_xids

cards, wanted, none = Path(sys.argv[1]), int(sys.argv[2]), Path("/nonexistent")
begun = time.time()
print(json.dumps([listen(), listen()]), flush=True)
cards.write_text(cards.read_text().replace("xid=0", "xid=79"))
until = time.monotonic() + 10
while len(recent_xids(begun, none)) < wanted and time.monotonic() < until:
    time.sleep(0.01)
print(json.dumps([[one.code, one.gpu_uuid, one.bus, one.words] for one in recent_xids(begun, none)]))
print(json.dumps(len(recent_xids(time.time() + 1, none))))
"""


def heard(cards: Path, wanted: int) -> list[object]:
    done = python(HEAR, cards, str(cards), str(wanted))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_an_error_is_heard_with_its_card(tmp_path: Path) -> None:
    cards = tmp_path / "cards.txt"
    cards.write_text(f"{BUSY} xid=0 deaf=1\n{BUSY} xid=0\n")
    listening, found, later = heard(cards, 1)
    assert listening == [True, True]
    assert found == [
        [79, "GPU-00000001-0000-0000-0000-000000000000", "0000:42:00", "Xid 79: the card fell off the bus"]
    ]
    assert later == 0


def test_without_events_or_cards_nothing_is_heard(tmp_path: Path) -> None:
    cards = tmp_path / "cards.txt"
    for text in (f"{BUSY} xid=0 deaf=1\n", f"{BUSY} xid=0 lacks=events\n", "lost=15 xid=0\n", "driver=9\n", ""):
        cards.write_text(text)
        assert heard(cards, 0) == [[False, False], [], 0], text


def test_without_a_driver_listening_is_nothing() -> None:
    begun = time.monotonic()
    assert not listen()
    assert time.monotonic() - begun < 1
    assert recent_xids(time.time()) == ()


def test_the_kernels_log_is_read_as_the_device_and_as_dmesg_have_it(tmp_path: Path) -> None:
    log, now = tmp_path / "kmsg", time.monotonic()
    log.write_bytes(
        b"6,1,%d,-;NVRM: Xid (PCI:0000:41:00): 31, pid=12, name=python, Ch 00000008\n" % int((now - 50) * 1e6)
        + b" SUBSYSTEM=pci\n6,2,%d,-;usb 1-1: \xff new device\n" % int((now - 40) * 1e6)
        + b"6,3,%d,-;NVRM: Xid (PCI:41.00:0): 13, no address\n" % int((now - 30) * 1e6)
        + b"[%12.6f] NVRM: Xid (PCI:0000:c1:00): 999, something new\n" % (now - 30)
    )
    one, other = recent_xids(time.time() - 60, log)
    assert (one.code, one.bus, abs(one.at - (time.time() - 50)) < 2) == (31, "0000:41:00", True)
    assert (other.code, other.bus, other.words) == (999, "0000:c1:00", "Xid 999: something new")
    assert [found.code for found in recent_xids(time.time() - 35, log)] == [999]
    assert recent_xids(0, tmp_path / "none") == recent_xids(0, tmp_path) == ()


def test_addresses_on_the_bus() -> None:
    assert bus_of("00000000:41:00.0") == bus_of("0000:41:00") == "0000:41:00"
    assert Xid(code=3, at=0.0).words == "Xid 3"
