"""Whether a JSON schema can be used at all: told before the first token is spent."""

from collections.abc import Iterator
from typing import Any


def problem(schema: dict[str, Any]) -> str | None:
    """Why SCHEMA is no JSON schema that an answer can be held against; None where it is one. Fetches nothing."""
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import Draft202012Validator, validator_for
    from referencing import Registry, Resource
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    try:
        kind = validator_for(schema, default=Draft202012Validator)
        # That a pattern is one is a format; the stubs do not know the argument.
        kind.check_schema(schema, format_checker=kind.FORMAT_CHECKER)  # type: ignore[call-arg]
        resolver = Registry().resolver_with_root(Resource.from_contents(schema, default_specification=DRAFT202012))
        for reference in _references(schema):
            try:
                resolver.lookup(reference)
            except Unresolvable:
                return f"the schema's $ref {reference!r} names nothing within it"
    except SchemaError as error:
        return f"it is not a valid JSON schema: {error.json_path}: {error.message[:300]}"
    except (RecursionError, ValueError, TypeError) as error:
        return f"it is not a valid JSON schema: {error}"
    return None


def _references(node: Any, root: bool = True) -> Iterator[str]:
    """Each `$ref` of the schema; below another `$id` they mean something else and are left to the validator."""
    if isinstance(node, dict) and (root or "$id" not in node):
        reference = node.get("$ref")
        if isinstance(reference, str):
            yield reference
        for key, value in node.items():
            if key not in ("const", "enum", "default", "examples"):
                yield from _references(value, root=False)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value, root=False)
