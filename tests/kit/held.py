"""A true race, made certain: a push that has seen the refs, held at the door while somebody changes them.

    with held(transport.url(bare)) as door:
        late = start_push(door.url, …)
        door.reached.wait()         # it has read the old state and sent its commands; they are held here
        …                           # change the refs by another way
        door.go.set()               # now the server gets the commands

For git:// servers (`daemon`, `dulwich`).
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.kit.faulty import read_packet
from tests.kit.wires import Listener, SocketWire, in_thread, pump


@dataclass(frozen=True, slots=True)
class Door:
    """Where pushes wait."""

    url: str
    reached: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def held(url: str) -> Iterator[Door]:
    """Yield another address of the git:// remote `url`, over which each push waits for `go`."""
    target = urlsplit(url)
    assert target.hostname is not None
    assert target.port is not None
    upstream = (target.hostname, target.port)

    def serve(client: SocketWire) -> None:
        server = SocketWire(socket.create_connection(upstream))
        server.send(read_packet(client))
        back = in_thread(pump, server, client)
        commands = client.recv()
        door.reached.set()
        door.go.wait()
        server.send(commands)
        pump(client, server)
        back.join()
        server.close()

    with Listener(serve) as listener:
        door = Door(target._replace(netloc=f"127.0.0.1:{listener.port}").geturl())
        try:
            yield door
        finally:
            door.go.set()
