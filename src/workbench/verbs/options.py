"""What all verbs share: the parser of their options, and how they fail.

What they quote is shown without its control characters: a shell's `*` brings a repository's names.
"""

import argparse
import sys
from typing import NoReturn

from workbench.protocol.visible import visible


class Parser(argparse.ArgumentParser):
    """As argparse's own; an error's words hold no control characters."""

    def error(self, message: str) -> NoReturn:
        super().error(visible(message, newlines=True))


def fail(words: object, status: int = 2) -> int:
    """Says WORDS on standard error; STATUS."""
    print(f"mlwb: {visible(str(words))}", file=sys.stderr)
    return status
