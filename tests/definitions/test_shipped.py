"""The definitions that ship with the program."""

import re

import pytest

from workbench import resources
from workbench.definitions.discovery import startable
from workbench.definitions.loader import load
from workbench.protocol.names import NINE, TOOLS

NAMES = ("ml-engineer", "data-engineer", "devops", "backend-engineer")


@pytest.mark.parametrize("name", NAMES)
def test_each_is_clean_and_starts(name: str):
    one = load(resources.folder("agents") / f"{name}.md", "shipped")
    assert (one.status, one.problems, one.name) == ("ok", (), name)
    assert startable(one) is None
    assert one.permission_mode == "acceptEdits"
    assert one.category
    assert one.color
    assert re.search(r"Triggers on \"", one.description)


@pytest.mark.parametrize("name", NAMES)
def test_each_knows_its_limits_and_whom_to_hand_over_to(name: str):
    prompt = load(resources.folder("agents") / f"{name}.md", "shipped").prompt
    for other in set(NAMES) - {name}:
        assert other in prompt
    assert "cannot call them" in prompt
    assert "brief" in prompt
    assert "person" in prompt


def test_no_other_file_ships():
    assert sorted(path.name for path in resources.folder("agents").iterdir()) == sorted(f"{name}.md" for name in NAMES)


def test_the_ml_engineer_has_the_nine_tools_and_its_first_request_stays_small():
    one = load(resources.folder("agents") / "ml-engineer.md", "shipped")
    assert one.tools == NINE
    assert set(one.grants) == set(TOOLS)
    assert len(one.prompt.encode()) < 7_600


@pytest.mark.parametrize("name", NAMES)
def test_no_line_is_long_winded(name: str):
    prompt = load(resources.folder("agents") / f"{name}.md", "shipped").prompt
    assert max(len(line) for line in prompt.splitlines()) < 500
