"""System calls that Python has no name for: their numbers, by machine, and calls of them. Linux; imports anywhere."""

import ctypes
import functools
import os
import platform
from typing import Any

# Numbers from the kernel's tables (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h).
_NEWER = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "clone3": 435, "openat2": 437, "pidfd_getfd": 438, "mount_setattr": 442, "quotactl_fd": 443,
    "landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446, "fchmodat2": 452,
    "setxattrat": 463, "removexattrat": 466, "open_tree_attr": 467,
}  # fmt: skip
NUMBERS: dict[str, dict[str, int]] = {
    "x86_64": _NEWER | {
        "open": 2, "ioctl": 16, "socket": 41, "connect": 42, "sendto": 44, "sendmsg": 46, "bind": 49,
        "listen": 50, "socketpair": 53, "setsockopt": 54, "clone": 56, "kill": 62, "fcntl": 72,
        "truncate": 76, "rename": 82, "mkdir": 83, "rmdir": 84, "creat": 85, "link": 86, "unlink": 87,
        "symlink": 88, "chmod": 90, "fchmod": 91, "chown": 92, "fchown": 93, "lchown": 94, "syslog": 103,
        "capget": 125, "capset": 126, "rt_sigqueueinfo": 129, "mknod": 133, "pivot_root": 155, "prctl": 157,
        "setrlimit": 160, "chroot": 161, "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166,
        "swapon": 167, "swapoff": 168, "reboot": 169, "sethostname": 170, "setdomainname": 171, "iopl": 172,
        "ioperm": 173, "init_module": 175, "delete_module": 176, "quotactl": 179, "tkill": 200,
        "clock_settime": 227, "tgkill": 234, "kexec_load": 246, "add_key": 248, "request_key": 249,
        "keyctl": 250, "openat": 257, "mkdirat": 258, "mknodat": 259, "fchownat": 260, "unlinkat": 263,
        "renameat": 264, "linkat": 265, "symlinkat": 266, "fchmodat": 268, "unshare": 272,
        "rt_tgsigqueueinfo": 297, "perf_event_open": 298, "fanotify_init": 300, "prlimit64": 302,
        "open_by_handle_at": 304, "sendmmsg": 307, "setns": 308, "process_vm_readv": 310,
        "setpriority": 141, "sched_setparam": 142, "sched_setscheduler": 144, "setxattr": 188, "lsetxattr": 189,
        "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199, "sched_setaffinity": 203,
        "ioprio_set": 251, "sched_setattr": 314,
        "finit_module": 313, "renameat2": 316, "seccomp": 317, "kexec_file_load": 320, "bpf": 321,
        "userfaultfd": 323,
    },
    "aarch64": _NEWER | {
        "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16,
        "ioprio_set": 30, "sched_setparam": 118, "sched_setscheduler": 119, "sched_setaffinity": 122,
        "setpriority": 140, "sched_setattr": 274,
        "fcntl": 25, "ioctl": 29, "mknodat": 33, "mkdirat": 34, "unlinkat": 35, "symlinkat": 36,
        "linkat": 37, "renameat": 38, "umount2": 39, "mount": 40, "pivot_root": 41, "truncate": 45,
        "chroot": 51, "fchmod": 52, "fchmodat": 53, "fchownat": 54, "fchown": 55, "openat": 56,
        "quotactl": 60, "acct": 89, "capget": 90, "capset": 91, "unshare": 97, "kexec_load": 104,
        "init_module": 105, "delete_module": 106, "clock_settime": 112, "syslog": 116, "kill": 129,
        "tkill": 130, "tgkill": 131, "rt_sigqueueinfo": 138, "reboot": 142, "sethostname": 161,
        "setdomainname": 162, "setrlimit": 164, "prctl": 167, "settimeofday": 170, "socket": 198,
        "socketpair": 199, "bind": 200, "listen": 201, "connect": 203, "sendto": 206, "setsockopt": 208,
        "sendmsg": 211, "add_key": 217, "request_key": 218, "keyctl": 219, "clone": 220, "swapon": 224,
        "swapoff": 225, "rt_tgsigqueueinfo": 240, "perf_event_open": 241, "prlimit64": 261,
        "fanotify_init": 262, "open_by_handle_at": 265, "setns": 268, "sendmmsg": 269,
        "process_vm_readv": 270, "finit_module": 273, "renameat2": 276, "seccomp": 277, "bpf": 280,
        "userfaultfd": 282, "kexec_file_load": 294,
    },
}  # fmt: skip
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def machine() -> str:
    """The machine as the tables above name it. Raises OSError for one that they do not have."""
    name = platform.machine()
    if name not in NUMBERS:
        raise OSError(f"commands cannot be confined on a {name} machine: its system calls are not known")
    return name


@functools.cache
def libc() -> Any:
    """The C library, for calls that Python does not offer; each call keeps its own errno."""
    return ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> int:
    """The system call NAME. Integers go as 64 bits. Raises OSError."""
    given = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    found = int(libc().syscall(ctypes.c_long(NUMBERS[machine()][name]), *given))
    if found < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return found


def prctl(option: int, *arguments: int) -> int:
    """prctl(2). Raises OSError."""
    return call("prctl", option, *arguments, *[0] * (4 - len(arguments)))


def keep_secrets_to_ourselves() -> None:
    """Takes this process out of reach of others of its user: its memory and its environment, which hold keys.

    PR_SET_DUMPABLE 0: /proc/PID/environ, mem and fd become root's, no debugger or profiler of the same user attaches
    (py-spy and gdb then need root), and a crash leaves no core file. Linux; elsewhere it does nothing.
    """
    if os.path.isdir("/proc/self"):  # noqa: PTH112 - one question, at the start of every process
        try:
            prctl(4, 0)
        except OSError:
            return
