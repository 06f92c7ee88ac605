"""Whatever a file holds, the loader answers, and an ok is never silent about what it had to guess."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.definitions.discovery import startable
from workbench.definitions.fields import KNOWN
from workbench.definitions.grants import deny_rules
from workbench.definitions.loader import loads
from workbench.definitions.strictyaml import NotYamlError, parse
from workbench.definitions.types import Definition
from workbench.protocol.names import TOOLS

MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])

VALUES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "Read, Bash(git:*",
            "*",
            "[Read, ",
            "'open",
            '"x" y',
            "a: b",
            "&a x",
            "*a",
            "|",
            ">",
            "{a: 1}",
            "- Read",
            "!!x y",
        ]
    ),
)
LINES = st.one_of(
    st.tuples(st.sampled_from([*KNOWN, "author", "Context"]), st.sampled_from([":", ": ", ":\t", " : "]), VALUES).map(
        "".join
    ),
    st.sampled_from(
        ["<example>", "</example>", "", "  - Read", "\ttabbed", "user: hi: there", "  tools: Read", "]", "----"]
    ),
    st.text(max_size=30),
)


def sound(one: Definition) -> None:
    assert one.status in ("ok", "recovered", "rejected")
    assert one.status == "ok" or one.problems
    assert set(one.grants) <= set(TOOLS)
    if one.status != "rejected":
        assert one.name
        assert one.description
    else:
        assert one.grants == {}
        assert startable(one)
    deny_rules(one)


@MANY
@given(st.binary(max_size=400))
def test_any_bytes(data: bytes):
    sound(loads(data, "a.md", "user"))
    sound(loads(b"---\n" + data + b"\n---\n", "a.md", "user"))


@MANY
@given(st.lists(LINES, max_size=12), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_anything_like_front_matter(lines: list[str], end: str, headed: bool):
    head = ["name: x", "description: y"] if headed else []
    text = "\n".join(["---", *head, *lines, "---", "Body."])
    one = loads(text.replace("\n", end).encode("utf-8", "surrogatepass"), "a.md", "user")
    sound(one)


@MANY
@given(st.lists(LINES.filter(lambda line: not line.startswith("---")), max_size=8))
def test_what_is_not_yaml_is_never_silently_ok(lines: list[str]):
    front = "\n".join(["name: x", "description: y", *lines])
    one = loads(f"---\n{front}\n---\nBody.".encode("utf-8", "replace"), "a.md", "user")
    try:
        parse(front.replace("\r", "\n"))
    except NotYamlError:
        assert one.status != "ok"
        assert one.problems
