"""The one door through which text that is not ours reaches a widget: nothing in it can move the terminal."""

from textual.content import Content

from workbench.protocol.visible import visible


def safe(text: str, *, newlines: bool = False) -> str:
    """TEXT with control, bidi and invisible characters shown as pictures; line feeds stay if NEWLINES."""
    return visible(text, newlines=newlines)


def content(text: str, style: str = "", *, newlines: bool = False) -> Content:
    """TEXT as content in STYLE; square brackets in it are text, never markup."""
    return Content.styled(safe(text, newlines=newlines), style) if style else Content(safe(text, newlines=newlines))
