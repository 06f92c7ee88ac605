"""Stands in a network namespace between programs there, which speak to a port, and a proxy's Unix socket outside.

Run as a script, inside, by any Python: `bridge.py SOCKET COMMAND…`. It runs the command, which finds the port by the
usual variables, ends with it, and exits as it did. Nothing of the project is imported: it starts in the time that
Python takes.
"""

import contextlib
import os
import signal
import socket
import sys
import threading

_PIECE = 65_536
_MOST = 256


def variables(where: str) -> dict[str, str]:
    """What leads programs to the proxy at WHERE, a host and a port."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    return {name: f"http://{where}" for upper in names for name in (upper, upper.lower())}


def main(path: str, command: list[str]) -> int:
    """Runs COMMAND with the bridge beside it; the exit status."""
    server = socket.create_server(("127.0.0.1", 0))  # the network is shared by the commands of a session
    env = {**os.environ, **variables(f"127.0.0.1:{server.getsockname()[1]}")}
    child = os.posix_spawn(command[0], [os.path.basename(command[0]), *command[1:]], env)  # noqa: PTH119
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # whoever ends the command asks the command itself
    threading.Thread(target=_serve, args=(server, path), daemon=True).start()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _serve(server: socket.socket, path: str) -> None:
    places = threading.BoundedSemaphore(_MOST)
    while True:
        here, _ = server.accept()
        places.acquire()
        threading.Thread(target=_connect, args=(here, path, places), daemon=True).start()


def _connect(here: socket.socket, path: str, places: threading.BoundedSemaphore) -> None:
    try:
        with here, socket.socket(socket.AF_UNIX) as there, contextlib.suppress(OSError):
            there.connect(path)
            back = threading.Thread(target=_pump, args=(there, here), daemon=True)
            back.start()
            _pump(here, there)
            back.join()
    finally:
        places.release()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    status = main(sys.argv[1], sys.argv[2:])
    sys.stdout.flush()
    os._exit(status if status >= 0 else 128 - status)
