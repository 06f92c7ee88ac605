"""Asked before another session takes the place of one in which something still runs."""

from typing import ClassVar

from workbench.tui.screens.chooser import Chooser, Row


class Leaving(Chooser):
    """WORDS say what runs, THOSE is `it` or `them`, KEY opens the sessions. Gives `go` where it may be stopped."""

    DEFAULT_CSS = """
    Leaving #search { display: none; }
    """
    SEARCH_FIRST: ClassVar[bool] = False

    def __init__(self, words: str, those: str, key: str) -> None:
        rows = [
            Row(id="stay", label="stay", note=f"{key} goes to the other session later" if key else ""),
            Row(id="go", label="go", note=f"stops {those}; this talk can be taken up again"),
        ]
        super().__init__(rows, words, "stay")
