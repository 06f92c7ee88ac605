"""Putting files back: each one is the old or the new one at any moment, and nothing is written outside its root.

Contents are first written to a folder beside the files, which finds out about a full disk before anything changed;
then each takes its place by a rename. Folders are opened one by one from the root, never through a link.
"""

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator

from workbench.session.snapshots_held import EXECUTABLE, LINK, Delta, Held, Side, SnapshotError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Writer:
    """Brings files below ROOT to the new side of deltas. STAGE is the name of a folder in ROOT of its own.

    HELD tells permissions.
    """

    def __init__(self, root: bytes, stage: str, held: Held) -> None:
        self.failed: list[tuple[bytes, str]] = []  # path, why
        self._root, self._stage, self._held = root, os.fsencode(stage), held
        self._count = 0
        self._staged: list[tuple[Delta, bytes]] = []
        self._folders: dict[bytes, int] = {}

    def __enter__(self) -> "Writer":
        self._clear()
        self._folders[b""] = os.open(self._root, _FOLDER & ~os.O_NOFOLLOW)
        os.mkdir(self._stage, 0o700, dir_fd=self._folders[b""])
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self._clear()

    def _clear(self) -> None:
        """Removes what this or a killed restore before it left."""
        shutil.rmtree(os.path.join(self._root, self._stage), ignore_errors=True)  # noqa: PTH118

    def _close(self) -> None:
        for fd in self._folders.values():
            os.close(fd)
        self._folders.clear()

    def stage(self, delta: Delta, content: bytes) -> None:
        """Writes CONTENT beside the files, ready to become DELTA's. Raises SnapshotError; nothing changed then."""
        assert delta.new
        name = os.path.join(self._stage, b"%d" % self._count)  # noqa: PTH118
        top = self._folders[b""]
        try:
            if delta.new.mode == LINK:
                os.symlink(content, name, dir_fd=top)
            else:
                with os.fdopen(os.open(name, _NEW, 0o600, dir_fd=top), "wb") as file:
                    file.write(content)
        except OSError as error:
            raise SnapshotError(f"nothing was put back: {error.strerror}: {shown(self._root)}") from None
        self._count += 1
        self._staged.append((delta, name))

    def remove(self, paths: list[bytes]) -> None:
        """Removes files, and folders that are empty then."""
        emptied: set[bytes] = set()
        for path in paths:
            folder, name = self._split(path)
            with self._telling(path):
                try:
                    os.unlink(name, dir_fd=self._open(folder))
                except FileNotFoundError:
                    continue
                emptied.add(folder)
        self._forget()
        for folder in sorted(emptied, key=len, reverse=True):
            self._remove_empty(folder)

    def _remove_empty(self, folder: bytes) -> None:
        while folder:
            above, _, name = folder.rpartition(b"/")
            try:
                os.rmdir(name, dir_fd=self._open(above))
            except OSError:
                return
            folder = above

    def place_early(self, named: bytes) -> None:
        """Gives staged files of the name NAMED their place where nothing is in the way; `place` tries again."""
        staged, self._staged = self._staged, []
        for delta, name in staged:
            if os.path.basename(delta.path) == named:  # noqa: PTH119
                with contextlib.suppress(OSError):
                    self._place(delta, name)
                    continue
            self._staged.append((delta, name))

    def place(self) -> None:
        """Gives what is staged its place."""
        for delta, name in self._staged:
            with self._telling(delta.path):
                self._place(delta, name)

    def _place(self, delta: Delta, staged: bytes) -> None:
        assert delta.new
        folder, name = self._split(delta.path)
        into, top = self._open(folder, make=True), self._folders[b""]
        old = None
        with contextlib.suppress(FileNotFoundError):
            old = os.stat(name, dir_fd=into, follow_symlinks=False)
        if delta.new.mode != LINK:
            self._dress(staged, delta.path, delta.new, old if old and stat.S_ISREG(old.st_mode) else None)
        try:
            os.rename(staged, name, src_dir_fd=top, dst_dir_fd=into)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._carry_over(staged, name, into)

    def _carry_over(self, staged: bytes, name: bytes, into: int) -> None:
        """The same where another file system is mounted in between: first there, then by rename."""
        near = b".mlwb-" + os.path.basename(staged) + b".tmp"  # noqa: PTH119
        source = os.path.join(self._root, staged)  # noqa: PTH118
        target = os.path.join(b"/proc/self/fd/%d" % into, near)  # noqa: PTH118
        shutil.copy2(source, target, follow_symlinks=False)
        os.rename(near, name, src_dir_fd=into, dst_dir_fd=into)

    def _dress(self, staged: bytes, path: bytes, side: Side, old: os.stat_result | None) -> None:
        """Permissions and owner: those of the file that is replaced, else those that were remembered."""
        top = self._folders[b""]
        mode = stat.S_IMODE(old.st_mode) if old else self._held.usual
        mode = self._held.modes.get(path, mode)
        mode = mode | (mode & 0o444) >> 2 if side.mode == EXECUTABLE else mode & ~0o111
        if old and (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
            with contextlib.suppress(PermissionError):
                os.chown(staged, old.st_uid, old.st_gid, dir_fd=top)
        os.chmod(staged, mode, dir_fd=top)

    # --- folders ---

    def _split(self, path: bytes) -> tuple[bytes, bytes]:
        if not path.startswith(self._root.rstrip(b"/") + b"/"):
            raise SnapshotError(f"{shown(path)} lies outside {shown(self._root)}")
        folder, _, name = path[len(self._root.rstrip(b"/")) + 1 :].rpartition(b"/")
        return folder, name

    def _open(self, folder: bytes, make: bool = False) -> int:
        """A folder below the root, no part of its path a link. With MAKE missing ones are made."""
        if folder not in self._folders:
            above, _, name = folder.rpartition(b"/")
            parent = self._open(above, make)
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, dir_fd=parent)
            self._folders[folder] = os.open(name, _FOLDER, dir_fd=parent)
            if len(self._folders) > 200:
                self._forget(folder)
        return self._folders[folder]

    def _forget(self, but: bytes = b"") -> None:
        for folder in [folder for folder in self._folders if folder not in (b"", but)]:
            os.close(self._folders.pop(folder))

    @contextlib.contextmanager
    def _telling(self, path: bytes) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failed.append((path, error.strerror or str(error)))


def shown(path: bytes) -> str:
    """PATH for people."""
    return path.decode("utf-8", "backslashreplace")
