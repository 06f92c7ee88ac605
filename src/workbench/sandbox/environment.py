"""The environment that a command gets: the user's, without secrets and without what changes how bash starts."""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Words of a name (between underscores, digits at their end left out) that mark a secret or the way to one.
_WORDS = _set(
    "AUTH AUTHN OAUTH AUTHORIZATION PASS PAT CRED CREDS COOKIE COOKIES JWT DSN NETRC PGPASSFILE"
    " XAUTHORITY ICEAUTHORITY KRB5CCNAME"
)
# Parts that mark a secret wherever they stand in a name.
_PARTS = re.compile(
    r"SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|BEARER|ASKPASS|CONN(?:ECTION)?_?STR|TOKEN(?!I[ZS])", re.ASCII
)
_ENDINGS = ("KEY", "KEYS", "PWD", "PASS")
_NO_ENDINGS = _set("MONKEY TURKEY HOTKEY DONKEY COMPASS BYPASS ENCOMPASS")
_AWS_HARMLESS = _set(
    "AWS_REGION AWS_DEFAULT_REGION AWS_PROFILE AWS_DEFAULT_PROFILE AWS_CA_BUNDLE AWS_DEFAULT_OUTPUT AWS_PAGER"
    " AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3 AWS_MAX_ATTEMPTS AWS_RETRY_MODE AWS_EC2_METADATA_DISABLED"
)
# Doors to other programs of the user: agents that hold keys, the desktop, the terminal, an editor.
_DOORS = _set(
    "SSH_AUTH_SOCK SSH_AGENT_PID GPG_AGENT_INFO DBUS_SESSION_BUS_ADDRESS DBUS_SYSTEM_BUS_ADDRESS TMUX TMUX_PANE STY"
    " ZELLIJ DISPLAY WAYLAND_DISPLAY SESSION_MANAGER SWAYSOCK I3SOCK HYPRLAND_INSTANCE_SIGNATURE NVIM"
    " NVIM_LISTEN_ADDRESS VIM_SERVERNAME KITTY_LISTEN_ON WEZTERM_UNIX_SOCKET ALACRITTY_SOCKET"
    " GNOME_TERMINAL_SERVICE KONSOLE_DBUS_SERVICE KONSOLE_DBUS_SESSION NOTIFY_SOCKET"
)
# A switch is no secret, and neither is a count (MAX_TOKENS=4096).
_SWITCH = re.compile(r"(?:0|1|true|false|yes|no|on|off|none)?", re.IGNORECASE)
_COUNTED = re.compile(r"(?:^|_)(?:TOKENS|KEYS)(?:_|$)")
_SECRET_VALUE = re.compile(
    r"[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@"  # a URL with a password
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\b(?:bearer|basic)\s+[a-z0-9._~+/=-]{12,}"
    r"|\b(?:sk-ant-|sk-proj-|github_pat_|glpat-|xox[abprs]-|pypi-)[a-z0-9_-]{16,}"
    r"|\b(?:sk-|gh[pousr]_|hf_)[a-z0-9]{30,}"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\beyJ[\w-]{10,}\.[\w-]{10,}\.",  # a JSON web token
    re.IGNORECASE,
)

# What changes how bash reads or runs a command, and what belongs to the shell or the terminal that started us.
_SHELL = _set(
    "BASH_ENV ENV PROMPT_COMMAND SHELLOPTS BASHOPTS POSIXLY_CORRECT BASH_COMPAT BASH_XTRACEFD BASH_LOADABLES_PATH"
    " CDPATH GLOBIGNORE EXECIGNORE FIGNORE IFS TMOUT PS0 PS1 PS2 PS3 PS4 _ PWD OLDPWD SHLVL LINES COLUMNS"
    " FORCE_COLOR CLICOLOR_FORCE PY_COLORS GIT_SEQUENCE_EDITOR PYTHONINSPECT"
)
# Functions by which clusters offer `module load`: the only exported functions that pass.
_MODULE_FUNCTIONS = re.compile(r"BASH_FUNC_(?:module|ml|_module_raw|switchml)(?:%%|\(\))")

# What a command finds instead: output at once and plain, and nothing that waits for a person.
OURS: Mapping[str, str] = {
    "PYTHONUNBUFFERED": "1",
    "TERM": "dumb",
    "NO_COLOR": "1",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "MANPAGER": "cat",
    "SYSTEMD_PAGER": "cat",
    "EDITOR": "true",
    "VISUAL": "true",
    "GIT_EDITOR": "true",
    "GIT_TERMINAL_PROMPT": "0",
    "PIP_NO_INPUT": "1",
    "DEBIAN_FRONTEND": "noninteractive",
}


def scrub(env: Mapping[str, str], keep: Iterable[str] = ()) -> tuple[dict[str, str], tuple[str, ...]]:
    """ENV as commands get it, and the names of the variables that were withheld as secrets or ways to them.

    KEEP are names, or patterns such as `AWS_*`, that pass whatever they look like.
    """
    patterns = tuple(keep)
    passed: dict[str, str] = dict(OURS)
    withheld: list[str] = []
    for name, value in env.items():
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            passed[name] = value
        elif name in OURS or _of_the_shell(name):
            continue
        elif looks_secret(name, value):
            withheld.append(name)
        else:
            passed[name] = value
    return passed, tuple(sorted(withheld))


def looks_secret(name: str, value: str) -> bool:
    """Whether a variable holds a secret or leads to one, by its name or by its value."""
    upper = name.upper()
    if upper.startswith(("ANTHROPIC_", "VSCODE_")) or name in _DOORS:
        return True
    if upper.startswith("AWS_"):
        return upper not in _AWS_HARMLESS or _SECRET_VALUE.search(value) is not None
    if _SECRET_VALUE.search(value):
        return True
    if _SWITCH.fullmatch(value) or (value.isdigit() and _COUNTED.search(upper)):
        return False
    words = [word.rstrip("0123456789") or word for word in re.split(r"[^A-Z0-9]+", upper)]
    return bool(_PARTS.search(upper)) or any(
        word in _WORDS or (word.endswith(_ENDINGS) and word not in _NO_ENDINGS) for word in words
    )


def _of_the_shell(name: str) -> bool:
    if name.startswith("BASH_FUNC_"):
        return not _MODULE_FUNCTIONS.fullmatch(name)
    return name in _SHELL or name.startswith("MLWB_")
