"""Imports one module of a large package without running every `__init__` above it.

The model SDK's `__init__` files re-export thousands of types, and loading those is three quarters of its import.
While one module of it is imported here, the packages on the way are registered and not yet run. A name that is asked
of such a package later is fetched from the one module that its `__init__` would take it from; whatever that does not
answer runs the `__init__` after all. So the SDK stays whole for whoever uses more of it, and its code is its own.
"""

import importlib
import importlib.machinery
import re
import sys
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import Any

_REEXPORT = re.compile(r"^from (\.+[\w.]*) import (?:\(([^()#]*)\)|([\w ,]+))$", re.MULTILINE)
_lock = threading.RLock()


def import_lean(package: str, module: str) -> ModuleType:
    """The module PACKAGE.MODULE. Where the lean way fails, whatever the reason, PACKAGE is imported plainly first."""
    name = f"{package}.{module}"
    if package in sys.modules:
        return importlib.import_module(name)
    finder = _Finder(package)
    sys.meta_path.insert(0, finder)
    try:
        return importlib.import_module(name)
    except Exception:
        for loaded in [one for one in sys.modules if one == package or one.startswith(f"{package}.")]:
            del sys.modules[loaded]
    finally:
        sys.meta_path.remove(finder)
    importlib.import_module(package)
    return importlib.import_module(name)


class _Finder:
    """Finds PACKAGE's modules as ever, and puts off running it and those below it that do nothing but re-export."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] != self._package:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.submodule_search_locations is None:
            return spec
        loader: Any = spec.loader
        exports = _exports(loader.get_source(name) or "") if hasattr(loader, "get_source") else {}
        if exports or name == self._package:
            later: Any = _Later(loader, exports)
            spec.loader = later
        return spec


class _Later:
    """Stands in for the LOADER of a package until something of the package is wanted that EXPORTS does not tell."""

    def __init__(self, loader: Any, exports: dict[str, tuple[str, str]]) -> None:
        self.loader = loader
        self.exports = exports

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__class__ = _Deferred


class _Deferred(ModuleType):
    """A package that has not run. Python asks `__getattr__` only for names that it does not have yet."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") and not name.startswith("__"):
            try:  # a private name of a package is a module of it
                return importlib.import_module(f"{self.__name__}.{name}")
            except ModuleNotFoundError:
                pass
        later: Any = self.__loader__
        origin = later.exports.get(name) if isinstance(later, _Later) else None
        if origin is not None:
            source, what = origin
            value = getattr(importlib.import_module(source, self.__name__), what)
            setattr(self, name, value)
            return value
        _run(self)
        return getattr(self, name)

    def __dir__(self) -> list[str]:
        _run(self)
        return dir(self)


def _run(module: ModuleType) -> None:
    """Runs MODULE's `__init__`, once. During that and after it is an ordinary module."""
    with _lock:
        if isinstance(module, _Deferred) and module.__spec__ is not None:
            later: Any = module.__loader__
            ordinary: Any = module
            ordinary.__class__ = ModuleType
            module.__loader__ = module.__spec__.loader = later.loader
            later.loader.exec_module(module)


def _exports(text: str) -> dict[str, tuple[str, str]]:
    """Name -> (module, name there) of an `__init__` that does nothing but re-export; empty for any other."""
    rest = _REEXPORT.sub("", text).replace("from __future__ import annotations", "")
    if re.sub(r"^#.*$", "", rest, flags=re.MULTILINE).strip():
        return {}
    found = {}
    for source, many, one in _REEXPORT.findall(text):
        for entry in (many or one).split(","):
            if words := entry.split():
                found[words[-1]] = (source, words[0])
    return found
