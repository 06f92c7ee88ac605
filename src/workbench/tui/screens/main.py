"""The one screen of a session: header, talk, docked panes, strip, prompt, footer, and where each of them is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widget import Widget

from workbench.protocol.events import Envelope
from workbench.protocol.state import SessionState
from workbench.tui import keys, prefs
from workbench.tui.letters import Letters
from workbench.tui.screens import sizes
from workbench.tui.screens.steady import Steady
from workbench.tui.view import Pane, View
from workbench.tui.widgets.dock import PANES, TITLES, WEIGHTS, Dragged, Frame, Splitter, heading, short
from workbench.tui.widgets.footer import Footer
from workbench.tui.widgets.header import Header
from workbench.tui.widgets.line import Line, Part
from workbench.tui.widgets.stand_in import StandIn
from workbench.tui.widgets.strip import Strip, Told

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

WIDE = 100  # columns from which panes stand beside the talk
SMALL = (60, 16)  # below it only talk, prompt and strip
_PANE_ROWS = 6  # a docked pane gets at least these


class MainScreen(Steady, Screen[None]):
    """Where things are. `current` is the one view that is shown while the screen is narrow or zoomed."""

    DEFAULT_CSS = """
    MainScreen { layout: vertical; background: $background; color: $foreground; }
    MainScreen > #body { height: 1fr; }
    MainScreen #dock { height: 1fr; }
    """

    def __init__(self, talk: Widget | None = None, prompt: Widget | None = None) -> None:
        super().__init__()
        self.talk, self.prompt = talk, prompt or StandIn()
        self._early = self.prompt if isinstance(self.prompt, StandIn) else None  # keeps what is typed before the prompt
        self.header, self.strip, self.footer = Header("header"), Strip("strip"), Footer("footer")
        self.opening = Line("opening")  # what happened here before, until something is asked
        self._recalled = 0  # the turn at which that was said
        self.splitter, self.dock = Splitter(), Vertical()
        self.frames: dict[str, Frame] = {}  # the talk's, and those of the panes that were ever shown
        self.open: list[str] = []  # docked panes, the one that was taken last at the end
        self.offered: set[str] = set()  # panes that had something to show: each opens by itself once
        self.current, self.zoomed = "talk", False
        self._letters = Letters(self)
        self._going = ""  # the view that gets the focus as soon as it can take it
        self._placed: tuple[Any, ...] = ()
        self._needed: dict[str, int] = {}  # short pane -> rows that it needed so far

    @property
    def bench(self) -> "WorkbenchApp":
        """The app, by its own type."""
        return cast("WorkbenchApp", self.app)

    def compose(self) -> ComposeResult:
        """What the first frame shows, placed and filled before it is drawn; panes come later."""
        keymap, wanted = self.bench.keymap, self.bench.prefs.panes
        self.open = [pane for pane in wanted if wanted[pane] and pane in PANES]
        docked = {pane: Frame(pane, keymap.label(pane)) for pane in PANES if pane in self.open}
        self.frames = {"talk": Frame("talk", keymap.label("talk"), self.talk), **docked}
        self.dock = Vertical(*docked.values(), id="dock")
        self.opening.display = False
        self.place()
        self.chrome()
        yield self.header
        with Horizontal(id="body"):
            yield self.frames["talk"]
            yield self.splitter
            yield self.dock
        yield self.strip
        yield self.opening
        yield self.prompt
        yield self.footer

    def on_mount(self) -> None:
        """Typing goes to the prompt."""
        self.focus_view("prompt")

    @property
    def waits(self) -> bool:
        """Whether talk and prompt are still to come."""
        return isinstance(self.prompt, StandIn)

    async def take(self, talk: Widget, prompt: Widget) -> None:
        """TALK and PROMPT in the places that were kept for them; what was typed meanwhile is typed into the prompt."""
        kept, self.talk, self.prompt = self.prompt, talk, prompt
        with self.app.batch_update():
            await self.mount(prompt, after=kept)
            await self.frames["talk"].hold(talk)
            await kept.remove()
        self.show_session(self.bench.state, ())
        if self._early:  # in the app's own turn: no key comes in between
            self.app.call_later(self._early.hand_over, self, prompt)

    def _compositor_refresh(self) -> None:
        """Nothing is drawn while the app is starting: Textual would draw, and throw it away."""
        if not self.app._batch_count:
            super()._compositor_refresh()

    def draw(self) -> None:
        """Draws now, not with the next frame."""
        self._compositor_refresh()

    # --- what is new ---------------------------------------------------------------------------------------

    def show_session(self, state: SessionState, news: Sequence[Envelope]) -> None:
        """One batch, to every view that is mounted and to the chrome."""
        with self.app.batch_update():
            if self.opening.display and state.turns > self._recalled:
                self.opening.display = False
            for view in self.views():
                self.bench.guarded(view, state, news)
            self.place()
            self.chrome()

    def _offer(self) -> None:
        """A pane opens by itself when it first has something to show, unless the user has put it somewhere."""
        for name, pane in self.bench.panes.items():
            if name not in self.offered and pane.filled(self.bench.state):
                self.offered.add(name)
                if name not in (*self.open, *self.bench.prefs.panes):
                    self.open.insert(0, name)  # never the one that was taken last
                    self.place()

    def views(self) -> list[View]:
        """The views that are mounted."""
        held: list[object] = [frame.held for frame in self.frames.values() if frame.held and frame.held.is_mounted]
        return [view for view in (*held, self.prompt) if isinstance(view, View)]

    def chrome(self) -> None:
        """Header, titles, strip and footer. Panes call it as well, when they have news of their own."""
        self._offer()
        self.place()
        bench, focused = self.bench, self.focused_view
        where = self.header.show(bench.state, bench.facts)  # told by the talk where the header is too short for it
        held = self.frames[focused].held if focused in self.frames else None
        named = held.naming() if isinstance(held, View) else None
        self.footer.show(bench.state, focused, bench.keymap, bench.still, named)
        for name, frame in self.frames.items():
            words = " · ".join(filter(None, (bench.state.title, where))) if name == "talk" else heading(frame.held)
            frame.entitle(name == focused, words, closes=name != "talk")
        self.strip.show([self._told(view) for view in self.hidden()])

    def recall(self, parts: Sequence[Part], stays: bool = False) -> None:
        """One line on what happened in this workspace before, until the next request; where it STAYS, until another."""
        self._recalled = 1 << 40 if stays else self.bench.state.turns
        self.opening.put([Part(" "), *parts])
        self.opening.display = bool(parts)

    def hidden(self) -> list[str]:
        """The views that are not on the screen."""
        return [view for view in TITLES if view not in self.frames or not self.frames[view].display]

    def _told(self, view: str) -> Told:
        key, title, pane = self.bench.keymap.label(view), TITLES[view], self.bench.panes.get(view)
        if pane is None:
            return Told(view, key, title)
        news = pane.strip(self.bench.state).plain.removeprefix(title).lstrip(": ")  # its name stands there already
        return Told(view, key, title, news, pane.filled(self.bench.state))

    # --- where things are ----------------------------------------------------------------------------------

    @property
    def single(self) -> bool:
        """Whether one view has all the room."""
        return self.zoomed or self.app.size.width < WIDE

    def place(self) -> None:
        """Gives every part its place; does nothing where that is what it has."""
        width, height = self.app.size
        tiny = width < SMALL[0] or height < SMALL[1]
        fits = max(1, (height - 6) // _PANE_ROWS)
        shown = ("talk", *self.open[-fits:]) if not self.single else (self.current,)
        p = self.bench.prefs
        most = {} if self.single else short(shown, self.bench.panes, p.heights, self._needed)
        placed = (
            shown,
            tiny,
            self.single,
            p.dock,
            tuple(p.heights.items()),
            tuple(self.bench.panes),
            tuple(most.items()),
        )
        if placed == self._placed:
            return
        self._placed = placed
        for view in shown:
            self._frame(view)
        for view, frame in self.frames.items():
            frame.display = view in shown
            if view != "talk":
                frame.styles.height = f"{p.heights.get(view, WEIGHTS[view]):.3f}fr"
                frame.styles.max_height = most.get(view)
        docked = not self.single and len(shown) > 1
        self.splitter.display = docked
        self.dock.display = docked or (self.single and self.current != "talk")
        self.dock.styles.width = f"{p.dock if docked else 1.0:.3f}fr"
        self.frames["talk"].styles.width = f"{1 - p.dock if docked else 1.0:.3f}fr"
        first = next((view for view in PANES if view in shown), None)
        for view, frame in self.frames.items():  # above the first one nothing could be moved
            frame.title_line.fixed = view in ("talk", first)
        self.header.display = self.footer.display = not tiny
        self.strip.display = bool(self.hidden())
        if self.is_mounted:
            self.call_after_refresh(self._appeared)

    def _appeared(self) -> None:
        """The parts have their places: the panes among them draw."""
        for view in self.views():
            if isinstance(view, Pane) and cast(Widget, view).is_on_screen:
                view.appears()
        self.chrome()

    def _frame(self, view: str) -> None:
        """Sees to it that VIEW has its frame in the dock, and in it its pane as soon as there is one."""
        if view not in self.frames:
            frame = self.frames[view] = Frame(view, self.bench.keymap.label(view))
            behind = next((other for other in list(PANES)[list(PANES).index(view) + 1 :] if other in self.frames), None)
            self.dock.mount(frame, before=self.frames[behind] if behind else None)
        pane, frame = self.bench.panes.get(view), self.frames[view]
        if pane is None or frame.held is not None:
            return
        if pane.id is None:
            pane.id = view
        frame.held = pane  # at once: nobody else brings it here
        self.call_later(frame.hold, pane)

    def on_frame_held(self, event: Frame.Held) -> None:
        """A pane stands in its frame: it draws what there is, and gets the focus that it was opened for."""
        event.stop()
        held = self.frames[event.view].held
        if held is None or event.view == "talk":
            return
        if not any(child.focusable for child in held.walk_children(Widget, with_self=True)):
            held.can_focus = True
        self.bench.guarded(cast(View, held), self.bench.state, ())
        if self._going == event.view:
            self.focus_view(event.view)
        self.call_after_refresh(self._appeared)

    def go(self, view: str) -> None:
        """To VIEW; a pane that has the focus is put away again."""
        if view == self.focused_view and view != "talk":
            self.close_view(view)
            return
        if self.single:
            self.current = view
        if view in PANES:
            self.open = [*(one for one in self.open if one != view), view]
            self._remember(view, True)
        self._going = view
        self.place()
        # unless one went on to another meanwhile
        self.call_after_refresh(lambda: self.focus_view(view) if self._going == view else None)

    def close_view(self, view: str) -> None:
        """Puts VIEW away; the focus goes to the prompt."""
        self.zoomed = False
        if self.current == view:
            self.current = "talk"
        if view in self.open and not self.single:
            self.open.remove(view)
            self._remember(view, False)
        if self.focused_view == view:
            self.focus_view("prompt")
        self.place()

    def _remember(self, view: str, wanted: bool) -> None:
        self.bench.prefs.panes[view] = wanted
        prefs.save(self.bench.prefs)

    def zoom(self) -> None:
        """The view that has the focus, whole screen; and back."""
        self.zoomed = not self.zoomed
        if self.zoomed and self.focused_view in self.frames:
            self.current = self.focused_view
        elif self.zoomed:
            self.current = "talk"
        self.place()

    def back(self) -> bool:
        """Undoes the nearest of: zoom, a lone pane, a focus that is not the prompt's. False where there is none."""
        if self.zoomed:
            self.zoom()
        elif self.single and self.current != "talk":
            self.current = "talk"
            self.place()
            self.focus_view("prompt")
        elif self.focused_view != "prompt":
            self.focus_view("prompt")
        else:
            return False
        return True

    # --- focus ---------------------------------------------------------------------------------------------

    @property
    def focused_view(self) -> str:
        """The view that has the focus, by the name its actions call it."""
        for node in self.focused.ancestors_with_self if self.focused else ():
            if node is self.prompt:
                return "prompt"
            if isinstance(node, Frame):
                return node.view
        return "prompt"

    def focus_view(self, view: str) -> None:
        """Gives VIEW the focus: itself, or the first thing in it that takes it."""
        if self._going != view:
            self._going = ""
        widget = self.prompt if view == "prompt" else self.frames[view].held if view in self.frames else None
        if widget is None or not widget.is_mounted:
            return
        for one in widget.walk_children(Widget, with_self=True):
            if one.focusable:
                one.focus(scroll_visible=False)
                return

    def step(self, by: int) -> None:
        """The next or previous view that is on the screen."""
        hidden = self.hidden()
        shown = [view for view in TITLES if view not in hidden and self.frames[view].held is not None]
        ring = ["prompt", *shown]
        here = self.focused_view if self.focused_view in ring else "prompt"
        self.focus_view(ring[(ring.index(here) + by) % len(ring)])

    def on_descendant_focus(self) -> None:
        """Other keys work here now."""
        if self.focused_view in self.open:
            self.open.append(self.open.pop(self.open.index(self.focused_view)))
        self.chrome()

    def on_descendant_blur(self) -> None:
        """The title of what had the focus goes quiet."""
        self.chrome()

    # --- input ---------------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """A key that no widget took, by the keymap."""
        if self._early and self._early.waits:
            self._early.keep(event)
            return
        if self._letters.take(event):
            event.stop()
            event.prevent_default()
            return
        found = self.bench.keymap.find(self.focused_view, keys.name_of(event.key, event.character))
        if found is not None:
            event.stop()
            event.prevent_default()
            self.bench.do(found.id)

    def on_paste(self, event: events.Paste) -> None:
        """What is pasted before there is a prompt waits for it."""
        if self._early and self._early.waits:
            self._early.keep(event)

    def on_line_pressed(self, event: Line.Pressed) -> None:
        """A part of the chrome was clicked."""
        event.stop()
        verb, _, name = event.action.partition(" ")
        if verb == "close":
            self.close_view(name)
        else:
            self.bench.do(verb, name)

    def on_dragged(self, event: Dragged) -> None:
        """A line between panes is being moved."""
        event.stop()
        sizes.drag(self, event)

    def on_resize(self) -> None:
        """Wide or narrow, the view that has the focus stays in sight."""
        if self.single and not self.zoomed:
            self.current = self.focused_view if self.focused_view in self.frames else self.current
        if not self.single:
            self.current = "talk"
        self.place()
        self.call_after_refresh(self.chrome)
