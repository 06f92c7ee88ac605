"""Keys: the table's, corrected by the user's `keys:` in config.yaml; the help text and docs/keys.md made from both."""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from workbench import safe_yaml
from workbench.tui.actions import ACTIONS, Action

# Textual's names of printable keys that people write, and the table uses.
_CHARACTERS = {
    "question_mark": "?", "slash": "/", "left_square_bracket": "[", "right_square_bracket": "]",
    "left_curly_bracket": "{", "right_curly_bracket": "}", "less_than_sign": "<", "greater_than_sign": ">",
    "plus": "+", "minus": "-", "comma": ",", "full_stop": ".", "colon": ":",
}  # fmt: skip
_LABELS = {"escape": "esc", "comma": ","}
_BY_ID = {action.id: action for action in ACTIONS}
GROUPS = {
    "general": "Anywhere", "agent": "The agent", "panes": "Panes", "session": "Session", "people": "Among people",
    "prompt": "At the prompt",
    "talk": "In the talk", "diff": "In the diff pane", "runs": "In the runs pane", "gpu": "In the GPU pane",
    "todo": "In to-do and files", "replay": "In a replay",
}  # fmt: skip


def name_of(key: str, character: str | None = None) -> str:
    """The one name of a key: the character it types, else Textual's name (`ctrl+p`, `escape`)."""
    if character and len(character) == 1 and character.isprintable() and character != " ":
        return character
    key = key.strip()
    if len(key) == 1:
        return key
    key = key.lower()
    return _CHARACTERS.get(key, {"esc": "escape", "return": "enter", "ctrl+space": "ctrl+@"}.get(key, key))


class Keymap:
    """Which key does what. `notes` tell what of the user's keys could not be taken."""

    def __init__(self, user: Mapping[str, Any] | None = None) -> None:
        self.notes: tuple[str, ...] = ()
        self._keys = {action.id: tuple(map(name_of, action.keys)) for action in ACTIONS}
        if user:
            self._take(user)
        self._find = {(action.on, key): action for action in reversed(ACTIONS) for key in self._keys[action.id]}

    def _take(self, user: Mapping[str, Any]) -> None:
        notes = []
        taken: dict[tuple[str, str], str] = {}
        for name, value in user.items():
            action = _BY_ID.get(str(name))
            keys = _written(value)
            if action is None:
                near = difflib.get_close_matches(str(name), _BY_ID, n=1)
                notes.append(f"keys: there is no action {name!r}" + (f"; did you mean {near[0]}?" if near else ""))
            elif keys is None:
                notes.append(f"keys: {name} takes a key such as ctrl+d, or a list of them")
            else:
                self._keys[action.id] = keys
                taken.update({(action.on, key): action.id for key in keys})
        for action in ACTIONS:  # a key that the user gave to one action is taken from the others
            kept = tuple(key for key in self._keys[action.id] if taken.get((action.on, key), action.id) == action.id)
            if len(kept) < len(self._keys[action.id]) and not kept:
                notes.append(f"keys: {action.id} has no key now; all commands: {self.label('palette')}")
            self._keys[action.id] = kept
        if not self._keys["quit"]:
            self._keys["quit"] = ("ctrl+q",)
        self.notes = tuple(notes)

    def find(self, view: str, key: str) -> Action | None:
        """What KEY does while VIEW has the focus."""
        return self._find.get((view, key)) or self._find.get(("app", key))

    def keys(self, action: str) -> tuple[str, ...]:
        """The keys of ACTION, the first one first."""
        return self._keys.get(action, ())

    def label(self, action: str, typing: bool = False) -> str:
        """The first key of ACTION as it is shown; empty where it has none. TYPING: where characters are text."""
        return next((shown(key) for key in self.keys(action) if not typing or len(key) > 1), "")


def shown(key: str) -> str:
    """KEY as people write it."""
    return _LABELS.get(key, key)


def _written(value: Any) -> tuple[str, ...] | None:
    """The keys that a person wrote; None where that cannot be keys."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str):
        value = [value] if len(value) == 1 else value.split(",")
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(key, str | int) and str(key).strip() for key in value):
        return None
    return tuple(name_of(str(key)) for key in value)


def load(config: Path) -> Keymap:
    """The keymap with what CONFIG/config.yaml says; never raises, see `notes`."""
    try:
        text = (config / "config.yaml").read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return Keymap()
    if "keys" not in text:
        return Keymap()
    import yaml

    try:
        data = safe_yaml.load(text)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
        return Keymap()  # the session's own reading of the file says what is wrong with it
    user = data.get("keys") if isinstance(data, dict) else None
    keymap = Keymap(user if isinstance(user, dict) else None)
    if user is not None and not isinstance(user, dict):
        keymap.notes = ("keys: must be a mapping of actions to keys, such as `diff: ctrl+d`",)
    return keymap


def groups(actions: Iterable[Action] = ACTIONS) -> dict[str, list[Action]]:
    """ACTIONS by the title of their group, in the order of the table."""
    grouped: dict[str, list[Action]] = {}
    for action in actions:
        grouped.setdefault(GROUPS.get(action.group, action.group), []).append(action)
    return grouped


def markdown() -> str:
    """docs/keys.md."""
    keymap, lines = Keymap(), [_HEAD]
    for title, actions in groups().items():
        lines += [f"## {title}", "", "| key | does | at the prompt | name |", "|---|---|---|---|"]
        for action in actions:
            keys = " ".join(f"`{shown(key)}`" for key in keymap.keys(action.id)).replace("|", "\\|")
            slash = f"`/{action.slash}`" if action.slash else ""
            lines.append(f"| {keys} | {action.title} | {slash} | `{action.id}` |")
        lines.append("")
    return "\n".join(lines)


_HEAD = """\
# Keys

Made from the table of actions (`src/workbench/tui/actions.py`) by `python -m workbench.tui.keys > docs/keys.md`.

No key needs what tmux or a plain SSH terminal cannot send: no function key, no alt. While the prompt has the focus,
letters and digits are typed; `tab` leaves it, `i` comes back to it. Every action is in the palette as well, and can be
clicked where it is shown.

Other keys go into `~/.config/mlwb/config.yaml`, by the action's name:

```yaml
keys:
  diff: ctrl+d
  talk: [1, t]
```
"""

if __name__ == "__main__":
    print(markdown(), end="")
