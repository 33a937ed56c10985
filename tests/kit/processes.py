"""Children that outlive one test: started, waited for until they answer, and surely ended."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
_READY_WITHIN: Final = 10.0
_GRACE: Final = 2.0
# Reads until the tests' process is gone, however it went (after kill -9 no fixture is torn down).
_WATCH: Final = 'read -r _; kill -s KILL -- "-$1"'


class ServerDiedError(RuntimeError):
    """A server did not come up; the message carries what it logged."""


def free_port() -> int:
    """Return a port that was free a moment ago; who loses the race for it starts again (see `serve`)."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


class Child:
    """A server process in a process group of its own, with its output in a log file."""

    def __init__(self, argv: Sequence[str | Path], *, log: Path, env: Mapping[str, str], cwd: Path) -> None:
        """Start it. Standard input is empty, so that no server ever waits for a terminal."""
        self.log = log
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                [os.fspath(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )
        self._watch = subprocess.Popen(
            ["sh", "-c", _WATCH, "watch", str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Return when `ready` says so; raise when the process ended first or takes too long."""
        deadline = time.monotonic() + _READY_WITHIN
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ServerDiedError(f"{self._process.args!r}\n{self.log.read_text(errors='replace')}")
            time.sleep(0.005)

    def stop(self) -> None:
        """End the whole group: politely, then by force."""
        with self._watch:
            self._watch.kill()
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE)


def eventually(true: Callable[[], bool], *, within: float = 60.0) -> None:
    """Wait for something that another process does; `within` is for a machine that is slow, not for luck."""
    deadline = time.monotonic() + within
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {within} s")
        time.sleep(0.01)


def accepts(port: int) -> bool:
    """Tell if something accepts connections on this port."""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False


def serve(
    argv: Callable[[int], Sequence[str | Path]],
    *,
    log: Path,
    env: Mapping[str, str],
    cwd: Path,
    tries: int = 3,
) -> tuple[Child, int]:
    """Start a TCP server on a free port, wait until it accepts; `argv` makes its command from the port."""
    port = free_port()
    child = Child(argv(port), log=log, env=env, cwd=cwd)
    try:
        child.wait_until(partial(accepts, port))
    except ServerDiedError:
        child.stop()
        if tries == 1:
            raise
        return serve(argv, log=log, env=env, cwd=cwd, tries=tries - 1)
    return child, port
