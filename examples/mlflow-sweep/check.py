"""Whether the sweep is tracked as the task says: reads the MLflow database and loads the model that it names."""

import sys

import mlflow

import data

STORE, EXPERIMENT = "sqlite:///mlflow.db", "digits-sweep"
TRIALS, EPOCHS, SEEDS, BAR = 12, 10, 3, 0.92
PARAMETERS = {"rate", "hidden", "alpha", "seed"}


def sweep(client):
    """(parent run, finished child runs) of the newest sweep."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment, f"there is no experiment {EXPERIMENT!r} in {STORE}"
    runs = client.search_runs([experiment.experiment_id], max_results=1000, order_by=["attributes.start_time DESC"])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags and run.info.status == "FINISHED"]
    assert parents, "no finished parent run"
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parents[0].info.run_id]
    return parents[0], [run for run in children if run.info.status == "FINISHED"]


def configuration(run):
    """What was tried, apart from the seed."""
    return tuple(run.data.params[name] for name in sorted(PARAMETERS - {"seed"}))


def by_configuration(children):
    """{configuration: {seed: last validation accuracy}}"""
    groups = {}
    for run in children:
        groups.setdefault(configuration(run), {})[run.data.params["seed"]] = run.data.metrics["val_accuracy"]
    return groups


def main():
    mlflow.set_tracking_uri(STORE)
    mlflow.set_registry_uri(STORE)
    client = mlflow.MlflowClient()
    parent, children = sweep(client)
    for run in children:
        lacking = PARAMETERS - run.data.params.keys()
        assert not lacking, f"run {run.info.run_name} lacks the parameters {sorted(lacking)}"
        curve = client.get_metric_history(run.info.run_id, "val_accuracy")
        assert len({point.step for point in curve}) >= EPOCHS, f"run {run.info.run_name} has no curve of val_accuracy"
    groups = by_configuration(children)
    full = {key: seeds for key, seeds in groups.items() if len(seeds) >= SEEDS}
    assert len(children) >= TRIALS, f"{len(children)} finished trials; at least {TRIALS}"
    assert len(full) >= 4, f"{len(full)} configurations ran with {SEEDS} seeds; at least 4"
    print(f"ok    {len(children)} finished trials of {len(groups)} configurations under {parent.info.run_name}")

    best = parent.data.tags.get("best_run_id")
    winner = next((run for run in children if run.info.run_id == best), None)
    assert winner, "the parent's tag best_run_id names none of its trials"
    means = {key: sum(seeds.values()) / len(seeds) for key, seeds in full.items()}
    top = max(means.values())
    assert means.get(configuration(winner), 0) >= top - 1e-9, (
        "best_run_id is not of the configuration with the best mean"
    )
    print(f"ok    best_run_id is of the configuration with the best mean over seeds, {top:.4f}")

    version = client.get_model_version_by_alias("digits", "champion")
    assert version.run_id == best, "the registered model's alias `champion` is not the best run's model"
    model = mlflow.sklearn.load_model("models:/digits@champion")
    validated, tested = model.score(*data.validation()), model.score(*data.held_out())
    assert abs(validated - winner.data.metrics["val_accuracy"]) < 1e-6, (
        "the champion does not score what its run logged"
    )
    assert tested >= BAR, f"held-out accuracy {tested:.4f}; at least {BAR}"
    print(f"ok    the registered champion scores what its run logged; held-out accuracy {tested:.4f}")


if __name__ == "__main__":
    try:
        main()
    except (AssertionError, mlflow.MlflowException) as error:
        print(f"FAIL  {error}")
        sys.exit(1)
