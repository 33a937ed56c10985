"""Byte streams with two directions, and the few things a proxy does with them."""

import contextlib
import os
import select
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Final, Protocol, Self

_CHUNK: Final = 65536


class Wire(Protocol):
    """One end of a connection. A peer that is gone reads as the end of the stream, never as an exception."""

    def recv(self) -> bytes:
        """Return what came in, or nothing at the end."""

    def send(self, data: bytes) -> None:
        """Write all of it."""

    def finish(self) -> None:
        """Say that nothing more will be sent."""

    def wait_gone(self) -> None:
        """Return when the peer has dropped the connection; what it still says is lost."""

    def close(self) -> None:
        """Drop the connection, both ways."""


class SocketWire:
    """A TCP connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        # Proxies hand on small packets; held back for an acknowledgement they would add a latency of their
        # own.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def recv(self) -> bytes:
        try:
            return self._sock.recv(_CHUNK)
        except OSError:
            return b""

    def send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self._sock.sendall(data)

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def wait_gone(self) -> None:
        while self.recv():
            pass

    def close(self) -> None:
        # Wakes a thread that is blocked in recv(), which close() alone does not.
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()


class PipeWire:
    """Two file descriptors, of our own standard streams or of a child's."""

    def __init__(self, read: int, write: int) -> None:
        self._read = read
        self._write = write
        self._open = True

    def recv(self) -> bytes:
        try:
            return os.read(self._read, _CHUNK)
        except OSError:
            return b""

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        with contextlib.suppress(OSError):
            while view and self._open:
                view = view[os.write(self._write, view) :]

    def finish(self) -> None:
        if self._open:
            self._open = False
            with contextlib.suppress(OSError):
                os.close(self._write)

    def wait_gone(self) -> None:
        # git closes our input as soon as it has sent all; gone it is when nobody could read our output any
        # more.
        poll = select.poll()
        poll.register(self._write, 0)  # errors are always reported
        poll.poll()

    def close(self) -> None:
        self.finish()


@contextlib.contextmanager
def child_wire(argv: list[str], env: dict[str, str] | None = None) -> Iterator[PipeWire]:
    """Run a program for as long as the block lasts, and talk to its standard input and output.

    The block ends when the program has: whoever leaves it knows that the program's work is done.
    """
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, bufsize=0) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        wire = PipeWire(os.dup(child.stdout.fileno()), os.dup(child.stdin.fileno()))
        child.stdin.close()
        try:
            yield wire
        finally:
            wire.finish()
            drain(wire)  # a child that still writes must not wait for us while we wait for it


def drain(wire: Wire) -> None:
    """Read to the end and forget it."""
    while wire.recv():
        pass


def pump(source: Wire, sink: Wire) -> None:
    """Hand on everything until the source ends, and hand on the end too."""
    while data := source.recv():
        sink.send(data)
    sink.finish()


def in_thread(work: Callable[..., None], *args: object) -> threading.Thread:
    """Start work that nobody has to wait for."""
    thread = threading.Thread(target=work, args=args, daemon=True)
    thread.start()
    return thread


class Listener:
    """A TCP server on a port of its own: one thread per connection, all dropped at the end."""

    def __init__(self, serve: Callable[[SocketWire], None]) -> None:
        self._serve = serve
        self._wires: list[SocketWire] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._socket.getsockname()[1]

    @property
    def connections(self) -> int:
        """How many clients have connected so far."""
        return len(self._wires)

    def __enter__(self) -> Self:
        in_thread(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        # shutdown() wakes the thread in accept(); close() alone leaves it there, holding the port.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for wire in self._wires:
            wire.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            wire = SocketWire(client)
            self._wires.append(wire)
            in_thread(self._serve_one, wire)

    def _serve_one(self, wire: SocketWire) -> None:
        try:
            self._serve(wire)
        except ConnectionError:
            pass  # nobody is there to go on to: the client sees its connection closed
        finally:
            wire.close()
