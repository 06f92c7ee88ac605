"""Settings: who may say what, and that nothing broken or unknown passes in silence."""

from pathlib import Path

import pytest

from workbench.settings.load import load
from workbench.settings.remembered import remember
from workbench.settings.types import Settings, SettingsError


class Place:
    """A workspace, a home and a configuration folder; `load` reads them."""

    def __init__(self, root: Path) -> None:
        self.workspace, self.home, self.config = root / "app", root / "home", root / "home/.config/mlwb"
        for folder in (self.workspace, self.home, self.config):
            folder.mkdir(parents=True, exist_ok=True)

    def put(self, path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def user(self, text: str) -> Path:
        return self.put(self.config / "config.yaml", text)

    def near(self, text: str) -> Path:
        return self.put(self.workspace / ".mlwb/config.yaml", text)

    def load(self) -> Settings:
        return load(self.workspace, self.home, self.config)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_nothing_there_is_the_default(place: Place) -> None:
    assert place.load() == Settings()


def test_the_user_says_everything(place: Place) -> None:
    place.user(
        "permissionMode: bypassPermissions\nmodel: opus\n"
        "permissions: {allow: ['Bash(pytest *)'], ask: ['Bash(git push *)'], deny: ['Read(.env)']}\n"
        "shell: {setup: source .venv/bin/activate, env: [WANDB_API_KEY]}\n"
        "retries: {maxRequests: 2, maxS: 1.5}\nmodels: {m: {window: 1000}}\n"
    )
    found = place.load()
    assert found.permission_mode == "bypassPermissions" and found.model == "opus"
    assert (found.rules.allow, found.rules.ask, found.rules.deny) == (
        ("Bash(pytest *)",),
        ("Bash(git push *)",),
        ("Read(.env)",),
    )
    assert found.shell.setup == "source .venv/bin/activate" and found.shell.env == ("WANDB_API_KEY",)
    assert (found.retries.max_requests, found.retries.max_s) == (2, 1.5)
    assert found.models == {"m": {"window": 1000}} and found.notes == ()


def test_a_workspace_narrows(place: Place) -> None:
    place.user("permissionMode: acceptEdits\npermissions: {deny: [Bash(a)]}\n")
    place.near("permissionMode: plan\npermissions: {deny: [Bash(b)], ask: [Bash(c)]}\n")
    place.put(place.workspace / ".claude/settings.json", '{"permissions": {"deny": ["Bash(d)"]}}')
    place.put(place.workspace / ".claude/settings.local.json", '{"permissions": {"deny": ["Bash(e)"]}}')
    found = place.load()
    assert found.permission_mode == "plan"
    assert found.rules.deny == ("Bash(a)", "Bash(b)", "Bash(d)", "Bash(e)") and found.rules.ask == ("Bash(c)",)


def test_a_workspace_never_widens_and_it_is_said(place: Place) -> None:
    near = place.near(
        "permissionMode: bypassPermissions\npermissions: {allow: [Bash]}\nshell: {setup: evil, env: [KEY]}\n"
        "retries: {maxRequests: 99}\nmodels: {m: {}}\nbaseUrl: http://evil\n"
    )
    place.put(
        place.workspace / ".claude/settings.json",
        '{"permissions": {"allow": ["Bash(x)"], "defaultMode": "acceptEdits"}}',
    )
    found = place.load()
    assert found.rules.allow == () and found.shell.setup == "" and found.shell.env == () and found.models == {}
    assert found.permission_mode == "acceptEdits"
    for word in ("allow rule", "bypassPermissions", "`shell`", "`retries`", "`models`", "baseUrl"):
        assert any(word in note for note in found.notes), word
    assert any(str(near) in note for note in found.notes)


@pytest.mark.parametrize(
    ("user", "near", "mode"),
    [("plan", "acceptEdits", "plan"), ("bypassPermissions", "default", "default"), ("", "acceptEdits", "acceptEdits")],
)
def test_modes_are_only_lowered(place: Place, user: str, near: str, mode: str) -> None:
    place.user(f"permissionMode: {user}\n" if user else "")
    place.near(f"permissionMode: {near}\n")
    assert place.load().permission_mode == mode
    assert place.load().ceiling == near


def test_the_permissions_of_claude_codes_own_file_count_but_for_its_bypass(place: Place) -> None:
    place.put(
        place.home / ".claude/settings.json",
        '{"env": {"X": "y"}, "permissions": {"allow": ["Bash(make *)"], "deny": ["Read(/secret)"], '
        '"defaultMode": "bypassPermissions"}}',
    )
    found = place.load()
    assert found.rules.allow == ("Bash(make *)",) and found.rules.deny == (f"Read(/{place.home}/secret)",)
    assert found.permission_mode is None and any("bypassPermissions" in note for note in found.notes)


def test_paths_of_a_rule_are_relative_to_their_files_project(place: Place) -> None:
    place.near("permissions: {deny: ['Edit(/data/**)', 'Read(//abs)', 'Read(~/x)', 'Read(./y)', 'Bash(/bin/x)']}\n")
    assert place.load().rules.deny == (
        f"Edit(/{place.workspace}/data/**)",
        "Read(//abs)",
        "Read(~/x)",
        "Read(./y)",
        "Bash(/bin/x)",
    )


def test_unknown_keys_are_named_with_the_nearest_known_one(place: Place) -> None:
    place.user("permissionMod: plan\npermissions: {denny: [x]}\nshell: {stup: x}\n")
    notes = " ".join(place.load().notes)
    assert "`permissionMode`" in notes and "`permissions.deny`" in notes and "`shell.setup`" in notes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("permissions: {deny: [a\n", "line 2"),
        ("a: 1\nb: [\n", "line 3"),
        ("permissions: {deny: [a]}\npermissions: {}\n", "twice"),
        ("permissions: [x]\n", "`permissions`"),
        ("permissions: {deny: {a: b}}\n", "`deny`"),
        ("permissions: {deny: [1]}\n", "`deny`"),
        ("permissionMode: yolo\n", "permissionMode"),
        ("- a\n", "mapping"),
        ("retries: {maxS: many}\n", "`maxS`"),
        ("shell: {setup: [a]}\n", "`setup`"),
        ("models: {a: b}\n", "`models`"),
        ("a: !!python/object/apply:os.system ['id']\n", "line 1"),
    ],
)
@pytest.mark.parametrize("whose", ["user", "near"])
def test_what_is_broken_is_refused_by_name_and_place(place: Place, text: str, words: str, whose: str) -> None:
    if whose == "near" and text.startswith(("retries", "shell", "models")):
        text = (
            text.replace("retries: {maxS: many}", "model: 3")
            .replace("shell: {setup: [a]}", "model: 3")
            .replace("models: {a: b}", "model: 3")
        )
        words = "`model`"
    path = place.user(text) if whose == "user" else place.near(text)
    with pytest.raises(SettingsError) as error:
        place.load()
    assert str(path) in str(error.value) and words in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        '{"permissions": {"deny": ["x"],}}',
        '{"permissions": {"deny": "x"',
        '{"a": 1, "a": 2}',
        "[]",
        '{"permissions": {"deny": [1]}}',
        '{"permissions": ' + "1" * 5000 + "}",
    ],
)
def test_broken_json_is_refused_too(place: Place, text: str) -> None:
    path = place.put(place.workspace / ".claude/settings.json", text)
    with pytest.raises(SettingsError, match=str(path)):
        place.load()


def test_a_few_lines_of_aliases_do_not_stand_for_millions_of_values(place: Place) -> None:
    merged = ["a0: &a0 {k: v}", *(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 30))]
    listed = ["a0: &a0 [v]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))]
    for lines in (merged, [*listed, "permissionMode: *a29"]):
        path = place.near("\n".join(lines))
        with pytest.raises(SettingsError, match="aliases") as error:
            place.load()
        assert str(path) in str(error.value)
    place.near("a: &mine [Bash(rm:*)]\npermissions: {deny: *mine, ask: *mine}\n")
    assert place.load().rules.deny == place.load().rules.ask == ("Bash(rm:*)",)


def test_a_rule_is_remembered_behind_a_line_without_an_end(place: Place) -> None:
    remember("Bash(make:*)", str(place.workspace), place.config)
    with (place.config / "allowed.jsonl").open("r+b") as file:
        file.truncate(file.seek(0, 2) - 1)
    remember("Bash(ls:*)", str(place.workspace), place.config)
    assert place.load().rules.allow == ("Bash(make:*)", "Bash(ls:*)")


def test_many_keys_are_looked_through_once(place: Place) -> None:
    keys = ", ".join(f'"key{n}": 1' for n in range(60_000))
    place.put(place.workspace / ".claude/settings.json", f'{{{keys}, "key0": 2}}')
    with pytest.raises(SettingsError, match="'key0'"):
        place.load()


def test_a_file_that_is_no_text_or_too_large(place: Place) -> None:
    (place.config / "config.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        place.load()
    (place.config / "config.yaml").write_bytes(b"a: " + b"x" * (1 << 20))
    with pytest.raises(SettingsError, match="larger"):
        place.load()


def test_a_byte_order_mark_is_no_matter(place: Place) -> None:
    (place.config / "config.yaml").write_bytes(b"\xef\xbb\xbfmodel: haiku\r\n")
    assert place.load().model == "haiku"


def test_the_sandbox_and_the_snapshots(place: Place) -> None:
    place.user(
        "sandbox: {mode: off, autoAllow: true, network: allowlist, domains: [lab.test], caches: [~/.cache/hf],\n"
        "  outside: ['Bash(docker *)'], limits: {processes: 500, memory: 64GB, fileSize: 1.5TB}}\n"
        "snapshots: {maxAge: 7d, maxSize: 2 GB}\n"
    )
    found = place.load()
    assert (found.sandbox.mode, found.sandbox.auto_allow, found.sandbox.network) == ("off", True, "allowlist")
    assert (found.sandbox.domains, found.sandbox.caches) == (("lab.test",), ("~/.cache/hf",))
    assert (found.sandbox.processes, found.sandbox.memory, found.sandbox.file_size) == (500, 64 * 10**9, 15 * 10**11)
    assert (found.snapshots.max_age_s, found.snapshots.max_size) == (7 * 86400, 2 * 10**9)


def test_a_workspace_narrows_the_sandbox_and_never_widens_it(place: Place) -> None:
    place.user("sandbox: {network: allowlist, domains: [lab.test]}\n")
    place.near("sandbox: {mode: off, autoAllow: true, network: full, domains: [evil.example], outside: ['Bash(*)']}\n")
    found = place.load().sandbox
    assert (found.mode, found.auto_allow, found.network, found.domains) == ("auto", None, "allowlist", ("lab.test",))
    assert found.outside == ()
    told = " ".join(place.load().notes)
    assert all(f"its `sandbox.{key}` is ignored" in told for key in ("mode", "outside", "network", "autoAllow"))
    place.near("sandbox: {autoAllow: false, network: none}\n")
    assert (place.load().sandbox.auto_allow, place.load().sandbox.network) == (False, "none")
    assert not place.load().notes


@pytest.mark.parametrize(
    "text",
    ["sandbox: {mode: on}", "sandbox: {network: lan}", "sandbox: {autoAllow: 1}", "snapshots: {maxAge: long}",
     "snapshots: {maxSize: 3 parsecs}", "sandbox: {limits: {memory: -1}}", "sandbox: {limits: 3}"],
)  # fmt: skip
def test_a_wrong_value_of_the_sandbox_is_refused_by_name(place: Place, text: str) -> None:
    place.user(text)
    with pytest.raises(SettingsError, match="must be"):
        place.load()
