"""The confinement of a run's command, put together again in its supervisor from what the job says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from workbench import programs
from workbench.experiments.launch.types import Sandboxed
from workbench.sandbox.confined import ConfinedLauncher
from workbench.sandbox.launcher import PlainLauncher
from workbench.sandbox.types import Layer, Profile, Reach


def told(layer: Layer, profile: Profile, reach: Reach) -> Sandboxed:
    """LAYER and PROFILE in a form that goes to another process."""
    return Sandboxed(layer=msgspec.to_builtins(layer), profile=msgspec.to_builtins(profile, enc_hook=str), reach=reach)


def launcher(given: Sandboxed, env: Mapping[str, str]) -> ConfinedLauncher:
    """What starts a command so confined. Raises OSError, ValueError."""
    layer = msgspec.convert(given.layer, Layer)
    profile = msgspec.convert(given.profile, Profile, dec_hook=_path)
    programs.shun(profile.roots)
    return ConfinedLauncher(PlainLauncher({}), layer, profile, env)


def _path(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(kind)
