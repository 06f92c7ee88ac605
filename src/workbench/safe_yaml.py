"""YAML of files that anybody may have written: plain values only, and no more of them than there is room for."""

from typing import Any

_VALUES = 1 << 18  # in a file; one of a MB has not as many


class Bounded:
    """Goes before a loader of PyYAML: a few lines whose aliases of aliases stand for millions of values are refused.

    So they are before a value is made: merging (`<<`) them alone would never end.
    """

    def get_single_node(self) -> Any:
        """The root of the document. Raises yaml.YAMLError."""
        import yaml

        node = super().get_single_node()  # type: ignore[misc]  # the loader's
        if node is not None and _written_out(node, {}) > _VALUES:
            words = "its aliases stand for too many values"
            raise yaml.constructor.ConstructorError(None, None, words, node.start_mark)
        return node


def load(text: str | bytes) -> Any:
    """What TEXT holds, read in C where PyYAML can.

    Raises yaml.YAMLError, RecursionError, and what PyYAML lets through of a value that is not what its tag says:
    ValueError, LookupError, AttributeError, TypeError.
    """
    import yaml  # 15 ms

    return yaml.load(text, type("Loader", (Bounded, getattr(yaml, "CSafeLoader", yaml.SafeLoader)), {}))  # noqa: S506


def _written_out(node: Any, known: dict[int, int]) -> int:
    """How many values NODE, of YAML, and all in it would be if each alias were written out; long texts count more."""
    if id(node) not in known:
        known[id(node)] = 1 + len(node.value) // 16  # also should it hold itself
        parts = node.value if isinstance(node.value, list) else ()
        inner = (part for pair in parts for part in (pair if isinstance(pair, tuple) else (pair,)))
        known[id(node)] += sum(_written_out(part, known) for part in inner)
    return known[id(node)]
