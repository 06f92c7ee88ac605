"""Commands and bytes made up: half by a grammar that real commands have, then bent; half of loose pieces."""

import random

NAMES = ["ls", "cat", "grep", "evil", "touch", "wc", "rm", "git", "head"]
WORDS = [
    "a", "b", "d/x", "-n", "--", "*", "'q;r'", '"q w"', "$x", '"$x"', "${x:-b}", "a\\ b", "{a,b}", "{1..3}", "~",
    "~/a", '~\\/a', '"~"/a', '~""', '~$x',
    "$(evil)", "`evil`", '"$(ls a)"', "'`evil`'", "$((1+2))", '"a\\"b"', "\\;", "'\n'", "#a", "a#b", "=", "x=1",
    "!", "[a]",
    "?", "\\$x", "${#x}", "é", "'a'b\"c\"", "-c", "'ls; evil'", "evil", "..", "/dev/null", "-", "a,b", "%s", "a@{1}",
    "0>&1", "{x}>&1", "0<a", "3>&1", "a0>f", "0\\\n>&1", "-1>f",
    "<&0", ">&-", "2>&1x", "<>f", "=>f", "'a'>f", "é>f", "$x>f", "{a,b}>f",
]  # fmt: skip
ODD_WORDS = ["$'a'", "'", '"', "<(evil)", "${x@P}", "${!x}", "a`", "$(", "{a,", "}", "$", "\\", "$[1]", "!!", "((", "&"]
VERBS = ["run", "run --", "rerun", "list", "show", "tail", "stop", "note", "wait", "card"]
OPTIONS = [
    "--", "--seeds 0..4", "--name 'a b'", "--tag=x", "-o f", "--load 'evil'", '--load "$x"', "--service", "{seed}",
    "--ready http://127.0.0.1:{port}/", "r-1", "r-1\\ r-2", "--note=$(evil)", "--lr={1,2}", "python3 -c 'print(1)'",
]  # fmt: skip
WRAPPERS = [
    "",
    "",
    "",
    "",
    "timeout 5 ",
    "nice ",
    "time ",
    "command ",
    "nohup ",
    "x=1 ",
    "LC_ALL=C ",
    "! ",
    "env ",
    "xargs ",
]
REDIRECTS = [
    "",
    "",
    "",
    "",
    " > f",
    " 2>&1",
    " >> g",
    " < a",
    " <<< w",
    " &> h",
    " >| f",
    " 2>/dev/null",
    " > $x",
    " >&2",
]
JOINS = ["; ", " && ", " || ", " | ", " & ", "\n", " |& ", ";", "&&", "|"]
FRAMES = [
    "({})", "{{ {}; }}", "if {}; then {}; fi", "for i in a b; do {}; done", "while {}; do {}; done", "echo $({})",
    'echo "$({})"', "! {}", "{} > f", "[ -f a ] && {}", "[[ -n $x ]] || {}", "cat <<'E'\n{}\nE", "x=$({})",
    "cd d && {}",
    "cd d; {}", "[ a = b ] || {}", "x=a; {}", "{} # {}", "for i in *; do {}; done", "! {} || {}",
    "{} | while read x; do {}; done",
    "x=$(cat <<'E'\n{}\nE\n{})", "cat <<'E' > f\n{}\nE\n{}",
    "if ! {}; then {}; else {}; fi", "until {}; do {}; done", "echo '{}'",
]  # fmt: skip
ODD_FRAMES = [
    "cat <<E\n{}\nE", "f() {{ {}; }}; f", "case a in a) {};; esac", "bash -c '{}'", "eval '{}'", "[ a || {} ]",
    "(( {} ))",
    "echo <({})", "x={}; {}", "coproc {}", "trap '{}' EXIT", "a=({}); {}", "select x in a; do {}; done",
    "[[ {} ]]", "{}() {}",
]  # fmt: skip
PIECES = r"""
ls echo cat evil ; && || | & \\ ' " ` $( ) ( { } $ # << <<'E' E a d -n < > $x x= if then fi for do done while ! [[ ]]
[ ] case esac ;; $(( )) ${ <( $' = ~ * ? |& >& 2> eval time cd true printf \\x '' "" in function f() coproc <<-
<<< -exec xargs env \ ' " \' \" $" -c {a, ,b} .. [a] !! += a=( ${x} @ % ^ : . 0 2>&1 >| <>
""".split()  # noqa: SIM905
BLANKS = [*[" "] * 20, *["\n", "\t", "\\\n", "", "\nE\n"] * 4, "\r", "\v", "\u00a0", " \\ "]


def command(chance: random.Random) -> str:
    """A command, of which a good part is one that bash would take."""
    kind = chance.random()
    if kind < 0.15:
        return "".join(chance.choice(PIECES) + chance.choice(BLANKS) for _ in range(chance.randint(1, 12)))
    text = _list(chance, 2)
    return _bent(chance, text) if kind < 0.4 else text


def experiment(chance: random.Random) -> str:
    """A call of `mlwb exp`, or what passes for one."""
    words = [chance.choice(OPTIONS) for _ in range(chance.randint(0, 3))]
    words += [_word(chance) if chance.random() < 0.7 else chance.choice(OPTIONS) for _ in range(chance.randint(0, 4))]
    assigned = f"X={_word(chance)} " if chance.random() < 0.2 else ""
    text = f"{assigned}mlwb exp {chance.choice(VERBS)} {' '.join(words)}"
    if chance.random() < 0.1:
        text += chance.choice(REDIRECTS)
    if chance.random() < 0.1:
        text = chance.choice(FRAMES).format(text, text, text)
    return _bent(chance, text) if chance.random() < 0.4 else text


def _simple(chance: random.Random) -> str:
    words = [chance.choice(NAMES), *(_word(chance) for _ in range(chance.randint(0, 3)))]
    if chance.random() < 0.1:
        words.insert(chance.randint(0, len(words)), chance.choice(REDIRECTS).strip())
    return chance.choice(WRAPPERS) + " ".join(words) + chance.choice(REDIRECTS)


def _word(chance: random.Random) -> str:
    return chance.choice(ODD_WORDS if chance.random() < 0.03 else WORDS)


def _list(chance: random.Random, depth: int) -> str:
    parts = [_framed(chance, depth) for _ in range(chance.choice([1, 1, 1, 2, 2, 3]))]
    return parts[0] + "".join(chance.choice(JOINS) + part for part in parts[1:])


def _framed(chance: random.Random, depth: int) -> str:
    if depth == 0 or chance.random() < 0.5:
        return _simple(chance)
    frame = chance.choice(ODD_FRAMES if chance.random() < 0.1 else FRAMES)
    return frame.format(*(_list(chance, depth - 1) for _ in range(frame.replace("{{", "").count("{}"))))


def _bent(chance: random.Random, text: str) -> str:
    """TEXT with a few characters taken out, put in, doubled or swapped for pieces of syntax."""
    for _ in range(chance.randint(1, 3)):
        at = chance.randint(0, len(text))
        new = chance.choice([*PIECES, *BLANKS, "", "", "\n"])
        text = text[:at] + new + text[at + chance.randint(0, 2) :]
    return text


def noise(chance: random.Random, samples: list[bytes]) -> bytes:
    """Bytes: random, or one of SAMPLES bent."""
    if chance.random() < 0.3:
        return chance.randbytes(chance.randint(0, 200))
    data = bytearray(chance.choice(samples))
    for _ in range(chance.randint(1, 8)):
        at = chance.randint(0, len(data))
        data[at : at + chance.randint(0, 4)] = chance.choice(
            [
                chance.randbytes(chance.randint(0, 4)),
                b"",
                b"\0",
                b"\xff\xfe",
                b'"',
                b"\n",
                b"[" * 9,
                b"{",
                b"-",
                b": ",
                b"9" * 30,
            ]
        )
    return bytes(data)
