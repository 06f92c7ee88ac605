"""What an open entry shows and the session's state does not hold: whole texts, arguments, pictures."""

import asyncio

from workbench.tui.widgets.card_picture import preview
from workbench.tui.widgets.transcript_entry import Entry
from workbench.tui.widgets.transcript_pages import Pages


async def fetch(entry: Entry, pages: Pages) -> list[str]:
    """Asks PAGES for all that ENTRY lacks, and for its pictures while it is open; what is missing, in words."""
    problems: list[str] = []
    for name in entry.lacks():
        problem = await (_call(entry, pages) if not name and entry.item.kind == "call" else _text(entry, name, pages))
        problems += [problem] if problem and problem not in problems else []
    for blob in entry.unseen() if entry.opened else ():
        entry.previews[blob] = await asyncio.to_thread(preview, await pages.data(blob))
    return problems


async def _text(entry: Entry, blob: str, pages: Pages) -> str:
    text, total = await (pages.blob(blob) if blob else pages.text(entry.id))
    if total < 0:
        return "the whole text is not there any more"
    entry.full[blob] = text
    return "too long to show whole: what is shown ends after 1 MB" if len(text.encode()) < total else ""


async def _call(entry: Entry, pages: Pages) -> str:
    whole = await pages.call(entry.id)
    entry.full[""] = entry.item.text  # asked for once
    if whole is None:
        return "the arguments of this call cannot be shown whole"
    entry.input, entry.whole = whole.input, whole.display if entry.item.cut else None
    return ""
