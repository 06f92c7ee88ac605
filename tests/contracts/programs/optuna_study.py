"""Optuna in its database, with trials that report on their way and some that are pruned."""

import optuna
from logged import PHASES, Truth, value

truth = Truth()


def objective(trial: optuna.Trial) -> float:
    x = truth.log("params/x", trial.number, trial.suggest_float("x", 0, 1))
    trial.suggest_categorical("kind", ["a", "b"])
    for step in range(3):
        trial.report(truth.log(f"trial_{trial.number}/value", step, x / (step + 1)), step)
    if trial.number % 4 == 3:
        raise optuna.TrialPruned
    return truth.log("value", trial.number, x * x + value(trial.number))


study = optuna.create_study(storage="sqlite:///study.db", study_name="contract")
for _ in range(PHASES):
    study.optimize(objective, n_trials=4)
    truth.pause()
truth.write()
