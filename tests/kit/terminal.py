"""A person's terminal: a process on a pseudo-terminal, and what it shows there."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from tests.kit.repos import PATIENCE, ROOT, Repo

_CHUNK: Final = 4096


@dataclass(slots=True)
class Screen:
    """A process whose three standard streams are one terminal."""

    process: subprocess.Popen[bytes]
    terminal: int
    shown: str = ""
    _raw: bytes = field(default=b"", repr=False)

    def until(self, text: str) -> None:
        """Read until the text was shown."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert time.monotonic() < deadline, f"never shown: {text!r} in {self.shown!r}"
            assert self._read() or text in self.shown, f"ended without {text!r}: {self.shown!r}"

    def type(self, text: str) -> None:
        """Type something."""
        os.write(self.terminal, text.encode())

    def end(self) -> int:
        """Read until the process ends; its exit code."""
        while self._read():
            pass
        code = self.process.wait(PATIENCE)
        os.close(self.terminal)
        return code

    def _read(self) -> bool:
        if not select.select([self.terminal], [], [], PATIENCE)[0]:
            raise TimeoutError(self.shown)
        data = b""
        # At the end Linux answers with an input/output error instead of with nothing.
        with suppress(OSError):
            data = os.read(self.terminal, _CHUNK)
        self._raw += data
        self.shown = self._raw.decode(errors="replace")
        return bool(data)


def on_terminal(repo: Repo, *args: str, env: Mapping[str, str] | None = None) -> Screen:
    """Start `gitclaim` on a terminal."""
    controller, terminal = pty.openpty()
    environ = {**os.environ, **repo.env, "GITCLAIM_SESSION": repo.session, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-m", "gitclaim", *args],
        cwd=repo.path,
        env={**environ, **(env or {})},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        # A session of its own, whose terminal this is: Ctrl-C there interrupts it.
        preexec_fn=_own_terminal,  # noqa: PLW1509 - the tests run one thread
    )
    os.close(terminal)
    return Screen(process, controller)


def _own_terminal() -> None:
    import fcntl  # noqa: PLC0415 - in the child only
    import termios  # noqa: PLC0415

    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
