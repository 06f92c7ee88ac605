"""File tools: inside and outside, links, special files, protected and secret paths."""

import pytest

from support.gate import Gate
from workbench.permissions.decide import decide
from workbench.permissions.types import Call, Policy, Reads, Writes
from workbench.permissions.world import MemoryWorld, Node


@pytest.mark.parametrize(
    "path", ["a.txt", "./src//train.py", "src/../a.txt", "to_inside", "new/ünï.txt", "conf/app.json", "."]
)
def test_reading_inside_passes(gate: Gate, path: str) -> None:
    assert gate.read(path).verdict == "allow"
    assert gate.read(path, mode="plan").verdict == "allow"
    assert gate.read(str(gate.workspace / path)).verdict == "allow"


@pytest.mark.parametrize(
    "path", ["../app-private/key", "/etc/passwd", "..", "/", "to_outside", "to_link", "to_folder/key", "~/notes.txt"]
)
def test_reading_outside_asks_and_says_what_would_lift_it(gate: Gate, path: str) -> None:
    verdict = gate.read(path)
    assert verdict.verdict == "ask" and "outside" in verdict.reason
    assert verdict.lifted_by is not None and verdict.lifted_by.startswith("Read(")
    assert not verdict.confinable


@pytest.mark.parametrize(
    "path", ["a.txt", "src/new.py", "gitignore.txt", ".gitignore", "tests/conftest.py", ".env.example", "to_inside"]
)
def test_writing_inside_passes_in_accept_edits_and_asks_in_default(gate: Gate, path: str) -> None:
    assert gate.write(path).verdict == "allow"
    assert gate.write(path, mode="default").verdict == "ask"
    assert gate.write(path, mode="plan", allow=["Edit"]).verdict == "ask"


@pytest.mark.parametrize(
    "path",
    ["../x", "../app-private/key", "to_outside", "to_nothing", "to_folder/x", "/dev/shm/x", "/proc/self/root/tmp/x"],
)
def test_writing_outside_asks(gate: Gate, path: str) -> None:
    assert gate.write(path).verdict == "ask"


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".GIT/config",
        ".git/./hooks/x",
        "nested/.git/config",
        "store/hooks/x",
        "git\u200b/../.git/config",
        ".vscode/tasks.json",
        ".idea/x.xml",
        ".claude/settings.json",
        ".mlwb/agents/x.md",
        ".mcp.json",
        ".pre-commit-config.yaml",
        ".husky/pre-commit",
        ".bashrc",
        ".envrc",
        ".npmrc",
        ".gitmodules",
        ".devcontainer/devcontainer.json",
        "second_name",
        "pipe",
        ".env",
        "src/a\nb.py",
        "src/\u202egnp.py",
    ],
)
def test_guarded_writes_ask_whatever_is_allowed(gate: Gate, path: str) -> None:
    verdict = gate.write(path, allow=["Edit", "Edit(**)", "Edit(//**)"])
    assert verdict.verdict == "ask" and verdict.reason, verdict
    assert gate.write(path, mode="bypassPermissions").verdict == "allow"


@pytest.mark.parametrize(
    "path",
    [".env", ".ENV", "conf/../.env", "to_env", "to_key", "~/.ssh/id_rsa", "certs/server.pem", "~/.aws/credentials"],
)
def test_secrets_ask_whatever_is_allowed(gate: Gate, path: str) -> None:
    assert gate.read(path, allow=["Read", "Read(//**)"]).verdict == "ask"


@pytest.mark.parametrize(
    "path", ["tokenizer.json", "keys.py", "monkey", "environment.yml", ".env.sample", "public.pub"]
)
def test_what_only_sounds_secret_passes(gate: Gate, path: str) -> None:
    assert gate.read(path).verdict == "allow"


@pytest.mark.parametrize(
    "path",
    [
        "/dev/zero",
        "/dev/stdin",
        "/dev/fd/0",
        "/proc/self/mem",
        "/proc/1/environ",
        "/proc/kcore",
        "pipe",
        "circle",
        "x" * 300,
        "a/" * 3000,
        "a\udc80b",
        "a\0b",
    ],
)
def test_what_is_no_file_is_denied(gate: Gate, path: str) -> None:
    assert gate.read(path, allow=["Read"]).verdict == "deny"


def test_a_file_too_large_to_read_whole_is_denied_with_a_way_out() -> None:
    world = MemoryWorld({"/w/big.bin": Node(size=5 << 30)})
    policy = Policy(grants={"Read": ()}, mode="default", workspace="/w")
    verdict = decide(Call(tool="Read", needs=(Reads("big.bin"),), cwd="/w"), policy, world)
    assert verdict.verdict == "deny" and "head" in verdict.reason


def test_added_roots_and_scratch_folders(gate: Gate, root) -> None:
    added = str(root / "app-private")
    assert gate.write(f"{added}/x", roots=(added,)).verdict == "allow"
    assert gate.bash(f"cat {added}/key", roots=(added,)).verdict == "allow"
    scratch = str(root / "home")
    assert gate.read(f"{scratch}/out.log", scratch=(scratch,)).verdict == "allow"
    assert gate.write(f"{scratch}/out.log", scratch=(scratch,), mode="default").verdict == "allow"


def test_a_workspace_that_is_reached_by_a_link(gate: Gate, root, tmp_path) -> None:
    (tmp_path / "link").symlink_to(root / "app")
    here = Gate(tmp_path / "link", gate.home)
    assert here.read("a.txt").verdict == "allow"
    assert here.read(str(root / "app" / "a.txt")).verdict == "allow"
    assert here.write("src/x.py").verdict == "allow"
    assert here.read("../x").verdict == "ask"


def test_dot_dot_goes_where_the_kernel_goes() -> None:
    # /w/link -> /elsewhere/deep, so /w/link/../x is /elsewhere/x though it looks like /w/x.
    world = MemoryWorld({"/w/link": Node(kind="link", target="/elsewhere/deep"), "/elsewhere/deep": Node(kind="dir")})
    policy = Policy(grants={"Write": ()}, mode="acceptEdits", workspace="/w")
    assert decide(Call(tool="Write", needs=(Writes("link/../x"),), cwd="/w"), policy, world).verdict == "ask"
    assert decide(Call(tool="Write", needs=(Writes("x"),), cwd="/w"), policy, world).verdict == "allow"
