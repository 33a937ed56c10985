"""The clone's own files: `gitclaim/` inside the git directory that all linked work trees share."""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from gitclaim.errors import GitclaimError
from gitclaim.names import printable

if TYPE_CHECKING:
    from pathlib import Path

_OTHERS: Final = 0o077
_OTHERS_WRITE: Final = 0o022
_NO_NAMES: Final = frozenset({"", ".", ".."})
_BELIEVED: Final = "verdicts"


class BusyError(GitclaimError):
    """Another process held a lock all the time we waited for it."""


class State:
    """A directory only its owner can enter, whose files are replaced whole.

    Nothing in it is followed or believed that another user could have put there. Root works in the directory of whoever
    owns the repository, because git asks root whether it trusts them (`safe.directory`); what it makes is the owner's.

    Args:
        root: the directory; made when first written to.
    """

    def __init__(self, root: "str | Path") -> None:
        self.root = os.fspath(root)
        self._checked: set[str] = set()

    def at(self, *parts: str) -> str:
        """Where a file of ours lies.

        Raises:
            ValueError: a part is not the name of one file, and would lead elsewhere.
        """
        for part in parts:
            if part in _NO_NAMES or "/" in part:
                raise ValueError(f"not a file name: {part!r}")
        return os.path.join(self.root, *parts)

    def path(self, *parts: str) -> "Path":
        """Where a file of ours lies, as a path object."""
        # Imported late: it takes 3 ms, and few commands need it.
        from pathlib import Path  # noqa: PLC0415

        return Path(self.at(*parts))

    def has(self, *parts: str) -> bool:
        """Whether the file is there, from now on for its owner alone: for programs that are told its name.

        Raises:
            GitclaimError: what is there is no file of ours.
        """
        path = self.at(*parts)
        try:
            status = os.lstat(path) if self._is_there(*parts[:-1]) else None
        except FileNotFoundError:
            status = None
        if status is None:
            return False
        self._check_file(path, status)
        if status.st_mode & _OTHERS:
            # ssh-keygen uses no key that others can read.
            with suppress(OSError):
                os.chmod(path, 0o600)
        return True

    def read(self, *parts: str) -> str | None:
        """The file's text, or None when there is none.

        Raises:
            GitclaimError: it can't be read, or what is there is no file of ours.
        """
        path = self.at(*parts)
        if not self._is_there(*parts[:-1]):
            return None
        try:
            with open(self._open(path, os.O_RDONLY), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise GitclaimError(
                f"can't read {printable(path)}: {error.strerror}", hint="remove it, if it is another user's"
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise GitclaimError(f"can't read {printable(path)}: {printable(str(error))}") from error

    def write(self, text: str, *parts: str) -> None:
        """Replace the file's text, whole or not at all."""
        target = self.at(*parts)
        self.make(*parts[:-1])
        # One name per process and moment: two writers each replace the file with a whole text.
        draft = self.at(*parts[:-1], f".{parts[-1]}.{os.getpid()}.{time.monotonic_ns()}")
        try:
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(fd, "w", encoding="utf-8") as file:
                self._settle(fd, 0o600)
                file.write(text)
            os.replace(draft, target)
        except OSError as error:
            with suppress(OSError):
                os.unlink(draft)
            raise _unwritable(target, error) from error

    def write_first(self, text: str, *parts: str) -> str:
        """The file's text: this one if there was none, else what another process wrote first."""
        target = self.at(*parts)
        draft = (*parts[:-1], f".{parts[-1]}.{os.getpid()}.{time.monotonic_ns()}.first")
        self.write(text, *draft)
        try:
            os.link(self.at(*draft), target)
        except FileExistsError:
            first = self.read(*parts)
            if not first:
                # A machine that stopped left it empty.
                self.write(text, *parts)
            return first or text
        except OSError as error:
            raise _unwritable(target, error) from error
        finally:
            self.remove(*draft)
        return text

    def remove(self, *parts: str) -> None:
        """Remove the file, if it is there."""
        path = self.at(*parts)
        if self._is_there(*parts[:-1]):
            with suppress(FileNotFoundError):
                os.unlink(path)

    def names(self, *parts: str) -> list[str]:
        """The names of the files in a directory, sorted; none when there is no such directory."""
        path = self.at(*parts)
        if not self._is_there(*parts):
            return []
        try:
            found = sorted(os.listdir(path))
        except FileNotFoundError:
            return []
        return [name for name in found if not name.startswith(".")]

    def prune(self, now: datetime, older: timedelta, *parts: str, start: str = "") -> None:
        """Remove the files in a directory that were not written to for that long.

        Args:
            now: the present moment.
            older: how long.
            parts: the directory.
            start: what their names begin with.
        """
        path = self.at(*parts)
        if not self._is_there(*parts):
            return
        with suppress(OSError):
            for entry in os.scandir(path):
                if entry.name.startswith(start) and entry.is_file(follow_symlinks=False):
                    age = now.timestamp() - entry.stat(follow_symlinks=False).st_mtime
                    if age > older.total_seconds():
                        os.unlink(entry.path)

    def make(self, *parts: str) -> str:
        """The directory, made if need be, for its owner alone.

        Raises:
            GitclaimError: it cannot be made, or what stands in its place is no directory of ours.
        """
        path = self.at(*parts)
        for end in range(len(parts) + 1):
            path = self.at(*parts[:end])
            try:
                if not os.path.lexists(path):
                    self._make(path)
                self._check_directory(path, os.lstat(path))
            except OSError as error:
                raise GitclaimError(f"can't make {printable(path)}: {error.strerror}") from error
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
        path = self.at(name)
        try:
            fd = self._open(path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise GitclaimError(f"can't lock {printable(path)}: {error.strerror}") from error
        try:
            self._settle(fd, 0o600)
            _wait_for(fd, time.monotonic() + timeout)
            yield
        finally:
            os.close(fd)

    def _is_there(self, *parts: str) -> bool:
        """Whether the directory is there; looked at once, because every command comes here.

        Raises:
            GitclaimError: what is there is no directory of ours.
        """
        for end in range(len(parts) + 1):
            path = self.at(*parts[:end])
            if path not in self._checked:
                try:
                    status = os.lstat(path)
                except FileNotFoundError:
                    return False
                except OSError as error:
                    raise GitclaimError(f"can't read {printable(path)}: {error.strerror}") from error
                self._check_directory(path, status)
                self._checked.add(path)
        return True

    def _check_directory(self, path: str, status: os.stat_result) -> None:
        if not stat.S_ISDIR(status.st_mode):
            what = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "no directory"
            raise GitclaimError(f"{printable(path)} is {what}", hint="remove it: keys and verdicts are kept there")
        self._check_owner(path, status)
        if status.st_mode & _OTHERS:
            # On a disk that can't be written to, or that keeps no modes, nothing is to be had by failing.
            with suppress(OSError):
                os.chmod(path, 0o700)
                if status.st_mode & _OTHERS_WRITE and os.path.basename(path) == _BELIEVED:
                    # Others could have renamed them: each is believed of the object it is called after.
                    for entry in os.scandir(path):
                        os.unlink(entry.path)

    def _check_file(self, path: str, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            what = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "no regular file"
            raise GitclaimError(f"{printable(path)} is {what}", hint="remove it: gitclaim makes it anew")
        self._check_owner(path, status)

    def _check_owner(self, path: str, status: os.stat_result) -> None:
        me = os.geteuid()
        if status.st_uid == me or (me == 0 and status.st_uid == self._repository().st_uid):
            return
        raise GitclaimError(
            f"{printable(path)} belongs to another user (uid {status.st_uid})",
            hint="keys and verdicts are one user's: work in a clone of your own, or remove it if nobody needs it",
        )

    def _repository(self) -> os.stat_result:
        return os.stat(os.path.dirname(os.path.abspath(self.root)))

    def _open(self, path: str, flags: int) -> int:
        try:
            # Not blocking: it could be a pipe.
            fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        except OSError:
            if os.path.islink(path):
                self._check_file(path, os.lstat(path))
            raise
        try:
            self._check_file(path, os.fstat(fd))
        except GitclaimError:
            os.close(fd)
            raise
        return fd

    def _make(self, path: str) -> None:
        before = os.umask(_OTHERS)
        try:
            os.mkdir(path, mode=0o700)
        except FileExistsError:
            return
        finally:
            os.umask(before)
        # By what was opened, not by name: root gives nothing away that was put in its place meanwhile.
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self._settle(fd, 0o700)
        finally:
            os.close(fd)

    def _settle(self, fd: int, mode: int) -> None:
        """Give what was just made its mode, whatever the umask, and its owner."""
        status = os.fstat(fd)
        if stat.S_IMODE(status.st_mode) & 0o777 != mode:
            # A file system that keeps no modes need not fail.
            with suppress(OSError):
                os.fchmod(fd, mode)
        if os.geteuid() == 0 and status.st_uid != (owner := self._repository()).st_uid:
            # Else who owns the repository could not use it any more once root has.
            with suppress(OSError):
                os.fchown(fd, owner.st_uid, owner.st_gid)


def _unwritable(target: str, error: OSError) -> GitclaimError:
    return GitclaimError(
        f"can't write {printable(target)}: {error.strerror}",
        hint="gitclaim keeps what it remembers there; make room or give yourself access",
    )


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
