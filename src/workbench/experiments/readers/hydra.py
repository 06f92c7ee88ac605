"""Hydra: `.hydra/config.yaml` and `.hydra/overrides.yaml` of a job, its configuration as it was composed."""

import contextlib
from pathlib import Path

from workbench import safe_yaml
from workbench.experiments.readers import opening
from workbench.experiments.readers.base import BEGINNING, Batch, Start

_LARGEST = 1 << 20  # bytes


class HydraFolders:
    """The format; see `readers.base.Kind`."""

    name = "hydra"
    globs = ("config.yaml", "overrides.yaml")

    def recognises(self, path: Path) -> bool:
        """Whether it lies where Hydra writes."""
        return path.parent.name == ".hydra"

    def home(self, path: Path) -> Path:
        """The job's folder."""
        return path.parent.parent

    def open(self, path: Path, start: Start = BEGINNING) -> "HydraReader":
        """A reader of PATH."""
        return HydraReader(path)


class HydraReader:
    """Reads one file of Hydra, which is written once, before the job begins."""

    kind = "hydra"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = None

    def poll(self, last: bool = False) -> Batch:
        """What is new since the last time; see `readers.base.Reader`."""
        batch = Batch()
        with contextlib.suppress(OSError):
            status = self.path.stat()
            now = status.st_mtime_ns, status.st_size
            if now != self._seen and status.st_size <= _LARGEST:
                self._seen = now
                self._take(opening.content(self.path, _LARGEST), batch)
        return batch

    def close(self) -> None:
        """Nothing is held between polls."""

    def _take(self, data: bytes, batch: Batch) -> None:
        import yaml

        try:
            found = safe_yaml.load(data)
        except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
            batch.notes.append(f"{self.path.name} of Hydra cannot be read")
            return
        if isinstance(found, dict):
            batch.config.update({str(key): value for key, value in found.items()})
        elif isinstance(found, list) and found:
            batch.config["overrides"] = [str(item) for item in found]
