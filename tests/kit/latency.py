"""A link with latency: a TCP proxy that holds every byte back, in order, for half a round trip.

with latency(transport.url(bare), rtt=0.050) as link:
    repo.git("push", link.url, …)
    assert link.connections == 1
"""

import contextlib
import queue
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.kit.wires import Listener, SocketWire, in_thread


@dataclass(frozen=True, slots=True)
class Link:
    """The far end as a client sees it."""

    url: str
    listener: Listener

    @property
    def connections(self) -> int:
        """How many connections were opened over this link."""
        return self.listener.connections


@contextlib.contextmanager
def latency(url: str, *, rtt: float) -> Iterator[Link]:
    """Yield `url` as seen over a link whose round trip takes `rtt` seconds; bandwidth is not limited.

    A real TCP connection costs one round trip before the first byte; on loopback it is open at once. So
    nothing a client sends is taken as sent before that round trip has passed. (An `rtt` of 0 counts
    connections, and no more.)
    """
    target = urlsplit(url)
    assert target.hostname is not None
    assert target.port is not None
    upstream = (target.hostname, target.port)

    def serve(client: SocketWire) -> None:
        opened = time.monotonic() + rtt
        server = SocketWire(socket.create_connection(upstream))
        there = in_thread(_hold_back, client, server, rtt / 2, opened + rtt / 2)
        _hold_back(server, client, rtt / 2, opened)
        there.join()
        server.close()

    with Listener(serve) as listener:
        userinfo, at, _ = target.netloc.rpartition("@")
        yield Link(target._replace(netloc=f"{userinfo}{at}127.0.0.1:{listener.port}").geturl(), listener)


def _hold_back(source: SocketWire, sink: SocketWire, seconds: float, not_before: float) -> None:
    """Hand on each chunk when its time has come; reading does not wait for that."""
    on_the_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

    def take() -> None:
        while True:
            data = source.recv()
            on_the_way.put((max(time.monotonic() + seconds, not_before), data))
            if not data:
                return

    in_thread(take)
    while True:
        due, data = on_the_way.get()
        time.sleep(max(0.0, due - time.monotonic()))
        if not data:
            sink.finish()
            return
        sink.send(data)
