"""The parser of a verb's options. Its errors show what they quote: a shell's `*` brings a repository's names."""

import argparse
from typing import NoReturn

from workbench.protocol.visible import visible


class Parser(argparse.ArgumentParser):
    """As argparse's own; an error's words hold no control characters."""

    def error(self, message: str) -> NoReturn:
        super().error(visible(message, newlines=True))
