"""The names of styles that the transcript's runs carry, and what each looks like in the theme that is on."""

from typing import TYPE_CHECKING

from rich.style import Style

if TYPE_CHECKING:
    from textual.widget import Widget

COLORS = {
    "muted": "$muted", "muted-2": "$muted-2", "agent": "$agent", "ok": "$success", "warning": "$warning",
    "error": "$error", "added": "$added", "removed": "$removed", "keyword": "$code-keyword", "string": "$code-string",
    "number": "$code-number", "comment": "$code-comment", "definition": "$code-definition", "code": "$code-string",
    "url": "$muted-2", "quote": "$muted", "mark": "$muted-2",
}  # fmt: skip
_ATTRIBUTES = {
    "strong": Style(bold=True), "em": Style(italic=True), "strike": Style(strike=True), "link": Style(underline=True),
    "h1": Style(bold=True, underline=True), "h2": Style(bold=True), "h3": Style(bold=True, italic=True),
}  # fmt: skip
# `ground` lies under code, `found` marks what a search found, `here` the match that the cursor is on.
CSS = "\n".join(
    [
        *(f".transcript--{name} {{ color: {color}; }}" for name, color in COLORS.items()),
        ".transcript--ground { background: $surface; }",
        ".transcript--found { background: $warning; color: $background; }",
    ]
)
CLASSES = frozenset(f"transcript--{name}" for name in (*COLORS, "ground", "found"))


class Looks:
    """Styles by name, for one state of the theme; several names, apart by blanks, are put on top of each other.

    A name that begins with `@` is a reference: it is underlined, and known where the mouse points at it. One that
    begins with `~` is a reference that does not show. `#rrggbb:#rrggbb` are the colours of a picture's cell.
    """

    def __init__(self, widget: "Widget") -> None:
        self.base = widget.rich_style
        self._named = {
            name.removeprefix("transcript--"): widget.get_component_rich_style(name, partial=True) for name in CLASSES
        } | _ATTRIBUTES
        self._kept: dict[str, Style] = {}

    def __call__(self, names: str) -> Style:
        """The style of NAMES."""
        style = self._kept.get(names)
        if style is None:
            style = self.base
            for name in names.split():
                if name[0] == "#":
                    above, _, below = name.partition(":")
                    style += Style(color=above, bgcolor=below or None)
                elif name[0] in "@~":
                    style += Style(underline=name[0] == "@", meta={"reference": name[1:]})
                else:
                    style += self._named.get(name) or Style.null()
            if len(self._kept) > 500:  # references are many
                self._kept.clear()
            self._kept[names] = style
        return style
