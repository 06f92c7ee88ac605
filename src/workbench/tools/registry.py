"""The tools by name: loaded when first asked for, their input decoded, their definitions for the API."""

import difflib
import functools
import importlib
import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from workbench.permissions.types import Need
from workbench.tools.base import Tool, ToolError

# The order of the tool list in a request, and where each tool lives.
TOOLS: dict[str, str] = {
    "Read": "workbench.tools.read:Read",
    "Write": "workbench.tools.write:Write",
    "Edit": "workbench.tools.edit:Edit",
    "MultiEdit": "workbench.tools.multi_edit:MultiEdit",
    "Grep": "workbench.tools.grep:Grep",
    "Glob": "workbench.tools.glob:Glob",
    "LS": "workbench.tools.ls:LS",
    "Bash": "workbench.tools.bash:Bash",
    "BashOutput": "workbench.tools.bash_output:BashOutput",
    "KillShell": "workbench.tools.kill_shell:KillShell",
    "TodoWrite": "workbench.tools.todo_write:TodoWrite",
}


@functools.cache
def get(name: str) -> Tool:
    """The tool NAME (its canonical name). Raises ToolError where there is none."""
    if name not in TOOLS:
        raise ToolError(f"There is no tool {name!r}. The tools are {', '.join(TOOLS)}.")
    module, _, attribute = TOOLS[name].partition(":")
    tool: Tool = getattr(importlib.import_module(module), attribute)()
    return tool


def decode(tool: Tool, raw: dict[str, Any]) -> Any:
    """RAW as TOOL's Input. A null for an optional parameter counts as absent.

    Raises ToolError naming the parameter and what it takes.
    """
    known = [field.encode_name for field in msgspec.structs.fields(tool.Input)]
    for name in raw:
        if name not in known:
            raise ToolError(f"{tool.name} has no parameter `{name}`{_nearest(name, known)}. It takes {_usage(tool)}.")
    given = {name: _whole(value) for name, value in raw.items() if value is not None}
    try:
        return msgspec.convert(given, tool.Input)
    except msgspec.ValidationError as error:
        raise ToolError(f"{tool.name}: {_plain(str(error), given, _schema(tool))}. It takes {_usage(tool)}.") from None


def _whole(value: Any) -> Any:
    """JSON knows one kind of number: 5.0 is 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def needs_of(tool: str, tool_input: dict[str, Any], cwd: str) -> tuple[Need, ...]:
    """What a call of the tool named TOOL would touch. Raises ToolError for input that does not decode."""
    found = get(tool)
    return found.needs(decode(found, tool_input), cwd)


def specs(names: Iterable[str]) -> list[dict[str, Any]]:
    """The API's tool definitions of NAMES: in the order of TOOLS whatever the order given, the same bytes each time."""
    wanted = set(names)
    return [_spec(get(name)) for name in TOOLS if name in wanted]


def _spec(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "input_schema": _schema(tool)}


def _schema(tool: Tool) -> dict[str, Any]:
    (root,), parts = msgspec.json.schema_components([tool.Input], ref_template="{name}")
    schema: dict[str, Any] = _inlined(root, parts)
    return schema


def _inlined(node: Any, parts: dict[str, Any]) -> Any:
    """NODE with its references written out, and without what tells a model nothing (titles, null, defaults)."""
    if isinstance(node, list):
        return [_inlined(part, parts) for part in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:  # a component's own description is its docstring: for programmers
        component = {key: value for key, value in parts[node["$ref"]].items() if key != "description"}
        return _inlined({**component, **_without(node, "$ref")}, parts)
    if "anyOf" in node:
        choices = [choice for choice in node["anyOf"] if choice.get("type") != "null"]
        if len(choices) == 1:
            return _inlined({**choices[0], **_without(node, "anyOf")}, parts)
    kept = {key: value for key, value in node.items() if key not in ("title", "default") and value != []}
    properties = kept.pop("properties", None)
    schema = {key: _inlined(value, parts) for key, value in kept.items()}
    if properties is not None:
        schema["properties"] = {name: _inlined(value, parts) for name, value in properties.items()}
    return schema


def _without(node: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name != key}


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return f" (did you mean `{close[0]}`?)" if close else ""


def _usage(tool: Tool) -> str:
    fields = msgspec.structs.fields(tool.Input)
    return ", ".join(f"`{field.encode_name}`" + (" (required)" if field.required else "") for field in fields)


def _plain(message: str, raw: Any, schema: dict[str, Any]) -> str:
    """msgspec's words about RAW (`Expected `int`, got `str` - at `$.offset``) in ours."""
    what, _, path = message.partition(" - at `$")
    where = path.rstrip("`").lstrip(".")
    if missing := re.fullmatch(r"Object missing required field `(.+)`", what):
        return f"`{missing[1]}` is missing" + (f" in `{where}`" if where else "")
    if unknown := re.fullmatch(r"Object contains unknown field `(.+)`", what):
        return f"`{where}` has no field `{unknown[1]}`"
    value = raw
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", where):
        value, schema = (value[int(index)], schema["items"]) if index else (value[name], schema["properties"][name])
    return f"`{where}` takes {_takes(schema)}, not {json.dumps(value, ensure_ascii=False)[:80]}"


_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


def _takes(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    kind = _KINDS.get(schema.get("type", ""), "another value")
    if "minimum" in schema:
        kind += f" of at least {schema['minimum']}"
    if "maximum" in schema:
        kind += f" of at most {schema['maximum']}"
    return kind + " that is not empty" * ("minLength" in schema or "minItems" in schema)
