"""`mlwb demo` in a real terminal: the guide, the first prompt, and a shell that is told what to do next."""

from pathlib import Path

from support.mlwb import Place
from support.tmux import Tmux


def test_the_demo_opens_in_the_workbench_without_a_key(tmp_path: Path) -> None:
    place = Place(tmp_path, {"train.py": "lr = 0.5\n"})
    with Tmux(env=place.env(), cwd=place.repo, size=(80, 24)) as tmux:
        tmux.wait(lambda screen: screen.rstrip().endswith("$"))
        tmux.type("clear; mlwb demo --dir ../scratch")
        tmux.keys("Enter")
        tmux.wait(lambda screen: "begins: it is asked" in screen and "The training in this folder stalls" in screen)
        tmux.keys("Enter")
        tmux.wait("It looks and measures")
        tmux.keys("C-q")
        tmux.wait("again stops it and quits")
        tmux.keys("C-q")
        tmux.wait("export ANTHROPIC_API_KEY")
        assert (place.home / "scratch/train.py").exists()
