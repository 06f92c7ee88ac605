"""A small ripgrep for machines without one: the same answers, printed in the same form, by a process that can be ended.

A process of its own because Python's `re` cannot be interrupted. Standard library alone.
"""
# ruff: noqa: PTH109
# Plain strings: a Path for each file would cost more than the rest of the search.

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from workbench.tools import beneath
from workbench.tools.globs import GlobError, expression
from workbench.tools.walk import Overrides, walk

_SNIFFED = 65_536  # bytes: a NUL among them makes a file binary
_CHUNK = 1 << 20

# ripgrep's types (`rg --type-list`), those that the work at hand meets.
TYPES = {
    "c": "*.[chH]",
    "cmake": "{*.cmake,CMakeLists.txt}",
    "config": "*.{cfg,conf,config,ini}",
    "cpp": "{*.[ChH],*.[ch]pp,*.[ch]xx,*.cc,*.hh,*.inl}",
    "csharp": "*.cs",
    "css": "*.{css,scss}",
    "csv": "*.csv",
    "cython": "*.{pxd,pxi,pyx}",
    "diff": "*.{diff,patch}",
    "docker": "*Dockerfile*",
    "go": "*.go",
    "html": "*.{ejs,htm,html}",
    "java": "*.{java,jsp,jspx,properties}",
    "jinja": "*.{j2,jinja,jinja2}",
    "js": "*.{js,jsx,vue}",
    "json": "{*.json,composer.lock}",
    "jsonl": "*.jsonl",
    "julia": "*.jl",
    "jupyter": "*.{ipynb,jpynb}",
    "kotlin": "*.{kt,kts}",
    "log": "*.log",
    "lua": "*.lua",
    "make": "{*.mak,*.mk,[Gg][Nn][Uu]makefile,[Mm]akefile}",
    "markdown": "*.{markdown,md,mdown,mkdn}",
    "md": "*.{markdown,md,mdown,mkdn}",
    "perl": "*.{PL,perl,pl,plh,plx,pm,t}",
    "php": "*.{php,php3,php4,php5,phtml}",
    "protobuf": "*.proto",
    "py": "*.py",
    "r": "*.{R,Rmd,Rnw,r}",
    "ruby": "{*.gemspec,*.rb,*.rbw,.irbrc,Gemfile,Rakefile,config.ru}",
    "rust": "*.rs",
    "scala": "*.{sbt,scala}",
    "sh": "{*.bash,*.bashrc,*.csh,*.cshrc,*.ksh,*.kshrc,*.sh,*.tcsh,*.zsh,.bashrc,.profile,.zshrc}",
    "sql": "*.{psql,sql}",
    "swift": "*.swift",
    "tex": "*.{bib,cls,dtx,ins,ltx,sty,tex}",
    "tf": "*.tf",
    "toml": "{*.toml,Cargo.lock}",
    "ts": "*.{ts,tsx}",
    "txt": "*.txt",
    "xml": "*.{dtd,rng,sch,xhtml,xjb,xml,xsd,xsl,xslt}",
    "yaml": "*.{yaml,yml}",
    "zig": "*.zig",
}


class Line(NamedTuple):
    """A line that is printed: its number, whether it matches or surrounds a match, its text."""

    number: int
    matches: bool
    text: bytes


def main() -> int:
    """Answers the request in argv[1], a JSON object with the fields of `search.Query`, on the current folder."""
    request = json.loads(sys.argv[1])
    try:
        held = os.open(".", beneath.PLACE)
        found = _Matcher(request).search(_texts(request, held))
        out = sys.stdout.buffer
        for path, lines, count in found:
            name = os.fsencode(path)
            if request["mode"] == "files_with_matches":
                out.write(b"./%s\0" % name)
            elif request["mode"] == "count":
                out.write(b"./%s\0%d\n" % (name, count))
            else:
                out.writelines(b"./%s\0%d%s%s\n" % (name, n, b":" if m else b"-", text) for n, m, text in lines)
        out.flush()
    except BrokenPipeError:
        os._exit(1)
    except (GlobError, re.error, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _texts(request: dict[str, Any], held: int) -> Iterator[tuple[str, str]]:
    """The files to search in the folder HELD, and what each says. The one that is asked for is on standard input."""
    if request["file"]:
        text = _text(_drain(0))
        return iter(() if text is None else ((request["file"], text),))
    kind = request["type"]
    if kind and kind not in TYPES:
        raise ValueError(f"unrecognized file type: {kind}")
    kinds = re.compile(expression(TYPES[kind]), re.DOTALL).fullmatch if kind else None
    paths = walk(os.getcwd(), held, overrides=Overrides(request["globs"]), kinds=kinds)
    return ((path, text) for path in paths if (text := _text(_read(held, path))) is not None)


class _Matcher:
    """Python's `re` in ripgrep's place."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.mode, self.multiline = request["mode"], request["multiline"]
        self.before, self.after = request["before"], request["after"]
        pattern = request["pattern"]
        if not self.multiline and re.search(r"\n|(?<!\\)(?:\\\\)*\\n", pattern):
            raise ValueError("the literal \\n is not allowed in a pattern without multiline")
        flags = re.MULTILINE | re.IGNORECASE * request["ignore_case"] | re.DOTALL * self.multiline
        self.error: re.error | None = None
        try:
            self.find = re.compile(_to_python(pattern), flags)
        except re.error as error:
            self.error = re.error(f"regex parse error: {error} in {pattern}")
        # A text without any match has no matching line, unless the pattern looks at the edges of a line itself.
        self.skims = not re.search(r"\\[AzZ]|\(\?<?[!=]", pattern)

    def search(self, files: Iterable[tuple[str, str]]) -> Iterator[tuple[str, list[Line], int]]:
        """The files that match, their lines, and how many matches they hold."""
        if self.error:
            raise self.error
        for path, text in files:
            if self.skims and not self.find.search(text):
                continue
            lines, count = self._lines(text) if self.multiline else self._by_line(text)
            if count:
                yield path, lines, count

    def _by_line(self, text: str) -> tuple[list[Line], int]:
        rows = _rows(text)
        search = self.find.search
        if self.mode == "files_with_matches":
            return [], int(any(search(row) for row in rows))
        hits = [at for at, row in enumerate(rows) if search(row)]
        return self._with_context(rows, hits), len(hits)

    def _lines(self, text: str) -> tuple[list[Line], int]:
        if self.mode == "files_with_matches":
            return [], 1
        hits: set[int] = set()
        count = at = number = 0
        for found in self.find.finditer(text):
            if found.start() == found.end() == len(text) and (not text or text.endswith("\n")):
                continue  # behind the last line is no line
            number += text.count("\n", at, found.start())
            at = found.start()
            hits.update(range(number, number + text.count("\n", at, max(found.end() - 1, at)) + 1))
            count += 1
        return self._with_context(_rows(text), sorted(hits)), count

    def _with_context(self, rows: list[str], hits: list[int]) -> list[Line]:
        if self.mode != "content":
            return []
        matching = set(hits)
        shown = matching.union(*(range(max(0, at - self.before), min(len(rows), at + self.after + 1)) for at in hits))
        return [Line(at + 1, at in matching, _bytes(rows[at])) for at in sorted(shown)]


def _rows(text: str) -> list[str]:
    rows = text.split("\n")
    if rows[-1] == "":
        rows.pop()
    return rows


def _bytes(row: str) -> bytes:
    return row.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str | None:
    """A file's text, without what follows a late NUL; None for one that is binary."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    data = data.removeprefix(b"\xef\xbb\xbf")
    nul = data.find(b"\0")
    if 0 <= nul < _SNIFFED:
        return None
    return (data if nul < 0 else data[:nul]).decode("utf-8", "surrogateescape")


def _read(held: int, path: str) -> bytes:
    """The bytes of the file at PATH beneath HELD; none where it cannot be read, or a link leads there."""
    try:
        fd = beneath.open_at(held, path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return _drain(fd)
    finally:
        os.close(fd)


def _drain(fd: int) -> bytes:
    try:
        parts = [os.read(fd, _CHUNK)]
        while len(parts[-1]) == _CHUNK:
            parts.append(os.read(fd, _CHUNK))
        return b"".join(parts)
    except OSError:
        return b""


def _to_python(pattern: str) -> str:
    """What ripgrep's regular expressions write differently."""
    pattern = re.sub(r"(?<!\\)\(\?<(?![=!])", "(?P<", pattern)
    pattern = re.sub(r"(?<!\\)\\z", r"\\Z", pattern)
    if unknown := re.search(r"(?<!\\)\\[pP]\{?\w+\}?|\[\[:\^?\w+:\]", pattern):
        raise ValueError(f"{unknown[0]} is understood by ripgrep alone, which is not installed here")
    return pattern
