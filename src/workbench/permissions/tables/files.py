"""Commands that look at files and folders, and the few that change them in acceptEdits. Data; see `options.Row`."""

from workbench.permissions.options import Row

_LS = (
    "--all --almost-all --author --escape --directory --classify --file-type --full-time --human-readable --si "
    "--inode --numeric-uid-gid --no-group --literal --quote-name --reverse --recursive --size "
    "--group-directories-first --context --dereference --dereference-command-line --hide-control-chars "
    "--show-control-chars --kibibytes --zero"
)

ROWS: tuple[Row, ...] = (
    Row(
        name="ls",
        operands="see",
        flags="aAbBcCdfFgGhHiIklLmnNopqQrRsStTuUvxXZ1",
        longs=_LS,
        texts="w T I --width --tabsize --ignore --hide --sort --time --time-style --format --block-size "
        "--indicator-style "
        "--quoting-style",
        maybe="--color --hyperlink --classify",
        here=True,
        match=("ls", "ls -la src", "ls --color=auto", "ls *.py", "ls -- -weird"),
        not_match=("ls --no-such-option",),
    ),
    Row(
        name="stat",
        operands="name",
        flags="ft",
        longs="--file-system --terse",
        texts="c --format --printf",
        match=("stat -c %s a.txt",),
        not_match=("stat -L a",),
    ),
    Row(
        name="file",
        flags="bhikLNrsv0",
        longs="--brief --mime --mime-type --mime-encoding --keep-going --dereference --no-dereference",
        texts="F P e",
        match=("file -b a.bin", "file --mime-type a.bin"),
        not_match=("file -m ./magic -C", "file -f list", "file --compile", "file -z a"),
    ),
    Row(
        name="du",
        operands="name",
        flags="0abchklmsSx",
        longs="--all --apparent-size --bytes --total --human-readable --summarize --separate-dirs "
        "--one-file-system --si",
        texts="d B --max-depth --block-size --exclude --threshold",
        here=True,
        match=("du -sh .", "du -h --max-depth=1"),
        not_match=("du --files0-from=x", "du -L .", "du -H x", "du -X list"),
    ),
    Row(
        name="df",
        operands="see",
        flags="aHhiklmPTx",
        longs="--human-readable --total --local",
        texts="t B --output",
        here=True,
        match=("df -h",),
        not_match=("df --sync",),
    ),
    Row(
        name="tree",
        operands="see",
        flags="adfilnpqshugDFrtUCAS",
        longs="--dirsfirst --noreport --du --prune --gitignore --filesfirst",
        texts="L I P --charset --filelimit --sort",
        here=True,
        match=("tree -L 2 src", "tree"),
        not_match=("tree -o out", "tree -R", "tree --fromfile x"),
    ),
    Row(
        name="realpath",
        operands="see",
        flags="eLmPqsz",
        longs="--canonicalize-existing --canonicalize-missing --no-symlinks",
        texts="--relative-to --relative-base",
        match=("realpath a.txt",),
        not_match=("realpath --odd a",),
    ),
    Row(
        name="readlink",
        operands="name",
        flags="efmnqsvz",
        longs="--canonicalize",
        match=("readlink -f a.txt",),
        not_match=("readlink --odd a",),
    ),
    Row(name="zcat", flags="f", match=("zcat a.gz",), not_match=("zcat --odd a",)),
    Row(name="gzip", flags="l", required="l", least=1, match=("gzip -l a.gz",), not_match=("gzip a", "gzip -d a.gz")),
    Row(name="zipinfo", flags="12lmsvhtTz", least=1, most=1, match=("zipinfo a.zip",), not_match=("zipinfo a.zip x",)),
    Row(
        name="unzip",
        flags="lvq",
        required="l v",
        least=1,
        match=("unzip -l a.zip",),
        not_match=("unzip a.zip", "unzip -o a.zip"),
    ),
    Row(
        name="mkdir",
        flags="pv",
        longs="--parents --verbose",
        operands="write",
        edits=True,
        least=1,
        match=("mkdir -p src/a",),
        not_match=("mkdir --context=x a", "mkdir -m 0 a"),
    ),
    Row(
        name="touch",
        flags="acm",
        longs="--no-create",
        texts="d t --date --time",
        reads="r --reference",
        operands="write",
        edits=True,
        least=1,
        match=("touch src/a.py",),
        not_match=("touch --odd a",),
    ),
    Row(
        name="rm",
        flags="rRfvid",
        longs="--recursive --force --verbose --dir --one-file-system",
        operands="write",
        edits=True,
        least=1,
        trees="r R --recursive",
        match=("rm -rf build",),
        not_match=("rm --no-preserve-root x",),
    ),
    Row(
        name="rmdir",
        flags="pv",
        longs="--parents --verbose --ignore-fail-on-non-empty",
        operands="write",
        edits=True,
        least=1,
        match=("rmdir build",),
        not_match=("rmdir --odd x",),
    ),
    Row(
        name="tee",
        flags="aip",
        longs="--append",
        operands="write",
        edits=True,
        match=("tee -a logs/x.txt",),
        not_match=("tee --output-error=x a",),
    ),
)
