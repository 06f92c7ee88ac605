"""A line of text as a strip of cells: how lists, tables and spelled-out calls draw a row of theirs."""

from rich.segment import Segment
from textual.content import Content
from textual.strip import Strip
from textual.style import Style
from textual.widget import Widget


def painted(line: Content, widget: Widget, width: int, style: Style | None = None) -> Strip:
    """LINE in WIDTH cells, in the theme of WIDGET and its STYLE; its last ground goes on to the edge."""
    style = style or widget.visual_style
    segments = [Segment(text, (style + own).rich_style) for text, own in line.render(style, "", widget._get_style)]
    return Strip(segments).adjust_cell_length(width, segments[-1].style if segments else style.rich_style)
