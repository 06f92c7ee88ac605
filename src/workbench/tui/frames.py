"""How often the screen may be drawn. Textual reads that once, when it is imported: this comes before it."""

import os


def often() -> None:
    """A key is drawn within 8 ms, not 17. What streams comes at the presenter's pace all the same.

    The variable is taken back: no child shall see it. A person's own value stays.
    """
    if "TEXTUAL_FPS" in os.environ:
        return
    os.environ["TEXTUAL_FPS"] = "120"
    import textual.constants  # noqa: F401

    del os.environ["TEXTUAL_FPS"]
