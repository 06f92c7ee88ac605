"""scikit-learn with MLflow in its default place, beside a run that another program left there."""

import math

import mlflow
from logged import PHASES, STEPS, Truth, value
from sklearn.linear_model import SGDClassifier

truth = Truth()
mlflow.set_experiment("contract")
truth.config = {"alpha": 0.001, "kind": "sgd", "fit": True}
with mlflow.start_run():
    mlflow.log_params(truth.config)
    model = SGDClassifier(alpha=0.001, random_state=0)
    for phase in range(PHASES):
        for step in range(phase * STEPS, (phase + 1) * STEPS):
            model.partial_fit([[step % 5, step % 3]], [step % 2], classes=[0, 1])
            mlflow.log_metric("loss", truth.log("loss", step, value(step)), step=step)
        mlflow.log_metric("weight", truth.log("weight", phase, float(model.coef_[0][0])), step=phase)
        mlflow.log_metric("top", truth.log("top", phase, math.inf), step=phase)
        truth.pause()
truth.write()
