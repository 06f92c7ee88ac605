"""Files of configuration in a code, or what differs of them between two, key by key: who reads them is not known.

Only small files count that a command names, or whose name or folder says what they are; others stay code alone.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from workbench.experiments.code import Git
from workbench.experiments.numbers import SECRET

_FORMATS = (".json", ".yaml", ".yml", ".toml")
_NAMED = re.compile(r"conf|param|setting|hyper|option|default|experiment|args", re.IGNORECASE)
_FILES, _SIZE, _KEYS, _DEPTH, _LIST = 10, 64 << 10, 500, 8, 100  # bounds: of a comparison, in bytes, of a file
_PLAIN = bool | int | float | str | None
_ALIASES = 20  # of a YAML file: more may stand for more than there is room for


def differing(
    git: Git,
    trees: tuple[str | None, str | None],
    paths: Iterable[str],
    words: Iterable[str],
    same: Callable[[Any, Any], bool],
) -> dict[str, tuple[Any, Any]]:
    """`file: key` -> its values in both TREES, of the PATHS that are files of configuration; WORDS are the commands'.

    SAME says of two values whether they mean the same. A key that a side lacks is None there. What cannot be read is
    left out, and so is a file that one side has not. Of secrets it is said that they differ.
    """
    one, other = trees
    if not one or not other:
        return {}
    words, found = list(words), dict[str, tuple[Any, Any]]()
    for path in [path for path in paths if _counts(path, words)][:_FILES]:
        before, after = _read(git, one, path), _read(git, other, path)
        if before is None or after is None:
            continue
        for key in [*before, *(key for key in after if key not in before)]:
            pair = before.get(key), after.get(key)
            if not same(*pair):
                found[f"{path}: {key}"] = _hidden(key, *pair)
    return found


def kept(git: Git, revision: str, words: Iterable[str]) -> dict[str, Any]:
    """`file: key` -> its value, of the files of configuration in REVISION; those that WORDS, the command, name first.

    What belongs to tools, with a point before its name or folder's, is no configuration of a run. Secrets are hidden.
    """
    words = list(words)
    paths = git.said("ls-tree", "-r", "-z", "--name-only", "--full-name", revision).split("\0")
    plain = [path for path in paths if not any(part.startswith(".") for part in PurePath(path).parts)]
    counted = [path for path in plain if _counts(path, words)]
    counted.sort(key=lambda path: (not _named(path, words), path.count("/"), path))
    read = {path: _read(git, revision, path) or {} for path in counted[:_FILES]}
    return {
        f"{path}: {key}": _hidden(key, value, value)[0]
        for path, values in read.items()
        for key, value in values.items()
    }


def _hidden(key: str, before: Any, after: Any) -> tuple[Any, Any]:
    if not SECRET.search(key):
        return before, after
    return before and "…", after and ("… (another)" if before else "…")


def _counts(path: str, words: Iterable[str]) -> bool:
    pure = PurePath(path)
    if pure.suffix not in _FORMATS:
        return False
    return _named(path, words) or bool(_NAMED.search(path))


def _named(path: str, words: Iterable[str]) -> bool:
    return any(word.rpartition("=")[2].endswith(PurePath(path).name) for word in words)


def _read(git: Git, tree: str, path: str) -> dict[str, Any] | None:
    """The keys of the file at PATH in TREE; None where it is not there, too large, or no configuration."""
    blob = f"{tree}:{path}"
    if not (size := git.said("cat-file", "-s", blob)).isdigit() or int(size) > _SIZE:
        return None
    try:
        content = _parsed(git.said("cat-file", "blob", blob), PurePath(path).suffix)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, Mapping):
        return None
    return dict(pair for pair, _ in zip(_flat(content, "", _DEPTH), range(_KEYS), strict=False))


def _parsed(text: str, suffix: str) -> Any:
    """What TEXT holds. Raises ValueError."""
    if suffix == ".json":
        import json

        return json.loads(text)
    if suffix == ".toml":
        import tomllib

        return tomllib.loads(text)
    import yaml

    try:
        if sum(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)) > _ALIASES:
            return None
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    except (LookupError, AttributeError, TypeError):  # as PyYAML fails of `!!bool maybe`, `!!int ""`, `!!timestamp x`
        raise ValueError("a value is not what its `!!` tag says") from None


def _flat(value: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Each plain value within VALUE, by its path; lists of plain values stay whole."""
    if isinstance(value, Mapping):
        inner = [(f"{name}.{key}" if name else str(key), one) for key, one in value.items()]
    elif isinstance(value, list) and any(isinstance(one, Mapping | list) for one in value[:_LIST]):
        inner = [(f"{name}.{at}", one) for at, one in enumerate(value[:_LIST])]
    else:
        plain = all(isinstance(one, _PLAIN) for one in (value if isinstance(value, list) else [value]))
        yield name, value if plain else str(value)
        return
    if depth:
        for key, one in inner:
            yield from _flat(one, key, depth - 1)
