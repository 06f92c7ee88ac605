"""What of the network confined commands reach: none, what is named, all."""

import asyncio
import base64
import contextlib

import pytest

from support.confining import USERS, close_helpers, confining
from workbench.sandbox.proxy import Allowed, Proxy

CONNECT = """
import base64, os, socket, sys, urllib.parse
proxy = urllib.parse.urlsplit(os.environ["HTTPS_PROXY"])
one = socket.create_connection((proxy.hostname, proxy.port), 10)
user = base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
one.sendall(f"CONNECT {sys.argv[1]} HTTP/1.1\\r\\nProxy-Authorization: Basic {user}\\r\\n\\r\\n".encode())
print(one.recv(1000).decode().splitlines()[0])
one.sendall(b"hello")
one.shutdown(socket.SHUT_WR)
print(one.recv(1000).decode())
"""
LAYERS = ["bubblewrap", "landlock-1", "landlock-7"]
CELLS = [(user, layer) for user in USERS for layer in LAYERS]


@pytest.fixture(scope="module", autouse=True)
def _helpers():
    yield
    close_helpers()


@contextlib.asynccontextmanager
async def echo():
    """A server that says what it is told, in capitals; its port."""

    async def serve(reader, writer):
        writer.write((await reader.read(1000)).upper())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def in_cell(cell, target, port, **given):
    helper = confining(cell[0])
    (helper.world.work / "connect.py").write_text(CONNECT)
    return helper.run(cell[1], f"{helper.python} connect.py {target}:{port}", **given)


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_a_named_host_is_reached_and_no_other(cell):
    async def whole():
        async with echo() as port, echo() as other:
            allowed = {"network": "allowlist", "domains": [f"127.0.0.1:{port}"]}
            named = await asyncio.to_thread(in_cell, cell, "127.0.0.1", port, **allowed)
            not_named = await asyncio.to_thread(in_cell, cell, "127.0.0.1", other, **allowed)
            return named, not_named

    named, not_named = asyncio.run(whole())
    assert (named.exit_code, named.output.split("\n")[1], named.refused) == (0, "HELLO", [])
    assert "403" in not_named.output
    assert "HELLO" not in not_named.output


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_what_was_refused_is_told_with_the_setting(cell):
    helper = confining(cell[0])
    (helper.world.work / "connect.py").write_text(CONNECT)
    command = f"{helper.python} connect.py example.org:443; exit 1"
    done = helper.run(cell[1], command, network="allowlist", domains=["lab.test"])
    assert done.refused == [
        "a connection to example.org:443 was refused; the user's setting `sandbox.domains: [example.org]` allows it"
    ]


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_without_a_network_the_setting_is_named(cell):
    helper = confining(cell[0])
    done = helper.run(
        cell[1], f"{helper.python} -c 'import socket; socket.create_connection((\"192.0.2.77\", 443), 5)'"
    )
    assert done.exit_code == 1
    assert "sandbox.network" in done.refused[0]


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_an_open_network_is_open(cell):
    async def whole():
        async with echo() as port:
            script = f"import socket; s = socket.create_connection(('127.0.0.1', {port})); s.sendall(b'x')"
            helper = confining(cell[0])
            return await asyncio.to_thread(
                helper.run, cell[1], f'{helper.python} -c "{script}; print(s.recv(1))"', network="full"
            )

    assert asyncio.run(whole()).output == "b'X'\n"


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_the_exit_code_passes_the_bridge(cell):
    helper = confining(cell[0])
    assert helper.run(cell[1], "exit 7", network="allowlist").exit_code == 7
    assert helper.run(cell[1], "echo $HTTPS_PROXY | cut -c1-7", network="allowlist").output == "http://\n"


# --- the proxy itself ---


def ask(proxy_domains, request, token=True):
    """What the proxy answers to REQUEST, and whom it says that it refused."""

    async def whole():
        refused = []
        proxy = Proxy(proxy_domains, lambda host, port: refused.append((host, port)))
        port, secret = await proxy.at_port()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"Proxy-Authorization: Basic {base64.b64encode(secret.encode()).decode()}\r\n" if token else ""
        writer.write(request.replace("\r\n", f"\r\n{head}", 1).encode())
        answer = (await asyncio.wait_for(reader.read(2000), 20)).decode()
        writer.close()
        await proxy.close()
        return answer, refused

    return asyncio.run(whole())


def test_nobody_is_served_without_the_session_word():
    answer, refused = ask(["example.org"], "CONNECT example.org:443 HTTP/1.1\r\n\r\n", token=False)
    assert answer.startswith("HTTP/1.1 407")
    assert refused == []


@pytest.mark.parametrize("domains", [[], ["*.example.org"], ["example.org:444"], ["xexample.org"]])
def test_a_host_that_is_not_named_is_refused(domains):
    answer, refused = ask(domains, "CONNECT example.org:443 HTTP/1.1\r\n\r\n")
    assert answer.startswith("HTTP/1.1 403")
    assert refused == [("example.org", 443)]


@pytest.mark.parametrize("target", ["localhost:80", "localhost.:80"])
def test_a_name_that_leads_home_is_refused_unless_the_address_is_named(target):
    answer, refused = ask(["localhost"], f"CONNECT {target} HTTP/1.1\r\n\r\n")
    assert answer.startswith("HTTP/1.1 403")
    assert refused


def test_plain_http_is_forwarded_once():
    async def whole():
        async with echo() as port:
            request = f"GET http://127.0.0.1:{port}/a HTTP/1.1\r\nHost: elsewhere\r\nConnection: keep-alive\r\n\r\n"
            return await asyncio.to_thread(ask, [f"127.0.0.1:{port}"], request), port

    (answer, _), port = asyncio.run(whole())
    assert f"GET /A HTTP/1.1\r\nHOST: 127.0.0.1:{port}\r\nCONNECTION: CLOSE\r\n" in answer
    assert "ELSEWHERE" not in answer
    assert "PROXY-AUTHORIZATION" not in answer


@pytest.mark.parametrize(
    "request_", ["GET / HTTP/1.1", "CONNECT x HTTP/1.1", "CONNECT a b:1 HTTP/1.1", "x", "CONNECT :1 HTTP/1.1"]
)
def test_what_is_no_request_is_told_so(request_):
    assert ask(["x"], f"{request_}\r\n\r\n")[0].startswith("HTTP/1.1 400")


def test_a_head_without_end_is_refused():
    assert ask(["x"], "CONNECT x:1 HTTP/1.1\r\n" + "a: b\r\n" * 5000)[0].startswith("HTTP/1.1 431")


def test_domains_are_read():
    allowed = Allowed.read(["Lab.test", "*.huggingface.co", "10.0.0.0/8", "host:8080", "[::1]:99"])
    assert allowed.name("lab.test", 443)
    assert not allowed.name("lab.test", 22)
    assert not allowed.name("files.lab.test", 443)
    assert allowed.name("cdn.huggingface.co", 443)
    assert not allowed.name("huggingface.co", 443)
    assert not allowed.name("evilhuggingface.co", 443)
    assert allowed.name("host", 8080)
    for wrong in ("http://x", "a/b", "", "*", "a b"):
        with pytest.raises(ValueError, match=r"sandbox\.domains"):
            Allowed.read([wrong])
