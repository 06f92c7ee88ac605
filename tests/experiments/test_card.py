"""The drafted model card: what is known is told with its noise, what is not says unknown."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from workbench.experiments.card import drafted
from workbench.experiments.code import taken
from workbench.experiments.ledger import Ledger
from workbench.experiments.points import Series, save
from workbench.experiments.readers.base import Column
from workbench.experiments.surroundings import PACKAGES
from workbench.experiments.types import Alert, Card, Data, Environment, Metric, Run, Usage
from workbench.verbs import exp


def made(ledger: Ledger, final: float, **fields: Any) -> Run:
    base: dict[str, Any] = {
        "name": "net", "status": "finished", "argv": ("python", "train.py", "--lr", "0.1"), "cwd": "/w",
        "workspace": "/w", "created": 1.0, "started": 1.0, "ended": 7201.0,
        "metrics": {"val_acc": Metric(last=final, best=final, step=2), "lr": Metric(last=0.1, best=0.1, step=2)},
    }  # fmt: skip
    run = ledger.begin(lambda name: Run(**{"id": name} | base | fields))
    column, series = Column(), Series()
    column.add(final, 2.0, 1.0)
    series.take(column, 0.0)
    save(ledger.path(run.id), {"val_acc": series})
    return run


def test_what_is_not_known_says_unknown(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    text = drafted(ledger, made(ledger, 0.9))
    for line in ("License:** unknown", "Direct use:** unknown", "Carbon Emitted:** unknown", "GPU-hours:** unknown",
                 "Developed by:** unknown", "### Training Data\n\nunknown", "- **Seed:** unknown"):  # fmt: skip
        assert line in text, line
    assert "unknown (one seed)" in text and "0.9" in text and "`lr`" not in text.partition("### Results")[2]
    front = yaml.safe_load(text.split("---")[1])
    assert front["license"] == "unknown" and front["metrics"] == ["val_acc"]


def test_numbers_come_with_seeds_noise_and_cost(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    spent = Usage(gpu_hours=2.0, energy_j=3.6e6, peak_gpu_memory=8 << 30)
    card = (Card(uuid="u", name="H100"),)
    runs = [made(ledger, acc, seed=at, group="r-1", usage=spent, gpus=card) for at, acc in enumerate([0.8, 0.9, 1.0])]
    made(ledger, 0.1, seed=3, group="r-1", status="failed", usage=spent, gpus=card)
    text = drafted(ledger, ledger.get(runs[0].id))
    assert "0.90 ± 0.10 (n = 3)" in text and "1 of 4 seeds did not finish" in text
    assert "GPU-hours:** 8 over 4 runs" in text and "4 kWh over 4 runs" in text and "H100" in text
    assert "Carbon Emitted:** unknown: 4 kWh times" in text and "8.0 GiB" in text


def test_data_hyperparameters_and_alerts_are_told(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    run = made(
        ledger, 0.9, config={"opt": {"lr": 0.1}, "model_name_or_path": "org/base"},
        data=(Data(path="a.csv", role="train", size=10, digest="abc"), Data(path="t.bin", role="test", size=1 << 40)),
        alerts=(Alert(kind="nan", at=1.0, text="loss is NaN at step 3"),),
    )  # fmt: skip
    text = drafted(ledger, run)
    assert "| `a.csv` | 10 bytes | `abc` |" in text and "too large to be hashed" in text
    assert "| `opt.lr` | `0.1` |" in text and "Finetuned from:** org/base" in text and "loss is NaN at step 3" in text


def test_files_of_configuration_are_told_as_the_code_of_the_run_had_them(tmp_path: Path) -> None:
    """By file and key, those that the command names first; no secret, none of tools, and no claim that it was read."""
    files = {"zeta.json": '{"lr": 0.1, "model": {"width": 64}}', "conf/a.yaml": "batch: 8\nhf_token: hf_abcdef\n",
             ".tool/config.json": '{"theme": "dark"}', "words.json": '{"the": 1}'}  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    ledger = Ledger(tmp_path)
    code = taken(tmp_path, "r-1")
    (tmp_path / "zeta.json").write_text('{"lr": 9}')
    argv = ("python", "train.py", "--config=zeta.json")
    text = drafted(ledger, made(ledger, 0.9, code=code, argv=argv, config={"seed": 3}))
    table = text.partition("#### Training Hyperparameters")[2].partition("## Evaluation")[0]
    assert [line for line in table.splitlines() if line.startswith("| `")] == [
        "| `seed` | `3` |", "| `zeta.json: lr` | `0.1` |", "| `zeta.json: model.width` | `64` |",
        "| `conf/a.yaml: batch` | `8` |", "| `conf/a.yaml: hf_token` | `…` |",
    ]  # fmt: skip
    assert "whether the program read that file is not recorded" in table and "hf_abcdef" not in text
    plain = drafted(ledger, made(ledger, 0.9, config={"seed": 3}))
    assert "is not recorded" not in plain and "| `seed` | `3` |" in plain


def test_software_is_told_as_far_as_the_list_of_packages_goes(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    run = made(ledger, 0.9, environment=Environment(python="3.12.1", packages="abc"))
    assert "Software installed:** unknown: of the list of packages only its hash was kept" in drafted(ledger, run)
    listed = ledger.path(run.id) / PACKAGES
    listed.write_text("".join(f"p{at}==1.{at}\n" for at in range(23)))
    assert "Software installed:** p0 1.0, p1 1.1," in drafted(ledger, run)
    assert "p19 1.19, and 3 other packages\n" in drafted(ledger, run)
    listed.write_text("attrs==26.1\ntorch==2.9\n")
    assert "Software installed:** torch 2.9, and 1 other package\n" in drafted(ledger, run)


def test_nothing_of_the_record_breaks_out_of_its_place(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    evil = "x\n# Owned\n---\n<script>`|\x1b[31m"
    run = made(ledger, 0.9, name=evil, config={evil: evil}, tags=(evil, "🚀"), user=evil, argv=("sh", "-c", evil))
    text = drafted(ledger, run)
    assert "\n# Owned" not in text and "\x1b" not in text
    assert "<script>" not in re.sub(r"`[^`\n]*`", "", text.partition("\n---\n")[2]).replace("\\<", "")
    assert yaml.safe_load(text.split("\n---\n")[0].removeprefix("---\n"))["tags"] == [evil, "🚀"]


def test_the_command_prints_or_writes_and_never_over_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made(Ledger(tmp_path), 0.9)
    monkeypatch.chdir(tmp_path)
    assert exp.main(["card", "r-1"]) == 0 and capsys.readouterr().out.startswith("---\nlicense")
    assert exp.main(["card", "r-1", "-o", "README.md"]) == 0 and "val_acc" in Path("README.md").read_text()
    assert exp.main(["card", "r-1", "-o", "README.md"]) == 1 and "cannot be written" in capsys.readouterr().err
    assert exp.main(["card", "r-7"]) == 2
