"""What a transport is: one way to reach a bare repository, served for as long as the tests need it."""

import abc
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from tests.kit.processes import Child, serve
from tests.kit.sealed import sealed_env

# Servers live where a user's shell rarely looks.
_PROGRAM_PATH: Final = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"))


def program(name: str) -> str | None:
    """Find a program, also where Debian keeps its servers."""
    return shutil.which(name, path=_PROGRAM_PATH)


class Transport(abc.ABC):
    """One way to reach a bare repository.

    It serves every repository below the `root` it was started with, and nothing else of the machine.
    """

    name: ClassVar[str]
    programs: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self._children: list[Child] = []
        self._root = Path()
        self._state = Path()
        self._port = 0

    def available(self) -> str | None:
        """Return why this transport cannot run on this machine, or None when it can."""
        missing = [name for name in self.programs if program(name) is None]
        return f"{self.name}: not installed: {', '.join(missing)}" if missing else None

    def start(self, root: Path) -> None:
        """Serve the repositories below `root`, until `stop`."""
        self._root = root
        # Not below pytest's directory: its depth can exceed the 107 bytes that a Unix socket's path may have.
        self._state = Path(tempfile.mkdtemp(prefix=f"gitclaim-{self.name}-"))
        self._serve(sealed_env(self._state / "home"))

    def stop(self) -> None:
        """End every process that was started, and forget the keys."""
        for child in reversed(self._children):
            child.stop()
        if self._state != Path():
            shutil.rmtree(self._state, ignore_errors=True)

    @abc.abstractmethod
    def url(self, repo: Path) -> str:
        """Return the address of a repository below the root."""

    def env(self) -> Mapping[str, str]:
        """Return what a client needs in its environment beside the address."""
        return {}

    @abc.abstractmethod
    def _serve(self, env: dict[str, str]) -> None:
        """Start the processes, in this environment; `self._state` is theirs to write in."""

    def _listen(self, argv: Callable[[int], Sequence[str | Path]], env: Mapping[str, str]) -> None:
        """Start a server on a port of its own, which becomes `self._port`."""
        child, self._port = serve(argv, log=self._state / "log", env=env, cwd=self._state)
        self._children.append(child)
