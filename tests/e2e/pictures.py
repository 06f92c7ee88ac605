"""Draws the main screens of the program, as a real terminal shows them, to be looked at.

    PYTHONPATH=tests python tests/e2e/pictures.py FOLDER [--sizes 120x40,80x24] [--themes mlwb-dark] [--scenes work,ask]
    PYTHONPATH=tests python tests/e2e/pictures.py --docs        # those of docs/pictures

Nothing here is a test. The session is scripted: an endpoint on loopback plays the model, and with gcc a made-up
driver has a card.
"""

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from support import cards
from support.endpoint import Turn, say, turn, use
from support.mlwb import Place
from support.screens import Paper, picture_of_ansi
from support.terminal import PROGRAM, rests, start
from support.tmux import Tmux

DOCS = (("work", "160x48", "mlwb-dark"), ("work", "160x48", "mlwb-light"), ("work", "80x24", "mlwb-dark"),
        ("ask", "120x40", "mlwb-light"), ("runs", "160x48", "mlwb-dark"),
        ("runs-whole", "160x48", "mlwb-dark"))  # fmt: skip
TRAIN = '''\
"""Trains a small language model."""

import torch
from torch.optim import AdamW

from model import Model
from data import loader


def train(cfg):
    model = Model(cfg)
    opt = AdamW(
        model.parameters(),
        lr=3e-2,
    )
    for step, batch in enumerate(loader(cfg)):
        loss = model(batch).mean()
        loss.backward()
        opt.step()
        opt.zero_grad()
        if step % 10 == 0:
            print(f"step {step} | loss {loss.item():.4f}")
'''
CONFIG = "width: 256\nlayers: 6\nlr: 0.03\nsteps: 2000\n"
# A training in a second, or slowly where a pause is given: learning rate, seed, steps, pause.
SMALL = """\
import math, random, sys, time

rate, seed, steps, pause = (float(word) for word in sys.argv[1:])
random.seed(seed)
for step in range(int(steps)):
    loss = 1.4 + math.exp(-step * rate * 400 / steps) + random.gauss(0, 0.015)
    if rate > 0.05 and step > steps * 0.6:
        loss = math.nan
    print(f"step {step}/{steps:.0f} | loss {loss:.4f} | val_loss {loss + 0.05:.4f} | 41k tok/s", flush=True)
    if rate > 0.08 and step > steps * 0.8:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    time.sleep(pause)
"""
ANSWER = """\
The loss is flat from step 40 on: **warm-up is missing**, and `lr=3e-2` is ten times too high for this width.

1. the rate comes from the configuration now, `3e-3`
2. `betas=(0.9, 0.95)`, as is usual at this size

| run | val_loss | steps |
|---|---:|---:|
| baseline | 1.583 | 2000 |
| warm-up | 1.472 | 2000 |

```python
opt = AdamW(model.parameters(), lr=cfg.lr, betas=(0.9, 0.95))
```

Next I would compare three seeds of each: the difference may be noise.
"""


def work(repo: Path) -> list[Turn]:
    """A session that reads, edits and runs, and says what it found."""
    train, config = str(repo / "train.py"), str(repo / "config.yaml")
    todos = [
        {"content": "Read the training loop", "status": "completed", "activeForm": "Reading the training loop"},
        {"content": "Lower the rate, add warm-up", "status": "in_progress", "activeForm": "Lowering the rate"},
        {"content": "Compare three seeds", "status": "pending", "activeForm": "Comparing three seeds"},
    ]
    return [
        turn({"type": "text", "text": "I look at the loop first."}, use("Read", file_path=train),
             use("Read", file_path=config), use("TodoWrite", todos=todos)),
        turn(
            use("Edit", file_path=train, old_string="        lr=3e-2,\n",
                new_string="        lr=cfg.lr,\n        betas=(0.9, 0.95),\n"),
            use("Edit", file_path=config, old_string="lr: 0.03", new_string="lr: 0.003\nwarmup: 100"),
        ),
        turn(use("Bash", command="git diff --stat", description="What changed")),
        say(ANSWER),
    ]  # fmt: skip


def edit(repo: Path) -> list[Turn]:
    """A session that waits for leave to edit a file outside the workspace."""
    path = str(repo.parent / "defaults.yaml")
    return [turn(use("Write", file_path=path, content=CONFIG)), say("Done.")]


def ask(repo: Path) -> list[Turn]:
    """A session that waits for leave to run a command."""
    command = "python train.py --config config.yaml --steps 2000 && rm -rf /tmp/old-checkpoints"
    return [turn({"type": "text", "text": "Now I train it once."}, use("Bash", command=command)), say("Done.")]


DECISION = """\
The baseline stands. More seeds would tell whether 0.11 is more than noise.

```decision
question: "How much may the comparison take? One seed is 40 minutes on this card."
options:
  - {label: "three seeds each", cost: "4 GPU-hours"}
  - {label: "five seeds each", cost: "7 GPU-hours"}
  - {label: "leave it at one", cost: "nothing more"}
recommendation: "three seeds each: enough for a difference of this size"
```
"""


def busy(repo: Path) -> list[Turn]:
    """A session with a command beside the talk."""
    trains = use("Bash", command="sleep 600 # python train.py --seed 1", run_in_background=True)
    return [turn(trains), *work(repo)]


def train(place: Place) -> None:
    """Runs in the ledger of PLACE: two of before, one that broke, three seeds, and one that goes on."""
    place.write("small.py", SMALL)
    for words in (("--name", "baseline", "--", "0.01", "1", "2000", "0"),
                  ("--name", "warmup", "--", "0.03", "1", "2000", "0"),
                  ("--name", "lr 1e-1", "--", "0.1", "1", "2000", "0"),
                  ("--name", "cosine", "--seeds", "0..2", "--", "0.02", "{seed}", "2000", "0"),
                  ("--name", "longer", "--detach", "--", "0.025", "7", "2000", "0.05")):  # fmt: skip
        at = words.index("--") + 1
        place.mlwb("exp", "run", *words[:at], "python", "small.py", *words[at:])


def submit(tmux: Tmux, text: str, until: str) -> None:
    """Sends TEXT and waits until UNTIL is shown."""
    tmux.type(text)
    tmux.wait(text)
    tmux.keys("Enter")
    tmux.wait(until)


def typed(
    *keys: str, text: str = "", until: str = "", enter: bool = False, then: Sequence[str] = ()
) -> Callable[[Tmux], None]:
    """A scene that is reached by KEYS and TEXT, and THEN other keys."""

    def reach(tmux: Tmux) -> None:
        submit(tmux, "lower the validation loss without more parameters", "three seeds of each")
        rests(tmux)
        tmux.wait("+4 −2")  # the changes are counted a moment after the last word
        if keys:
            tmux.keys(*keys)
        if text:
            tmux.type(text)
            tmux.wait(text)
        if enter:
            tmux.keys("Enter")
        if until:
            tmux.wait(until)
        if then:
            tmux.wait("next view")  # the footer of the pane: it has the focus
        for key in then:
            tmux.keys(key)
            tmux.settle()

    return reach


SCENES: dict[str, tuple[Callable[[Path], list[Turn]], Callable[[Tmux], None]]] = {
    "empty": (work, lambda tmux: None),
    "work": (work, typed()),
    "ask": (ask, lambda tmux: submit(tmux, "train it", "waits for you")),
    "edit": (edit, lambda tmux: submit(tmux, "write the defaults", "waits for you")),
    "question": (lambda repo: [say(DECISION)], lambda tmux: submit(tmux, "is it better?", "the agent asks")),
    "diff": (work, typed(text="/diff", enter=True)),
    "gpu": (work, typed(text="/gpu", enter=True)),
    "runs": (busy, typed(text="/runs", enter=True, until="longer")),
    "runs-whole": (busy, typed(text="/runs", enter=True, until="longer", then=("z", "Space"))),
    "runs-log": (busy, typed(text="/runs", enter=True, until="longer", then=("z", "o", "Enter"))),
    "runs-changes": (busy, typed(text="/runs", enter=True, until="longer", then=("z", "j", "j", "o"))),
    "help": (work, typed("C-g")),
    "palette": (work, typed("C-p")),
    "sessions": (work, typed("C-o")),
    "slash": (work, typed(text="/")),
    "files": (work, typed(text="look at @tr")),
    "rewind": (work, typed("C-r")),
    "themes": (work, typed(text="/theme", enter=True)),
}


def drawn(
    scene: str, theme: str, sizes: list[tuple[int, int]], folder: Path, suffix: str, program: str
) -> Iterator[Path]:
    """One SCENE in THEME at SIZES."""
    turns, reach = SCENES[scene]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as root:
        place = Place(Path(root), {"train.py": TRAIN, "config.yaml": CONFIG, "data/loader.py": "", "README.md": ""})
        config = place.home / ".config/mlwb/config.yaml"
        config.write_text(config.read_text() + "permissions: {allow: ['Bash(sleep 600:*)']}\n")
        if scene.startswith("runs"):
            train(place)
        with place.endpoint(turns(place.repo)) as (_, env), Tmux(
            size=sizes[0], env={**env, **_card(Path(root))}, cwd=place.repo, term="xterm-256color"
        ) as tmux:  # fmt: skip
            start(tmux, f"{program} --theme {theme}")
            reach(tmux)
            for width, height in sizes:
                tmux.resize(width, height)
                tmux.settle()
                paper = Paper("#26292e", "#fbfaf7") if "light" in theme else Paper("#d9dbde", "#121315")
                name = f"{scene}-{width}x{height}-{theme}.{suffix}"
                yield picture_of_ansi(tmux.ansi().rstrip("\n"), folder / name, paper=paper)
        if scene.startswith("runs"):
            place.mlwb("exp", "stop", "--now", "r-7")


def _card(root: Path) -> dict[str, str]:
    """Colours, and a card for the program to see where a driver can be made up."""
    env = {"COLORTERM": "truecolor"}
    if shutil.which("gcc") is None:
        return env
    described = root / "cards"
    described.write_text(cards.BUSY + "\n")
    found = cards.environment(described)
    return env | {name: found[name] for name in ("LD_LIBRARY_PATH", "STUB_CARDS")}


def main() -> None:
    """Reads the command line and draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parents[2] / "docs/pictures")
    parser.add_argument("--docs", action="store_true", help="the pictures of the documentation, no others")
    parser.add_argument("--sizes", default="160x48,120x40,80x24,220x60")
    parser.add_argument("--themes", default="mlwb-dark,mlwb-light")
    parser.add_argument("--scenes", default=",".join(SCENES))
    parser.add_argument("--suffix", default="png", choices=("png", "svg", "txt"))
    parser.add_argument("--program", default=PROGRAM)
    given = parser.parse_args()
    if given.docs:
        for scene, size, theme in DOCS:
            wide, high = size.split("x")
            for path in drawn(scene, theme, [(int(wide), int(high))], given.folder, "png", given.program):
                print(path, flush=True)
        return
    sizes = [(int(wide), int(high)) for wide, high in (size.split("x") for size in given.sizes.split(","))]
    for theme in given.themes.split(","):
        for scene in given.scenes.split(","):
            for path in drawn(scene, theme, sizes, given.folder, given.suffix, given.program):
                print(path, flush=True)


if __name__ == "__main__":
    main()
