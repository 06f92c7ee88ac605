"""Markdown of a model or a person as HTML that can neither run nor fetch nor pretend.

Raw HTML stays text, a picture becomes its words, a link says where it leads, and only to the web or a mailbox.
"""

from collections.abc import Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from workbench.protocol.visible import visible

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_SCHEMES = ("https", "http", "mailto")
_LONGEST = 200_000  # characters that are read as Markdown; what is longer is shown as it stands


def markdown(text: str) -> str:
    """TEXT as HTML."""
    shown = visible(text.strip(), newlines=True)
    if len(shown) > _LONGEST:
        return f"<pre>{escape(shown)}</pre>"
    return _parser().render(shown)  # type: ignore[no-any-return]


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.validateLink = _is_safe  # type: ignore[method-assign]
    for kind, rule in (("image", _image), ("link_open", _opened), ("link_close", _closed), ("heading_open", _heading),
                       ("heading_close", _heading)):  # fmt: skip
        parser.add_render_rule(kind, rule)
    return parser


def _is_safe(url: str) -> bool:
    try:
        return urlsplit(url.strip()).scheme.lower() in _SCHEMES
    except ValueError:
        return False


def _image(self: Any, tokens: Sequence["Token"], at: int, options: Any, env: Any) -> str:
    """A page that fetches nothing shows no picture from elsewhere."""
    token = tokens[at]
    where = str(token.attrs.get("src", ""))
    return f'<span class="away">[picture: {escape(token.content or "no words")} at {escape(visible(where))}]</span>'


def _opened(self: Any, tokens: Sequence["Token"], at: int, options: Any, env: Any) -> str:
    where = visible(str(tokens[at].attrs.get("href", "")))
    env.setdefault("links", []).append(where)
    return f'<a href="{escape(where)}" rel="noopener noreferrer nofollow">'


def _closed(self: Any, tokens: Sequence["Token"], at: int, options: Any, env: Any) -> str:
    """Behind the words where they lead, unless they say just that."""
    where = env["links"].pop() if env.get("links") else ""
    said = tokens[at - 1].content if at else ""
    if said.rstrip("/") == where.rstrip("/"):
        return "</a>"
    parts = urlsplit(where)
    host = parts.netloc.rpartition("@")[2] if parts.scheme != "mailto" else parts.path
    return f'</a> <bdi class="to">({escape(host)})</bdi>'


def _heading(self: Any, tokens: Sequence["Token"], at: int, options: Any, env: Any) -> str:
    """Headings of the page are the page's own: those of a text stand below them, and look like text."""
    return '<p class="h">' if tokens[at].nesting == 1 else "</p>\n"
