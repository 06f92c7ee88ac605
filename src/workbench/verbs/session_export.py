"""`mlwb sessions export`: all of a session, as Markdown, as one page of HTML, or for programs."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.session.journal import Reader
from workbench.verbs.options import fail
from workbench.verbs.session_at import add_id, folder_of

FORMS = {".html": "html", ".htm": "html", ".json": "json"}


def add(verbs: Any) -> None:
    """The verb's options."""
    parser = verbs.add_parser("export", help="all of a session")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json",
                      help="for programs: summary, state, result and every event")  # fmt: skip
    form.add_argument("--markdown", dest="form", action="store_const", const="markdown", help="for people (default)")
    form.add_argument("--html", dest="form", action="store_const", const="html",
                      help="for people: one page that needs no network (default where FILE ends in .html)")  # fmt: skip
    parser.add_argument("--thinking", action="store_true", help="with the model's thinking")
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE instead of standard output")
    add_id(parser)


def run(options: argparse.Namespace) -> int:
    """Writes the export; returns the exit status."""
    folder = folder_of(options.id)
    if options.output is None:
        for piece in pieces(folder, options.form or "markdown", options.thinking):
            sys.stdout.write(piece)
        return 0
    target = Path(options.output)
    try:
        write(folder, target, options.form, options.thinking)
    except OSError as error:
        return fail(f"{target}: {error.strerror}", 1)
    return 0


def write(folder: Path, target: Path, form: str | None = None, thinking: bool = False) -> None:
    """Writes the session in FOLDER to TARGET: a file whole or not at all. FORM: as TARGET's ending says, else Markdown.

    A journal holds what the agent read, so the file is its owner's alone. Raises OSError, JournalError.
    """
    form = form or FORMS.get(target.suffix.lower(), "markdown")
    if target.exists() and not target.is_file():  # a pipe, /dev/stdout: written to, never replaced
        with target.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(pieces(folder, form, thinking))
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(pieces(folder, form, thinking))
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def pieces(folder: Path, form: str, thinking: bool = False) -> Iterator[str]:
    """The export as it is written: a long session is never held whole. Raises JournalError."""
    if form == "html":
        from workbench.session.html import page

        yield from page(folder, thinking)
    elif form == "json":
        yield from _json(folder)
    else:
        yield from _markdown(folder, thinking)


def _markdown(folder: Path, thinking: bool) -> Iterator[str]:
    from workbench.session import store
    from workbench.session.blobs import Blobs
    from workbench.session.transcript import transcript

    before = ""
    with Reader(folder) as reader:
        for paragraph in transcript(reader.read(), Blobs(folder / "blobs"), store.summary(folder).title, thinking):
            # Lines of one list stand together.
            listed = before.startswith("- ") and paragraph.startswith("- ")
            yield (("\n" if listed else "\n\n") if before else "") + paragraph
            before = paragraph
    yield "\n"


def _json(folder: Path) -> Iterator[str]:
    from workbench.protocol.codec import encode
    from workbench.protocol.visible import escaped
    from workbench.verbs.session_told import Told

    head = json.dumps(Told(folder).builtins(), indent=2)
    yield head.removesuffix("\n}") + ',\n  "events": ['
    comma = ""
    with Reader(folder) as reader:
        for envelope in reader.read():
            yield f"{comma}\n    {escaped(encode(envelope).decode())}"
            comma = ","
    yield "\n  ]\n}\n"
