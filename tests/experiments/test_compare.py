"""Comparison: the verdict, what it rests on, what else differs; through the ledger and the command."""

import json
import math
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from workbench.experiments import code
from workbench.experiments.changes import patch
from workbench.experiments.compare import CompareError, compare, compare_many
from workbench.experiments.compare_words import about
from workbench.experiments.compared import Comparison
from workbench.experiments.ledger import Ledger
from workbench.experiments.points import Series, save
from workbench.experiments.readers.base import Column
from workbench.experiments.types import Card, Environment, Run
from workbench.verbs import exp


class Bench:
    """A ledger with runs whose curves are given."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger(folder)

    def run(self, curves: Mapping[str, Sequence[float]] | None = None, **fields: Any) -> Run:
        """A finished run that logged CURVES, a value a step."""
        base: dict[str, Any] = {
            "status": "finished", "argv": ("python", "train.py"), "cwd": str(self.ledger.workspace), "created": 1e9,
            "workspace": str(self.ledger.workspace), "exit_code": 0, "host": "box",
        }  # fmt: skip
        run = self.ledger.begin(lambda name: Run(**{"id": name, "name": "train"} | base | fields))
        series = {}
        for key, values in (curves or {}).items():
            column = Column()
            for step, value in enumerate(values):
                column.add(value, step, 1e9 + step)
            series[key] = Series()
            series[key].take(column, 0.0)
        save(self.ledger.path(run.id), series)
        return run

    def seeds(self, finals: Sequence[float], lr: float, seeds: Sequence[int | None] | None = None) -> list[Run]:
        """A run for each of FINALS, the last value of its loss."""
        named = range(len(finals)) if seeds is None else seeds
        return [
            self.run({"loss": [3.0, final]}, config={"lr": lr}, seed=seed)
            for final, seed in zip(finals, named, strict=True)
        ]

    def compare(self, a: Sequence[Run], b: Sequence[Run], metric: str = "loss", **options: Any) -> Comparison:
        return compare(a, b, metric, ledger=self.ledger, **options)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


A, B = [0.70, 0.71, 0.69, 0.705, 0.695], [0.59, 0.60, 0.58, 0.61, 0.57]


def test_better_says_by_how_much_and_how_sure(bench: Bench) -> None:
    found = bench.compare(bench.seeds(A, 0.1), bench.seeds(B, 0.2, range(10, 15)))
    assert (found.verdict, found.goal) == ("better", "min")
    assert found.sentence == "better by 0.110 ± 0.019 (95 %), n = 5 vs 5"
    assert found.difference == pytest.approx(-0.11) and found.interval is not None
    assert found.interval[0] < -0.11 < found.interval[1] < 0
    assert found.changes.config == {"lr": (0.1, 0.2)} and "Welch" in found.method


def test_the_goal_turns_the_verdict_round(bench: Bench) -> None:
    a, b = bench.seeds(A, 0.1), bench.seeds(B, 0.2)
    assert bench.compare(b, a).verdict == "worse"
    assert bench.compare(a, b, goal="max").verdict == "worse"
    wished = [msgspec.structs.replace(run, goal="max") for run in (*a, *b)]
    assert bench.compare(wished[:5], wished[5:]).verdict == "worse", "the goal that the runs were started with"


def test_shared_seeds_are_paired(bench: Bench) -> None:
    a = [1.0, 2.0, 3.0, 4.0]
    b = [0.9, 1.92, 2.89, 3.91]
    shared = bench.compare(bench.seeds(a, 0.1), bench.seeds(b, 0.2))
    assert shared.verdict == "better" and "paired t over 4 seeds" in shared.method
    apart = bench.compare(bench.seeds(a, 0.1), bench.seeds(b, 0.2, [7, 8, 9, 10]))
    assert apart.verdict == "within_noise" and "Welch" in apart.method


def test_one_run_a_side_is_not_enough_unless_nothing_else_changed(bench: Bench) -> None:
    one, other = bench.seeds([0.7], 0.1), bench.seeds([0.6], 0.2)
    found = bench.compare(one, other)
    assert (found.verdict, found.interval) == ("not_enough_seeds", None)
    assert found.difference == pytest.approx(-0.1) and "one run has no spread" in found.sentence
    again = bench.compare(one, bench.seeds([0.6], 0.1, [5]))
    assert again.verdict == "only_seed_changed" and "(0 → 5)" in again.sentence
    same = bench.compare(one, bench.seeds([0.6], 0.1, [0]))
    assert same.verdict == "within_noise" and "nothing changed, not even the seed" in same.sentence


def test_one_run_against_a_group_is_told_but_never_judged_better(bench: Bench) -> None:
    found = bench.compare(bench.seeds(A, 0.1), bench.seeds([0.2], 0.2))
    assert found.verdict == "not_enough_seeds" and "B lies outside of what the spread of A explains" in found.sentence
    turned = bench.compare(bench.seeds([0.7], 0.2), bench.seeds(A, 0.1))
    assert "A lies inside of what the spread of B explains" in turned.sentence
    assert turned.interval is not None and turned.interval[0] < 0 < turned.interval[1]


def test_two_a_side_may_show_a_difference_but_never_its_absence(bench: Bench) -> None:
    clear = bench.compare(bench.seeds([0.70, 0.701], 0.1), bench.seeds([0.50, 0.501], 0.2))
    assert clear.verdict == "better"
    assert bench.compare(bench.seeds([0.7, 0.8], 0.1), bench.seeds([0.72, 0.79], 0.2)).verdict == "not_enough_seeds"


def test_runs_that_gave_nan_or_failed_are_failures_and_told(bench: Bench) -> None:
    a = bench.seeds([*A, 0.7], 0.1)
    b = [*bench.seeds(B, 0.2), bench.run({"loss": [3.0, math.nan]}, config={"lr": 0.2}, seed=9)]
    b.append(bench.run({"loss": [3.0, 2.9]}, config={"lr": 0.2}, seed=8, status="failed", why="out of memory"))
    found = bench.compare(a, b)
    assert found.verdict == "better" and (found.groups[0].n, found.groups[1].n) == (6, 5)
    assert found.groups[1].failures[b[5].id] == "NaN at its end, step 1"
    assert "out of memory" in found.groups[1].failures[b[6].id]
    assert any("0 of 6 in A, 2 of 7 in B" in note and "survived" in note for note in found.notes)
    lost = bench.compare(a, b[5:])
    assert (lost.verdict, lost.difference) == ("not_enough_seeds", None)


def test_the_same_run_twice_counts_once(bench: Bench) -> None:
    a = bench.seeds([0.7, 0.7, 0.7], 0.1, [1, 1, 1])
    found = bench.compare(a, bench.seeds([0.6, 0.61, 0.6], 0.2))
    assert found.groups[0].n == 1 and found.verdict == "not_enough_seeds"
    unseeded = bench.compare(
        bench.seeds([0.7, 0.7, 0.7], 0.1, [None] * 3), bench.seeds([0.6, 0.6, 0.6], 0.2, [None] * 3)
    )
    assert unseeded.verdict == "not_enough_seeds" and "agree in every digit" in unseeded.sentence
    deterministic = bench.compare(bench.seeds([0.7] * 3, 0.1), bench.seeds([0.6] * 3, 0.2))
    assert deterministic.verdict == "better"


def test_best_and_a_step_choose_the_value(bench: Bench) -> None:
    a = [bench.run({"acc": [0.1, 0.9, 0.5]}, seed=seed, config={"x": 1}) for seed in range(3)]
    b = [bench.run({"acc": [0.1, 0.8, 0.7, 0.6]}, seed=seed, config={"x": 2}) for seed in range(3)]
    means = {
        at: [group.mean for group in bench.compare(a, b, "acc", at=at).groups] for at in ("last", "best", 1.0, 2.5)
    }
    assert means["last"] == pytest.approx([0.5, 0.6])
    assert means["best"] == pytest.approx([0.9, 0.8]) and means[1.0] == pytest.approx([0.9, 0.8])
    assert means[2.5] == [None, pytest.approx(0.7)], "a run that has not come to the step has no value there"
    assert any("--at 2 compares there" in note for note in bench.compare(a, b, "acc").notes)


def test_values_of_different_steps_are_told(bench: Bench) -> None:
    a, b = bench.run({"loss": [5.0, 4.5, 4.0, 3.0]}, seed=1), bench.run(seed=2)
    seldom, column = Series(), Column()
    for step in (0, 3):
        column.add(5.0 - step / 2, step, 1e9)
    seldom.take(column, 0.0)
    save(bench.ledger.path(b.id), {"loss": seldom})
    assert any("not at the same step: up to 2" in note for note in bench.compare([a], [b], "loss", at=2.0).notes)
    assert not any("same step" in note for note in bench.compare([a], [b], "loss", at=3.0).notes)


def test_several_metrics_are_judged_together(bench: Bench) -> None:
    values = {0.1: [1.0, 1.2, 1.1, 0.9], 0.2: [0.75, 0.9, 0.85, 0.7]}
    sides = [
        [bench.run({"loss": [v], "acc": [0.5 + v / 7], "ppl": [v]}, config={"lr": lr}, seed=seed + 10 * (lr > 0.1))
         for seed, v in enumerate(vs)]
        for lr, vs in values.items()
    ]  # fmt: skip
    alone = compare(*sides, "loss", ledger=bench.ledger)
    together = compare_many(*sides, ["loss", "acc", "ppl"], ledger=bench.ledger)
    assert alone.p is not None and together[0].p == pytest.approx(3 * alone.p) and "Holm" in together[0].method
    assert alone.interval is not None and together[0].interval is not None
    assert together[0].interval[1] > alone.interval[1], "each interval is as wide as all of them together need"


def test_a_metric_that_nobody_has_is_refused_with_what_there_is(bench: Bench) -> None:
    a, b = bench.seeds(A, 0.1), bench.seeds(B, 0.2)
    with pytest.raises(CompareError, match="did you mean loss"):
        bench.compare(a, b, "los")
    with pytest.raises(CompareError, match="both sides"):
        bench.compare(a, a[:1])


def test_a_name_that_says_nothing_is_told(bench: Bench) -> None:
    a, b = bench.run({"objective": [1.0]}), bench.run({"objective": [2.0]})
    assert any("--goal max" in note for note in bench.compare([a], [b], "objective").notes)
    assert not bench.compare([a], [b], "objective", goal="max").notes


# --- what differs ---


def test_numbers_are_equal_by_value_and_folders_are_no_difference(bench: Bench) -> None:
    one = bench.run(
        {"loss": [1.0]},
        seed=0,
        config={"lr": "1e-3", "n": 8, "net": {"wide": "true", "eps": math.nan}, "output_dir": "a"},
    )
    other = bench.run(
        {"loss": [1.0]},
        seed=1,
        config={"lr": 0.001, "n": 8.0, "net": {"wide": True, "eps": math.nan}, "output_dir": "b"},
    )
    found = bench.compare([one], [other])
    assert found.verdict == "only_seed_changed" and found.changes.config == {}
    assert found.changes.bookkeeping == {"output_dir": ("a", "b")}
    flag = bench.run({"loss": [1.0]}, seed=0, config={"n": True})
    assert bench.compare([flag], [bench.run({"loss": [1.0]}, seed=1, config={"n": 1})]).verdict == "not_enough_seeds"


def argv(line: str) -> dict[str, Any]:
    return {"argv": tuple(line.split())}


@pytest.mark.parametrize(
    ("one", "other", "changed"),
    [
        ("python t.py --lr 0.1 --seed 0", "python t.py --seed 1 --lr=1e-1", {}),
        ("python t.py --seed 0 --out runs/seed0", "python t.py --seed 1 --out runs/seed1", {}),
        ("python t.py 0", "python t.py 1", {}),
        ("python t.py --layers 0", "python t.py --layers 1", {"--layers": ("0", "1")}),
        ("python t.py model=a seed=0", "python t.py seed=1 model=b", {"model": ("a", "b")}),
        ("python t.py --fast", "python t.py", {"--fast": (True, None)}),
        ("python t.py --x -1", "python t.py --x -2", {"--x": ("-1", "-2")}),
        ("python a.py", "python b.py", {"words": (["python", "a.py"], ["python", "b.py"])}),
    ],
)
def test_changed_words_of_the_command(bench: Bench, one: str, other: str, changed: dict[str, Any]) -> None:
    a, b = bench.run({"loss": [1.0]}, seed=0, **argv(one)), bench.run({"loss": [1.0]}, seed=1, **argv(other))
    found = bench.compare([a], [b])
    assert found.changes.command == changed
    assert found.verdict == ("not_enough_seeds" if changed else "only_seed_changed")


def test_a_seed_in_a_command_over_seeds_may_stand_anywhere_and_other_numbers_stay(bench: Bench) -> None:
    runs = [
        bench.run({"loss": [1.0]}, seed=seed, group="r-1", **argv(f"python t.py --layers 3 -s {seed} --to x{seed}.pt"))
        for seed in (3, 4)
    ]
    assert bench.compare(runs[:1], runs[1:]).changes.command == {}
    other = bench.run({"loss": [1.0]}, seed=4, **argv("python t.py --layers 4 -s 4 --to x4.pt"))
    assert bench.compare(runs[:1], [other]).changes.command.keys() == {"--layers", "-s", "--to"}


def test_packages_cards_and_hosts(bench: Bench) -> None:
    def env(number: str) -> Environment:
        return Environment(python="3.12", packages=number)

    a = bench.run({"loss": [1.0]}, environment=env("1"), gpus=(Card(uuid="x", name="H100"),), seed=0)
    b = bench.run({"loss": [1.0]}, environment=env("2"), gpus=(Card(uuid="y", name="A100"),), seed=1, host="other")
    c = bench.run({"loss": [1.0]}, environment=env("1"), gpus=(Card(uuid="z", name="H100"),), seed=1)
    (bench.ledger.path(a.id) / "packages.txt").write_text("numpy==1.0\ntorch==2.1\n")
    (bench.ledger.path(b.id) / "packages.txt").write_text("numpy==1.0\ntorch==2.2\n")
    changes = bench.compare([a], [b]).changes
    assert changes.environment == {"torch": ("2.1", "2.2")}
    assert changes.hardware == {"host": ("box", "other"), "gpus": (["H100"], ["A100"])}
    assert bench.compare([a], [c]).verdict == "only_seed_changed", "another card of the same model is none"


def test_what_differs_within_a_side_is_told(bench: Bench) -> None:
    a = [*bench.seeds([1.0, 1.1], 0.1), *bench.seeds([1.2], 0.3, [5])]
    found = bench.compare(a, bench.seeds([1.0, 1.1, 1.3], 0.1))
    assert found.changes.config == {"lr": ({"varies": [0.1, 0.3]}, 0.1)}
    assert found.changes.within == (f"lr differs among {', '.join(run.id for run in a)}",)


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words], cwd=folder, check=True, capture_output=True
    )


def test_changed_code_is_named_counted_and_shown(bench: Bench) -> None:
    folder = bench.ledger.workspace
    git(folder, "init", "-q")
    (folder / "train.py").write_text("lr = 1\nn = 2\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    a = bench.run({"loss": [1.0]}, code=code.taken(folder, "r-1"), seed=0)
    (folder / "train.py").write_text("lr = 3\nn = 2\nm = 1\n")
    (folder / "new é.py").write_text("x\n")
    b = bench.run({"loss": [0.9]}, code=code.taken(folder, "r-2"), seed=1)
    found = bench.compare([a], [b])
    assert found.verdict == "not_enough_seeds"
    assert {(file.path, file.added, file.removed) for file in found.changes.code} == {
        ("train.py", 2, 1),
        ("new é.py", 1, 0),
    }
    assert "+lr = 3" in patch(folder, found.changes.revisions)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "two")
    c = bench.run({"loss": [0.9]}, code=code.taken(folder, "r-3"), seed=2)
    assert bench.compare([b], [c]).verdict == "only_seed_changed", "committed or not, it is the same code"


def test_files_of_configuration_are_told_key_by_key(bench: Bench) -> None:
    folder = bench.ledger.workspace
    git(folder, "init", "-q")
    (folder / "conf").mkdir()
    texts = {
        "conf/model.yaml": "width: 64\nlayers: &l [1, 2]\nsame: *l\noptim: {lr: 0.1, betas: [0.9, 0.95]}\n",
        "config.json": '{"scale": 1, "reset": true, "stages": [{"steps": 10}], "gone": 3}',
        "run.toml": "[train]\nlr = 1\n", "results.json": '{"loss": 1}', "conf/broken.yaml": "a: [",
        "conf/tag.yaml": "a: !!bool maybe",
        "conf/bomb.yaml": "a: &a {}\n" + "".join(f"b{n}: [*a, *a]\n" for n in range(30)),
        "conf/round.yaml": "a: &a [*a]",
        "conf/list.yaml": f"a: &a [{'1, ' * 100}*a]",
        "conf/nan.yaml": "limit: .nan\n", "conf/hub.yaml": "hf_token: one\n",
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(text)
    a = bench.run({"loss": [1.0]}, code=code.taken(folder, "r-1"), argv=("python", "train.py", "--to=run.toml"))
    changed = {
        "conf/model.yaml": "width: 64\nlayers: [1, 3]\nsame: [1, 2]\noptim: {lr: 0.1, betas: [0.9, 0.99]}\n",
        "config.json": '{"scale": 1024, "reset": false, "stages": [{"steps": 20}], "new": null}',
        "run.toml": "[train]\nlr = 2\n", "results.json": '{"loss": 2}', "conf/broken.yaml": "a: [[",
        "conf/tag.yaml": "a: !!bool perhaps",
        "conf/bomb.yaml": "a: &a {}\n" + "".join(f"b{n}: [*a, *a]\n" for n in range(31)),
        "conf/round.yaml": "b: &b [*b]",
        "conf/list.yaml": f"a: &a [{'1, ' * 100}*a] # and a word",
        "conf/nan.yaml": "limit: .nan # still\n", "conf/hub.yaml": "hf_token: two\napi_key: new\n",
    }  # fmt: skip
    for name, text in changed.items():
        (folder / name).write_text(text)
    b = bench.run({"loss": [0.9]}, code=code.taken(folder, "r-2"), argv=("python", "train.py", "--to=run.toml"))
    changes = bench.compare([a], [b]).changes
    assert changes.config == {
        "conf/model.yaml: layers": ([1, 2], [1, 3]), "conf/model.yaml: optim.betas": ([0.9, 0.95], [0.9, 0.99]),
        "conf/hub.yaml: hf_token": ("…", "… (another)"), "conf/hub.yaml: api_key": (None, "…"),
        "config.json: scale": (1, 1024), "config.json: reset": (True, False), "config.json: stages.0.steps": (10, 20),
        "config.json: gone": (3, None), "run.toml: train.lr": (1, 2),
    }  # fmt: skip
    assert {file.path for file in changes.code} == set(texts)
    told = bench.run({"loss": [0.9]}, code=code.taken(folder, "r-3"), config={"scale": 1024})
    before = bench.run({"loss": [0.9]}, code=a.code, config={"scale": 1})
    assert "config.json: scale" not in bench.compare([before], [told]).changes.config, "the program told it itself"


def test_without_a_repository_a_script_that_was_changed_since_is_a_difference(bench: Bench) -> None:
    (bench.ledger.workspace / "train.py").write_text("x\n")
    a, b = bench.run({"loss": [1.0]}, seed=0), bench.run({"loss": [0.9]}, seed=1)
    found = bench.compare([a], [b])  # the runs are of long ago
    assert found.verdict == "not_enough_seeds" and [file.path for file in found.changes.code] == ["train.py"]
    assert "nothing keeps how it was" in found.changes.unknown[-1]


# --- the command ---


def said(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    status = exp.main(["compare", *args])
    out, err = capsys.readouterr()
    return status, out, err


def test_the_command(bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bench.ledger.workspace)
    for finals, lr, name in ((A, 0.1, "base"), (B, 0.2, "wide")):
        runs = bench.seeds(finals, lr)
        for run in runs:
            bench.ledger.update(
                run.id,
                lambda old, n=name, g=runs[0].id: msgspec.structs.replace(old, name=n, group=g, tags=(f"{n}-tag",)),
            )
    status, out, _ = said(capsys, "base", "wide")
    assert status == 0 and out.startswith("better by 0.110 ± ") and "lr: 0.1 → 0.2" in out
    status, out, _ = said(capsys, "r-1,r-2,r-3..r-5", "wide-tag", "--json", "--metric", "loss")
    told = json.loads(out)
    assert told["verdict"] == "better" and told["metric"] == "loss" and told["goal"] == "min"
    assert [group["n"] for group in told["groups"]] == [5, 5] and told["groups"][0]["values"]["r-1"] == 0.7
    assert told["interval"][0] < told["difference"] < told["interval"][1] < 0
    assert said(capsys, "group:r-1", "group:r-6")[1].startswith("better")
    assert "group:r-1 group:r-6" in said(capsys, "r-1", "r-6")[1], "it says that there are more seeds"
    bench.run({"loss": [1.0]}, argv=("python", "other.py"))
    assert "command     python train.py → python other.py" in said(capsys, "r-1", "r-11")[1]
    status, _, err = said(capsys, "bse", "wide")
    assert status == 2 and "did you mean base" in err
    assert said(capsys, "r-1", "r-99")[0] == 2 and said(capsys, "r-1", "r-2", "--metric", "nope")[0] == 2


def test_names_cannot_speak_to_the_terminal(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bench.ledger.workspace)
    (
        bench.run({"loss\x1b[31m": [1.0]}, config={"a\x1b]0;x": "\x9b1"}),
        bench.run({"loss\x1b[31m": [1.0]}, config={"a\x1b]0;x": 2}),
    )
    assert "\x1b" not in said(capsys, "r-1", "r-2")[1] and "\x9b" not in said(capsys, "r-1", "r-2", "--diff")[1]


def test_the_rounding_of_floats_is_no_uncertainty(bench: Bench) -> None:
    found = bench.compare(bench.seeds([0.77, 0.78, 0.79], 0.1), bench.seeds([0.47, 0.48, 0.49], 0.2))
    assert found.sentence == "better by 0.3 ± 0, n = 3 vs 3"
    assert about(0.3, 5.6e-17) == ("0.3", "0") and about(0.0, 0.0) == ("0", "0")
    assert about(-0.0, 0.0) == ("0", "0") and about(-0.0004, 0.014) == ("0.000", "0.014")


def test_code_is_kept_whatever_its_bytes_are(bench: Bench) -> None:
    folder = bench.ledger.workspace
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "one")
    (folder / ".git" / "info").mkdir(exist_ok=True)
    (folder / ".git" / "info" / "exclude").write_bytes(b"# caf\xe9\n")
    (folder / "a\rb.txt").write_bytes(b"one\r\ntwo\r\n")
    before = bench.run({"loss": [1.0]}, code=code.taken(folder, "r-1"))
    (folder / "a\rb.txt").write_bytes(b"one\r\nnew\r\n")
    after = bench.run({"loss": [0.9]}, code=code.taken(folder, "r-2"))
    assert (folder / ".git" / "info" / "exclude").read_bytes() == b"# caf\xe9\n/.mlwb/runs/\n"
    changes = bench.compare([before], [after]).changes
    assert [(file.path, file.added) for file in changes.code] == [("a\rb.txt", 1)]
    assert "-two\r\n+new\r" in patch(folder, changes.revisions)


def test_code_and_names_that_are_no_text_can_be_told_all_the_same(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = bench.ledger.workspace
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "one")
    (folder / os.fsdecode(b"n\xe9.py")).write_bytes(b"# caf\xe9\n")
    bench.run({"loss": [1.0]}, code=code.taken(folder, "r-1"))
    (folder / os.fsdecode(b"n\xe9.py")).write_bytes(b"# caf\xe9 \xe8\n")
    bench.run({"loss": [0.9]}, code=code.taken(folder, "r-2"))
    monkeypatch.chdir(folder)
    assert exp.main(["compare", "r-1", "r-2", "--json", "--diff"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["changes"]["code"][0]["path"] == "n\ufffd.py" and "+# caf\ufffd \ufffd" in told["patch"]
