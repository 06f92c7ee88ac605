"""The catalogue of models: ids, aliases, windows, prices, and what each takes. `catalogue.json` holds the rows.

The rows are from the provider's model pages as of November 2026; a user's settings may change or add any of them.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from workbench.models.base import ModelInfo

DEFAULT = "sonnet"
_DATED = re.compile(r"-20\d{6}$")
_FIELDS = ModelInfo.__struct_fields__


class CatalogueError(ValueError):
    """An override that cannot be used; the message says which, and what is wrong with it."""


class Catalogue:
    """What is known of models. Look-ups never fail: a name that is not here is a model that gets a plain request."""

    def __init__(self, rows: Mapping[str, ModelInfo]) -> None:
        self.rows = dict(rows)
        self._aliases = {alias: row for row in self.rows.values() for alias in row.aliases}

    @classmethod
    def load(cls, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> "Catalogue":
        """The shipped rows, changed by OVERRIDES: id or alias -> fields of ModelInfo. An id that is new is added.

        Raises CatalogueError for a field that does not exist or has the wrong type.
        """
        raw = Path(__file__).with_name("catalogue.json").read_bytes()
        shipped = cls({row.id: row for row in msgspec.json.decode(raw, type=list[ModelInfo])})
        if not overrides:
            return shipped
        rows = dict(shipped.rows)
        for name, fields in overrides.items():
            row = _overridden(name, shipped.find(name), fields)
            rows[row.id] = row
        return cls(rows)

    def find(self, name: str | None) -> ModelInfo:
        """The row for NAME: an id, an alias, or a dated id of a family. None and `inherit` are the default model."""
        wanted = (name or "").strip()
        if wanted in ("", "inherit"):
            wanted = DEFAULT
        row = self.rows.get(wanted) or self._aliases.get(wanted.lower())
        if row is not None:
            return row
        family = self.rows.get(_DATED.sub("", wanted))
        if family is not None:
            return msgspec.structs.replace(family, id=wanted, aliases=())
        return ModelInfo(id=wanted, known=False)

    def nearest(self, name: str) -> str | None:
        """The alias, or else the id, that someone who wrote NAME most likely meant; None where nothing is near."""
        from difflib import get_close_matches

        words = re.split(r"[^a-z]+", name.lower())
        if named := [alias for alias in self._aliases if alias in words]:
            return named[0]
        if near := get_close_matches(name.lower(), self._aliases, n=1, cutoff=0.6):
            return near[0]
        if near := get_close_matches(name.lower(), self.rows, n=1, cutoff=0.6):
            return next(iter(self.rows[near[0]].aliases), near[0])
        return None


def _overridden(name: str, row: ModelInfo, fields: Mapping[str, Any]) -> ModelInfo:
    if not isinstance(fields, Mapping):
        raise CatalogueError(f"models.{name}: expected fields such as `window: 32000`, found {fields!r}")
    for field in fields:
        if field not in _FIELDS:
            raise CatalogueError(f"models.{name}: there is no field {field!r}; it takes {', '.join(_FIELDS)}")
    try:
        return msgspec.convert({**msgspec.to_builtins(row), "known": True, **fields}, ModelInfo)
    except msgspec.ValidationError as error:
        raise CatalogueError(f"models.{name}: {error}") from error
