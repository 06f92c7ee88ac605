"""Records that something broke (bytes that are no text, an empty folder): passed over, or said in a line."""

import os
from pathlib import Path

from support.cards import environment
from support.endpoint import Endpoint, say, turn, use
from support.live import run, workspace
from support.running import Exp
from workbench.experiments.collect import Collector
from workbench.experiments.launch.alive import STOP
from workbench.experiments.launch.begin import Held
from workbench.experiments.ledger import Ledger
from workbench.protocol import events as e

__all__ = ["workspace"]
NO_TEXT = b'{"why": "\xff", "argv": ["\xff"], "status": "\xff", "user": "\xff"}'

PRINTS = """\
import time
for step in range(3000):
    print(f"step {step} loss 0.5", flush=True)
    time.sleep(0.02)
"""


def test_a_wish_to_stop_that_is_no_text_is_one_all_the_same(tmp_path: Path) -> None:
    held = Held("r-1", None, tmp_path)
    try:
        assert held.asked() is None
        (tmp_path / STOP).write_bytes(NO_TEXT)
        asked = held.asked()
        assert asked is not None and asked.why == "stopped"
    finally:
        held.let_go()


def test_a_found_run_ends_by_it_too_and_the_session_goes_on(workspace: Path) -> None:
    (workspace / "train.py").write_text(PRINTS)

    async def steer(client: object, envelope: e.Envelope) -> None:
        if isinstance(envelope.event, e.RunLinked):
            (Ledger(workspace).path("r-1") / STOP).write_bytes(NO_TEXT)

    with Endpoint([turn(use("Bash", command="python3 train.py")), say("done")]) as endpoint:
        ran = run(workspace, endpoint, steer=steer, allow=("Bash(*)",))
    kept = Ledger(workspace).get("r-1")
    assert (kept.status, kept.signal, ran.result.exit_code) == ("stopped", 15, 0)


def test_the_record_of_a_neighbour_that_is_no_text_costs_no_numbers(tmp_path: Path) -> None:
    own, other = tmp_path / ".mlwb/runs/r-2", tmp_path / ".mlwb/runs/r-1"
    for folder in (own, other):
        folder.mkdir(parents=True)
        (folder / "run.json").write_bytes(NO_TEXT)
    (other / "claims").write_text(f"1.0 {tmp_path / 'metrics.jsonl'}\n")
    collector = Collector(own, tmp_path, (tmp_path,), 0.0, lambda: [os.getpid()])
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 0.5}\n')
    (own / "output.log").write_text("step 1 acc 0.5\n")
    collector.poll(thorough=True)
    assert "acc" in collector.series


def test_a_claim_on_a_card_that_is_no_text_holds_nobody_off(tmp_path: Path) -> None:
    (tmp_path / "cards").write_text("util=0 used=0 total=80 power=100\n")
    env = {name: text for name, text in environment(tmp_path / "cards").items() if not name.startswith("CUDA_")}
    exp = Exp(tmp_path / "work", env)
    exp.env |= {"MLWB_GPU_CLAIMS": str(tmp_path / "claims"), "MLWB_GPU_IDLE": "0"}
    exp("run", "--gpus", "1", "--", "true")
    (claim,) = (tmp_path / "claims").iterdir()
    claim.write_bytes(NO_TEXT)
    exp("run", "--gpus", "1", "--", "true")


def test_a_run_whose_record_is_gone_is_listed_with_what_is_wrong(tmp_path: Path) -> None:
    exp = Exp(tmp_path / "work")
    exp("run", "--", "true")
    exp.settled("r-1")  # its watcher writes the record once more, after the run has been told to have ended
    record = exp.ledger.path("r-1") / "run.json"
    record.unlink()
    for verb in (("list",), ("show", "r-1")):
        done = exp(*verb, code=0 if verb == ("list",) else 1)
        assert f"r-1 has no record: {record} is gone" in done.stderr.decode()
        assert b"mlwb exp list" not in done.stderr
    assert b"there is no run r-7" in exp("show", "r-7", code=2).stderr
