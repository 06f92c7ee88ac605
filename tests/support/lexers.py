"""Pygments' lexers as a machine may have them: another one is installed beside, and it is broken."""

from pathlib import Path

RAISES = """
from pygments.lexer import Lexer
class Odd(Lexer):
    name, aliases, filenames = "Odd", ["odd"], ["*.odd"]
    def get_tokens(self, text):
        raise IndexError("odd")
"""


def install(folder: Path, module: str) -> None:
    """Makes FOLDER, which is to be put on the path, hold a lexer for `odd` whose module says MODULE."""
    (folder / "odd_lexers.py").write_text(module)
    info = folder / "odd_lexers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-lexers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pygments.lexers]\nodd = odd_lexers:Odd\n")
