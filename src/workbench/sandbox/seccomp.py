"""A filter of system calls, written out as the kernel reads it (classic BPF, seccomp(2)).

What is filtered is either never needed by a training job and a way out (new namespaces, mounts, keyrings, io_uring),
or out of the reach of the layer that the filter stands beside. Filters are data: a list of rules, the first that
matches decides, a call without one is allowed.
"""

import errno
import functools
import struct
from typing import Literal

import msgspec

from workbench.sandbox import system

ALLOW = 0x7FFF0000
NOTIFY = 0x7FC00000  # asks the supervisor
_ERRNO = 0x00050000

_LD, _JEQ, _JGE, _JSET, _AND, _RET = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

_CLONE_NEW = 0x7E020000  # every CLONE_NEW* flag but CLONE_NEWTIME
_CLONE_NEWTIME = 0x80
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_ENABLE_VERITY = 0x40806685
_SET_FLAGS = (0x40086602, 0x40046602, 0x401C5820)  # FS_IOC_SETFLAGS, the same of 32 bits, FS_IOC_FSSETXATTR
_SET_OWNER = (0x8901, 0x8902)  # FIOSETOWN, SIOCSPGRP
_RLIMIT_LOCKS = 10  # by which a command's processes are known: see tree.py
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_STREAM = 1
_NETLINKS = (0, 15, 20)  # routes (getifaddrs), devices (udev), RDMA
_MSG_FASTOPEN = 0x20000000
_SO_BINDTODEVICE, _SO_BINDTOIFINDEX = 25, 62


def refuse(number: int) -> int:
    """The action: the call fails with that errno."""
    return _ERRNO | number


class When(msgspec.Struct, frozen=True):
    """A condition on an argument, its low 32 bits: equal, any of these bits, equal under a mask; or a pointer given."""

    argument: int
    how: Literal["is", "any", "masked", "given"]
    value: int = 0
    mask: int = 0xFFFFFFFF


class Rule(msgspec.Struct, frozen=True):
    """What happens to a call of that name when all conditions hold. A name that the machine lacks is left out."""

    name: str
    action: int
    when: tuple[When, ...] = ()


def _rules(action: int, names: str) -> list[Rule]:
    return [Rule(name, action) for name in names.split()]


_EPERM = refuse(errno.EPERM)
_ENOSYS = refuse(errno.ENOSYS)
_BASE = (
    # Namespaces and mounts: whoever makes one anew may undo what is mounted. clone3 hides its flags in memory, and
    # the C library goes back to clone where it is missing.
    Rule("unshare", _EPERM, (When(0, "any", _CLONE_NEW | _CLONE_NEWTIME),)),
    Rule("clone", _EPERM, (When(0, "any", _CLONE_NEW),)),
    Rule("clone3", _ENOSYS),
    *_rules(
        _EPERM,
        "setns mount umount2 pivot_root chroot open_tree open_tree_attr move_mount fsopen fsconfig fsmount fspick "
        "mount_setattr open_by_handle_at",
    ),
    # The kernel itself, its keyrings, and interfaces that got around other guards before.
    *_rules(
        _EPERM,
        "bpf perf_event_open userfaultfd keyctl add_key request_key kexec_load kexec_file_load init_module "
        "finit_module delete_module reboot swapon swapoff acct syslog quotactl quotactl_fd settimeofday clock_settime "
        "sethostname setdomainname iopl ioperm fanotify_init",
    ),
    *_rules(_ENOSYS, "io_uring_setup io_uring_enter io_uring_register"),
    # Typing into the terminal of whoever started us.
    Rule("ioctl", _EPERM, (When(1, "is", _TIOCSTI),)),
    Rule("ioctl", _EPERM, (When(1, "is", _TIOCLINUX),)),
    # Makes a file unchangeable for good, though it was opened for reading.
    Rule("ioctl", _EPERM, (When(1, "is", _ENABLE_VERITY),)),
    # The number that every process of a command carries.
    Rule("setrlimit", _EPERM, (When(0, "is", _RLIMIT_LOCKS),)),
    Rule("prlimit64", _EPERM, (When(1, "is", _RLIMIT_LOCKS), When(2, "given"))),
)
_NETLINK_RULES = tuple(Rule("socket", ALLOW, (When(0, "is", _NETLINK), When(2, "is", kind))) for kind in _NETLINKS)
_NO_FAMILY = refuse(errno.EAFNOSUPPORT)

CONTAINED = (
    *_BASE,
    # A network namespace holds these families; not the virtual machine's (vsock), which knows no namespaces.
    *(Rule("socket", ALLOW, (When(0, "is", family),)) for family in (_UNIX, _INET, _INET6)),
    *_NETLINK_RULES,
    Rule("socket", _NO_FAMILY),
)
"""Beside bubblewrap, whose namespaces hold files, processes and the network."""

# Every way to change what lies at a path. Opening for reading is Landlock's alone: it is not asked about.
_WRITING = 0x3 | 0x40 | 0x200  # O_ACCMODE, O_CREAT, O_TRUNC
_PATHS = (
    Rule("open", NOTIFY, (When(1, "any", _WRITING),)),
    Rule("openat", NOTIFY, (When(2, "any", _WRITING),)),
    Rule("openat2", _ENOSYS),
    *_rules(
        NOTIFY,
        "creat mkdir mkdirat rename renameat renameat2 unlink unlinkat rmdir link linkat symlink symlinkat mknod "
        "mknodat truncate chmod fchmod fchmodat fchmodat2 chown lchown fchown fchownat",
    ),
    *_rules(NOTIFY, "bind connect listen"),
)
_OTHERS = (  # what would act on processes of the user that are not the command's
    Rule("prlimit64", _EPERM, (When(0, "given"), When(2, "given"))),
    Rule("fcntl", _EPERM, (When(1, "is", 8),)),  # F_SETOWN: a signal by way of a file
    Rule("fcntl", _EPERM, (When(1, "is", 15),)),  # F_SETOWN_EX
    *(Rule("ioctl", _EPERM, (When(1, "is", request),)) for request in _SET_OWNER),
)
_PRIORITIES = (  # what slows others cannot be undone by them
    *(
        Rule(name, ALLOW, (When(0, "is", own), When(1, "is", 0)))
        for name, own in (("setpriority", 0), ("ioprio_set", 1))
    ),
    *_rules(NOTIFY, "setpriority ioprio_set"),
    *(
        Rule(f"sched_{name}", NOTIFY, (When(0, "given"),))
        for name in ("setaffinity", "setscheduler", "setparam", "setattr")
    ),
)
# Access lists are modes by another name, and flags need no right to write: neither is taken here.
_ATTRIBUTES = (
    *_rules(
        refuse(errno.EOPNOTSUPP),
        "setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat",
    ),
    *(Rule("ioctl", refuse(errno.ENOTTY), (When(1, "is", request),)) for request in _SET_FLAGS),
)
_SIGNALS = tuple(_rules(NOTIFY, "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal"))
# Only TCP goes out of here, and by connect alone: a datagram says where it goes in memory, where no filter looks.
_TCP_ALONE = (
    *(
        Rule("socket", ALLOW, (When(0, "is", family), When(1, "masked", _STREAM, 0xF), When(2, "is", protocol)))
        for family in (_INET, _INET6)
        for protocol in (0, 6)
    ),
    *(Rule("socket", refuse(errno.EACCES), (When(0, "is", family),)) for family in (_INET, _INET6)),
    *(
        Rule(name, refuse(errno.EOPNOTSUPP), (When(argument, "any", _MSG_FASTOPEN),))
        for name, argument in (("sendto", 3), ("sendmsg", 2), ("sendmmsg", 3))
    ),
    *(
        Rule("setsockopt", _EPERM, (When(1, "is", 1), When(2, "is", option)))
        for option in (_SO_BINDTODEVICE, _SO_BINDTOIFINDEX)
    ),
)


def supervised(abi: int, *, network: bool) -> tuple[Rule, ...]:
    """The rules beside Landlock of that ABI, which holds neither addresses nor, before ABI 6, signals."""
    return (
        *_BASE,
        *_PATHS,
        *_OTHERS,
        *_PRIORITIES,
        *_ATTRIBUTES,
        *(_SIGNALS if abi < 6 else ()),
        Rule("socket", ALLOW, (When(0, "is", _UNIX),)),
        *(() if network else _TCP_ALONE),
        *(Rule("socket", ALLOW, (When(0, "is", family),)) for family in (_INET, _INET6) if network),
        *_NETLINK_RULES,
        Rule("socket", _NO_FAMILY),
    )


@functools.cache
def program(rules: tuple[Rule, ...], machine: str | None = None) -> bytes:
    """The filter as an array of struct sock_filter. Raises OSError on a machine that is not known."""
    machine = machine or system.machine()
    numbers = system.NUMBERS[machine]
    code = [(_LD, 0, 0, _ARCH), (_JEQ, 1, 0, system.AUDIT_ARCH[machine]), (_RET, 0, 0, _ENOSYS), (_LD, 0, 0, _NUMBER)]
    if machine == "x86_64":  # the x32 calls have numbers of their own
        code += [(_JGE, 0, 1, 0x40000000), (_RET, 0, 0, _ENOSYS)]
    for name in dict.fromkeys(rule.name for rule in rules if rule.name in numbers):
        body = [step for rule in rules if rule.name == name for step in _steps(rule)]
        code += [(_JEQ, 0, len(body) + 1, numbers[name]), *body, (_RET, 0, 0, ALLOW)]
    code.append((_RET, 0, 0, ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in code)


def _steps(rule: Rule) -> list[tuple[int, int, int, int]]:
    """Conditions one after the other, each jumping over all that follow where it fails, then the action."""
    steps = [(_RET, 0, 0, rule.action)]
    for when in reversed(rule.when):
        low = _ARGUMENTS + 8 * when.argument
        missed = len(steps)
        if when.how == "is":
            test = [(_LD, 0, 0, low), (_JEQ, 0, missed, when.value)]
        elif when.how == "any":
            test = [(_LD, 0, 0, low), (_JSET, 0, missed, when.value)]
        elif when.how == "masked":
            test = [(_LD, 0, 0, low), (_AND, 0, 0, when.mask), (_JEQ, 0, missed, when.value)]
        else:
            test = [(_LD, 0, 0, low), (_JEQ, 0, 2, 0), (_LD, 0, 0, low + 4), (_JEQ, missed, 0, 0)]
        steps = [*test, *steps]
    return steps
