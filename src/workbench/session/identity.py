"""Who runs this process, and on which boot of the machine."""

import os
import pwd
from pathlib import Path


def user_name() -> str:
    """The name of the user this process runs as."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container without an entry for the uid
        return str(os.getuid())


def boot_id() -> str:
    """What tells one boot of a host from the next; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
