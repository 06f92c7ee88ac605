"""The GPU pane: what stands where at every width, what is drawn again, and how often it looks."""

import asyncio
import threading

import pytest

from support.panes import GIB, Bench, Told, card, lines, process, sample, settle
from workbench.host.telemetry import Mig
from workbench.protocol.state import SessionState
from workbench.tui.panes.gpu import GpuPane, short_command
from workbench.tui.widgets.spark import bins, spark


class Counting(GpuPane):
    """Remembers which cells were asked to be drawn again; () stands for all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[tuple] = []

    def refresh(self, *regions, **more):
        if more.get("repaint", True) and not more.get("layout"):
            self.drawn.append(tuple(regions))
        return super().refresh(*regions, **more)


def shown(width: int, *samples, height: int = 20, details: bool = False) -> list[str]:
    """The pane's rows after SAMPLES, without the empty ones."""

    async def run() -> list[str]:
        pane = GpuPane()
        app = Bench(pane)
        async with app.run_test(size=(width + 2, height)) as pilot:
            await settle(pilot, lambda: app.telemetry.every == [1.0])
            for one in samples:
                app.telemetry.tell(one)
                await pilot.pause()
            if details:
                pane.do("gpu_details")
            await pilot.pause()
            return [line for line in lines(pane) if line]

    return asyncio.run(run())


def test_the_line_of_the_sketch():
    rows = shown(58, sample(card(), processes=(process(),)))
    assert rows[0] == "0 H100  92%  ·····▇  61/80G  655/700W   71°  power cap"
    assert rows[1] == "  python3 train.py --lr 3e-4  ana  59.8G"
    assert rows[2] == "host  cpu 12%   load 3.1/16   mem 21/64G"
    assert rows[3] == "      disk 450G free    io 2K/s in 4K/s out"


@pytest.mark.parametrize("width", [28, 34, 40, 46, 52, 58, 70, 90, 140, 200])
def test_every_row_fits_and_what_matters_most_stays(width):
    cards = [card(0), card(1, utilization=7, throttle_reasons=("idle",)), card(10, problem="lost: it fell off the bus")]
    rows = shown(width, sample(*cards, processes=(process(user="a-very-long-user-name"), process(1, memory=None))))
    assert all(len(row) <= width for row in rows)
    assert rows[0].startswith(" 0 H100  92%")
    assert "61/80G" in rows[0]
    assert next(row for row in rows if row.startswith("10 ")).startswith("10 H100  ✗ lost: ")
    if width >= 34:
        assert "power cap" in rows[0]


def test_more_room_shows_more():
    assert "71°" not in shown(34, sample(card()))[0]
    assert "655/700W" in shown(58, sample(card()))[0]
    assert "1755/1980MHz" in shown(90, sample(card()))[0]


def test_columns_stand_still_whatever_the_cards_say():
    quiet = card(throttle_reasons=("idle",), utilization=0, memory_used=0, power=70.0, temperature=30)
    loud = card(throttle_reasons=("hardware slowdown", "power brake"), utilization=100, temperature=104)
    for width in (46, 58, 90):
        one, two = shown(width, sample(quiet))[0], shown(width, sample(loud))[0]
        assert one.index("/80G") == two.index("/80G")
        assert one.index("°") == two.index("°")


def test_reasons_grow_shorter_with_the_room():
    slowed = card(throttle_reasons=("hardware slowdown", "power brake"))
    assert shown(110, sample(slowed))[0].endswith("hardware slowdown +1")
    assert shown(40, sample(slowed))[0].endswith("hw slow +1")


def test_dashes_for_what_a_card_lacks():
    lacking = card(
        utilization=None, memory_used=None, memory_total=None, power=None, power_limit=None, temperature=None,
        clock_sm=None, clock_sm_max=None, throttle_reasons=None,
    )  # fmt: skip
    assert shown(58, sample(lacking))[0].split() == ["0", "H100", "–", "–", "–", "–", "–"]


def test_slices_stand_under_their_card():
    mig = Mig(index=0, name="NVIDIA H100 80GB HBM3 MIG 3g.40gb", memory_used=10 * GIB, memory_total=40 * GIB)
    rows = shown(58, sample(card(utilization=None, mig=True, mig_devices=(mig,))))
    assert rows[1] == "  mig 3g.40gb  10/40G"


def test_a_process_stands_under_its_slice():
    slices = tuple(Mig(index=at, uuid=f"MIG-{at}", name="NVIDIA H100 MIG 3g.40gb") for at in range(2))
    held = (process(mig_uuid="MIG-1", command="b"), process(mig_uuid="MIG-0", command="a"), process(command="c"))
    rows = shown(58, sample(card(mig=True, mig_devices=slices), processes=held))
    assert [row.split()[0] for row in rows[1:6]] == ["mig", "a", "mig", "b", "c"]


def test_a_process_tells_its_share_of_the_card_where_there_is_room():
    busy = sample(card(), processes=(process(utilization=92), process(utilization=None, user="li")))
    assert shown(58, busy)[1:3] == [
        "  python3 train.py --lr 3e-4  ana  59.8G   92%",
        "  python3 train.py --lr 3e-4  li   59.8G     –",
    ]
    assert shown(40, busy)[1].endswith("59.8G")


def test_details_on_demand():
    rows = shown(90, sample(card()), details=True)
    assert "    sm 1755/1980MHz  memory –" in rows
    assert "    clocks: power cap" in rows


def test_a_container_says_that_numbers_are_the_hosts():
    rows = shown(90, sample(card(), processes=(process(user=None, command=None, pid=4711, foreign=True),)))
    assert rows[1].startswith("  process 4711")
    assert rows[2] == "process numbers are the host's: this container cannot tell whose they are"


def test_commands_of_others_cannot_move_the_terminal():
    hostile = process(command="python \x1b[2J\u202etrain.py [red]", user="\x9bana")
    (row,) = [row for row in shown(90, sample(card(), processes=(hostile,))) if "train" in row]
    assert "\x1b" not in row
    assert "\x9b" not in row
    assert "[red]" in row


def test_no_driver_is_one_plain_line_and_the_machine():
    rows = shown(58, sample())
    assert rows[0] == "no NVIDIA driver"
    assert rows[1].startswith("host  cpu 12%")


def test_history_moves_by_whole_blocks():
    rows = shown(
        58, *[sample(card(utilization=load), at=1000.0 + second) for second, load in enumerate([0] * 10 + [100] * 5)]
    )
    assert rows[0].startswith("0 H100 100%  ···▁▁█")


def test_nothing_is_drawn_when_nothing_changed_and_little_when_little_did():
    async def run() -> None:
        pane = Counting()
        app = Bench(pane)
        async with app.run_test(size=(60, 20)) as pilot:
            await settle(pilot, lambda: app.telemetry.every == [1.0])
            app.telemetry.tell(sample(card(), card(1), processes=(process(),)))
            await settle(pilot, lambda: "655/700W" in lines(pane)[0])
            await pilot.pause()
            pane.drawn.clear()
            app.telemetry.tell(sample(card(), card(1), processes=(process(),)))
            await pilot.pause()
            await pilot.pause()
            assert pane.drawn == []
            app.telemetry.tell(sample(card(), card(1, power=656.0), processes=(process(),)))
            await settle(pilot, lambda: "656/700W" in lines(pane)[2])
            (region,) = [region for regions in pane.drawn for region in regions]
            assert (region.y, region.height) == (2, 1)
            assert region.width <= 3

    asyncio.run(run())


def test_it_looks_closely_only_while_it_is_seen():
    async def run() -> None:
        pane = GpuPane()
        app = Bench(pane)
        told: Told = app.telemetry
        async with app.run_test(size=(60, 20)) as pilot:
            await settle(pilot, lambda: told.every == [1.0])
            told.tell(sample(card()))
            pane.display = False
            await settle(pilot, lambda: told.every == [10.0])
            told.tell(sample(card(utilization=5)))
            await settle(pilot, lambda: pane.strip(SessionState()).plain == "5%")
            pane.display = True
            await settle(pilot, lambda: told.every == [1.0])
            told.tell(sample())
            pane.display = False
            await settle(pilot, lambda: told.every == [10.0])
            told.tell(sample())  # no card, and nobody looks: it leaves
            await settle(pilot, lambda: told.every == [])
            assert pane.strip(SessionState()).plain == "no NVIDIA driver"
            pane.display = True
            await settle(pilot, lambda: told.every == [1.0])
            await pane.remove()
            assert told.every == []

    asyncio.run(run())


def test_the_strip_has_news_before_the_pane_was_ever_opened():
    async def run() -> None:
        pane = GpuPane()
        app = Bench()
        drawn = []
        async with app.run_test(size=(60, 20)) as pilot:
            app.screen.chrome = lambda: drawn.append(pane.strip(SessionState()).plain)
            assert not pane.filled(SessionState())
            assert pane.strip(SessionState()).plain == GpuPane.empty
            assert app.telemetry.every == [10.0]
            thread = threading.Thread(target=app.telemetry.tell, args=(sample(card(), processes=(process(),)),))
            thread.start()
            thread.join()
            await settle(pilot, lambda: drawn == ["92%"])
            assert pane.filled(SessionState())
            app.telemetry.tell(sample(card(), processes=(process(),)))
            await pilot.pause()
            assert drawn == ["92%"], "the same news are no news"

    asyncio.run(run())


def test_many_cards_in_one_strip():
    async def run() -> None:
        pane = GpuPane()
        app = Bench(pane)
        async with app.run_test(size=(60, 20)) as pilot:
            await settle(pilot, lambda: app.telemetry.every == [1.0])
            app.telemetry.tell(sample(card(0), card(1, utilization=0), card(2, utilization=None)))
            await settle(pilot, lambda: pane.strip(SessionState()).plain == "92% 0% –")
            cards = [card(at, utilization=90 if at < 6 else 0) for at in range(7)]
            app.telemetry.tell(sample(*cards, card(7, utilization=None, problem="lost: …")))
            await settle(pilot, lambda: pane.strip(SessionState()).plain == "6/8 busy 77% · 1 lost")

    asyncio.run(run())


def test_the_real_sampler_serves_where_the_app_has_none():
    async def run() -> None:
        pane = GpuPane()
        app = Bench(pane)
        app.telemetry = None
        async with app.run_test(size=(60, 20)) as pilot:
            await settle(pilot, lambda: any("host  cpu" in line for line in lines(pane)))

    asyncio.run(run())


def test_commands_without_their_folders():
    assert short_command("/usr/bin/python3.11 /a/b/train.py --data /a/b") == "python3.11 train.py --data /a/b"
    assert short_command("/usr/bin/python -m pkg.train /x") == "python -m pkg.train /x"
    assert short_command("/opt/train") == "train"
    assert short_command("python") == "python"


def test_spark():
    assert spark([0, 50, 100, None, 250, -3]) == "▁▅█ █▁"
    points = [(0.0, 10.0), (1.0, 30.0), (6.0, 50.0), (31.0, 70.0), (32.0, None)]
    assert bins(points, 34.0, 7, 5.0) == [20.0, 50.0, 50.0, 50.0, 50.0, None, 70.0]
    assert bins([], 34.0, 2, 5.0) == [None, None]
    assert bins([(3.0, 5.0)], 12.0, 2, 5.0) == [5.0, 5.0]  # from before what is shown
