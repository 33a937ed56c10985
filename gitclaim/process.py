"""Starts programs: the one place that does."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, NamedTuple


class Completed(NamedTuple):
    """How a program ended.

    Args:
        argv: what was started.
        code: its exit code; negative for the signal that killed it; None when it ran out of time and was killed.
        out: its standard output.
        err: its standard error.
    """

    argv: tuple[str, ...]
    code: int | None
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Standard output as text, bytes that are not UTF-8 as surrogates."""
        return self.out.decode("utf-8", "surrogateescape")

    @property
    def complaint(self) -> str:
        """What the program said went wrong, in one line; its exit code if it said nothing."""
        lines = [line.strip() for line in self.err.decode("utf-8", "replace").splitlines()]
        return "; ".join(line for line in lines if line) or f"{self.argv[0]} ended with {self.code}"


class Started:
    """A program under way.

    Args:
        argv: the program and its arguments.
        env: its whole environment.
        cwd: the directory it runs in.
        stdin: what it reads on standard input; nothing when None.
        foreground: leave it in our process group, so that it may talk to the terminal.

    Raises:
        FileNotFoundError: there is no such program, or no such directory.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str | None = None,
        stdin: bytes | None = None,
        foreground: bool = False,
    ) -> None:
        self._argv = tuple(argv)
        self._stdin = stdin
        self._foreground = foreground
        # A group of its own: a time-out has to end ssh, credential helpers and askpass programs as well. Outside the
        # terminal's foreground group none of them can stop to ask for a password either.
        self._popen = subprocess.Popen(  # noqa: S603 - argument vectors only, never a shell
            self._argv,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=not foreground,
        )

    def finish(self, timeout: float | None = None, *, most: int | None = None) -> Completed:
        """Wait for the end, at most that many seconds, then end the program and what it started.

        Args:
            timeout: seconds; None to wait for ever.
            most: bytes of its answer that are read, then it is ended as well; its code is None then. None for all.
        """
        try:
            out, err = self._popen.communicate(self._stdin, timeout) if most is None else self._read(most)
        except subprocess.TimeoutExpired:
            out, err = self._end()
            return Completed(self._argv, None, out, err)
        except BaseException:
            self._end()
            raise
        if most is not None and len(out) > most:
            self._end()
            return Completed(self._argv, None, out[:most], b"it answered more than is read")
        return Completed(self._argv, self._popen.returncode, out, err)

    def _read(self, most: int) -> tuple[bytes, bytes]:
        """The answer, and one byte more than is to be read of it if it is longer."""
        # Imported late: only a server sets a bound.
        from threading import Thread  # noqa: PLC0415

        popen, said = self._popen, list[bytes]()
        # Theirs alone from now on: whoever ends the program early does not wait for these.
        question, complaint = popen.stdin, popen.stderr
        popen.stdin = popen.stderr = None
        helpers = [
            Thread(target=_feed, args=(question, self._stdin), daemon=True),
            Thread(target=_drain, args=(complaint, said), daemon=True),
        ]
        for helper in helpers:
            helper.start()
        out = popen.stdout.read(most + 1) if popen.stdout else b""
        if len(out) <= most:
            for helper in helpers:
                helper.join()
            popen.wait()
        return out, b"".join(said)

    def _end(self) -> tuple[bytes, bytes]:
        said = b"", b""
        # Politely first: git removes its lock files at SIGTERM. At SIGKILL they stay, and one packed-refs.lock keeps
        # every ref of the repository from being deleted until a person removes it.
        for sign, patience in ((signal.SIGTERM, 0.5), (signal.SIGKILL, 0.5)):
            with suppress(ProcessLookupError, PermissionError):
                if self._foreground:
                    self._popen.send_signal(sign)
                else:
                    os.killpg(self._popen.pid, sign)
            try:
                return self._popen.communicate(timeout=patience)
            except subprocess.TimeoutExpired as error:
                said = error.stdout or b"", error.stderr or b""
        # A grandchild that left the group holds our pipes open: what it says no longer matters.
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if pipe:
                with suppress(OSError):
                    pipe.close()
        self._popen.poll()
        return said


def _feed(pipe: IO[bytes] | None, data: bytes | None) -> None:
    # It may end before it has read everything.
    with suppress(OSError):
        if pipe:
            pipe.write(data or b"")
            pipe.close()


def _drain(pipe: IO[bytes] | None, into: list[bytes]) -> None:
    if pipe:
        with pipe:
            into.append(pipe.read())


def run(  # noqa: PLR0913 - the arguments of `Started`
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | None = None,
    stdin: bytes | None = None,
    timeout: float | None = None,
    foreground: bool = False,
) -> Completed:
    """Run a program to its end; the arguments are those of `Started` and `Started.finish`."""
    return Started(argv, env=env, cwd=cwd, stdin=stdin, foreground=foreground).finish(timeout)
