"""What a path is to the gate: where it really leads, and whether it is protected or secret."""

import posixpath
import re
from typing import Literal

import msgspec

from workbench.permissions.syntax import INVISIBLE, UnreadableError
from workbench.permissions.types import Stat, World
from workbench.permissions.words import names

_LONGEST = 4096
_LONGEST_NAME = 255
_MOST_LINKS = 40
_MOST_BELOW = 2000
MOST_SEARCHED = 20_000  # files below a folder, looked through for one that a deny rule withholds: a tenth of a second
LARGEST_READ = 1 << 30  # bytes; beyond it a file is looked at in parts, through Bash

# Folders whose content configures what runs, for whom or with which rights. Compared without regard to case.
_PROTECTED_FOLDERS = names(
    ".git .vscode .idea .husky .githooks .cargo .devcontainer .yarn .mvn .claude .mlwb .cursor .codex .gemini "
    ".opencode .aider .continue .windsurf .roo .cline .clinerules .kiro .zed .amp .goose .qwen .crush .factory "
    ".ssh .gnupg .aws .kube .docker .ipython .jupyter .direnv .config .local .bundle .gradle .fleet .vim .nvim "
    ".emacs.d .agents"
)
_PROTECTED_FILES = names(
    ".bashrc .bash_profile .bash_login .bash_logout .bash_aliases .profile .zshrc .zshenv .zprofile .zlogin "
    ".zlogout .kshrc .cshrc .tcshrc .login .logout .inputrc .envrc .env.fish config.fish .screenrc .tmux.conf "
    ".vimrc .exrc .nvimrc .gvimrc .emacs .gdbinit .lldbinit .pdbrc .pythonrc .pythonrc.py .pystartup .rprofile "
    ".renviron .sqliterc .psqlrc .gitconfig .gitmodules .gitattributes .git-credentials .hgrc hgrc .npmrc .yarnrc "
    ".yarnrc.yml .pnpmfile.cjs .pnpmrc .bunfig.toml bunfig.toml .pypirc pip.conf .condarc .mambarc .curlrc "
    ".wgetrc .netrc _netrc .ripgreprc .fdignore .mcp.json mcp.json .pre-commit-config.yaml .pre-commit-config.yml "
    ".pre-commit-hooks.yaml lefthook.yml lefthook.yaml .lefthook.yml .lefthook.yaml .lintstagedrc "
    ".lintstagedrc.json .overcommit.yml .devcontainer.json .tool-versions .mise.toml mise.toml .rtx.toml "
    ".aider.conf.yml .aiderignore .cursorrules .windsurfrules .clinerules .roomodes opencode.json opencode.jsonc "
    ".claude.json .claude-plugin .gemini.json .bazelrc .buckconfig .hushlogin .xinitrc .xprofile .xsession "
    ".pam_environment .forward .rhosts .shosts .editrc .irbrc .pryrc .gemrc .perltidyrc .latexmkrc .sbtopts "
    ".jvmopts .mavenrc .antrc .dircolors sitecustomize.py usercustomize.py authorized_keys crontab .crontab"
)
_SECRET_FOLDERS = names(".ssh .aws .gnupg .kube .azure .gcloud .password-store .vault-token.d")
_SECRET_FILES = names(
    ".netrc _netrc .git-credentials .pypirc .npmrc .pgpass .my.cnf .vault-token .htpasswd .dockercfg .boto .s3cfg "
    "kubeconfig credentials.json client_secret.json application_default_credentials.json service-account.json "
    "service_account.json secrets.json secrets.yaml secrets.yml secrets.toml secrets.env id_rsa id_dsa id_ecdsa "
    "id_ed25519 id_ecdsa_sk id_ed25519_sk shadow gshadow .wandbrc"
)
_SECRET_NAMES = re.compile(
    r"\.env(?:rc)?(?:[._-].*)?|.*\.env|.*\.(?:pem|p12|pfx|jks|keystore|kdbx|ppk|gpg)|.*(?<!pub)\.key|.*_rsa"
)
_HARMLESS_ENV = re.compile(r"\.env[._-](?:example|sample|template|dist|defaults)|.*\.pub")
_SECRET_PLACES = (
    ".config/gh/hosts.yml",
    ".config/gcloud",
    ".docker/config.json",
    ".cache/huggingface/token",
    ".huggingface/token",
    ".config/mlwb/credentials",
    ".local/share/keyrings",
    ".kaggle/kaggle.json",
    ".config/rclone/rclone.conf",
    ".claude/.credentials.json",
    ".claude.json",
    ".codex/auth.json",
    ".terraform.d/credentials.tfrc.json",
)
_PROC = re.compile(
    r"/proc/(?:self|thread-self|\d+)/(?:task/\d+/)?(?:root|cwd|fd|fdinfo|exe|mem|maps|environ|map_files|pagemap"
    r"|auxv)(?:/|\Z)"
)
_PROC_FILES = frozenset(("/proc/kcore", "/proc/kmsg", "/proc/kpagecount", "/proc/sysrq-trigger", "/proc/kallsyms"))
_MEMORY_FILES = "/dev/shm/"  # noqa: S108  # named as a place, not used as one
HARMLESS_DEVICES = frozenset(("/dev/null", "/dev/stdout", "/dev/stderr"))


class PathError(Exception):
    """A path that no call may name: the message says why."""


class Located(msgspec.Struct, frozen=True):
    """Where a path leads. `ends`: the absolute paths it goes by, from the one written to the one reached by links."""

    given: str
    ends: tuple[str, ...]
    stat: Stat | None
    odd: str = ""  # what in its text could deceive whoever reads it

    @property
    def real(self) -> str:
        """The file that is reached."""
        return self.ends[-1]


class Places:
    """Looks paths up in a world, each at most once. One object a verdict, so that nothing stale is kept."""

    def __init__(self, world: World, home: str) -> None:
        self.world = world
        self.home = home
        self._stats: dict[str, Stat | None] = {}

    def stat(self, path: str) -> Stat | None:
        """lstat of PATH."""
        if path not in self._stats:
            self._stats[path] = self.world.lstat(path)
        return self._stats[path]

    def below(self, folder: str, most: int = _MOST_BELOW) -> list[str]:
        """The paths in FOLDER, relative to it. Raises UnreadableError where they are more than MOST."""
        found, todo = [], [""]
        while todo:
            here = todo.pop()
            names = self.world.listdir(f"{folder}/{here}")
            if names is None and (here or (self.stat(folder) or Stat(kind="none")).kind == "dir"):
                raise UnreadableError("it uses a folder that cannot be looked through")
            for name in names or ():
                path = f"{here}/{name}" if here else name
                found.append(path)
                status = self.stat(f"{folder}/{path}")
                if status is not None and status.kind == "dir":
                    todo.append(path)
            if len(found) > most:
                raise UnreadableError("it uses more files than can be looked at")
        return found

    def locate(self, given: str, cwd: str, *, last: bool = True) -> Located:
        """GIVEN as seen from CWD, every link followed as the kernel would; LAST: the last one too. Raises PathError."""
        path = self.home + given[1:] if given == "~" or given.startswith("~/") else given
        path = path if path.startswith("/") else f"{cwd}/{path}"
        _check(path)
        found = INVISIBLE.search(given) or re.search(r"[\t\n]", given)
        odd = f"its name holds the control or invisible character U+{ord(found[0]):04X}" if found else ""
        ends = [posixpath.normpath("/" + path.lstrip("/"))]
        real = self._follow(path, ends, last)
        if real != ends[-1]:
            ends.append(real)
        return Located(given, tuple(ends), self.stat(real), odd)

    def _follow(self, path: str, ends: list[str], last: bool) -> str:
        """The real path; each place that a link stands for on the way is added to ENDS."""
        todo = path.split("/")[::-1]
        real, links = "", 0
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                real = real.rpartition("/")[0]
                continue
            here = f"{real}/{part}"
            status = self.stat(here)
            followed = status is not None and status.kind == "link" and (last or bool(todo))
            target = self.world.readlink(here) if followed else None
            if target is None:
                real = here
                continue
            links += 1
            if links > _MOST_LINKS:
                raise PathError("its links go in circles")
            if target.startswith("/"):
                real = ""
            todo.extend(target.split("/")[::-1])
            rest = "/".join(part for part in reversed(todo) if part)
            ends.append(posixpath.normpath(f"{real}/{rest}" if real else f"/{rest}"))
        return real or "/"


def _check(path: str) -> None:
    if "\0" in path:
        raise PathError("a path cannot hold a NUL character")
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        raise PathError("the path is not valid Unicode") from None
    if len(encoded) >= _LONGEST or any(len(part) > _LONGEST_NAME for part in encoded.split(b"/")):
        raise PathError(f"the path is longer than a file name may be ({_LONGEST_NAME} bytes a name, {_LONGEST} in all)")


def within(path: str, folder: str) -> bool:
    """Whether PATH is FOLDER or lies in it; both absolute and normal."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def protected(located: Located, roots: tuple[str, ...], places: Places) -> str | None:
    """Why writing there is guarded, or None. Looks at each end, and below the root that holds it."""
    for end in located.ends:
        root = max((root for root in roots if within(end, root)), key=len, default="")
        parts = [_folded(part) for part in end[len(root) :].split("/") if part]
        for at, part in enumerate(parts):
            if part in _PROTECTED_FOLDERS or part in _PROTECTED_FILES or re.fullmatch(r"\.?git~\d*", part):
                return f"{end} is protected: {'/'.join(parts[: at + 1])} configures what runs or who may do what"
        if root and (bare := _repository(end, root, places)):
            return f"{end} is protected: {bare} is a git repository's own folder"
    return None


def _repository(path: str, root: str, places: Places) -> str | None:
    """The folder above PATH and below ROOT that is a git directory by its content, whatever its name."""
    while len(path) > len(root):
        if (
            path != root
            and places.stat(path + "/HEAD")
            and places.stat(path + "/objects")
            and places.stat(path + "/refs")
        ):
            return path
        path = path.rpartition("/")[0]
    return None


def _folded(part: str) -> str:
    """PART as file systems that ignore case, trailing dots or invisible characters would take it."""
    return INVISIBLE.sub("", part).casefold().rstrip(" .") or part


def secret(located: Located, home: str) -> str | None:
    """Why reading it would give away a secret, or None."""
    return next((why for end in located.ends if (why := secret_path(end, home))), None)


def secret_path(path: str, home: str) -> str | None:
    """The same for a PATH without links, by its name alone."""
    parts = [_folded(part) for part in path.split("/") if part]
    name = parts[-1] if parts else ""
    if any(part in _SECRET_FOLDERS for part in parts) and not name.endswith(".pub"):
        return f"{path} is where credentials are kept"
    if name in _SECRET_FILES or (_SECRET_NAMES.fullmatch(name) and not _HARMLESS_ENV.fullmatch(name)):
        return f"{path} looks like a file of secrets"
    if home and within(path, home) and any(within(path, f"{home}/{place}") for place in _SECRET_PLACES):
        return f"{path} is where credentials are kept"
    return None


def unreadable(located: Located) -> str | None:
    """Why no file tool opens it for reading, whoever allows it: it never ends, blocks, or is no file."""
    for end in located.ends:
        if _PROC.match(end) or end in _PROC_FILES:
            return f"{end} is a process's own memory or descriptors"
        if end.startswith("/dev/") and not end.startswith(_MEMORY_FILES) and end != "/dev/null":
            return f"{end} is a device"
    kind = located.stat.kind if located.stat else "file"
    if kind in ("fifo", "socket", "device") and located.real != "/dev/null":
        return f"{located.real} is a {kind}: reading it may block or never end"
    if located.stat and kind == "file" and located.stat.size > LARGEST_READ:
        return f"{located.real} is too large to read whole; look at part of it with head, tail or sed -n"
    return None


def odd_target(located: Located, use: Literal["read", "write"]) -> str | None:
    """Why using it asks whatever the rules: a special file, a second name of one, a text that deceives."""
    if located.odd:
        return f"{located.given!r}: {located.odd}"
    for end in located.ends:
        if _PROC.match(end):
            return f"{end} leads into a running process"
        if end.startswith(("/dev/tcp/", "/dev/udp/")):
            return f"{end} is a network connection"
    kind = located.stat.kind if located.stat else "file"
    if kind in ("fifo", "socket", "device") and located.real not in HARMLESS_DEVICES:
        return f"{located.real} is a {kind}"
    if use == "write" and located.stat and kind == "file" and located.stat.links > 1:
        return f"{located.real} has {located.stat.links} names (hard links): writing changes a file elsewhere too"
    return None


def protected_names() -> tuple[str, ...]:
    """Names of files and folders that are protected wherever they lie, sorted, in lower case."""
    return tuple(sorted(_PROTECTED_FOLDERS | _PROTECTED_FILES))
