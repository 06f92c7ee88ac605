"""How the workbench looks: themes from YAML files, the agent's colour as accent, and terminals with fewer colours.

A theme is a file `NAME.yaml`, shipped in `themes/` or the user's own beside the settings. What it leaves out it takes
from the project's dark or light one. See docs/themes.md.
"""

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from workbench import places, resources, safe_yaml
from workbench.tui import colours

if TYPE_CHECKING:
    from textual.app import App
    from textual.theme import Theme

DARK, LIGHT = "mlwb-dark", "mlwb-light"
ROLES = (
    "background", "surface", "panel", "foreground", "muted", "muted-2", "border-dim", "agent", "added", "removed",
    "added-ground", "removed-ground", "added-word", "removed-word", "success", "warning", "error", "selected",
)  # fmt: skip
CODE = ("keyword", "string", "number", "comment", "definition")
# Contrast with background and surface below which a theme is hard to read: WCAG AA for text, 3 for what is aside.
LEAST = dict.fromkeys(("foreground", "muted", "agent", "added", "removed", "success", "warning", "error"), 4.5)
LEAST["muted-2"] = 3.0

# In sixteen colours there is one look, bright on black: pairs that the palette of every terminal keeps apart.
SIXTEEN = dict.fromkeys(ROLES, "ansi_black") | {
    "foreground": "ansi_bright_white", "muted": "ansi_white", "muted-2": "ansi_white",
    "border-dim": "ansi_bright_black", "agent": "ansi_bright_cyan", "added": "ansi_bright_green",
    "removed": "ansi_bright_red", "success": "ansi_bright_green", "warning": "ansi_bright_yellow",
    "error": "ansi_bright_red",
}  # fmt: skip
SIXTEEN_CODE = {
    "keyword": "ansi_bright_magenta", "string": "ansi_bright_green", "number": "ansi_bright_yellow",
    "comment": "ansi_white", "definition": "ansi_bright_cyan",
}  # fmt: skip
_BRIGHT = {  # no red: that is for what went wrong
    "ansi_bright_green": "#00ff00", "ansi_bright_yellow": "#ffff00",
    "ansi_bright_cyan": "#00ffff", "ansi_bright_blue": "#5c5cff", "ansi_bright_magenta": "#ff00ff",
    "ansi_bright_white": "#ffffff",
}  # fmt: skip

# The names that agent files use, as hues; `accent` makes each readable on the ground of the theme.
NAMED = {
    "red": "#e0655f", "orange": "#e08c4a", "yellow": "#d8b84a", "green": "#6cbf73", "cyan": "#5bbccb",
    "blue": "#7ba4ee", "purple": "#b394e8", "violet": "#b394e8", "magenta": "#d983c9", "pink": "#ee8fb0",
    "white": "#e6e6e6", "gray": "#9aa0a6", "grey": "#9aa0a6",
}  # fmt: skip
_HEX = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_LINE = re.compile(r'(?:([a-z]+):|(  )?([a-z][a-z0-9-]*): (?:"([ !#-\[\]-~]*)"|(true|false)))?(?:#.*)?')
_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
_LARGEST = 64 * 1024  # bytes of a theme file


class Look(msgspec.Struct, frozen=True):
    """A theme as its file says it, what it left out filled in. `colors` and `code` are #rrggbb by role."""

    name: str
    title: str
    dark: bool
    colors: dict[str, str]
    code: dict[str, str]


class Pace(msgspec.Struct, frozen=True):
    """How lively the screen may be. `frames`: most frames a second. `motion`: whether anything moves by itself."""

    frames: int = 20
    motion: bool = True


def folders() -> tuple[Path, ...]:
    """Where themes lie. The user's come last: a file there replaces a shipped one of the same name."""
    return resources.folder("themes"), places.config() / "themes"


def load_themes(where: Sequence[Path] | None = None) -> tuple[dict[str, Look], list[str]]:
    """All themes of the folders WHERE by name, and a line for each file that was passed over or is hard to read."""
    looks: dict[str, Look] = {}
    problems: list[str] = []
    for path in _files(where or folders()):
        try:
            look = read(path)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            problems.append(f"{path}: {why}; this theme is passed over")
        else:
            looks[look.name] = look
            problems += [f"{path}: {weak}" for weak in _faint(look)]
    return looks, problems


def read(path: Path) -> Look:
    """The theme in the file PATH. ValueError says what is wrong with it and where."""
    if not _NAME.fullmatch(path.stem):
        raise ValueError("the name of a theme is lower-case letters, digits and hyphens")
    with path.open("rb") as file:
        text = file.read(_LARGEST + 1)
    if len(text) > _LARGEST:
        raise ValueError(f"larger than {_LARGEST // 1024} KiB")
    return _look(path.stem, _plain(text) or _yaml(text))


def _plain(text: bytes) -> dict[str, Any] | None:
    """TEXT as data if it is as simple as a theme mostly is: then YAML need not be imported for the first frame."""
    data: dict[str, Any] = {}
    inner: dict[str, Any] | None = None
    for line in text.decode("utf-8", "replace").splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            return None
        part, indent, key, value, flag = found.groups()
        into, name = (inner, key) if indent else (data, part or key)
        if name is None:
            continue  # blank, or a comment
        if into is None or name in into:
            return None
        inner = {} if part else inner if indent else None
        into[name] = inner if part else value if flag is None else flag == "true"
    return data


def _yaml(text: bytes) -> Any:
    import yaml

    try:
        return safe_yaml.load(text)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {min(mark.line + 1, len(text.splitlines()))}: " if mark else ""
        raise ValueError(f"{where}no YAML: {getattr(error, 'problem', None) or 'it cannot be read'}") from None
    except (LookupError, AttributeError, TypeError):  # as PyYAML fails of `!!bool maybe`, `!!int ""`, `!!timestamp x`
        raise ValueError("a value is not what its `!!` tag says") from None


def _look(name: str, data: Any) -> Look:
    if not isinstance(data, dict):
        raise ValueError("a theme is a mapping with `dark` and `colors`")
    _known(data, ("title", "dark", "colors", "code"))
    dark, title = data.get("dark", True), data.get("title", name)
    if not isinstance(dark, bool):
        raise ValueError(f"dark is {dark!r}, not true or false")
    if not isinstance(title, str) or not title.strip():
        raise ValueError("title is no text")
    base = None if name in (DARK, LIGHT) else read(resources.folder("themes") / f"{DARK if dark else LIGHT}.yaml")
    colors = _colors("colors", data.get("colors"), ROLES, base.colors if base else {})
    code = _colors("code", data.get("code"), CODE, base.code if base else {})
    return Look(name, title.strip(), dark, colors, code)


def _colors(part: str, given: Any, roles: Sequence[str], base: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(given or {}, dict):
        raise ValueError(f"{part} is no mapping of names to colours")
    _known(given or {}, roles)
    for role, value in (given or {}).items():
        if not isinstance(value, str) or not _HEX.fullmatch(value):
            raise ValueError(f'{role} is {value!r}, not a colour such as "#8cb0ee" (in quotes)')
    merged = {**base, **(given or {})}
    if missing := [role for role in roles if role not in merged]:
        raise ValueError(f"{part} has no {', '.join(missing)}")
    return merged


def _known(given: Mapping[Any, Any], known: Sequence[str]) -> None:
    for key in given:
        if key not in known:
            like = difflib.get_close_matches(str(key), known, 1)
            raise ValueError(f"unknown: {key!r}" + (f" (meant is perhaps {like[0]})" if like else ""))


def _faint(look: Look) -> list[str]:
    """What can hardly be read in LOOK, a line each."""
    weak = []
    for role, least in LEAST.items():
        behind = ("background", "surface")
        against = min(colours.ratio(colours.rgb(look.colors[role]), colours.rgb(look.colors[one])) for one in behind)
        if against < least:
            weak.append(f"{role} stands {against:.1f} to 1 against its ground; {least:g} can be read")
    return weak


def _files(where: Sequence[Path]) -> list[Path]:
    found: dict[str, Path] = {}
    for folder in where:
        found |= {path.stem: path for path in sorted(folder.glob("*.yaml")) if path.is_file()}
    return list(found.values())


def depth(env: Mapping[str, str]) -> int:
    """Bits of colour of the terminal that ENV describes: 24, 8, 4, or 0 for none at all."""
    term = env.get("TERM", "").strip().lower()
    if env.get("NO_COLOR") or term in ("dumb", "unknown"):
        return 0
    if env.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return 24
    return 8 if term.endswith(("256color", "-kitty")) or term == "kitty" else 4


def ansi(env: Mapping[str, str]) -> bool | None:
    """What `App(ansi_color=…)` must be for `wear` to have the terminal's own colours, or none."""
    return True if depth(env) < 8 else None


def pace(env: Mapping[str, str], *, reduced_motion: bool = False, low_bandwidth: bool = False) -> Pace:
    """How lively the screen may be, by the user's settings or MLWB_REDUCED_MOTION and MLWB_LOW_BANDWIDTH in ENV."""
    slow = low_bandwidth or env.get("MLWB_LOW_BANDWIDTH", "") not in ("", "0")
    still = slow or reduced_motion or env.get("MLWB_REDUCED_MOTION", "") not in ("", "0")
    return Pace(frames=4 if slow else 20, motion=not still)


def _shown(look: Look, bits: int) -> Look:
    """LOOK as a terminal of BITS of colour shows it: by its own rounding the grounds of a diff would run together."""
    if bits < 8:
        return msgspec.structs.replace(look, dark=True, colors=SIXTEEN, code=SIXTEEN_CODE)
    if bits > 8:
        return look
    colors = {role: colours.in_256(value) for role, value in look.colors.items()}
    code = {role: colours.in_256(value) for role, value in look.code.items()}
    return msgspec.structs.replace(look, colors=colors, code=code)


def accent(color: str | None, look: Look, bits: int = 24) -> str:
    """The agent's COLOR, a name or #rrggbb, readable on LOOK; the theme's own where COLOR is missing or unknown."""
    named = NAMED.get((color or "").strip().lower(), (color or "").strip())
    known = bool(_HEX.fullmatch(named))
    if bits < 8:
        return colours.nearest(named, _BRIGHT) if known else SIXTEEN["agent"]
    if not known:
        return look.colors["agent"] if bits > 8 else colours.in_256(look.colors["agent"])
    least = LEAST["agent"] if bits > 8 else 5.5  # rounding to 256 colours takes some of it
    exact = colours.readable(named, [look.colors["background"], look.colors["surface"]], least)
    return exact if bits > 8 else colours.in_256(exact)


def variables(look: Look, agent: str | None = None, bits: int = 24) -> dict[str, str]:
    """The project's own variables of style sheets (`$muted`, `$added`…), and Textual's where its own are too loud."""
    shown = _shown(look, bits)
    colors = {**shown.colors, "agent": accent(agent, look, bits)}
    own = {role: value for role, value in colors.items() if role not in ("background", "surface", "panel")}
    own |= {f"code-{role}": value for role, value in shown.code.items()}
    return own | _calm(colors, bits < 8)


@cache
def defaults() -> dict[str, str]:
    """The project's variables in the dark theme, for an app that has put on no theme of the project (yet)."""
    return variables(read(resources.folder("themes") / f"{DARK}.yaml"))


def _calm(colors: Mapping[str, str], few: bool) -> dict[str, str]:
    """Textual's variables: text is ink, what is aside is muted, the cursor is a ground and not a shout."""
    ink, ground, chosen, agent = colors["foreground"], colors["background"], colors["selected"], colors["agent"]
    muted, aside, dim = colors["muted"], colors["muted-2"], colors["border-dim"]
    style = {
        "text": ink, "text-muted": muted, "text-disabled": aside, "text-primary": agent, "text-secondary": muted,
        "text-accent": agent, "text-success": colors["success"], "text-warning": colors["warning"],
        "text-error": colors["error"], "foreground-muted": muted, "foreground-disabled": aside,
        "border": agent, "border-blurred": dim,
        "block-cursor-foreground": ground if few else ink, "block-cursor-background": muted if few else chosen,
        "block-cursor-text-style": "bold underline" if few else "bold",
        "block-cursor-blurred-foreground": ink, "block-cursor-blurred-background": chosen,
        "block-cursor-blurred-text-style": "bold underline" if few else "none",
        "block-hover-background": colors["panel"],
        "input-cursor-background": ground if few else ink, "input-cursor-foreground": ink if few else ground,
        "input-cursor-text-style": "reverse" if few else "none",  # also where no colour is left
        "scrollbar": dim, "scrollbar-hover": aside, "scrollbar-active": muted, "scrollbar-background": ground,
        "scrollbar-background-hover": ground, "scrollbar-background-active": ground, "scrollbar-corner-color": ground,
        "link-color": agent, "link-color-hover": agent, "link-background-hover": chosen,
        "footer-background": ground, "footer-foreground": muted, "footer-key-foreground": ink,
        "footer-description-foreground": muted,
        "button-focus-text-style": "bold reverse", "button-color-foreground": ground,
        "screen-selection-background": "ansi_white" if few else f"{agent} 30%",
        "screen-selection-foreground": "ansi_black" if few else ink,
        "input-selection-background": "ansi_white" if few else f"{agent} 30%",
        "input-selection-foreground": "ansi_black" if few else ink,
        "ansi-background": ground if few else "transparent", "ansi-foreground": ink if few else "transparent",
    }  # fmt: skip
    for level in range(1, 7):
        style |= {f"markdown-h{level}-color": ink if level < 4 else muted, f"markdown-h{level}-text-style": "bold"}
    return style | {"markdown-h1-text-style": "bold underline"}


def theme_of(look: Look, agent: str | None = None, bits: int = 24) -> "Theme":
    """LOOK as Textual's theme, with the colour of AGENT as accent, in BITS of colour."""
    from textual.theme import Theme

    few, shown, signal = bits < 8, _shown(look, bits), accent(agent, look, bits)
    colors = shown.colors
    return Theme(
        name=look.name, primary=signal, secondary=colors["muted"], accent=signal, success=colors["success"],
        warning=colors["warning"], error=colors["error"], foreground=colors["foreground"],
        background=colors["background"], surface=colors["surface"], panel=colors["panel"],
        boost=None if few else colors["selected"], dark=shown.dark, ansi=few,
        variables=variables(look, agent, bits),
    )  # fmt: skip


class Looks:
    """The themes of an app: read when wanted, worn, and read again when their files have changed.

    `problems`: a line for each theme that is passed over or hard to read, as of the last reading of all.
    """

    def __init__(self, where: Sequence[Path] | None = None, env: Mapping[str, str] | None = None) -> None:
        self.where = tuple(where or folders())
        self.bits = depth(os.environ if env is None else env)
        self.problems: list[str] = []
        self.agent: str | None = None
        self._worn: Look | None = None
        self._seen: object = None

    def all(self) -> list[Look]:
        """Every theme that can be worn, the project's first, then by title."""
        looks, self.problems = load_themes(self.where)
        self._seen = self._state()
        order = {DARK: 0, LIGHT: 1}
        return sorted(looks.values(), key=lambda look: (order.get(look.name, 2), look.title))

    def wear(self, app: "App[Any]", name: str = DARK, agent: str | None = None) -> str | None:
        """Puts on the theme NAME with the colour of AGENT; gives a line when that was not possible, wearing another.

        Reads one file only, so it may be called on the way to the first frame.
        """
        problem = None
        try:
            look = self._one(name)
        except (OSError, ValueError) as error:
            look = self._worn or read(resources.folder("themes") / f"{DARK}.yaml")
            problem = f"theme {name}: {error}; {look.title} is worn in its place"
        self._worn, self.agent, self._seen = look, agent, self._state()
        _put_on(app, theme_of(look, agent, self.bits))
        return problem

    def recolor(self, app: "App[Any]", agent: str | None) -> None:
        """Takes the colour of another AGENT as accent."""
        if self._worn and agent != self.agent:
            self.agent = agent
            _put_on(app, theme_of(self._worn, agent, self.bits))

    def refresh(self, app: "App[Any]") -> str | None:
        """Wears the theme anew if a file has changed since; gives a line if it can no longer be read.

        To be called when the terminal gains focus or themes are chosen, so that nothing is polled.
        """
        if self._worn is None or self._state() == self._seen:
            return None
        return self.wear(app, self._worn.name, self.agent)

    def _one(self, name: str) -> Look:
        for folder in reversed(self.where):
            path = folder / f"{name}.yaml"
            if _NAME.fullmatch(name) and path.is_file():
                return read(path)
        known = sorted(path.stem for path in _files(self.where))
        raise ValueError(f"there is none of that name; there are {', '.join(known) or 'none at all'}")

    def _state(self) -> object:
        """What the files look like from outside; it differs once one has been written, added or removed."""
        return [(path, *_stamp(path)) for path in _files(self.where)]


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:  # gone since it was listed
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _put_on(app: "App[Any]", theme: "Theme") -> None:
    app.register_theme(theme)
    if app.theme == theme.name:
        app.mutate_reactive(type(app).theme)  # the same name with other colours
    else:
        app.theme = theme.name
