"""The gate: CPU time of a verdict on the calls of a working day, against what one may cost (2,000 a second)."""

import itertools
import os
import statistics
import subprocess
import time

from measure import figure, scratch

COMMANDS = """
git status
git diff --stat
git log --oneline -20
git add src/train.py && git commit -m 'Warm up longer'
ls -la src
cat config.json | jq -r .lr
rg -n 'def train' src
grep -rn --include='*.py' 'learning_rate' src
find . -name '*.py' -not -path './build/*'
head -n 40 src/train.py
sed -n '10,60p' src/train.py
tail -n 50 train.log | grep loss
awk -F, 'NR > 1 {s += $2; n++} END {print s / n}' metrics.csv
python3 train.py --lr 3e-4 --epochs 10
CUDA_VISIBLE_DEVICES=0 python3 train.py 2>&1 | tee train.log
timeout 600 pytest -q tests
nvidia-smi --query-gpu=name,memory.used --format=csv
for f in src/*.py; do wc -l "$f"; done
mkdir -p out && cp config.json out/ && ls out
cd src && python3 -c 'import train; print(train.EPOCHS)'
pip install torch==2.13.0
rm -rf build
cat > notes.md <<'EOF'\nwhat was seen\nEOF
if [ -f out/model.pt ]; then ls -lh out/model.pt; else echo none; fi
curl -s https://example.org/data.tgz | tar xz
""".strip().splitlines()
PATHS = (
    "src/train.py",
    "config.json",
    "../elsewhere",
    ".env",
    "tests/test_train.py",
    "/etc/hosts",
    "out/new.txt",
    ".git/config",
)
BATCH, ROUNDS, GOAL = 300, 9, 0.5


def main() -> None:
    """The mix, each call with a policy as a session has it; texts differ, so that no cache answers for the parser."""
    from workbench.permissions.decide import decide
    from workbench.permissions.types import Call, Policy, Reads, Runs, Writes
    from workbench.permissions.world import RealWorld
    from workbench.protocol.names import TOOLS
    from workbench.protocol.task import Rules

    files = dict.fromkeys(("config.json", "train.log", "metrics.csv", "src-train.py", ".env"), "x\n")
    with scratch(files) as (work, _):
        (work / "src").mkdir()
        (work / "src-train.py").rename(work / "src/train.py")
        subprocess.run(["git", "init", "-q", os.fspath(work)], check=True)
        rules = Rules(
            allow=("Bash(pytest *)", "Bash(python3 train.py *)", "Edit(docs/**)"),
            ask=("Bash(git push *)",),
            deny=("Bash(curl *)", "Read(//**/.env)", "Read(~/.ssh/**)"),
        )
        policy = Policy(
            grants=dict.fromkeys(TOOLS, ()), mode="acceptEdits", rules=rules, workspace=str(work), home=str(work.parent)
        )
        world, count = RealWorld(), itertools.count()

        def calls() -> list[Call]:
            made = []
            for number in itertools.islice(count, BATCH):
                text = COMMANDS[number % len(COMMANDS)].replace("\\n", "\n")
                made.append(Call(tool="Bash", needs=(Runs(f"{text}  # {number}"),), cwd=str(work)))
                path = PATHS[number % len(PATHS)]
                made.append(Call(tool="Read", needs=(Reads(path),), cwd=str(work)))
                if number % 3 == 0:
                    made.append(Call(tool="Edit", needs=(Writes(path),), cwd=str(work)))
            return made

        spent, kinds = [], dict.fromkeys(("allow", "ask", "deny"), 0)
        for round_ in range(ROUNDS + 1):
            batch = calls()
            began = time.process_time()
            verdicts = [decide(call, policy, world).verdict for call in batch]
            spent.append((time.process_time() - began) / len(batch))
            if round_:
                kinds = {kind: kinds[kind] + verdicts.count(kind) for kind in kinds}
        each = statistics.median(spent[1:])
        total = sum(kinds.values())
        shares = {kind: f"{100 * number / total:.0f} %" for kind, number in kinds.items()}
        figure(
            "verdict of the gate, CPU", each * 1000, "ms", GOAL, "2,000 a second", per_second=int(1 / each), **shares
        )


if __name__ == "__main__":
    main()
