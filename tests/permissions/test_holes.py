"""Holes that were tried: each line would do harm if it passed, and did once or might. Its neighbours must pass."""

from pathlib import Path

import pytest

from support.gate import Gate

# Folders: what `cd` leaves behind.
FOLDERS = r"""
timeout 5 cd src; touch ../x
nohup cd src; touch ../x
xargs cd src; touch ../x
stdbuf -o0 cd src; touch ../x
! cd nosuch && touch ../x
! cd src || touch ../x
if ! cd nosuch; then touch ../x; fi
cd nosuch; touch ../x
cd src | true; touch ../x
cd src & touch ../x
(cd src); touch ../x
$(cd src); touch ../x
cd -P deep/back; cd ..; touch ../../x
cd deep/back/../app; touch ../x
while cd src; do touch ../x; done
cd src; cd -; touch ../x
cd; cat notes.txt
pushd src; popd; touch ../x
cd src ../..
cd ~/; cat notes.txt
""".strip().splitlines()

# Names: what a variable holds, and when.
NAMES = r"""
x=a.txt; while true; do cat "$x"; x=../app-private/key; done
x=a.txt; until false; do cat "$x"; x=.env; done
x=a.txt; for f in *.txt; do cat "$x"; x=.env; done
x=a.txt; for f in $(ls); do cat "$x"; x=.env; done
x=a.txt; while read -r y; do cat "$x"; read x; done < b.txt
x=a.txt; read x < b.txt; cat "$x"
x=a.txt; builtin read x < b.txt; cat "$x"
x=a.txt; x=.env y=$x; cat "$y"
LANG=a.txt; export LANG=.env; cat "$LANG"
x=a; xy=.env; cat $x{y,}
x=a.txt; if true; then x=.env; fi; cat "$x"
for f in names/*; do cat $f; done
x='a.txt .env'; cat $x
x='a.txt .env'; timeout 5 cat $x
x='touch ../x'; $x
x='touch ../x'; nohup $x
x='. -delete'; find $x
x='-o ../x a.txt'; sort $x
x='../x y'; ls > $x
x='a *'; ls $x
for f in names/*; do rg "$f" .; done
for f in names/*; do grep "$f" a.txt; done
cd names && rg * .
cd names && grep * x
cd names && cat *
head -n * a.txt
grep -e * a.txt
x=$(cat a.txt); head -n $x a.txt
x=a:~/../x; cat $x
cat ${x:-.env}
cat "${x%.py}"
x=.env; cat "${x#a}"
PWD=/etc; cat $PWD/passwd
cat "$@"
""".strip().splitlines()

# Descriptors: what stands before a redirect and is no word of the command, so that the next one is its first.
DESCRIPTORS = r"""
awk 0>&1 'BEGIN {system("evil")}'
awk 0<a.txt 'BEGIN {system("evil")}'
awk {x}>&1 'BEGIN {system("evil")}'
awk {x}<a.txt 'BEGIN {system("evil")}'
awk 0<<<w 'BEGIN {system("evil")}'
sed 0>&2 's/a/evil/e' a.txt
sed -n {fd}>&1 '1e evil' a.txt
(awk 0>&1 'BEGIN {system("evil")}')
git log -1>f
""".strip().splitlines()

# Braces, which bash expands before all else.
BRACES = r"""
cat .en{u..v}
cat {.env,b..c}
cat {a.txt,.env}
cat {a,.e}{b,nv}
cat .e{n,m}{v,w}
cat {..,src}/app-private/key
""".strip().splitlines()

# Tests evaluate what they are given, and `[` is a command to the shell.
TESTS = r"""
[ a > ../x ]
[ a < ../app-private/key ]
[ -f nosuch || evil ]
[ '-v' 'a[$(touch p)]' ]
[ *.txt ]
[ -f *.txt ]
[ -f src/* ]
read x < a.txt; [ $x ]
x=$(cat a.txt); [ $x -gt 3 ]
x=$(cat a.txt); [ "$x" b ]
test $x
x=v; test -$x 'a[$(touch p)]'
x=-v; test "$x" 'a[$(touch p)]'
x=$(cat a.txt); test "$x" = a -a -v y
[[ -v 'a[$(touch p)]' ]]
[[ 'a[$(touch p)]' -eq 0 ]]
[[ a =~ $(touch p) ]]
""".strip().splitlines()

# Secrets in the environment.
SECRETS = r"""
echo $ANTHROPIC_API_KEY
echo "${ANTHROPIC_API_KEY:0:99}"
echo ${OPENAI_API_KEY:-none}
echo $GITHUB_PAT
echo $HF_TOKEN
cat <<< "$ANTHROPIC_API_KEY"
cat <<< $ANTHROPIC_API_KEY
x=$HF_TOKEN; echo "$x"
read -r x <<< "$HF_TOKEN"; echo "$x"
for x in $HF_TOKEN; do echo $x; done
jq -n --arg k "$HF_TOKEN" '$k'
jq -n '$ENV'
jq -n '$ ENV.PATH'
jq -n '$__prog_args'
awk -v k="$HF_TOKEN" 'BEGIN{print k}'
awk 'BEGIN{print ENVIRON["HF_TOKEN"]}'
printenv NVIDIA_API_KEY
printenv SLURM_JWT
printenv HF_TOKEN
ps -o environ
ps eww
date -d "$HF_TOKEN"
ls $HF_TOKEN
export
""".strip().splitlines()

# Programs within programs.
PROGRAMS = r"""
awk '/"/{system("touch p")}' a.txt
awk '/"/{print > "p"}' a.txt
awk '{ if (1) /"/; system("touch p") } #"' a.txt
awk '{ x = 1
/"/ ; system("touch p") #"
}' a.txt
awk '{print $1 > "p"}' a.txt
awk '{print($1) > "p"}' a.txt
awk '{printf "x" > "p"}' a.txt
awk '{print | "sh"}' a.txt
awk '{"date" | getline x}' a.txt
awk '{getline x < ".env"}' a.txt
awk '@load "filefuncs"; {print}' a.txt
awk 'BEGIN{f="system"; @f("touch p")}'
awk 'function f(x){system(x)} BEGIN{f("x")}'
awk -i inplace '{print}' a.txt
sed 's/a/b/e' a.txt
sed 's/a/b/w p' a.txt
sed '1e touch p' a.txt
sed 'w p' a.txt
sed 'r /etc/passwd' a.txt
sed -e 'a\' -e 'w p' a.txt
sed 'a x\
w p' a.txt
sed -n '/x/{w p
}' a.txt
sed --expression='e touch p' a.txt
xxd -ps a.txt out
xxd -r a.txt
xxd -r -p a.txt out
xxd -c 8 a.txt out
yarn --version
cargo --version
pytest --version
tox --version
go version
file -z a.txt
find . -fprintf p x
find . -execdir ls {} +
rg --pre=cat x
rg --search-zip x
sort --compress-program=sh a.txt
sort --out=p a.txt
tail --follow a.txt
tail -5f a.txt
tree -o p
diff --from-file=.env a.txt
top
nvidia-smi -f p
git config edit
git log -L1,1:.env
git log -L 1,1:.env
git show :0:.env
git show :0:secrets.yaml
git show HEAD:./.env
git cat-file -p HEAD:.env
git log --format=%G?
git log --pretty='%h %GK'
git diff -O../app-private/key
git blame -S../app-private/key a.txt
git diff --no-index a.txt b.txt
git diff a.txt ../app-private/key
git -C nested status
git -C .. status
cd nested && git log
GIT_DIR=nested/.git git status
git --git-dir=nested/.git status
git --work-tree=/ status
git -c core.pager=x log
git --exec-path=. status
git -p log
git log --help
git branch new
git tag v1
git reflog expire --all
git symbolic-ref HEAD refs/heads/x
git remote add x y
git stash
git submodule update
git fetch
""".strip()

# What the grammar reads otherwise than bash: finds of `make fuzz`.
GRAMMAR = r"""
cd src; cd .. && ls | cat; cat ../a.txt
cd src && cd .. && true | true; cat ../a.txt
! cd src && ls > ../x
! ! touch ../x
time ! touch ../x
{ls; }
!ls
!"" ls
ls |@x=1 touch ../x
@x=1 ls
time -p -touch a.txt
command $x a.txt
nice "$x" a.txt
ls >& "a\\"b"
""".strip().splitlines()
GRAMMAR += [
    "echo $(touch p)",
    "echo `rm a.txt`",
    'cat <<< "$(mkdir p)"',
    ": $(ls > p)",
    "evil' '`evil`' x'",
    "ls' '`evil`' x'",
    "cat <<E\nx\nE; $(touch ../x)",
    "cat <<'E'\nx\nE ; ls\nE",
    "cat -n<<'E'\nx\nE",
    "x=1 cd src; ls > p",
    "x=; cat ~$x",
    "x=/a.txt; cat ~$x",
    'x=; cat ~"$x"/a.txt',
    "ODD=1 cd ..; ls",
    "popd; ls > p",
    "cd src/; cd -; ls > p",
    "env rm -rf<<E\nx\nE",
    "x=$(cat <<'E'\nE\ncd src; touch p)",
    "x=$(cat <<'E'\nE\necho\nls)",
    "x=$(cat <<'E'\nE\nls; cat <<'E'\nE\n)",
    "ls 'a'\"b\"$(touch ../x)'c'",
]

# What is copied, moved or removed with all that is in it.
TREES = r"""
cp -r src vendor
cp -a src vendor
cp -R src/ vendor
cp -r src/. vendor/src
mv nested elsewhere
rm -rf nested
rm -rf store
""".strip().splitlines()

# Globs that are told, not opened, and links that a listing follows: names of files outside.
TOLD = r"""
echo ../*
echo ~/.ssh/*
printf '%s\n' ../app-private/*
basename /etc/*
for f in ../*; do echo "$f"; done
x=..; echo $x/*
echo to_folder/*
echo "$unset"/*
ls -d ../app-private
ls -LR
tree -l
""".strip().splitlines()

# Loops that nothing ends.
ENDLESS = r"""
while true; do ls; done
while :; do sleep 1; done
until false; do nvidia-smi; done
while sleep 5; do ls; done
""".strip().splitlines()


def blocks(text: str) -> list[str]:
    """The commands of TEXT; one whose quotes are open goes on in the next line."""
    found: list[str] = []
    for line in text.splitlines():
        if found and found[-1].count("'") % 2:
            found[-1] += "\n" + line
        else:
            found.append(line)
    return found


ALL = [*FOLDERS, *NAMES, *DESCRIPTORS, *BRACES, *TESTS, *SECRETS, *blocks(PROGRAMS), *GRAMMAR, *TREES, *TOLD, *ENDLESS]


@pytest.fixture(scope="module")
def here(gate: Gate) -> Gate:
    """That world with links back, names that look like options, and a tree that a copy would go through."""
    app = gate.workspace
    (app / "deep/er").mkdir(parents=True, exist_ok=True)
    (app / "vendor/src").mkdir(parents=True, exist_ok=True)
    (app / "names").mkdir(exist_ok=True)
    for name in ("--pre=cat", "a .env b", "-f.env"):
        (app / "names" / name).touch()
    for link, target in (("deep/back", "../src"), ("vendor/src/train.py", "../../../home/notes.txt")):
        if not (app / link).is_symlink():
            (app / link).symlink_to(target)
    return gate


@pytest.mark.parametrize("command", ALL)
def test_asks(here: Gate, command: str) -> None:
    verdict = here.bash(command)
    assert verdict.verdict == "ask", verdict
    assert verdict.reason


@pytest.mark.parametrize("command", ["cd src; cd -; touch ../x", "pushd src; popd; touch ../x", "cd; touch x"])
def test_a_rule_for_cd_does_not_hide_where_it_leads(here: Gate, command: str) -> None:
    assert here.bash(command, allow=["Bash(cd *)", "Bash(pushd *)", "Bash(popd)"]).verdict == "ask"


PASSING = r"""
cd src && ls | head -3 && ls ..
cd src && cat train.py | grep -c x > ../count.txt
ls | wc -l && ! grep -q x a.txt | cat || echo none
(ls) && { ls; } || !  ls
ls>/dev/null;ls 2>/dev/null|cat
cd src && cat ../a.txt
cd src; cat train.py
command cd src && ls ..
time cd src; ls ..
cd deep/back && ls
! cd nosuch
if ! grep -q x a.txt; then echo none; fi
x=a.txt; y=$x; cat "$y"
for f in a.txt b.txt; do cat "$f"; done
for f in src/*.py; do wc -l "$f"; done
for f in src/*.py; do wc -l $f; done
for i in 1 2 3; do echo "run $i"; done
while read -r line; do echo "$line"; done < a.txt
for f in names/a*; do echo $f; done
x="a b"; echo $x
x=1; echo "${x:-2}" ${#x} ${x%.py} "${x/a/b}"
echo "${CUDA_VISIBLE_DEVICES:-all}"
echo *.txt src/*.py Done?
ls -d */
echo */
while [ ! -f a.txt ]; do sleep 5; done
while true; do if [ -f a.txt ]; then break; fi; sleep 1; done
grep --help
rg --help | head
grep -rn --include=*.py x src
rg -g '*.py' x
cat {a,b}.txt
ls src/{train,model}.py
echo {1..3}
cat <<EOF
plain text, "quoted", 'so' or (so)
EOF
[ -f a.txt ] && [ -d src ] && echo both
[ ! -f "$x" ] || echo there
[ "$x" = y ]
[ -z "$CUDA_VISIBLE_DEVICES" ]
[ $? -eq 0 ]
[[ -f a.txt && $x == a* ]]
test -f a.txt
awk 'NR>1' data.csv
awk -F, 'NR > 1 && $2 >= 0.5 {n++; s += $2} END {print n, s / n}' data.csv
awk '/loss/ {print $NF}' a.txt
awk '{if ($1 > m) m = $1} END {print m}' data.csv
awk '!seen[$0]++' a.txt
awk '{a[$1] += $2} END {for (k in a) print k, a[k]}' a.txt
awk 'BEGIN {FS = ","} {printf "%s %d\n", $1, $2 / 3}' data.csv
awk '{gsub(/[0-9]+/, "N"); print}' a.txt
sed -i '1i import os' src/train.py
sed -i '/x/a y = 1' src/train.py
sed --in-place=.bak 's/a/b/' a.txt
xxd -l 64 -c 16 a.txt
xxd -p a.txt
top -bn1
ps -eo pid,cmd --sort=-%mem
printenv CUDA_VISIBLE_DEVICES
cp -r src copy
rm -rf build
git log -L1,1:a.txt
git config user.name
git show HEAD~2:src/train.py
git log --pretty=format:'%h %an %s' -3
git tag -n
git grep -n x
ls src 2>/dev/null
grep -c x a.txt 2>&1
""".strip()


def test_their_neighbours_pass(here: Gate) -> None:
    held = [command for command in blocks(PASSING.replace("cat <<EOF\n", "cat <<EOF '\n").replace("\nEOF", "\nEOF'"))
            if here.bash(command.replace("EOF '\n", "EOF\n").replace("EOF'", "EOF")).verdict != "allow"]  # fmt: skip
    assert not held


@pytest.mark.parametrize(
    "command",
    [
        "bash <<< 'rm -rf build'",
        "sh <<'E'\nrm -rf build\nE",
        "cat <<E\n`rm x`\nE",
        "sudo -a -b -c -d -e -f -g -h -i -j -k -l -m rm x",
        "env A=1 B=2 C=3 D=4 E=5 F=6 G=7 H=8 I=9 J=1 K=2 L=3 M=4 rm x",
        "env -S'rm x'",
        "env --split-string='rm x'",
        "flock lock -c 'rm x'",
        "coproc rm x",
        "case x in x) rm y;; esac",
        "f() { rm x; }; f",
        "x=rm; $x y",
        "true {a,b}; 'r'm x",
        "echo <(rm x)",
        "a=(`rm x`)",
        "! rm x",
        "echo ${x:-$(rm x)}",
        "echo $(( $(rm x) ))",
        "[[ -n $(rm x) ]]",
        "trap 'rm x' EXIT",
        "nice -n 5 ionice -c 3 setsid rm x",
        "find . -exec sh -c 'rm x' ';'",
        "watch 'rm x'",
        "./node_modules/../rm x",
        "$'\\x72m' x",
        'r""m x',
        "> out rm x",
        "{ rm x; } 2>&1 | cat",
        "! { rm x; }",
        "! for i in a; do rm x; done",
        "! if true; then ls; else rm x; fi",
        "! while false; do ! rm x; done",
        "! select i in a; do rm x; done",
        "! function f { rm x; }; f",
        "$nothing rm x <(ls)",
        "r${nothing}m x <(ls)",
        "echo $(r\\\nm x)",
        "r\\\nm x <(ls)",
        "echo `ls` `rm x`",
        "head `ls \\`rm x\\`` `ls`",
        "[ -f a || rm x ]",
        "cat <<E\n`rm x`\nE && ls # `rm x`",
        "<<- head rm x",
        "[ -f a ]#; rm x",
        "echo $(${nothing}rm x)",
        "if ! (( x '`rm x`' )); then ls; fi",
        "[[ 'a[$(rm x)]' -eq 1 ]]",
        "a['$(rm x)']=1",
        "echo $(( '`rm x`' ))",
        "echo ${a['`rm x`']}",
        "let 'x=a[$(rm x)]'",
        'let "x=a[\\$(rm x)]"',
        "unset 'a[$(rm x)]'",
        "printf -v 'a[$(rm x)]' y",
        "a=(while; done; ) )\nA=1 rm x",
        "x=:2>\\  rm x",
        "ls | (x=$(x=:2>\\  rm 'a'b\"c\" 0\\\n>&1) | cd d)",
        "x=<(ls >; x='a b' rm x",
        "<(ls >; 2> 'a b' rm x",
        "<(ls >; r'm' x",
        "<(ls >; $'r\\155' x",
        '<(ls >; ls "$(0>&1 rm x)"',
        "<(ls >; 0>&1 rm x",
        "<(ls >; {fd}>&- rm x",
        "<(ls >; $nothing rm x",
        "<(ls >; r$(true)m x",
        "eval ls > f 'rm x' <(ls)",
        "eval ls 2>&1 > f '`rm x`' <(ls)",
        "sudo > f rm x <(ls)",
        "sudo -u > f me > g rm x <(ls)",
        "ls || command >&2 rm x > f",
        "ls `r\\\\m x`",
        "ls `r\\m \\`ls\\``",
        "command rm${x} y",
        "[ a || command rm${x} y| nohup ls \\; ]",
        "x=\ra rm x",
        "x=\u00a0a rm x",
        "[ a = b ] || cat -1>f 2>&1|nice git <<< w | wc x=1\nrm x > f",
        "x=1 0>&1 rm x <(ls)",
        "x=1 {fd}>f rm x <(ls)",
        "ls > f $ #a|C=C && echo x\nrm x",
        "ls >&2'`rm x`'",
        "ls <& 0'$(rm x)'",
        "! ! < a rm x",
        "! ! A=b 2>&1 rm x",
        "x=1 2>&1 rm x",
        "ls && x=1 >> g rm x &> h > f",
        "xargs git &> h|x=1 2>&1 rm x 3>&1",
    ],
)
@pytest.mark.parametrize("mode", ["acceptEdits", "bypassPermissions"])
def test_deny_rules_see_through(here: Gate, command: str, mode: str) -> None:
    assert here.bash(command, mode=mode, deny=["Bash(rm *)"]).verdict == "deny"


@pytest.mark.parametrize(
    "command",
    [
        "cat > notes.md <<'E'\nto clean: `rm -rf build`; rm x\nE",
        "git commit -m 'do not rm x; rm y' -m \"(rm z)\"",
        "cat > notes.md <<E\nrm x\nE",
        "echo ${x:-rm x} {a,rm} [r]m a=rm",
        "grep -n 'rm x' src/train.py  # rm x",
    ],
)
def test_deny_rules_leave_alone_what_only_tells_of_it(here: Gate, command: str) -> None:
    assert here.bash(command, deny=["Bash(rm *)"], allow=["Bash"]).verdict != "deny"


@pytest.mark.parametrize("unit", ["eval ", "env ", "bash -c 'a' ", "<<E\n", "ls <<"])
@pytest.mark.parametrize("mode", ["acceptEdits", "bypassPermissions"])
def test_what_nobody_could_look_at_in_time_is_denied(here: Gate, unit: str, mode: str) -> None:
    verdict = here.bash(unit * (90_000 // len(unit)), mode=mode)
    assert verdict.verdict == "deny" and "put them into a file" in verdict.reason
    assert here.bash(f"cat > f <<'E'\n{'a << b;' * 60}\nE", mode=mode).verdict == "allow"


# `{}`: the file that is withheld. What cannot be read, and texts that are given to a shell, are held against rules too.
OPENING = r"""
echo $(<{})
echo "$(< {})"
cat 0<{}
cat <(ls) < {}
cd src; cat $'x' < ../{}
sh -c 'cat {}'
bash -c 'cat < src/../{}'
bash <<< 'cat < {}'
eval 'grep x {}'
sudo bash -c "cat {}"
""".strip().splitlines()
WRITING = r"""
echo $'x' > {}
echo $'x' 2>> {}
echo $'x' >| "{}"
f() { ls > {}; }; f
for ((i=0;i<1;i++)); do ls; done > {}
cd src && echo $'x' > ../{}
sh -c 'ls > {}'
bash <<< 'ls >> {}'
eval 'ls > {}'
truncate -s 0 {}
ln -sf b.txt {}
dd if=b.txt of={}
curl -o {} http://x
""".strip().splitlines()


@pytest.mark.parametrize("mode", ["acceptEdits", "bypassPermissions"])
@pytest.mark.parametrize("command", [*OPENING, *WRITING])
def test_a_deny_rule_holds_for_whatever_opens_a_file(here: Gate, command: str, mode: str) -> None:
    command = command.replace("{}", "a.txt")
    rule = "Edit(a.txt)" if command.replace("a.txt", "{}") in WRITING else "Read(a.txt)"
    assert here.bash(command, mode=mode, deny=[rule], allow=["Bash"]).verdict == "deny"


def test_a_deny_rule_for_edits_leaves_other_uses_alone(here: Gate) -> None:
    for command in ("cat a.txt", "sh -c 'cat a.txt'", "python3 a.txt", "sh -c 'ls > c.txt'", "pytest -o x=y a.txt"):
        assert here.bash(command, deny=["Edit(a.txt)"], allow=["Bash"]).verdict == "allow", command


def test_a_deny_rule_among_many_files_does_not_make_searching_ask(tmp_path: Path) -> None:
    many = Gate(tmp_path / "app", tmp_path / "home")
    for folder in range(60):
        (tmp_path / f"app/data/{folder}").mkdir(parents=True)
        for name in range(60):
            (tmp_path / f"app/data/{folder}/{name}").touch()
    assert many.bash("grep -rn x .", deny=["Read(.env)"]).verdict == "allow"
    (tmp_path / "app/data/7/.env").touch()
    for mode in ("acceptEdits", "bypassPermissions"):
        verdict = many.bash("grep -rn x .", deny=["Read(.env)"], mode=mode)
        assert verdict.verdict == "ask" and "data/7/.env" in verdict.reason


def test_a_deny_rule_holds_below_a_tree(here: Gate) -> None:
    assert here.bash("rm -rf src", deny=["Edit(src/train.py)"]).verdict == "ask"
    assert here.bash("mv src other", deny=["Edit(src/train.py)"]).verdict == "ask"
    for command in ("grep -r KEY", "grep -r KEY .", "git grep --untracked KEY", "rg -uu KEY", "cp -r . copy"):
        assert here.bash(command, deny=["Read(.env)"]).verdict != "allow", command
    assert here.bash("grep -rn x src", deny=["Read(.env)"]).verdict == "allow"


@pytest.mark.parametrize(
    "command", ["time [a]", "time [r]m src", "time x=1 ls", "time tou+=h ${x:-b} -c y", "nice [l]s"]
)
def test_what_stands_for_a_name_behind_a_wrapper_is_not_read(here: Gate, command: str) -> None:
    verdict = here.bash(command, allow=["Bash(time:*)", "Bash(nice:*)"])
    assert verdict.verdict == "ask" and not verdict.confinable


@pytest.mark.parametrize(
    "command",
    [
        ">& -rm -rf src",
        "echo a >& -n",
        "true 2>& -n\n",
        "grep b {,b} src",
        "ls {,} src",
        "cat {a.txt,}",
        'cat {1""..3}',
    ],
)
def test_what_bash_reads_otherwise_than_it_looks_asks(here: Gate, command: str) -> None:
    """`>& -` closes, and what follows is a word; an empty word that braces leave is none, and quotes keep them."""
    verdict = here.bash(command)
    assert verdict.verdict == "ask" and not verdict.confinable


def test_a_deny_rule_sees_past_braces_that_leave_nothing(here: Gate) -> None:
    assert here.bash("rm {,-rf} src", mode="bypassPermissions", deny=["Bash(rm -rf:*)"]).verdict == "deny"


@pytest.mark.parametrize("command", ["xargs ls", "xargs cat .env", "ls | xargs grep -r KEY", "xargs head a.txt"])
def test_a_deny_rule_sees_what_is_used_beside_operands_from_another_command(here: Gate, command: str) -> None:
    assert here.bash(command, deny=["Read"]).verdict == "deny"


@pytest.mark.parametrize(
    "wrap", ["{}", "time {}", "env {}", "sudo {}", "bash -c '{}'", "setsid {} &", "xargs {}", "/usr/bin/env {}"]
)
@pytest.mark.parametrize("command", ["touch src/x", "rm src/train.py", "cp a.txt src/x", "sed -i s/a/b/ src/train.py"])
def test_a_deny_rule_for_edits_sees_through(here: Gate, wrap: str, command: str) -> None:
    verdict = here.bash(wrap.format(command), mode="bypassPermissions", deny=["Edit(src/**)"])
    assert verdict.verdict == "deny", verdict


def test_a_rule_for_a_command_does_not_cover_output_to_protected_paths(here: Gate) -> None:
    for command in (
        "git log --output=.git/hooks/pre-commit",
        "curl -o .bashrc http://x",
        "pytest --report-log=.mcp.json",
    ):
        assert here.bash(command, allow=["Bash(git log *)", "Bash(curl *)", "Bash(pytest *)"]).verdict == "ask", command
    assert here.bash("pytest --junitxml=out.xml", allow=["Bash(pytest *)"]).verdict == "allow"


def test_a_folder_that_cannot_be_entered(tmp_path: Path) -> None:
    from workbench.permissions.decide import decide
    from workbench.permissions.types import Call, Policy, Runs
    from workbench.permissions.world import MemoryWorld, Node

    policy = Policy(grants={"Bash": ()}, mode="acceptEdits", workspace="/w", home="/h")
    for closed, expected in ((True, "ask"), (False, "allow")):
        world = MemoryWorld({"/w/d": Node(kind="dir", enter=not closed)})
        call = Call(tool="Bash", needs=(Runs("cd d; touch ../x"),), cwd="/w")
        assert decide(call, policy, world).verdict == expected


@pytest.mark.parametrize(
    "command", ["x=.env; cat $x <(ls)", "for i in 1; do x=.env; cat $x; done", "for f in .env; do cat $f $x; done"]
)
def test_a_deny_rule_sees_what_a_name_is_set_to(here: Gate, command: str) -> None:
    assert here.bash(command, mode="bypassPermissions", deny=["Read(.env)"]).verdict == "deny"


# Behind what runs it, with what nobody knows, or in a text: as it asks where it stands by itself.
REMOVALS = """
env rm -rf ~
sudo rm -rf "$HOME"
sudo rm -rf ${HOME}/
env rm -rf ~/*
env rm -rf *
cd .. && sudo rm -rf app
sudo rm -rf /
rm --no-preserve-root -rf /
rm -rfz ~
PATH=x rm -rf ~
sudo mv ~ x
sudo mv -t . ~
bash -c 'rm -rf ~'
find ~ -exec rm -rf ~ ';'
xargs rm -rf ~
eval "rm -rf ~"
(cd /; env rm -rf tmp)
""".strip().splitlines()


@pytest.mark.parametrize("command", REMOVALS)
def test_removing_a_root_asks_whatever_runs_it(here: Gate, command: str) -> None:
    verdict = here.bash(command, allow=["Bash", "Edit(//**)"])
    assert verdict.verdict == "ask" and "would remove" in verdict.reason, verdict
    assert not verdict.confinable


@pytest.mark.parametrize(
    "command",
    [
        "env rm -rf build/*",
        "cd src && env rm -rf *",
        "sudo mv src ~",
        "mv -t . src",
        "sudo mv -t . src",
        "ls | xargs rm",
    ],
)
def test_removing_something_else_does_not(here: Gate, command: str) -> None:
    assert here.bash(command, allow=["Bash", "Edit(//**)"]).verdict == "allow"


@pytest.mark.parametrize(
    "command",
    [
        "env $CMD", "sudo -E $CMD", "timeout 5 env A=$b $CMD", "env timeout 5 $CMD", 'eval "$x"', 'bash -c "$x"',
        "find . -exec $CMD {} +", 'env "$(which python)" train.py', "exec $CMD", "sudo -u bob env $CMD",
    ],
)  # fmt: skip
def test_no_rule_covers_what_is_not_written_out(here: Gate, command: str) -> None:
    verdict = here.bash(command, allow=["Bash", "Bash(*)", "Bash(env *)"])
    assert verdict.verdict == "ask" and verdict.lifted_by is None, verdict


@pytest.mark.parametrize("command", ["sudo -u $USER ls", "env A=$b ls", 'bash -c "ls" $x', "env -u $NAME ls"])
def test_what_is_written_out_is_covered_whatever_it_is_given(here: Gate, command: str) -> None:
    assert here.bash(command, allow=["Bash"]).verdict == "allow"


@pytest.mark.parametrize(
    "command", [r"cat ~\/a", "cat '~/a'", 'cat ~""', "echo x > '~'", 'cd "~" && ls', "x=/a; cat ~$x"]
)
def test_a_quoted_tilde_is_no_home(here: Gate, command: str) -> None:
    assert here.bash(command, allow=["Bash", "Read(~/**)", "Edit(~/**)"]).verdict == "ask"
    assert here.bash("cat ~/a", allow=["Read(~/**)"]).verdict == "allow"


@pytest.mark.parametrize(
    "command", ["[ -f a ]#; rm x", "[ -f a ]#& cd d && touch f", "if [ -f a ]# ]; then curl x; fi"]
)
def test_what_is_no_comment_to_bash_hides_nothing(here: Gate, command: str) -> None:
    assert here.bash(command, allow=["Bash(ls *)"]).verdict == "ask"


def test_comments_hold_up_nothing(here: Gate) -> None:
    for command in ("ls # all", "# first\nls", "ls;# then", "(ls)# both", "ls\n# x\nls", "[ -f a ] # there?"):
        assert here.bash(command).verdict == "allow", command
