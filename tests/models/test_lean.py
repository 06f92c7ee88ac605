"""The SDK imported in part: less of it at first, all of it for whoever asks, and a plain import where that fails."""

import json
import subprocess
import sys
from pathlib import Path

from support.endpoint import Endpoint

LEAN = "from workbench.models.lean import import_lean; client = import_lean('anthropic', '_client')\n"
NAMES = """
import importlib, json, sys, types
import anthropic
found = {name: sorted(dir(sys.modules[name])) for name in ('anthropic', 'anthropic.types', 'anthropic.types.beta')}
for package in ('anthropic.types', 'anthropic.types.beta', 'anthropic.resources', 'anthropic.lib.streaming'):
    module = importlib.import_module(package)
    for name in (name for name in dir(module) if not name.startswith('__')):
        value = getattr(module, name)
        home = 'module' if isinstance(value, types.ModuleType) else getattr(value, '__module__', '')
        found[f'{package}.{name}'] = f'{home} {getattr(value, "__name__", value)!r}'
print(json.dumps(found))
"""


def run(code: str, *arguments: str, path: Path | None = None) -> str:
    env = {"PYTHONPATH": str(path), "PATH": "/usr/bin:/bin"} if path else {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_whole_sdk_is_there_for_whoever_asks() -> None:
    lean, plain = json.loads(run(LEAN + NAMES)), json.loads(run(NAMES))
    assert lean.keys() == plain.keys()
    assert {name for name in plain if lean[name] != plain[name]} == set()


def test_less_is_loaded_and_a_class_is_the_same_from_everywhere() -> None:
    same = """
import sys
def loaded(): return sum(name.startswith('anthropic') for name in sys.modules)
lean = loaded()
import anthropic, anthropic.types
from anthropic import *
assert client.AsyncAnthropic is anthropic.AsyncAnthropic is AsyncAnthropic
assert anthropic.types.Message is __import__('anthropic.types.message', fromlist=['Message']).Message
assert issubclass(anthropic.RateLimitError, anthropic.APIStatusError)
assert lean < loaded() / 2
"""
    run(LEAN + same)


def test_the_sdk_itself_works_after_a_lean_import() -> None:
    use = """
import sys
import anthropic
whole = anthropic.Anthropic(base_url=sys.argv[1], api_key='k')
ask = dict(model='claude-sonnet-5-5', max_tokens=100, messages=[{'role': 'user', 'content': 'hi'}])
print(whole.messages.create(**ask).content[0].text)
with whole.messages.stream(**ask) as stream:
    print(stream.get_final_message().content[0].text)
try:
    whole.models.retrieve('nothing')
except anthropic.NotFoundError as error:
    print(error.status_code)
"""
    with Endpoint() as endpoint:
        assert run(LEAN + use, endpoint.url).split() == ["Done.", "Done.", "404"]


PACKAGE = {
    "__init__.py": "from . import parts\nfrom ._core import Core\nprint('all of it')\n",
    "_core.py": "from .parts import Small\nfrom .parts.small import other\nclass Core(Small): pass\n",
    "parts/__init__.py": "from .small import (\n    Small as Small,\n    other,\n)\nfrom .big import Big\n",
    "parts/small.py": "class Small: pass\nother = 3\n",
    "parts/big.py": "print('big')\nclass Big: pass\n",
}


def lay(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = folder / "heap" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


USE = (
    "from workbench.models.lean import import_lean; core = import_lean('heap', '_core'); print(core.Core.__mro__[1])\n"
)


def test_only_what_is_asked_for_runs(tmp_path: Path) -> None:
    lay(tmp_path, PACKAGE)
    assert run(USE, path=tmp_path).split("\n")[:-1] == ["<class 'heap.parts.small.Small'>"]
    more = "import heap.parts; print(heap.parts.Big, heap.Core is core.Core)"
    _, *rest = run(USE + more, path=tmp_path).split("\n")[:-1]
    assert rest == ["big", "all of it", "<class 'heap.parts.big.Big'> True"]


def test_a_name_that_is_not_there_is_an_attribute_error_and_runs_the_package_once(tmp_path: Path) -> None:
    lay(tmp_path, PACKAGE)
    missing = "import heap\nfor _ in range(2):\n    print(hasattr(heap, 'nothing'), hasattr(heap, '_nothing'))\n"
    assert run(USE + missing, path=tmp_path).split("\n")[1:-1] == ["all of it", "False False", "False False"]


def test_a_package_that_does_more_than_re_export_runs_at_once(tmp_path: Path) -> None:
    """Such an `__init__` may be there to fail, within a `try`, where something optional is not installed."""
    lay(tmp_path, PACKAGE)
    lay(
        tmp_path,
        {"optional/__init__.py": "from .parts import a\nimport no_such_module\n", "optional/parts.py": "a = 1"},
    )
    optional = "try:\n    from . import optional\nexcept ImportError:\n    optional = None\n"
    lay(tmp_path, {"_core.py": optional + PACKAGE["_core.py"]})
    assert "Small" in run(USE, path=tmp_path)


def test_where_the_lean_way_fails_the_package_is_imported_plainly(tmp_path: Path) -> None:
    """A module that counts on its package having run cannot be imported without it."""
    lay(tmp_path, PACKAGE)
    lay(tmp_path, {"__init__.py": "import sys\nsys.heap_ready = True\nfrom ._core import Core\n"})
    lay(tmp_path, {"_core.py": "import sys\nsys.heap_ready\n" + PACKAGE["_core.py"]})
    assert "Small" in run(USE, path=tmp_path)


def test_who_closes_at_once_does_not_wait_for_the_import() -> None:
    program = (
        "import asyncio, os, threading\n"
        "from workbench.models.anthropic import AnthropicClient\n"
        "client = AnthropicClient({'ANTHROPIC_API_KEY': 'k'})\n"
        "asyncio.run(client.close())\n"
        "print('model client' in [one.name for one in threading.enumerate()], flush=True)\n"
        "os._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("True\n", ""), "it was still being imported when the client was closed"
