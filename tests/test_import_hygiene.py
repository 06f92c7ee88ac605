"""What a fresh interpreter loads: the quick ways in stay quick, and heavy libraries stay where they belong."""

import subprocess
import sys

HEAVY = ("anthropic", "textual", "pynvml", "git", "rich", "psutil", "yaml", "tree_sitter", "jsonschema", "msgspec")


def loaded_after(code: str) -> set[str]:
    """Top-level modules that an interpreter has loaded after CODE."""
    program = f"import sys\n{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}}, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, check=True)
    return set(done.stderr.split())


def test_version_and_help_load_nothing_heavy():
    for flag in ("--version", "--help"):
        loaded = loaded_after(f"from workbench.cli import main\nmain([{flag!r}])")
        assert not loaded & set(HEAVY), f"{flag} loads {sorted(loaded & set(HEAVY))}"


def test_a_run_loads_no_screen_and_no_sdk_before_it_needs_one():
    loaded = loaded_after("import workbench.verbs.run, workbench.headless.run")
    assert not loaded & {"anthropic", "textual", "pynvml", "git", "rich", "psutil", "tree_sitter", "jsonschema"}


def test_listing_verbs_load_neither_screen_nor_sdk():
    for verb in ("agents", "sessions", "permissions", "demo"):
        loaded = loaded_after(f"import workbench.verbs.{verb}")
        assert not loaded & {"anthropic", "textual", "pynvml"}, verb
