"""Commands that run another: seen through when allowing (a few, exactly read), and when denying (all, generously)."""

import re
from collections.abc import Iterator

from workbench.permissions.syntax import UnreadableError
from workbench.permissions.words import UNKNOWN, Field, names

_NO_OPTION = re.compile(r"(?!)")
# Wrapper -> its options, those with a value in the next word, and what must stand before the command.
_SEEN_THROUGH: dict[str, tuple[re.Pattern[str], tuple[str, ...], re.Pattern[str] | None]] = {
    "timeout": (
        re.compile(r"--foreground|--preserve-status|-v|--verbose|--(?:kill-after|signal)=\w+"),
        ("-k", "-s"),
        re.compile(r"\d+(?:\.\d+)?[smhd]?"),
    ),
    "nice": (re.compile(r"-n?-?\d+|--adjustment=-?\d+"), ("-n",), None),
    "stdbuf": (re.compile(r"-[ioe](?:[0L]|\d+[KMG]?)"), ("-i", "-o", "-e"), None),
    "time": (re.compile("-p"), (), None),
    **dict.fromkeys(("nohup", "command", "builtin", "noglob", "xargs"), (_NO_OPTION, (), None)),
}
# Variables that may precede a command without changing what it runs or reads; their values hold no path.
SAFE_VARIABLES = re.compile(
    r"LANG|LANGUAGE|LC_[A-Z]+|NO_COLOR|FORCE_COLOR|CLICOLOR|CLICOLOR_FORCE|COLORTERM|TERM|TZ|COLUMNS|LINES|CI"
    r"|SEED|RANDOM_SEED"
    r"|PYTHONUNBUFFERED|PYTHONDONTWRITEBYTECODE|PYTHONHASHSEED|PYTHONIOENCODING|PYTHONUTF8|CUDA_VISIBLE_DEVICES"
    r"|CUDA_LAUNCH_BLOCKING"
    r"|CUDA_DEVICE_ORDER|OMP_NUM_THREADS|MKL_NUM_THREADS|OPENBLAS_NUM_THREADS|NUMEXPR_NUM_THREADS"
    r"|TOKENIZERS_PARALLELISM"
    r"|TF_CPP_MIN_LOG_LEVEL|TORCH_NUM_THREADS|WANDB_MODE|WANDB_DISABLED|WANDB_SILENT|HF_HUB_OFFLINE"
    r"|TRANSFORMERS_OFFLINE"
    r"|HF_DATASETS_OFFLINE|TRANSFORMERS_VERBOSITY|NCCL_DEBUG|RUST_BACKTRACE|RUST_LOG|DEBIAN_FRONTEND"
    r"|XLA_PYTHON_CLIENT_PREALLOCATE"
    r"|JAX_PLATFORMS|GIT_OPTIONAL_LOCKS|WORLD_SIZE|RANK|LOCAL_RANK|MASTER_PORT"
)
SAFE_VALUE = re.compile(r"[\w.,:@%+=-]*|[A-Z][A-Za-z]+/[A-Z][A-Za-z_]+")
# Everything that runs what it is given. An allow rule for such a name does not cover what it runs.
RUNNERS = names(
    "env sudo doas su watch xargs parallel setsid ionice chrt taskset flock strace ltrace gdb script chroot "
    "unshare nsenter systemd-run runuser pkexec bwrap firejail proot fakeroot exec eval coproc trap busybox "
    "toybox nohup nice timeout time stdbuf command builtin noglob ssh expect entr tmux screen numactl perf "
    "valgrind unbuffer rlwrap torsocks proxychains caffeinate start-stop-daemon daemonize at batch npx bunx uvx "
    "pipx rtx mise direnv cmd dtach abduco !"
)
SHELLS = names("bash sh zsh dash ksh mksh fish ash csh tcsh rbash")
_SCRIPTED = SHELLS | frozenset(
    ("eval", "su", "watch", "trap", "script", "ssh", "coproc", "env", "parallel", "at", "tmux", "screen", "busybox")
)
# What runs its first operand -> its options, by letter, with a value in the next word.
_RUN_FIRST = {"env": "uC", "sudo": "ugCprtTD", "doas": "uC", "exec": "a", "setsid": "-", "watch": "nq"}
_GIVEN = re.compile(r"-[a-z]*c[a-z]*")  # bash -c: a command in the next word
# Where the grammar takes them for commands, as it does behind `!`, what follows may be one.
_KEYWORDS = names("if then elif else while until for do case select function {")
_FIND_RUNS = frozenset(("-exec", "-execdir", "-ok", "-okdir"))
_MOST_SUFFIXES = 200


def base(name: str) -> str:
    """The program that NAME means, without its folder."""
    return name.rsplit("/", 1)[-1]


def unwrap(argv: list[Field]) -> tuple[list[Field], bool] | None:
    """ARGV without its outer wrapper, and whether operands are added from standard input; None where there is none.

    Claude Code's list: timeout, time, nice, nohup, stdbuf, command, builtin, noglob, and xargs without flags.
    """
    name, texts = argv[0].text, [field.text for field in argv]
    if name not in _SEEN_THROUGH:
        return None
    options, valued, own = _SEEN_THROUGH[name]
    at = 1
    while at < len(argv) and texts[at].startswith("-"):
        if options.fullmatch(texts[at]):
            at += 1
        elif texts[at] in valued and at + 1 < len(argv) and re.fullmatch(r"-?\w+", texts[at + 1]):
            at += 2
        elif name == "time":
            raise UnreadableError("an option of time that may be a command")
        else:
            return None
    if own and not (at < len(argv) and own.fullmatch(texts[at])):
        return None
    inner = argv[at + (own is not None) :]
    if inner and not inner[0].known:
        raise UnreadableError("the name of a command is not written out")
    if inner and (inner[0].globbed or (name == "time" and "=" in inner[0].text)):  # bash reads on behind its keyword
        raise UnreadableError("the name of a command is a pattern, or behind an assignment")
    return (inner, name == "xargs") if inner and not inner[0].text.startswith("-") else None


def computed(argv: list[Field]) -> bool:
    """Whether what ARGV runs in turn is not written out: `env $CMD`, `eval "$x"`, `bash -c "$x"`, `find -exec $CMD`."""
    name = base(argv[0].text)
    if name in ("eval", "find") or name in SHELLS:
        texts = [name == "eval" or field.text in _FIND_RUNS or _GIVEN.fullmatch(field.text) for field in argv]
        return any(text and not field.known for text, field in zip(texts, argv[1:], strict=False))
    if name not in _RUN_FIRST:
        return False
    rest = argv[1:]
    while rest and (rest[0].text.startswith("-") or re.match(r"\w+=", rest[0].text)):
        valued = re.fullmatch(rf"-[a-zA-Z]*[{_RUN_FIRST[name]}]", rest[0].text)
        rest = rest[2:] if valued else rest[1:]
    try:
        while rest and (inner := unwrap(rest)) is not None:
            rest = inner[0]
    except UnreadableError:
        return True
    return bool(rest) and (not rest[0].known or computed(rest))


def inner_names(argv: list[str]) -> Iterator[list[str]]:
    """ARGV and everything that it may run in turn, generously: for deny rules, which must see through any spelling."""
    starts, todo = {0}, [0]
    while todo and len(starts) < _MOST_SUFFIXES:
        at = todo.pop()
        name = base(argv[at]) if argv else ""
        if name in RUNNERS or name in SHELLS or name in _KEYWORDS:
            found = [here for here in range(at + 1, len(argv)) if _may_be_command(argv[here])]
        elif name == "find":
            found = [here + 1 for here in range(at, len(argv) - 1) if argv[here] in _FIND_RUNS]
        elif name == UNKNOWN and at + 1 < len(argv):  # what is computed may be nothing
            found = [at + 1]
        else:
            continue
        todo += [here for here in found if here not in starts]
        starts |= set(found)
    yield from (argv[at:] for at in sorted(starts))


def _may_be_command(word: str) -> bool:
    return not word.startswith("-") and "=" not in word


def scripts(argv: list[str]) -> list[str]:
    """The words of ARGV that a program reads as a script: `bash -c`, `eval` and the like."""
    name = base(argv[0]) if argv else ""
    if name not in _SCRIPTED:
        return []
    if name == "eval":
        return [" ".join(argv[1:])]
    if name == "env":
        argv = [re.sub(r"\A(?:-S|--split-string=)", "", word) for word in argv]
    return [word for word in argv[1:] if re.search(r"\s", word) or (name in SHELLS and not word.startswith("-"))]


def must_spell(argv: list[Field]) -> str | None:
    """What an allow rule must spell out before its wildcard to cover ARGV: "" nothing, None: every word of it.

    A wildcard after a command that runs others would cover whatever those are.
    """
    name = base(argv[0].text)
    words = [field.text for field in argv]
    if name == "find" and any(
        word in _FIND_RUNS or word in ("-delete", "-fprint", "-fls", "-fprintf", "-fprint0") for word in words
    ):
        return None
    if name in SHELLS and any(_GIVEN.fullmatch(word) for word in words):
        return None
    if name not in RUNNERS:
        return ""
    for at, word in enumerate(words[1:], 1):
        if word.startswith("-"):
            return None
        if "=" not in word:
            return " ".join(words[: at + 1])
    return None


_AGENTS = names(
    "claude codex gemini opencode aider goose cursor-agent amp crush qwen kimi copilot droid auggie openhands "
    "plandex cline roo continue cn mini mini-swe-agent swe-agent sweagent gptme interpreter open-interpreter "
    "forge codebuff kiro kiro-cli tabnine vibe mistral-vibe devin warp-agent junie letta grok kilocode kilo pi "
    "hermes"
)
_PACKAGES = re.compile(
    r"(?:@anthropic-ai/claude-code|@openai/codex|@google/gemini-cli|opencode-ai|@sourcegraph/amp"
    r"|@qwen-code/qwen-code|aider-chat"
    r"|@charmland/crush|@github/copilot|claude-code|mlwb)(?:@.*)?"
)
_FETCHERS = names("npx bunx uvx pipx pnpm npm yarn bun uv dlx")
_MODULES = names("aider workbench workbench.cli interpreter minisweagent sweagent openhands gptme")
_HARMLESS_ARGUMENTS = frozenset(("--version", "-V", "--help", "-h", "version", "help"))
_MLWB_HARMLESS = frozenset(
    ("exp", "gpu", "doctor", "agents", "permissions", "sessions", "--version", "--help", "-V", "-h", "help")
)
_SESSION_STARTERS = frozenset(("resume",))


def starts_agent(argv: list[str]) -> str | None:
    """The agent that ARGV would start, or None. Another agent is never started from a command."""
    name = base(argv[0]).casefold().removesuffix(".exe") if argv else ""
    words = argv[1:]
    if name == "mlwb" or (name.startswith("python") and words[:2] in (["-m", "workbench"], ["-m", "workbench.cli"])):
        words = words if name == "mlwb" else words[2:]
        verb = words[0] if words else ""
        starts = verb not in _MLWB_HARMLESS or (verb == "sessions" and words[1:2] and words[1] in _SESSION_STARTERS)
        return f"mlwb {verb}".strip() if starts else None
    if name in _AGENTS:
        return None if words and words[0] in _HARMLESS_ARGUMENTS else name
    if name in _FETCHERS:
        return next((word for word in words if _PACKAGES.fullmatch(word) or word in _AGENTS), None)
    if name.startswith("python") and "-m" in words[:-1] and words[words.index("-m") + 1] in _MODULES:
        return words[words.index("-m") + 1]
    if name == "gh" and words[:1] == ["copilot"]:
        return "gh copilot"
    return None
