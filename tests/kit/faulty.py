"""Remotes that break at a chosen moment of a push.

Where the moment lies is read from the protocol, never guessed from time: the end of the ref advertisement is
its flush packet, and a push is applied when `git receive-pack` has ended. Everything else of the remote is
real git.

    with cut_after_apply(bare) as (url, env):
        repo.try_git("push", …, url, …, env=env)    # applied, and the client cannot know
        repo.git("ls-remote", url, env=env)         # the remote is well again: only the first push is cut
"""

import contextlib
import enum
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple

from tests.kit.repos import ROOT
from tests.kit.wires import Listener, SocketWire, Wire, child_wire, drain, in_thread, pump

Via = Literal["daemon", "ssh"]
ALWAYS: Final = 1_000_000
"""For `times`: every push breaks."""

_LENGTH_DIGITS: Final = 4
_PUSH: Final = "git-receive-pack"
_SERVICES: Final = (_PUSH, "git-upload-pack")


class Fault(enum.StrEnum):
    """What happens to a push that breaks."""

    CUT_BEFORE_COMMANDS = "cut-before-commands"
    CUT_AFTER_APPLY = "cut-after-apply"
    HANG = "hang"
    HANG_AFTER_APPLY = "hang-after-apply"


class Remote(NamedTuple):
    """How a client reaches the broken remote."""

    url: str
    env: Mapping[str, str]


@contextlib.contextmanager
def broken(bare: Path, fault: Fault, *, times: int = 1, via: Via = "daemon") -> Iterator[Remote]:
    """Serve `bare` so that its first `times` pushes break; fetches, and later pushes, work.

    `via="daemon"` is a git:// server in this process; `via="ssh"` is a program in ssh's place
    (`GIT_SSH_COMMAND`).
    """
    with tempfile.TemporaryDirectory(prefix="gitclaim-faulty-") as tickets:
        if via == "ssh":
            command = pipe_command(fault, times, tickets)
            # The variant is said, because git asks a program it does not know by a call of its own.
            yield Remote(f"ssh://broken.invalid{bare}", {"GIT_SSH_COMMAND": command, "GIT_SSH_VARIANT": "ssh"})
            return
        sealed = dict(os.environ)  # as it is now, whatever a test does to its own environment later

        def serve(client: SocketWire) -> None:
            service, version = _read_request(client)
            if service not in _SERVICES:
                return  # somebody looked if the port is open
            env = sealed | ({"GIT_PROTOCOL": version} if version else {})
            relay(client, [service, str(bare)], env, fault if takes_ticket(tickets, times, service) else None)

        with Listener(serve) as listener:
            yield Remote(f"git://127.0.0.1:{listener.port}/{bare.name}", {})


def cut_before_commands(
    bare: Path, *, times: int = 1, via: Via = "daemon"
) -> contextlib.AbstractContextManager[Remote]:
    """Break after the refs were advertised and before a command reached the server: nothing is applied."""
    return broken(bare, Fault.CUT_BEFORE_COMMANDS, times=times, via=via)


def cut_after_apply(bare: Path, *, times: int = 1, via: Via = "daemon") -> contextlib.AbstractContextManager[Remote]:
    """Break after the server applied the push and before a word of its report came back."""
    return broken(bare, Fault.CUT_AFTER_APPLY, times=times, via=via)


def hang(bare: Path, *, times: int = ALWAYS, via: Via = "daemon") -> contextlib.AbstractContextManager[Remote]:
    """Accept the connection of a push and never say anything."""
    return broken(bare, Fault.HANG, times=times, via=via)


def hang_after_apply(bare: Path, *, times: int = 1, via: Via = "daemon") -> contextlib.AbstractContextManager[Remote]:
    """Apply the push and never report: a client that times out here must not believe it failed."""
    return broken(bare, Fault.HANG_AFTER_APPLY, times=times, via=via)


def pipe_command(fault: Fault, times: int, tickets: str | Path) -> str:
    """Return the shell command that stands in for ssh, or for `--receive-pack` of a local remote.

    Each push that breaks takes one of `times` tickets, which are files in the directory `tickets`.
    """
    python = ("env", f"PYTHONPATH={ROOT}", sys.executable)
    return shlex.join([*python, "-m", "tests.kit.faulty_pipe", fault, str(times), str(tickets)])


def relay(client: Wire, argv: list[str], env: dict[str, str], fault: Fault | None) -> None:
    """Connect a client to a git service, and break as told; returns when both are done with each other."""
    if fault is Fault.HANG:
        client.wait_gone()
        return
    with child_wire(argv, env) as server:
        if fault is not None:
            _hand_on_advertisement(server, client)
        break_push(client, server, fault)
    if fault is Fault.HANG_AFTER_APPLY:
        client.wait_gone()


def break_push(client: Wire, server: Wire, fault: Fault | None) -> None:
    """Go on after the advertisement until the server has ended, or was cut off."""
    if fault is Fault.CUT_BEFORE_COMMANDS:
        client.recv()  # the client has begun to send: for it, from here on, anything may have happened
        return
    in_thread(pump, client, server)
    if fault is None:
        pump(server, client)
    else:
        drain(server)


def _hand_on_advertisement(server: Wire, client: Wire) -> None:
    """Hand on pkt-lines up to and with the first flush packet, after which the server waits for commands."""
    seen = b""
    offset = 0
    while data := server.recv():
        client.send(data)
        seen += data
        while offset + _LENGTH_DIGITS <= len(seen):
            length = int(seen[offset : offset + _LENGTH_DIGITS], 16)
            if length == 0:
                return
            offset += length


def read_packet(wire: Wire) -> bytes:
    """Read git://'s first packet, header included; the client sends no more before it was answered."""
    seen = b""
    while len(seen) < _LENGTH_DIGITS or len(seen) < int(seen[:_LENGTH_DIGITS], 16):
        data = wire.recv()
        if not data:
            break
        seen += data
    return seen


def _read_request(client: Wire) -> tuple[str, str]:
    """Read `git-receive-pack /x.git\\0host=…\\0\\0version=2\\0`: the service and the protocol's version."""
    service, _, rest = read_packet(client)[_LENGTH_DIGITS:].decode().partition(" ")
    versions = [word for word in rest.split("\0") if word.startswith("version=")]
    return service, ":".join(versions)


def takes_ticket(tickets: str | Path, times: int, service: str) -> bool:
    """Tell if this connection is one of the first `times` pushes. Atomic: many clients may come at once."""
    if service != _PUSH:
        return False
    if times >= ALWAYS:
        return True
    for number in range(times):
        with contextlib.suppress(FileExistsError):
            Path(tickets, str(number)).touch(exist_ok=False)
            return True
    return False
