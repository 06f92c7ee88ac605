"""From the start of `mlwb` to its painted prompt, against a minimal Textual app's first frame. Wall time, in pairs.

What is typed at that moment is shown once the prompt itself stands: `typed_s` is when, from the start.
"""

import statistics

from measure import environment, figure, mlwb, python, scratch
from terminal import READY, Pacing, Terminal

PAIRS = 9
MINIMAL = """
from textual.app import App
from textual.widgets import Static
class Minimal(App):
    def compose(self):
        yield Static("ask, or /command")
Minimal().run()
"""


def main() -> None:
    """Measures PAIRS pairs, each of the two in turn, and prints the median ratio."""
    ours, theirs, typed, ratios = [], [], [], []
    loaded = 0
    with scratch({"train.py": "lr = 0.5\n"}) as (work, env), Pacing(10, None) as endpoint:
        env = environment(env, endpoint.url)
        for _ in range(PAIRS + 1):
            with Terminal(python("-c", MINIMAL), env=env, cwd=work) as terminal:
                theirs.append(terminal.wait(READY) - terminal.began)
            with Terminal(mlwb(), env=env, cwd=work) as terminal:
                ours.append(terminal.wait(READY) - terminal.began)
                loaded += terminal.has_mapped("/jiter/")  # a compiled part that only the SDK imports
                terminal.write("Ā".encode())
                typed.append(terminal.wait("Ā") - terminal.began)
            ratios.append(ours[-1] / theirs[-1])
    figure(
        "workbench: first frame, wall", statistics.median(ratios[1:]), "x", 1.6, "a minimal Textual app's first frame",
        ours_s=statistics.median(ours[1:]), minimal_s=statistics.median(theirs[1:]),
        typed_s=statistics.median(typed[1:]), sdk_imported_by_then=loaded,
    )  # fmt: skip
    assert not loaded, "the model SDK was imported before the first frame"


if __name__ == "__main__":
    main()
