"""Themes: what files may say, what can be read, what few colours and colour blindness leave of it."""

import asyncio
import itertools
import os
import threading
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.color import Color, rgb_to_lab
from textual.widgets import Static

from support.bombs import MERGED
from workbench import resources
from workbench.tui import colours, themes

SHIPPED, _ = themes.load_themes([resources.folder("themes")])
GROUNDS = ("background", "surface", "panel", "selected")
TRUE_COLOUR = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}


def contrast(one: str, other: str) -> float:
    return colours.ratio(colours.rgb(one), colours.rgb(other))


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def test_the_projects_own_themes_are_there_and_sound() -> None:
    looks, problems = themes.load_themes([resources.folder("themes")])
    assert problems == []
    assert {"mlwb-dark", "mlwb-light", "contrast-dark", "blue-orange-dark", "blue-orange-light"} <= set(looks)
    assert {look.dark for look in looks.values()} == {True, False}


@pytest.mark.parametrize("name", sorted(SHIPPED))
@pytest.mark.parametrize("shown", [str, colours.in_256], ids=["true colour", "256 colours"])
def test_everything_can_be_read(name: str, shown) -> None:
    look = SHIPPED[name]
    for role, ground in itertools.product(themes.LEAST, GROUNDS):
        # panel and the cursor's row are small and passing: what is aside may be fainter there
        least = themes.LEAST[role] if ground in ("background", "surface") else 3.0
        seen = contrast(shown(look.colors[role]), shown(look.colors[ground]))
        assert seen >= (least if shown is str else min(least, 4.0)), f"{role} on {ground}: {seen:.2f}"
    for role, ground in itertools.product(themes.CODE, ("background", "surface", "added-ground", "removed-ground")):
        assert contrast(shown(look.code[role]), shown(look.colors[ground])) >= 4.0, (role, ground)
    for kind in ("added", "removed"):
        assert contrast(shown(look.colors[kind]), shown(look.colors[f"{kind}-ground"])) >= 4.0
        assert contrast(shown(look.colors["foreground"]), shown(look.colors[f"{kind}-word"])) >= 4.0


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_grounds_that_mean_something_stay_apart_in_256_colours(name: str) -> None:
    colors = {role: colours.in_256(value) for role, value in SHIPPED[name].colors.items()}
    for kind in ("added", "removed"):
        assert len({colors["background"], colors[f"{kind}-ground"], colors[f"{kind}-word"]}) == 3
    assert colors["added-word"] != colors["removed-word"] and colors["added"] != colors["removed"]
    assert colors["selected"] != colors["background"] != colors["border-dim"]


def test_high_contrast_is_higher_than_that() -> None:
    colors = SHIPPED["contrast-dark"].colors
    for role in themes.LEAST:
        assert contrast(colors[role], colors["background"]) >= 7
    assert contrast(colors["border-dim"], colors["background"]) >= 3


# Machado, Oliveira and Fernandes 2009, severity 1.0: how the colour-blind see linear RGB.
BLINDNESS = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}


def seen_as(colour: str, blindness: str) -> Color:
    linear = [(part / 255) ** 2.2 for part in colours.rgb(colour)]
    mixed = (sum(a * b for a, b in zip(row, linear, strict=True)) for row in BLINDNESS[blindness])
    return Color(*(round(255 * min(1.0, max(0.0, part)) ** (1 / 2.2)) for part in mixed))


@pytest.mark.parametrize("name", ["blue-orange-dark", "blue-orange-light"])
@pytest.mark.parametrize("blindness", sorted(BLINDNESS))
def test_the_colour_blind_tell_added_from_removed_and_warning_from_error(name: str, blindness: str) -> None:
    colors = SHIPPED[name].colors
    for one, other in (
        ("added", "removed"),
        ("warning", "error"),
        ("success", "error"),
        ("added-word", "removed-word"),
    ):
        labs = [rgb_to_lab(seen_as(colors[role], blindness)) for role in (one, other)]
        apart = sum((a - b) ** 2 for a, b in zip(*((lab.L, lab.a, lab.b) for lab in labs), strict=True)) ** 0.5
        assert apart >= 20, f"{one} and {other}: {apart:.0f}"


# The palettes of xterm and of the Linux console: what the sixteen colours may really be.
PALETTES = {
    "xterm": {"black": "#000000", "white": "#e5e5e5", "bright_black": "#7f7f7f", "bright_red": "#ff0000",
              "bright_green": "#00ff00", "bright_yellow": "#ffff00", "bright_cyan": "#00ffff",
              "bright_magenta": "#ff00ff", "bright_white": "#ffffff", "bright_blue": "#5c5cff"},
    "linux": {"black": "#000000", "white": "#aaaaaa", "bright_black": "#555555", "bright_red": "#ff5555",
              "bright_green": "#55ff55", "bright_yellow": "#ffff55", "bright_cyan": "#55ffff",
              "bright_magenta": "#ff55ff", "bright_white": "#ffffff", "bright_blue": "#5555ff"},
}  # fmt: skip


@pytest.mark.parametrize("palette", sorted(PALETTES))
@pytest.mark.parametrize("agent", [None, "red", "blue", "#804000", "gray", "no such colour"])
def test_nothing_is_invisible_in_sixteen_colours(palette: str, agent: str | None) -> None:
    shown = {f"ansi_{name}": value for name, value in PALETTES[palette].items()}
    for look in SHIPPED.values():
        theme = themes.theme_of(look, agent, bits=4)
        ground = shown[str(theme.background)]
        for role in (*themes.LEAST, *(f"code-{one}" for one in themes.CODE)):
            assert contrast(shown[theme.variables.get(role, themes.SIXTEEN["foreground"])], ground) >= 3.0, role
        assert contrast(shown[theme.variables["block-cursor-foreground"]],
                        shown[theme.variables["block-cursor-background"]]) >= 4.5  # fmt: skip


@pytest.mark.parametrize(
    ("env", "bits"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, 24), ({"TERM": "xterm-256color"}, 8),
        ({"TERM": "screen-256color"}, 8), ({"TERM": "xterm-kitty"}, 8), ({"TERM": "linux"}, 4), ({"TERM": "xterm"}, 4),
        ({}, 4), ({"TERM": "dumb"}, 0), ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, 0),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, 8),
    ],
)  # fmt: skip
def test_how_many_colours_a_terminal_has(env: dict[str, str], bits: int) -> None:
    assert themes.depth(env) == bits
    assert themes.ansi(env) is (True if bits < 8 else None)


@pytest.mark.parametrize("look", SHIPPED.values(), ids=sorted(SHIPPED))
@pytest.mark.parametrize("color", [*themes.NAMED, "#000000", "#fff", "#400040", "#ffff00", "Purple "])
def test_the_agents_colour_can_be_read_whatever_it_is(look: themes.Look, color: str) -> None:
    chosen = themes.accent(color, look)
    assert min(contrast(chosen, look.colors[one]) for one in ("background", "surface")) >= 4.5


def test_an_unknown_agent_colour_leaves_the_themes_own() -> None:
    look = SHIPPED["mlwb-dark"]
    assert themes.accent(None, look) == themes.accent("mauve-ish", look) == themes.accent("#12", look)
    assert themes.accent("mauve-ish", look) == look.colors["agent"]
    assert themes.accent("orange", look) != look.colors["agent"]


def test_a_users_theme_may_be_three_lines_and_takes_the_rest_from_the_projects(tmp_path: Path) -> None:
    write(tmp_path, "dusk", 'dark: false\ncolors:\n  agent: "#7a1fa2"\n')
    looks, problems = themes.load_themes([resources.folder("themes"), tmp_path])
    assert problems == []
    assert looks["dusk"].colors == {**SHIPPED["mlwb-light"].colors, "agent": "#7a1fa2"}
    assert looks["dusk"].title == "dusk"


def test_a_users_theme_replaces_a_shipped_one_of_its_name(tmp_path: Path) -> None:
    write(tmp_path, "contrast-dark", 'title: mine\ncolors: {foreground: "#eeeeee"}\n')
    looks, _ = themes.load_themes([resources.folder("themes"), tmp_path])
    assert looks["contrast-dark"].title == "mine"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("colors: {agent: [", "line 1: no YAML"),
        ("- a\n- b\n", "a theme is a mapping"),
        ("", "a theme is a mapping"),
        ('colors: {agnet: "#ffffff"}', "unknown: 'agnet' (meant is perhaps agent)"),
        ("colors: {agent: blue}", "agent is 'blue', not a colour"),
        ("colors: {agent: #8cb0ee}", "no YAML"),
        ("colors: [1]", "colors is no mapping"),
        ("dark: sometimes", "dark is 'sometimes'"),
        ("title: [x]", "title is no text"),
        ("fonts: big", "unknown: 'fonts'"),
        ("a: &a [*a]", "unknown"),
        ("{" * 5000, "no YAML"),
        (MERGED, "aliases stand for too many values"),
        ("title: '" + "x" * 70_000 + "'", "larger than 64 KiB"),
        ("!!python/object/apply:os.system ['touch hacked']", "no YAML"),
    ],
)  # fmt: skip
def test_a_broken_file_is_named_and_passed_over(tmp_path: Path, text: str, why: str) -> None:
    path = write(tmp_path, "broken", text)
    looks, problems = themes.load_themes([resources.folder("themes"), tmp_path])
    assert set(looks) == set(SHIPPED)
    (problem,) = problems
    assert problem.startswith(f"{path}: ") and why in problem and problem.endswith("this theme is passed over")


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_the_quick_way_of_reading_says_what_yaml_says(name: str, tmp_path: Path) -> None:
    path = resources.folder("themes") / f"{name}.yaml"
    text = path.read_text()
    (tmp_path / path.name).write_text("--- !!map\n" + text)  # only YAML itself can read this
    assert themes.read(tmp_path / path.name) == themes.read(path) == SHIPPED[name]


@pytest.mark.parametrize(
    "text",
    [
        'title: "a"\ntitle: "b"\n', 'colors:\n  agent: "#fff"\ncolors:\n  agent: "#000000"\n', '  agent: "#ffffff"\n',
        'dark: true\n  agent: "#ffffff"\n', 'colors:\n  agent: "#ffffff"\ndark: true\n  muted: "#ffffff"\n',
        'title: "tab\tbed"', 'title: "esc\\u0041ped"', "colors:\n", 'colors:\n\n# words\n  agent: "#ffffff"\n',
        'colors:\n   agent: "#ffffff"', 'title:"x"', 'code: \n  string: "#ffffff"', '\ufefftitle: "x"',
    ],
)  # fmt: skip
def test_odd_files_are_read_as_yaml_reads_them(text: str, tmp_path: Path) -> None:
    seen = []
    for head in ("", "--- \n"):
        path = write(tmp_path, "odd", head + text)
        try:
            seen.append(themes.read(path))
        except ValueError as error:
            seen.append(type(error))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("value", ["!!bool maybe", '!!int ""', "!!timestamp x"])
def test_a_value_that_its_tag_does_not_fit_is_said(value: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="what its `!!` tag says"):
        themes.read(write(tmp_path, "odd", f"dark: {value}\n"))


def test_files_that_are_no_text_or_have_odd_names_are_named_too(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00title")
    write(tmp_path, "Has Blanks", "dark: true")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "dangling.yaml").symlink_to(tmp_path / "nowhere")
    looks, problems = themes.load_themes([tmp_path])
    assert looks == {}
    assert len(problems) == 2


def test_a_theme_that_can_hardly_be_read_is_loaded_and_said(tmp_path: Path) -> None:
    write(tmp_path, "mist", 'colors: {muted: "#202225"}')
    looks, problems = themes.load_themes([tmp_path])
    assert "mist" in looks
    assert problems == [f"{tmp_path / 'mist.yaml'}: muted stands 1.1 to 1 against its ground; 4.5 can be read"]


def test_a_folder_that_is_not_there_is_no_problem(tmp_path: Path) -> None:
    assert themes.load_themes([tmp_path / "none"]) == ({}, [])


@pytest.mark.parametrize(
    ("env", "keywords", "pace"),
    [
        ({}, {}, themes.Pace(20, True)),
        ({"MLWB_REDUCED_MOTION": "1"}, {}, themes.Pace(20, False)),
        ({"MLWB_REDUCED_MOTION": "0"}, {}, themes.Pace(20, True)),
        ({}, {"reduced_motion": True}, themes.Pace(20, False)),
        ({}, {"low_bandwidth": True}, themes.Pace(4, False)),
        ({"MLWB_LOW_BANDWIDTH": "1"}, {}, themes.Pace(4, False)),
    ],
)
def test_how_lively_the_screen_may_be(env: dict[str, str], keywords: dict[str, bool], pace: themes.Pace) -> None:
    assert themes.pace(env, **keywords) == pace


class Sample(App[None]):
    """An app that uses every variable of the project."""

    USED = (*themes.ROLES, *(f"code-{role}" for role in themes.CODE))
    CSS = "".join(f"Static {{ color: ${one}; background: ${one}; }}\n" for one in USED) + "#accent { color: $agent; }"

    def __init__(self, looks: themes.Looks, env: dict[str, str]) -> None:
        super().__init__(ansi_color=themes.ansi(env))
        self.looks = looks
        self.problem = looks.wear(self, "mlwb-dark", "orange")

    def compose(self) -> ComposeResult:
        yield Static("text", id="accent")


def accent_of(app: App[None]) -> str:
    return app.query_one("#accent").styles.color.hex.lower()


def test_an_app_wears_a_theme_before_its_first_frame_and_changes_it_live(tmp_path: Path) -> None:
    looks = themes.Looks([resources.folder("themes"), tmp_path], TRUE_COLOUR)

    async def main() -> None:
        app = Sample(looks, TRUE_COLOUR)
        assert app.problem is None
        async with app.run_test(size=(20, 3)) as pilot:
            assert app.theme == "mlwb-dark"
            assert accent_of(app) == themes.accent("orange", SHIPPED["mlwb-dark"])
            looks.recolor(app, "green")
            await pilot.pause()
            assert accent_of(app) == themes.accent("green", SHIPPED["mlwb-dark"])
            write(tmp_path, "mine", 'colors: {agent: "#ffcc00"}')
            assert looks.wear(app, "mine") is None
            await pilot.pause()
            assert accent_of(app) == "#ffcc00"
            path = write(tmp_path, "mine", 'colors: {agent: "#00ccff"}')
            os.utime(path, ns=(1, 1))
            assert looks.refresh(app) is None
            await pilot.pause()
            assert accent_of(app) == "#00ccff"
            write(tmp_path, "mine", "colors: {agent: [}")
            assert "mine: line 1" in str(looks.refresh(app))  # what was worn stays
            await pilot.pause()
            assert accent_of(app) == "#00ccff"
            assert looks.refresh(app) is None  # said once
            (tmp_path / "mine.yaml").unlink()
            assert "there is none of that name" in str(looks.refresh(app))
            assert [look.name for look in looks.all()][:2] == ["mlwb-dark", "mlwb-light"]

    asyncio.run(main())


def test_a_theme_that_is_not_there_is_said_and_the_dark_one_worn(tmp_path: Path) -> None:
    app: App[None] = App()
    looks = themes.Looks([resources.folder("themes")], TRUE_COLOUR)
    for name in ("solarised", "../../etc/passwd"):
        problem = looks.wear(app, name)
        assert problem is not None and "mlwb-light" in problem and "dark is worn" in problem
        assert app.theme == "mlwb-dark"


@pytest.mark.parametrize("env", [{"TERM": "linux"}, {"TERM": "xterm-256color", "NO_COLOR": "1"}], ids=["16", "none"])
def test_an_app_draws_with_few_colours_or_none(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if "NO_COLOR" in env:
        monkeypatch.setenv("NO_COLOR", env["NO_COLOR"])

    async def main() -> None:
        from support.screens import rows_of

        app = Sample(themes.Looks([resources.folder("themes")], env), env)
        async with app.run_test(size=(20, 3)) as pilot:
            await pilot.pause()
            styles = [part.style for row in rows_of(app) for part in row if part.style]
            shown = {colour for style in styles for colour in (style.color, style.bgcolor) if colour}
            assert all(colour.is_system_defined or colour.is_default for colour in shown)
            if "NO_COLOR" in env:
                assert all(colour.is_default for colour in shown)

    asyncio.run(main())


def test_a_theme_that_goes_while_one_looks_is_no_failure(tmp_path: Path) -> None:
    looks, over = themes.Looks([tmp_path], TRUE_COLOUR), threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            write(tmp_path, "mine", 'colors: {agent: "#ffcc00"}').unlink()

    beside = threading.Thread(target=come_and_go)
    beside.start()
    try:
        for _ in range(2_000):
            looks.all()
    finally:
        over.set()
        beside.join()
