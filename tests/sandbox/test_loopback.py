"""The network that the commands of one session share, under each layer, and what other sessions see of it."""

import pytest

from support.confining import CELLS, Confining, close_helpers, confining

SERVER = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as server:
    with open("port.part", "w") as file: file.write(str(server.getsockname()[1]))
    import os; os.rename("port.part", "port")
    server.settimeout(20)
    while True:
        one, _ = server.accept()
        one.sendall(b"served\\n"); one.close()
"""
ASK = """
import socket
try:
    with socket.create_connection(("127.0.0.1", int(open("port").read())), 5) as one:
        print(one.recv(100).decode().strip())
except OSError as error:
    print("refused")
"""
FEW = [cell for cell in CELLS if cell.endswith(("bubblewrap", "-1", "-7"))]


@pytest.fixture(scope="module", autouse=True)
def _helpers():
    yield
    close_helpers()


@pytest.fixture(params=FEW)
def cell(request: pytest.FixtureRequest) -> tuple[Confining, str]:
    user, _, layer = request.param.partition("-")
    return confining(user), layer


def prepared(helper: Confining) -> None:
    (helper.world.work / "server.py").write_text(SERVER)
    (helper.world.work / "ask.py").write_text(ASK)
    (helper.world.work / "port").unlink(missing_ok=True)


def beside(cell: tuple[Confining, str], **given: object) -> dict[str, str]:
    """What another command of the session, and one of another session, hear from a server in the background."""
    helper, layer = cell
    prepared(helper)
    serve, ask = f"{helper.python} server.py", f"{helper.python} ask.py"
    return helper.ask("beside", layer=layer, command=serve, others=[ask, ask], until="port", **given)


@pytest.mark.parametrize("network", ["none", "allowlist"])
def test_a_server_in_the_background_is_reached_by_the_next_command_and_by_no_other_session(cell, network):
    assert beside(cell, network=network) == {"same": "served\n", "other": "refused\n"}


def test_a_command_alone_still_has_loopback_and_nothing_else(cell):
    helper, layer = cell
    script = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); "
        "socket.create_connection(s.getsockname()); print('met'); "
        "six = socket.create_server(('::1', 0), family=socket.AF_INET6); print('six')"
    )
    assert helper.run(layer, f'{helper.python} -c "{script}"').output == "met\nsix\n"
    if layer == "bubblewrap":
        assert helper.run(layer, "tail -n +3 /proc/net/dev | cut -d: -f1").output.split() == ["lo"]
