"""Draws the main screens of the program, as a real terminal shows them, to be looked at.

    PYTHONPATH=tests python tests/e2e/pictures.py FOLDER [--sizes 120x40,80x24] [--themes mlwb-dark] [--scenes work,ask]

Nothing here is a test. The session is scripted: an endpoint on loopback plays the model.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from support.endpoint import Turn, say, turn, use
from support.mlwb import Place
from support.screens import Paper, picture_of_ansi
from support.tmux import Tmux

READY = "ask, or /command"
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


def submit(tmux: Tmux, text: str, until: str) -> None:
    """Sends TEXT and waits until UNTIL is shown."""
    tmux.type(text)
    time.sleep(0.2)
    tmux.keys("Enter")
    tmux.wait(until, 40)


def typed(*keys: str, text: str = "", until: str = "", enter: bool = False) -> Callable[[Tmux], None]:
    """A scene that is reached by KEYS and TEXT."""

    def reach(tmux: Tmux) -> None:
        submit(tmux, "lower the validation loss without more parameters", "three seeds of each")
        if keys:
            tmux.keys(*keys)
        if text:
            tmux.type(text)
        if enter:
            time.sleep(0.3)
            tmux.keys("Enter")
        if until:
            tmux.wait(until, 10)

    return reach


SCENES: dict[str, tuple[Callable[[Path], list[Turn]], Callable[[Tmux], None]]] = {
    "empty": (work, lambda tmux: None),
    "work": (work, typed()),
    "ask": (ask, lambda tmux: submit(tmux, "train it", "waits for you")),
    "edit": (edit, lambda tmux: submit(tmux, "write the defaults", "waits for you")),
    "diff": (work, typed(text="/diff", enter=True)),
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
        with place.endpoint(turns(place.repo)) as (_, env), Tmux(
            size=sizes[0], env={**env, "COLORTERM": "truecolor"}, cwd=place.repo, term="xterm-256color"
        ) as tmux:  # fmt: skip
            tmux.type(f"{program} --theme {theme}")
            tmux.keys("Enter")
            tmux.wait(READY, 30)
            tmux.settle()
            reach(tmux)
            for width, height in sizes:
                tmux.resize(width, height)
                tmux.settle()
                paper = Paper("#26292e", "#fbfaf7") if "light" in theme else Paper("#d9dbde", "#121315")
                name = f"{scene}-{width}x{height}-{theme}.{suffix}"
                yield picture_of_ansi(tmux.ansi().rstrip("\n"), folder / name, paper=paper)


def main() -> None:
    """Reads the command line and draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", default="160x48,120x40,80x24,220x60")
    parser.add_argument("--themes", default="mlwb-dark,mlwb-light")
    parser.add_argument("--scenes", default=",".join(SCENES))
    parser.add_argument("--suffix", default="png", choices=("png", "svg", "txt"))
    parser.add_argument("--program", default="mlwb")
    given = parser.parse_args()
    sizes = [(int(wide), int(high)) for wide, high in (size.split("x") for size in given.sizes.split(","))]
    for theme in given.themes.split(","):
        for scene in given.scenes.split(","):
            for path in drawn(scene, theme, sizes, given.folder, given.suffix, given.program):
                print(path, flush=True)


if __name__ == "__main__":
    main()
