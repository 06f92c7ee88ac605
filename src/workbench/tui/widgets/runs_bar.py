"""The line under the runs on which words are typed: of a filter, or to be found in a log."""

from textual.widgets import Input, Static

from workbench.tui.safe import content
from workbench.tui.widgets.search import SearchBar


class RunsBar(SearchBar):
    """The talk's line, for two uses."""

    DEFAULT_CSS = """
    RunsBar { dock: bottom; padding: 0; }
    """

    def open_for(self, use: str, words: str) -> None:
        """Shows the line for USE (filter, find) with the WORDS of the last time."""
        self.query_one("#search-sign", Static).update(content(f"{use} "))
        self.say("")
        self.query_one("#search-words", Input).value = words
        self.open()
