"""The ways to a remote that gitclaim must stand on, each a real server on loopback."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NoReturn

import pytest

from tests.kit.http import Http
from tests.kit.processes import LOOPBACK
from tests.kit.ssh import Ssh
from tests.kit.transport import Transport


class File(Transport):
    """No server: git starts `git-receive-pack` itself."""

    name = "file"

    def url(self, repo: Path) -> str:
        return repo.as_uri()

    def _serve(self, env: dict[str, str]) -> None:
        pass


class Daemon(Transport):
    """`git daemon`, anonymous and writable."""

    name = "daemon"

    def url(self, repo: Path) -> str:
        return f"git://{LOOPBACK}:{self._port}/{repo.relative_to(self._root)}"

    def _serve(self, env: dict[str, str]) -> None:
        options = (
            f"--base-path={self._root}",
            f"--listen={LOOPBACK}",
            "--reuseaddr",
            "--export-all",
            "--enable=receive-pack",
            "--max-connections=0",
            "--log-destination=stderr",
        )
        self._listen(lambda port: ("git", "daemon", f"--port={port}", *options), env)


class Dulwich(Transport):
    """dulwich's server: what gitclaim relies on must be the protocol, not one implementation's habits."""

    name = "dulwich"

    def available(self) -> str | None:
        return None if find_spec("dulwich") else "dulwich: not installed (pip install dulwich)"

    def url(self, repo: Path) -> str:
        return f"git://{LOOPBACK}:{self._port}{repo}"  # its backend wants the absolute path

    def _serve(self, env: dict[str, str]) -> None:
        script = Path(__file__).with_name("dulwich_server.py")
        self._listen(lambda port: (sys.executable, script, self._root, str(port)), env)


TRANSPORTS: Final[Mapping[str, type[Transport]]] = {kind.name: kind for kind in (File, Ssh, Http, Daemon, Dulwich)}

_ALL_REQUIRED: Final = os.environ.get("GITCLAIM_REQUIRE_TRANSPORTS") == "1"  # read before a test is sealed


@contextlib.contextmanager
def serving(name: str, root: Path) -> Iterator[Transport]:
    """Serve the repositories below `root` while the block lasts; skip the test where that is impossible."""
    transport = TRANSPORTS[name]()
    if reason := transport.available():
        absent(reason, required=_ALL_REQUIRED)
    try:
        transport.start(root)
        yield transport
    finally:
        transport.stop()


def absent(reason: str, *, required: bool) -> NoReturn:
    """Skip the test, with the reason; where every transport is required (in CI), fail it."""
    if required:
        pytest.fail(f"{reason}, and GITCLAIM_REQUIRE_TRANSPORTS=1 allows no skip")
    pytest.skip(reason)
