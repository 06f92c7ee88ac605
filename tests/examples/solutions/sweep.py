"""A small grid over rate and width, three seeds each, tracked in a local MLflow database."""

import itertools
import statistics

import mlflow
from train import train

RATES, HIDDEN, ALPHA, SEEDS = (3e-4, 3e-3), (16, 64), 1e-4, (0, 1, 2)
TRUSTED = ["sklearn.neural_network._stochastic_optimizers.AdamOptimizer"]


def trial(parameters):
    """Runs and logs one trial; returns its run id, validation accuracy and model."""
    with mlflow.start_run(nested=True, run_name="-".join(f"{k}{v}" for k, v in parameters.items())) as run:
        mlflow.log_params(parameters)

        def log(epoch, loss, accuracy):
            mlflow.log_metrics({"train_loss": loss, "val_accuracy": accuracy}, step=epoch)

        model, accuracy = train(**parameters, on_epoch=log)
        return run.info.run_id, accuracy, model


def main():
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.set_registry_uri("sqlite:///mlflow.db")
    mlflow.set_experiment("digits-sweep")
    client = mlflow.MlflowClient()
    with mlflow.start_run(run_name="sweep") as parent:
        results = {}
        for rate, hidden in itertools.product(RATES, HIDDEN):
            results[rate, hidden] = [
                trial({"rate": rate, "hidden": hidden, "alpha": ALPHA, "seed": seed}) for seed in SEEDS
            ]
        best = max(results.values(), key=lambda trials: statistics.mean(accuracy for _, accuracy, _ in trials))
        run_id, _, model = max(best, key=lambda one: one[1])
        client.set_tag(parent.info.run_id, "best_run_id", run_id)
    with mlflow.start_run(run_id=run_id):
        logged = mlflow.sklearn.log_model(
            model, name="model", registered_model_name="digits", skops_trusted_types=TRUSTED
        )
    client.set_registered_model_alias("digits", "champion", logged.registered_model_version)


if __name__ == "__main__":
    main()
