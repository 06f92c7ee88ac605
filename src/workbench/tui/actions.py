"""Every action, declared once: bindings, palette, footer, help screen and docs are made from this table.

Only chords that tmux and a plain SSH terminal can send: no function key, no alt, no shift+enter as the only way.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Action:
    """`id` is what the keymap of a user names. `on`: app, or the id of the view that carries it out while focused.

    `footer`: shown in the footer when it works here. `slash`: the command at the prompt that does the same.
    """

    id: str
    title: str
    keys: tuple[str, ...]
    on: str = "app"
    group: str = "general"
    footer: bool = False
    slash: str | None = None


ACTIONS: tuple[Action, ...] = (
    Action("help", "keys and help", ("question_mark", "ctrl+g"), footer=True, slash="help"),
    Action("palette", "all commands", ("ctrl+p",), footer=True),
    Action("quit", "quit", ("ctrl+q",), footer=True, slash="quit"),
    Action("stop", "stop the agent / go back; twice: rewind", ("escape",), group="agent"),
    Action("next_view", "next pane", ("tab",), group="panes"),
    Action("previous_view", "previous pane", ("shift+tab",), group="panes"),
    Action("talk", "the talk", ("1",), group="panes"),
    Action("diff", "diff pane", ("2",), group="panes", slash="diff"),
    Action("runs", "runs pane", ("3",), group="panes", slash="runs"),
    Action("gpu", "GPU pane", ("4",), group="panes", slash="gpu"),
    Action("todo", "to-do and files", ("5",), group="panes", slash="todo"),
    Action("prompt", "to the prompt", ("i", "slash"), group="panes"),
    Action("zoom", "one pane, whole screen", ("z",), group="panes"),
    Action("wider", "panes wider", ("less_than_sign",), group="panes"),
    Action("narrower", "panes narrower", ("greater_than_sign",), group="panes"),
    Action("taller", "this pane higher", ("right_curly_bracket",), group="panes"),
    Action("shorter", "this pane lower", ("left_curly_bracket",), group="panes"),
    Action("sessions", "sessions", ("ctrl+o",), group="session", slash="resume"),
    Action("rename", "rename the session", (), group="session", slash="rename"),
    Action("open_reference", "open a reference: s-4f:t12, r-14@812", (), group="session", slash="open"),
    Action("fork", "fork the session", (), group="session", slash="fork"),
    Action("fork_before", "fork from before the last prompt", ("ctrl+n",), group="session"),
    Action("handoff", "hand over to another agent", (), group="session", slash="handoff"),
    Action("agent", "choose an agent", (), group="session", slash="agent"),
    Action("model", "choose a model", (), group="session", slash="model"),
    Action("mode", "lower the mode", (), group="session", slash="mode"),
    Action("gpu_hours", "more GPU-hours for this session", (), group="session", slash="hours"),
    Action("compact", "shorten the history", (), group="session", slash="compact"),
    Action("rewind", "rewind", ("ctrl+r",), group="session", slash="rewind"),
    Action("undo_rewind", "undo the rewind", (), group="session", slash="undo"),
    Action("export", "export the session: .md, .html or .json", (), group="session", slash="export"),
    Action("brief", "what happened since you last looked", (), group="session", slash="brief"),
    Action("cost", "what it cost", (), group="session", slash="cost"),
    Action("permissions", "what the agent may do: mode, rules, sandbox", (), group="session", slash="permissions"),
    Action("audit", "audit: every call and who let it pass", (), group="session", slash="audit"),
    Action("trust", "trust what this workspace brings, or not", (), group="session", slash="trust"),
    Action("doctor", "doctor: what works here", (), group="general", slash="doctor"),
    Action("who", "who is here", (), group="people", slash="who"),
    Action("wheel", "the wheel: take, ask for or hand it over", (), group="people", slash="wheel"),
    Action("take_suggestion", "take the first suggestion", ("ctrl+t",), group="people", slash="take"),
    Action("drop_suggestion", "put the first suggestion aside", (), group="people", slash="drop"),
    Action("follow", "look where the driver looks, or not", ("ctrl+l",), group="people", slash="follow"),
    Action("say", "say to the others, not to the agent", (), group="people", slash="say"),
    Action("send_on", "what was said last, to the prompt", (), group="people", slash="sendon"),
    Action("share", "invite others", (), group="people", slash="share"),
    Action("theme", "theme", (), group="general", slash="theme"),
    Action("motion", "reduced motion on or off", (), group="general"),
    Action("suspend", "to the shell; fg comes back", ("ctrl+z",)),
    Action("notify", "call me back by notification, bell or not at all", (), group="general", slash="notify"),
    Action("search", "search the talk", ("ctrl+f",), group="talk", slash="search"),
    Action("copy", "copy", ("y",), on="talk", group="talk", footer=True),
    Action("open_card", "open or close", ("enter",), on="talk", group="talk", footer=True),
    Action("edit_block", "open in $EDITOR", ("e",), on="talk", group="talk"),
    Action("to_end", "follow the end", ("end", "G"), on="talk", group="talk"),
    Action("thinking", "show thinking", ("t",), on="talk", group="talk"),
    Action("copy_reference", "copy the turn's name", ("Y",), on="talk", group="talk"),
    Action("item_next", "next item", ("j", "down"), on="talk", group="talk"),
    Action("item_previous", "previous item", ("k", "up"), on="talk", group="talk"),
    Action("page_down", "page down", ("pagedown", "space"), on="talk", group="talk"),
    Action("page_up", "page up", ("pageup", "b"), on="talk", group="talk"),
    Action("to_start", "to the beginning", ("home", "g"), on="talk", group="talk"),
    Action("search_next", "next match", ("n",), on="talk", group="talk"),
    Action("search_previous", "previous match", ("N",), on="talk", group="talk"),
    Action("diff_since", "since start / turn / HEAD", ("s",), on="diff", group="diff", footer=True),
    Action("diff_side", "unified / side by side", ("u",), on="diff", group="diff"),
    Action("diff_next", "next hunk", ("n", "right_square_bracket"), on="diff", group="diff"),
    Action("diff_previous", "previous hunk", ("p", "left_square_bracket"), on="diff", group="diff"),
    Action("diff_down", "next line", ("j", "down"), on="diff", group="diff"),
    Action("diff_up", "previous line", ("k", "up"), on="diff", group="diff"),
    Action("diff_page_down", "page down", ("pagedown",), on="diff", group="diff"),
    Action("diff_page_up", "page up", ("pageup",), on="diff", group="diff"),
    Action("diff_top", "first line", ("home", "g"), on="diff", group="diff"),
    Action("diff_end", "last line", ("end", "G"), on="diff", group="diff"),
    Action("diff_right", "long lines further right", ("right", "l"), on="diff", group="diff"),
    Action("diff_left", "back to the left", ("left", "h"), on="diff", group="diff"),
    Action("diff_fold", "fold or open the file", ("enter", "space"), on="diff", group="diff"),
    Action("diff_next_file", "next file", ("right_curly_bracket", "J"), on="diff", group="diff"),
    Action("diff_previous_file", "previous file", ("left_curly_bracket", "K"), on="diff", group="diff"),
    Action("diff_files", "to the files and back", ("f",), on="diff", group="diff"),
    Action("diff_accept", "accept hunk or file", ("a",), on="diff", group="diff", footer=True),
    Action("diff_revert", "revert hunk or file", ("x",), on="diff", group="diff", footer=True),
    Action("diff_revert_file", "revert file", ("X",), on="diff", group="diff"),
    Action("diff_stage", "stage hunk or file", ("+",), on="diff", group="diff"),
    Action("diff_comment", "comment on line or file", ("c",), on="diff", group="diff", footer=True),
    Action("diff_send", "send comments to the agent", ("C",), on="diff", group="diff"),
    Action("diff_open", "open in $EDITOR", ("e",), on="diff", group="diff"),
    Action("runs_open", "open the group, or the run's log", ("enter",), on="runs", group="runs"),
    Action("runs_part", "next view", ("o",), on="runs", group="runs", footer=True),
    Action("runs_metric", "metric", ("m",), on="runs", group="runs", footer=True),
    Action("runs_next_metric", "next metric", ("M",), on="runs", group="runs"),
    Action("runs_mark", "overlay", ("space",), on="runs", group="runs", footer=True),
    Action("runs_filter", "find", ("slash", "f"), on="runs", group="runs", footer=True),
    Action("runs_sort", "sort by the next column", ("s",), on="runs", group="runs"),
    Action("runs_reverse", "the other way round", ("S",), on="runs", group="runs"),
    Action("runs_down", "next run, or line", ("j", "down"), on="runs", group="runs"),
    Action("runs_up", "previous run, or line", ("k", "up"), on="runs", group="runs"),
    Action("runs_page_down", "page down", ("pagedown",), on="runs", group="runs"),
    Action("runs_page_up", "page up", ("pageup",), on="runs", group="runs"),
    Action("runs_first", "first run, or line", ("home", "g"), on="runs", group="runs"),
    Action("runs_last", "last run; in the log: follow the end", ("end", "G"), on="runs", group="runs"),
    Action("runs_left", "chart: cursor left", ("left", "h"), on="runs", group="runs"),
    Action("runs_right", "chart: cursor right", ("right", "l"), on="runs", group="runs"),
    Action("runs_cursor", "chart: cursor on or off", ("v",), on="runs", group="runs"),
    Action("runs_zoom_in", "chart: closer", ("plus", "="), on="runs", group="runs"),
    Action("runs_zoom_out", "chart: farther", ("minus",), on="runs", group="runs"),
    Action("runs_earlier", "chart: earlier", ("comma", "left_square_bracket"), on="runs", group="runs"),
    Action("runs_later", "chart: later", ("full_stop", "right_square_bracket"), on="runs", group="runs"),
    Action("runs_all", "chart: all of it", ("0",), on="runs", group="runs"),
    Action("runs_x", "chart: by step, time or epoch", ("a",), on="runs", group="runs"),
    Action("runs_smooth", "chart: smoother", ("w",), on="runs", group="runs"),
    Action("runs_log_y", "chart: logarithmic values", ("L",), on="runs", group="runs"),
    Action("runs_log_x", "chart: logarithmic x", ("X",), on="runs", group="runs"),
    Action("runs_next_match", "log: next match", ("n",), on="runs", group="runs"),
    Action("runs_previous_match", "log: previous match", ("N",), on="runs", group="runs"),
    Action("runs_edit", "the log in $EDITOR", ("e",), on="runs", group="runs"),
    Action("runs_copy", "copy the run's name and step: r-14@812", ("y",), on="runs", group="runs"),
    Action("runs_note", "note", ("c",), on="runs", group="runs"),
    Action("runs_tag", "tags", ("t",), on="runs", group="runs"),
    Action("runs_stop", "stop the run", ("x",), on="runs", group="runs", footer=True),
    Action("replay_pause", "pause, go on, or play again", ("space",), on="replay", group="replay"),
    Action("replay_next", "next turn", ("full_stop",), on="replay", group="replay"),
    Action("replay_previous", "previous turn", ("comma",), on="replay", group="replay"),
    Action("replay_faster", "faster", ("plus", "="), on="replay", group="replay"),
    Action("replay_slower", "slower", ("minus",), on="replay", group="replay"),
    Action("replay_start", "from the beginning", ("home",), on="replay", group="replay"),
    Action("replay_end", "to the end", ("end",), on="replay", group="replay"),
    Action("gpu_details", "details of the cards", ("enter", "d"), on="gpu", group="gpu", footer=True),
)


def on(view: str) -> tuple[Action, ...]:
    """The actions that VIEW carries out."""
    return tuple(action for action in ACTIONS if action.on == view)
