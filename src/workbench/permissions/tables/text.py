"""Commands that read text and print it. Data; see `options.Row`."""

from workbench.permissions.options import Row

ROWS: tuple[Row, ...] = (
    Row(
        name="cat",
        flags="AbeEnstTuv",
        longs="--show-all --number-nonblank --show-ends --number --squeeze-blank --show-tabs --show-nonprinting",
        match=("cat a.txt", "cat -n a.txt b.txt", "cat"),
        not_match=("cat --output=x a.txt",),
    ),
    Row(
        name="head",
        flags="qvz",
        longs="--quiet --silent --verbose --zero-terminated",
        texts="n c --lines --bytes",
        digits=True,
        match=("head -n 40 a.txt", "head -40 a.txt", "head --lines=3 a.txt"),
        not_match=("head --lin=3 a.txt",),
    ),
    Row(
        name="tail",
        flags="qvz",
        longs="--quiet --silent --verbose --zero-terminated",
        texts="n c --lines --bytes",
        digits=True,
        match=("tail -n 20 a.txt", "tail -5 a.txt"),
        not_match=("tail -f a.txt", "tail -F a.txt", "tail --follow a.txt"),
    ),
    Row(
        name="wc",
        flags="cmlLw",
        longs="--bytes --chars --lines --max-line-length --words",
        texts="--total",
        match=("wc -l a.txt",),
        not_match=("wc --files0-from=list",),
    ),
    Row(
        name="sort",
        flags="bdfghiMnRrVcCmsuz",
        longs="--ignore-leading-blanks --dictionary-order --ignore-case --general-numeric-sort --human-numeric-sort "
        "--ignore-nonprinting --month-sort --numeric-sort --random-sort --reverse --version-sort --check --merge "
        "--stable "
        "--unique --zero-terminated",
        texts="k t S --key --field-separator --buffer-size --parallel --sort --batch-size",
        globs=False,
        match=("sort a.txt", "sort -t, -k2,2nr data.csv", "sort -u a.txt b.txt"),
        not_match=("sort -o out a.txt", "sort a.txt -oout", "sort --outp=out a.txt", "sort *", "sort -T /x a.txt"),
    ),
    Row(
        name="shuf",
        flags="erz",
        texts="n i --head-count --input-range",
        globs=False,
        match=("shuf -n 5 data.csv", "shuf -i 1-9"),
        not_match=("shuf -o out a.txt", "shuf --random-source=x a.txt", "shuf *"),
    ),
    Row(
        name="uniq",
        flags="cdDiuz",
        longs="--count --repeated --ignore-case --unique --zero-terminated",
        texts="f s w --skip-fields --skip-chars --check-chars",
        most=1,
        match=("uniq -c a.txt", "uniq"),
        not_match=("uniq a.txt out",),
    ),
    Row(
        name="cut",
        flags="snz",
        longs="--only-delimited --complement --zero-terminated",
        texts="b c d f --bytes --characters --delimiter --fields --output-delimiter",
        match=("cut -d, -f1,3 data.csv",),
        not_match=("cut --output=x a",),
    ),
    Row(
        name="tr",
        flags="cCdst",
        longs="--complement --delete --squeeze-repeats --truncate-set1",
        operands="text",
        match=("tr a-z A-Z", "tr -d ' '"),
        not_match=("tr --odd a",),
    ),
    Row(name="nl", flags="p", texts="b d f h i l n s v w", match=("nl -ba a.txt",), not_match=("nl -o a",)),
    Row(name="tac", flags="br", texts="s", match=("tac a.txt",), not_match=("tac -o a",)),
    Row(name="rev", match=("rev a.txt",), not_match=("rev -x a",)),
    Row(name="paste", flags="sz", texts="d --delimiters", match=("paste -d, a.txt b.txt",), not_match=("paste -o a",)),
    Row(
        name="join",
        flags="iz",
        texts="a e j 1 2 o t v",
        most=2,
        match=("join -t, a.txt b.txt",),
        not_match=("join -x a b",),
    ),
    Row(
        name="comm",
        flags="123z",
        longs="--check-order --nocheck-order --total",
        most=2,
        match=("comm -12 a b",),
        not_match=("comm -o a b",),
    ),
    Row(name="column", flags="tex", texts="s o c N", match=("column -t -s, data.csv",), not_match=("column --exec a",)),
    Row(name="fold", flags="bs", texts="w", digits=True, match=("fold -w 80 a.txt",), not_match=("fold -o a",)),
    Row(name="fmt", flags="cstu", texts="w g p", match=("fmt -w 72 a.txt",), not_match=("fmt -o a",)),
    Row(name="expand", flags="i", texts="t", match=("expand -t 4 a.txt",), not_match=("expand -o a",)),
    Row(name="unexpand", flags="a", texts="t", match=("unexpand -a a.txt",), not_match=("unexpand -o a",)),
    Row(name="od", flags="abcdfilosxv", texts="A j N S t w", match=("od -c a.txt",), not_match=("od --traditional a",)),
    Row(name="hexdump", flags="bcCdovx", texts="n s", match=("hexdump -C a.bin",), not_match=("hexdump -f fmt a",)),
    Row(
        name="strings",
        flags="afowx",
        texts="n t e",
        match=("strings -n 8 a.bin",),
        not_match=("strings @list", "strings -T x a"),
        rest=r"[^@].*",
    ),
    Row(
        name="base64",
        flags="di",
        texts="w",
        longs="--decode",
        most=1,
        match=("base64 -d a.txt",),
        not_match=("base64 -o x",),
    ),
    Row(
        name="sha256sum",
        flags="bctwz",
        longs="--binary --check --text --tag --ignore-missing --quiet --status --strict --warn --zero",
        match=("sha256sum model.pt",),
        not_match=("sha256sum --unknown a",),
    ),
    Row(
        name="diff",
        flags="abBcdeEiNnpqrstTuwyZ",
        longs="--brief --unified --context --side-by-side --ignore-case --ignore-all-space --ignore-space-change "
        "--ignore-blank-lines --recursive --report-identical-files --new-file --text --minimal --suppress-common-lines "
        "--no-dereference --ed --normal --left-column --strip-trailing-cr",
        texts="C U W I x --label --width --exclude --tabsize --ignore-matching-lines",
        reads="X --exclude-from --from-file --to-file",
        maybe="--color",
        most=2,
        trees="r --recursive",
        digits=True,
        match=("diff a.txt b.txt", "diff -u a.txt b.txt", "diff -rq src tests"),
        not_match=("diff --output=x a b", "diff -l a b"),
    ),
    Row(name="cmp", flags="bls", texts="i n", most=4, match=("cmp a.txt b.txt",), not_match=("cmp --odd a b",)),
    Row(
        name="grep",
        flags="aEFGPHhiLlnobqcsTUvwxyzZIr",
        longs="--extended-regexp --fixed-strings --basic-regexp --perl-regexp --ignore-case --no-ignore-case "
        "--word-regexp --line-regexp --null-data --invert-match --count --files-with-matches "
        "--files-without-match --only-matching --quiet --silent --no-messages --byte-offset --with-filename "
        "--no-filename --line-number --initial-tab --null --text "
        "--recursive --line-buffered",
        texts="A B C m e D --after-context --before-context --context --max-count --regexp --include "
        "--exclude --exclude-dir "
        "--label --binary-files --devices",
        reads="f --file --exclude-from",
        maybe="--color --colour",
        first=True,
        patterns="e f --regexp --file",
        trees="r --recursive",
        digits=True,
        match=("grep -n x a.txt", "grep -rn --include='*.py' 'def ' src", "grep -e a -e b a.txt", "grep -q x a.txt"),
        not_match=("grep -R x .", "grep --dereference-recursive x .", "grep -drecurse x .", "grep --devices"),
    ),
    Row(
        name="rg",
        flags="abcFHhiIlnNoPpqsSUvVwx0u",
        longs="--files --hidden --no-ignore --fixed-strings --ignore-case --smart-case --case-sensitive "
        "--word-regexp --line-regexp --files-with-matches --files-without-match --count --count-matches "
        "--line-number --no-line-number --no-heading --heading --with-filename --no-filename --only-matching "
        "--invert-match --multiline --multiline-dotall --pcre2 --stats --json --trim --type-list --vimgrep "
        "--column --text --quiet --null --no-messages --version --no-config --pretty --passthru "
        "--no-ignore-vcs --unrestricted --sort-files --max-columns-preview --debug",
        texts="A B C g t T e m M r E j d --after-context --before-context --context --glob --iglob --type "
        "--type-not --regexp --max-count --max-columns --replace --encoding --threads --max-depth --sort --sortr "
        "--color --colors --engine "
        "--max-filesize --path-separator --field-match-separator",
        reads="f --file --ignore-file",
        first=True,
        patterns="e f --regexp --file --files --type-list --version",
        here=True,
        trees="*",
        globs=True,
        match=("rg foo", "rg -n foo src", "rg --files -g '*.py'", "rg -t py 'def '"),
        not_match=("rg --pre sh a", "rg -z a", "rg --hostname-bin ./x a", "rg --follow a", "rg -L a"),
    ),
)
