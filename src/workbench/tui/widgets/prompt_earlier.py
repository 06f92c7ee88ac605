"""Earlier prompts in the editor: up and down walk through them, what is sent joins them, a file keeps them."""

import asyncio

from workbench import places
from workbench.tui.widgets.attachments import Attachments, without_unknown
from workbench.tui.widgets.history import Entry, History, Recall
from workbench.tui.widgets.prompt_editor import Editor

_KEPT_PASTES = 32_000  # characters of a prompt's pastes that the history keeps


class Earlier:
    """Puts into EDITOR what was asked before."""

    def __init__(self, editor: Editor) -> None:
        self._editor = editor
        self.history = History(places.state() / "history.jsonl")
        self._walk: Recall | None = None
        self._shown = ""  # the text of the entry that stands in the editor
        self._draft = Attachments()  # of what was typed before the walk began
        self._disk = asyncio.Lock()  # the file is read before it is written, and written in the order of prompts

    @property
    def walking(self) -> bool:
        """Whether the editor holds an earlier prompt as it was."""
        return self._walk is not None

    def typed(self, text: str) -> None:
        """The editor holds TEXT: one that is another than was put there ends the walk."""
        if text != self._shown:
            self._walk = None

    @property
    def under_way(self) -> bool:
        """Whether the next step goes on from the last one."""
        return self._walk is not None and self._editor.text == self._shown

    def step(self, up: bool) -> None:
        """The next older prompt, or the next newer one and at last what was typed; nothing where there is none."""
        editor = self._editor
        if self._walk is None or not self.under_way:
            self._shown, self._draft = editor.text, editor.attachments
            self._walk = Recall(self.history.entries, self._shown)
        entry = self._walk.earlier() if up else self._walk.later()
        if entry is None:
            return
        is_draft = entry.text == self._walk.draft
        attachments = self._draft if is_draft else Attachments(dict(entry.pastes))
        editor.set_text(entry.text if is_draft else without_unknown(entry.text, attachments), attachments)
        self._shown = editor.text
        if up:
            editor.move_cursor((0, len(editor.document[0])))

    def remember(self, typed: str) -> Entry | None:
        """TYPED is on its way: the newest of all from now on; gives what is to be saved, if anything is."""
        self._walk = None
        return self._newest(typed, self._editor.attachments)

    async def keep(self, typed: str, attachments: Attachments) -> None:
        """TYPED was not sent, and nobody will be here to send it: the newest from now on, for other sessions too."""
        if typed.strip() and (entry := self._newest(typed, attachments)):
            await self.save(entry)

    def _newest(self, typed: str, attachments: Attachments) -> Entry | None:
        pastes = {chip: text for chip, text in attachments.pastes.items() if chip in typed}
        if sum(map(len, pastes.values())) > _KEPT_PASTES:
            pastes = {}
        entry = Entry(typed, pastes)
        return entry if self.history.add(entry) else None

    async def load(self) -> None:
        """Takes in what earlier sessions left."""
        async with self._disk:
            self.history.before(await asyncio.to_thread(self.history.read))

    async def save(self, entry: Entry) -> str:
        """Keeps ENTRY for other sessions; gives why that cannot be."""
        async with self._disk:
            try:
                await asyncio.to_thread(self.history.save, entry)
            except OSError as error:
                return f"prompts are not kept for other sessions: {error.strerror or error}"
        return ""
