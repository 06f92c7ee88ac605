"""Subcommands of git that only look, with their harmless options. Data; sources: the manuals of git's subcommands."""

from workbench.permissions.options import Row

_DIFF_FLAGS = "pubwRaszM"

_DIFF_LONGS = (
    "--patch --no-patch --stat --numstat --shortstat --dirstat --summary --name-only --name-status --no-color "
    "--word-diff --color-words --no-renames --check --full-index --binary --minimal --patience --histogram --raw "
    "--patch-with-stat --ignore-all-space --ignore-space-change --ignore-space-at-eol --ignore-blank-lines "
    "--function-context --exit-code --quiet --no-ext-diff --no-textconv --text --compact-summary --cached "
    "--staged --merge-base --no-prefix --cc --reverse --pickaxe-all --no-relative --find-copies-harder"
)

_DIFF_TEXTS = (
    "U G S --unified --diff-filter --inter-hunk-context --abbrev --diff-algorithm --src-prefix --dst-prefix "
    "--ws-error-highlight"
)

_DIFF_MAYBE = (
    "--color --stat --word-diff --find-renames --find-copies --submodule --relative --color-moved --dirstat "
    "--abbrev --ignore-submodules"
)

_LOG_LONGS = (
    _DIFF_LONGS
    + " --oneline --graph --all --branches --tags --remotes --follow --no-merges --merges --first-parent --reverse "
    "--decorate --no-decorate --abbrev-commit --no-abbrev-commit --parents --children --left-right --cherry-pick "
    "--cherry-mark --date-order --topo-order --author-date-order --walk-reflogs --boundary "
    "--simplify-by-decoration --full-history --relative-date --invert-grep --all-match --regexp-ignore-case "
    "--extended-regexp --fixed-strings --perl-regexp --no-notes --source --shortstat --name-only "
    "--clear-decorations"
)

_LOG_TEXTS = (
    _DIFF_TEXTS
    + " n L --max-count --since --until --after --before --author --committer --grep --skip --date --min-parents "
    "--max-parents --glob --exclude"
)

_LOG_MAYBE = _DIFF_MAYBE + " --pretty --format --decorate --branches --tags --remotes --notes --no-walk"


def _row(name: str, **fields: object) -> Row:
    return Row(name=f"git {name}", **{"globs": False, **fields})  # type: ignore[arg-type]


ROWS: tuple[Row, ...] = (
    _row(
        "status",
        flags="sbvz",
        longs="--short --branch --long --verbose --show-stash --ahead-behind --no-renames",
        maybe="--porcelain --untracked-files --ignored --column",
        texts="u",
        match=("git status", "git status --short", "git status --porcelain=v2"),
        not_match=("git status --odd",),
    ),
    _row(
        "diff",
        flags=_DIFF_FLAGS + "BCD",
        longs=_DIFF_LONGS,
        texts=_DIFF_TEXTS + " l",
        reads="O",
        maybe=_DIFF_MAYBE,
        match=("git diff", "git diff --stat", "git diff HEAD~1 -- src"),
        not_match=(
            "git diff --output=x",
            "git diff --ext-diff",
            "git diff --textconv",
            "git diff --no-index a b",
            "git diff --outp=x",
        ),
    ),
    _row(
        "log",
        flags=_DIFF_FLAGS + "giEFPm",
        longs=_LOG_LONGS,
        texts=_LOG_TEXTS,
        maybe=_LOG_MAYBE,
        digits=True,
        match=("git log", "git log --oneline -5", "git log -p -1 -- src/train.py"),
        not_match=("git log --output=x", "git log --ext-diff", "git log --show-signature"),
    ),
    _row(
        "show",
        flags=_DIFF_FLAGS + "m",
        longs=_LOG_LONGS,
        texts=_LOG_TEXTS,
        maybe=_LOG_MAYBE,
        digits=True,
        match=("git show HEAD:src/train.py", "git show --stat HEAD"),
        not_match=("git show --textconv HEAD", "git show --output=x"),
    ),
    _row(
        "whatchanged",
        flags=_DIFF_FLAGS,
        longs=_LOG_LONGS,
        texts=_LOG_TEXTS,
        maybe=_LOG_MAYBE,
        digits=True,
        match=("git whatchanged -1",),
        not_match=("git whatchanged --output=x",),
    ),
    _row(
        "shortlog",
        flags="sneg",
        longs="--summary --numbered --email --all --no-merges",
        texts="--since --until --author --group",
        match=("git shortlog -sn HEAD",),
        not_match=("git shortlog --output=x",),
    ),
    _row(
        "blame",
        flags="bcelfnpstwM",
        longs="--show-email --porcelain --line-porcelain --root --date",
        texts="L --since --abbrev",
        reads="S",
        match=("git blame a.txt", "git blame -L 1,5 a.txt"),
        not_match=("git blame --contents x a", "git blame --odd a"),
    ),
    _row(
        "rev-parse",
        flags="q",
        longs="--verify --show-toplevel --git-dir --abbrev-ref --is-inside-work-tree --is-bare-repository "
        "--show-prefix --show-cdup --all --branches --quiet --absolute-git-dir --symbolic "
        "--symbolic-full-name --git-common-dir",
        maybe="--short --abbrev-ref --show-object-format",
        match=("git rev-parse HEAD", "git rev-parse --abbrev-ref HEAD"),
        not_match=("git rev-parse --parseopt",),
    ),
    _row(
        "rev-list",
        flags="n",
        longs="--all --count --no-merges --merges --first-parent --objects --left-right --oneline --reverse "
        "--max-parents",
        texts="--max-count --since --until --author",
        digits=True,
        match=("git rev-list --count HEAD",),
        not_match=("git rev-list --use-bitmap-index --output=x",),
    ),
    _row(
        "describe",
        longs="--tags --always --dirty --long --all --exact-match --first-parent",
        texts="--abbrev --match --exclude",
        maybe="--dirty",
        match=("git describe --tags --always",),
        not_match=("git describe --odd",),
    ),
    _row(
        "ls-files",
        flags="cdmoiszutv",
        longs="--cached --deleted --modified --others --ignored --stage --exclude-standard --error-unmatch "
        "--full-name --unmerged --killed",
        texts="x",
        match=("git ls-files", "git ls-files --others --exclude-standard"),
        not_match=("git ls-files -X list", "git ls-files --exclude-from=x"),
    ),
    _row(
        "ls-tree",
        flags="rdtlz",
        longs="--name-only --name-status --full-name --full-tree --long",
        match=("git ls-tree -r HEAD",),
        not_match=("git ls-tree --odd",),
    ),
    _row(
        "cat-file",
        flags="ptse",
        match=("git cat-file -p HEAD",),
        not_match=("git cat-file --filters HEAD:a", "git cat-file --batch", "git cat-file --textconv HEAD:a"),
    ),
    _row(
        "branch",
        flags="arvl",
        longs="--all --remotes --list --show-current --verbose --no-color",
        texts="--contains --no-contains --merged --no-merged --points-at --sort --format",
        operands="none",
        match=("git branch", "git branch -a", "git branch -vv", "git branch --show-current"),
        not_match=("git branch new", "git branch -D main", "git branch -m x", "git branch --edit-description"),
    ),
    _row(
        "tag",
        flags="ln",
        longs="--list",
        texts="--contains --points-at --merged --sort --format",
        maybe="--column",
        operands="none",
        match=("git tag", "git tag --list", "git tag -l"),
        not_match=("git tag v1", "git tag -d v1"),
    ),
    _row(
        "remote",
        flags="v",
        longs="--verbose",
        operands="none",
        match=("git remote -v", "git remote"),
        not_match=("git remote add x y", "git remote show origin", "git remote update"),
    ),
    _row(
        "remote get-url",
        flags="",
        longs="--all --push",
        operands="text",
        match=("git remote get-url origin",),
        not_match=("git remote get-url --odd",),
    ),
    _row(
        "stash list",
        flags="pn",
        longs=_LOG_LONGS,
        texts="--max-count --format --pretty",
        digits=True,
        operands="none",
        match=("git stash list",),
        not_match=("git stash list --output=x",),
    ),
    _row(
        "stash show",
        flags="pu",
        longs=_DIFF_LONGS,
        most=1,
        match=("git stash show -p",),
        not_match=("git stash show --output=x",),
    ),
    _row(
        "config",
        flags="lz",
        longs="--list --local --global --system --show-origin --show-scope --name-only --null --bool --int "
        "--get --get-all --get-regexp",
        texts="--type --default",
        operands="text",
        match=("git config --get user.name", "git config --list"),
        not_match=("git config user.name x y", "git config --unset x", "git config --file x --get y", "git config -e"),
    ),
    _row(
        "reflog",
        flags="n",
        longs="--oneline --all --date",
        texts="--max-count",
        digits=True,
        operands="none",
        match=("git reflog", "git reflog -5"),
        not_match=("git reflog expire --all", "git reflog delete x"),
    ),
    _row(
        "reflog show",
        longs="--oneline",
        texts="n",
        digits=True,
        match=("git reflog show HEAD",),
        not_match=("git reflog show --output=x",),
    ),
    _row(
        "grep",
        flags="niwvlLcEFGPhHopqeI",
        longs="--line-number --ignore-case --word-regexp --files-with-matches --count --heading --break "
        "--untracked --cached --name-only --show-function",
        texts="A B C e m --max-depth",
        first=True,
        patterns="e",
        maybe="--color",
        trees="*",
        match=("git grep -n foo", "git grep foo -- src"),
        not_match=(
            "git grep -O foo",
            "git grep --open-files-in-pager=x foo",
            "git grep -f list",
            "git grep --textconv foo",
            "git grep --no-index foo /",
        ),
    ),
    _row(
        "merge-base",
        longs="--all --is-ancestor --octopus",
        match=("git merge-base main HEAD",),
        not_match=("git merge-base --odd",),
    ),
    _row("name-rev", longs="--name-only --tags --all", match=("git name-rev HEAD",), not_match=("git name-rev --odd",)),
    _row(
        "show-ref",
        flags="dq",
        longs="--head --heads --tags --verify --hash --branches",
        match=("git show-ref",),
        not_match=("git show-ref --odd",),
    ),
    _row(
        "for-each-ref",
        longs="--omit-empty",
        texts="--format --sort --count --contains --merged --points-at",
        match=("git for-each-ref --format='%(refname)'",),
        not_match=("git for-each-ref --shell", "git for-each-ref --odd"),
    ),
    _row(
        "diff-tree",
        flags=_DIFF_FLAGS + "rtc",
        longs=_DIFF_LONGS + " --no-commit-id --root",
        texts=_DIFF_TEXTS,
        maybe=_DIFF_MAYBE,
        match=("git diff-tree -r --name-only HEAD",),
        not_match=("git diff-tree --output=x HEAD",),
    ),
    _row(
        "symbolic-ref",
        flags="q",
        longs="--short",
        most=1,
        match=("git symbolic-ref --short HEAD",),
        not_match=("git symbolic-ref HEAD refs/heads/x", "git symbolic-ref -d HEAD"),
    ),
    _row(
        "count-objects",
        flags="vH",
        longs="--verbose --human-readable",
        operands="none",
        match=("git count-objects -vH",),
        not_match=("git count-objects x",),
    ),
    _row(
        "check-ignore",
        flags="vqn",
        longs="--verbose --no-index",
        match=("git check-ignore -v a.txt",),
        not_match=("git check-ignore --odd a",),
    ),
    _row(
        "check-attr",
        flags="a",
        longs="--all --cached",
        match=("git check-attr -a a.txt",),
        not_match=("git check-attr --odd",),
    ),
    _row(
        "worktree list",
        longs="--porcelain --verbose",
        operands="none",
        match=("git worktree list",),
        not_match=("git worktree list x",),
    ),
    _row("version", longs="--build-options", operands="none", match=("git version",), not_match=("git version x",)),
)
