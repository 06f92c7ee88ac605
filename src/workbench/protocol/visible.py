"""Untrusted text made safe to show: what a terminal would obey, or hide, becomes something to see."""

import json
import re

REDACTED = "[redacted: "  # how a text begins that stands in the place of a secret

_HIDDEN = (
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, joiners, fillers, Arabic letter mark
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, line and paragraph separators, bidi controls
    "\u3164\ufeff\uffa0\ufff0-\ufffb"  # fillers, byte order mark, interlinear annotation
    "\ud800-\udfff"  # lone surrogates: no encoder takes them
    "\U0001107f\U00013430-\U0001343f\U00016fe4\U0001d159"  # joiners and fillers of old scripts
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # shorthand, music, tags
)
# The joiner U+200D is among them, so emoji fall into their parts and no name hides one. A variation selector (U+FE00 to
# U+FE0F) only chooses a glyph of the sign before it; where there is none, or one already, a row of them can hide words.
_NO_SIGN = "\x20-\x22\x24-\x29\x2b-\x2f:-~"
_UNSEEN = re.compile(f"[{_HIDDEN}]|(?<![^{_HIDDEN}{_NO_SIGN}\ufe00-\ufe0f])[\ufe00-\ufe0f]")


_BUT_BLANKS = re.compile(f"(?![\\n\\r\\t])[{_HIDDEN}]")


def visible(text: str, newlines: bool = False) -> str:
    """TEXT with each control, bidi or invisible character replaced by a picture (`␛`) or its number (`\\u{202E}`).

    With `newlines`, line feed and tab stay as they are; a carriage return never does.
    """
    if text.isprintable():
        # Printable to Python still lets a few blank letters through; the pattern knows those.
        return _UNSEEN.sub(_shown, text) if not text.isascii() else text
    return _UNSEEN.sub(_shown_but_lines if newlines else _shown, text)


def escaped(document: str) -> str:
    """DOCUMENT, which is JSON, with the same characters as `\\uXXXX`: it says the same, and no terminal obeys it."""
    return document if document.isascii() else _BUT_BLANKS.sub(lambda found: json.dumps(found[0])[1:-1], document)


def _shown_but_lines(found: re.Match[str]) -> str:
    return found[0] if found[0] in "\n\t" else _shown(found)


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"\\u{{{code:04X}}}"
