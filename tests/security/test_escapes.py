"""Each way out of a confinement, tried in each layer, as root and as an ordinary user: none leads out."""

import ast
import json
import os
from pathlib import Path

import pytest

from support.confining import CELLS, close_helpers, confining
from workbench.sandbox import landlock

SCRIPT = Path(__file__).with_name("attacks.py")
NAMES = [
    node.name
    for node in ast.parse(SCRIPT.read_text()).body
    if isinstance(node, ast.FunctionDef) and any(getattr(d, "id", "") == "attack" for d in node.decorator_list)
]


@pytest.fixture(scope="module", autouse=True)
def _helpers():
    yield
    close_helpers()


_seen: dict[str, dict[str, object]] = {}


def outcomes(cell: str) -> dict[str, object]:
    """What all attacks led to in CELL, tried once."""
    if cell not in _seen:
        user, _, layer = cell.partition("-")
        helper = confining(user)
        (helper.world.work / "attacks.py").write_text(SCRIPT.read_text())
        helper.ask("heard")
        where = {**helper.where, "pid1": _init()}
        done = helper.run(layer, f"{helper.python} attacks.py '{json.dumps(where)}'")
        assert "RESULT" in done.output, done.output
        found = json.loads(done.output.partition("RESULT")[2])
        _seen[cell] = {**found, **_seen_outside(helper)}
    return _seen[cell]


def _init() -> str:
    """A variable of the first process's environment, where there is one."""
    try:
        return next(iter(Path("/proc/1/environ").read_text().split("\0")))
    except OSError:
        return ""


def _seen_outside(helper):
    """What the attacks left: the files and the programs outside say it themselves."""
    world = helper.world
    told = helper.ask("heard")
    return {
        "outside is untouched": {path.name: path.read_text() for path in world.outside.iterdir()}
        != {"file": "untouched\n", "hard": "untouched\n"},
        "modes outside are untouched": world.outside.joinpath("file").stat().st_mode & 0o777 != 0o644,
        "nobody outside was spoken to": bool(told["heard"]),
        "the neighbour lives": not told["victim"],
        "git is untouched": sorted(path.name for path in (world.work / ".git").rglob("*"))
        != ["HEAD", "config", "hooks"],
        "the home is untouched": (world.home / ".bashrc").read_text() != "# mine\n",
    }


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", NAMES)
def test_no_attack_leads_out(cell, name):
    assert outcomes(cell)[name] is False


@pytest.mark.parametrize("cell", CELLS)
def test_nothing_is_seen_of_them_outside(cell):
    outcomes(cell)
    assert [what for what, happened in outcomes(cell).items() if " " in what and happened] == []


def test_the_attacks_lead_out_where_nothing_confines(tmp_path):
    """Else the tests above would pass for a reason of their own."""
    helper = confining("user" if os.geteuid() else "root")
    (helper.world.work / "attacks.py").write_text(SCRIPT.read_text())
    where = json.dumps({**helper.where, "pid1": _init()})
    names = "write_new_outside git_config read_ssh_key read_state approve_itself agent_in_the_home abstract_socket"
    names += " read_the_terminal_of_another write_to_the_terminal_of_another"
    names += " service_on_loopback environment_of_a_neighbour kill_a_neighbour write_shell_start_file chmod_outside"
    done = helper.run("bubblewrap", f"{helper.python} attacks.py '{where}' {names}", reach="outside")
    found = json.loads(done.output.partition("RESULT")[2])
    assert found == dict.fromkeys(names.split(), True)
    (helper.world.outside / "new").unlink()
    (helper.world.outside / "file").chmod(0o644)
    (helper.world.work / ".git/config").write_text("[core]\n")
    (helper.world.home / ".bashrc").write_text("# mine\n")


@pytest.mark.parametrize("user", sorted({cell.partition("-")[0] for cell in CELLS}))
def test_both_layers_hold_here(user):
    """No cell is left out in silence: where a layer is missing, this fails."""
    assert {layer["name"]: layer["ok"] for layer in confining(user).ask("probe")} == {
        "bubblewrap": True,
        "landlock": True,
    }
    assert landlock.abi() >= 1
