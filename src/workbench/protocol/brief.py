"""What a person who comes back reads: rows under headings, the same on every screen."""

import msgspec


class BriefRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line. kind: decide (a person must), good, bad, or empty. `note` stands behind it, quieter."""

    text: str
    note: str = ""
    kind: str = ""


class BriefSection(msgspec.Struct, frozen=True, kw_only=True):
    """Rows under a heading; `more` rows were left out, so that all of it fits a screen."""

    heading: str
    rows: tuple[BriefRow, ...]
    more: int = 0
