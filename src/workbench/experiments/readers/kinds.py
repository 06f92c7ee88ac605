"""The formats that are known, by priority: where two of them tell the same key, the one that stands first counts.

What keeps doubles stands before TensorBoard, which keeps floats of 32 bits.
"""

from workbench.experiments.readers.base import Kind
from workbench.experiments.readers.huggingface import TrainerStates
from workbench.experiments.readers.hydra import HydraFolders
from workbench.experiments.readers.jsonl import JsonLines
from workbench.experiments.readers.mlflow import MlflowDatabases, MlflowFolders
from workbench.experiments.readers.optuna import OptunaDatabases, OptunaJournals
from workbench.experiments.readers.tables import LiveTables, Tables
from workbench.experiments.readers.tensorboard import EventFiles
from workbench.experiments.readers.trackio import TrackioDatabases
from workbench.experiments.readers.wandb import WandbFiles

STDOUT = "stdout"
KINDS: tuple[Kind, ...] = (
    WandbFiles(),
    MlflowDatabases(),
    MlflowFolders(),
    TrackioDatabases(),
    OptunaDatabases(),
    OptunaJournals(),
    TrainerStates(),
    JsonLines(),
    LiveTables(),
    Tables(),
    HydraFolders(),
    EventFiles(),
)
PRIORITY = {name: place for place, name in enumerate([*(kind.name for kind in KINDS), STDOUT])}
