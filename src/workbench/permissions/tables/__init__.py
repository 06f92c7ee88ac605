"""Commands that are known to be harmless, and with which options. Data: a row a command, each with examples.

What a row does not name asks. So an option that runs a program, writes a file or reads a list of files (`sort -o`,
`--compress-program`, `--files0-from`) needs no mention. Sources: the manuals of GNU coreutils, findutils, grep,
diffutils, util-linux, procps and ripgrep.
Programs with a grammar of their own (find, sed, awk, tar, …) are in `special.py`.
"""

from workbench.permissions.options import Row
from workbench.permissions.tables import files, system, text
from workbench.permissions.words import names

ROWS: tuple[Row, ...] = (*text.ROWS, *files.ROWS, *system.ROWS)
# Names of commands that take the row of another.
SAME_AS = {
    "egrep": "grep",
    "fgrep": "grep",
    "dir": "ls",
    "vdir": "ls",
    "md5sum": "sha256sum",
    "sha1sum": "sha256sum",
    "sha512sum": "sha256sum",
    "b2sum": "sha256sum",
    "cksum": "sha256sum",
    "b3sum": "sha256sum",
    "gzcat": "zcat",
    "bzcat": "zcat",
    "xzcat": "zcat",
    "zstdcat": "zcat",
    "batcat": "cat",
}
# Programs that may be asked for their version, with nothing else on the line. Not those that run a workspace's files
# even for that: yarn (yarnPath), cargo and rustc (rust-toolchain.toml), pytest (conftest.py), tox, go, poetry.
VERSIONS = names(
    "python python3 python3.10 python3.11 python3.12 python3.13 python3.14 pip pip3 uv conda mamba node npm npx deno "
    "git gcc g++ clang cc make cmake ninja java javac ruby perl php docker podman nvcc nvidia-smi tmux bash zsh sh rg "
    "jq curl wget ssh tar gzip sed awk grep find ls ruff mypy black pre-commit ffmpeg sqlite3 psql"
)
VERSION_OPTIONS = frozenset(("--version", "-V", "-version"))
BY_NAME: dict[str, Row] = {row.name: row for row in ROWS}
BY_NAME.update({name: BY_NAME[row] for name, row in SAME_AS.items()})
