"""The clone's own files: `gitclaim/` inside the git directory that all linked work trees share."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gitclaim.errors import GitclaimError
from gitclaim.names import printable


class BusyError(GitclaimError):
    """Another process held a lock all the time we waited for it."""


class State:
    """A directory only its owner can read, whose files are replaced whole.

    Args:
        root: the directory; made when first written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, *parts: str) -> Path:
        """Where a file of ours lies."""
        return self.root.joinpath(*parts)

    def read(self, *parts: str) -> str | None:
        """The file's text, or None when there is none."""
        try:
            return self.path(*parts).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise GitclaimError(f"can't read {printable(str(self.path(*parts)))}: {error}") from error

    def write(self, text: str, *parts: str) -> None:
        """Replace the file's text, whole or not at all."""
        self.make(*parts[:-1])
        target = self.path(*parts)
        # One name per process and moment: two writers each replace the file with a whole text.
        draft = target.with_name(f".{target.name}.{os.getpid()}.{time.monotonic_ns()}")
        try:
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with open(fd, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor, not a path
                file.write(text)
            draft.replace(target)
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            raise GitclaimError(
                f"can't write {printable(str(target))}: {error.strerror}",
                hint="gitclaim keeps what it remembers there; make room or give yourself access",
            ) from error

    def write_first(self, text: str, *parts: str) -> str:
        """The file's text: this one if there was none, else what another process wrote first."""
        target = self.path(*parts)
        draft = (*parts[:-1], f".{parts[-1]}.{os.getpid()}.first")
        self.write(text, *draft)
        try:
            os.link(self.path(*draft), target)
        except FileExistsError:
            return self.read(*parts) or text
        finally:
            self.remove(*draft)
        return text

    def remove(self, *parts: str) -> None:
        """Remove the file, if it is there."""
        with suppress(FileNotFoundError, NotADirectoryError):
            self.path(*parts).unlink()

    def names(self, *parts: str) -> list[str]:
        """The names of the files in a directory, sorted; none when there is no such directory."""
        try:
            found = sorted(entry.name for entry in self.path(*parts).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [name for name in found if not name.startswith(".")]

    def make(self, *parts: str) -> Path:
        """The directory, made if need be, for its owner alone.

        Raises:
            GitclaimError: it cannot be made, or a symbolic link stands in its place.
        """
        path = self.root
        for part in ("", *parts):
            path = path / part if part else path
            try:
                path.mkdir(mode=0o700, exist_ok=True)
            except OSError as error:
                raise GitclaimError(f"can't make {printable(str(path))}: {error.strerror}") from error
            if path.is_symlink():
                raise GitclaimError(
                    f"{printable(str(path))} is a symbolic link", hint="remove it: keys and verdicts are kept there"
                )
        return path

    @contextmanager
    def lock(self, name: str, timeout: float) -> Iterator[None]:
        """Hold the lock of that name; the system drops it when the process ends, however it ends.

        Args:
            name: the file that carries the lock.
            timeout: seconds to wait for another process.

        Raises:
            BusyError: another process held it all that time.
            GitclaimError: it can't be written to.
        """
        self.make()
        path = self.path(name)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise GitclaimError(f"can't lock {printable(str(path))}: {error.strerror}") from error
        try:
            _wait_for(fd, time.monotonic() + timeout)
            yield
        finally:
            os.close(fd)


def _wait_for(fd: int, deadline: float) -> None:
    pause = 0.001
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise BusyError(
                    "another gitclaim process is busy with this clone", hint="try again in a moment"
                ) from None
            time.sleep(pause)  # noqa: TID251 - waits for another process, not for a time of day
            pause = min(pause * 2, 0.05)
        else:
            return
