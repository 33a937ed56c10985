"""The broken remote over HTTP: a proxy in front of a real web server."""

import contextlib
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.kit.faulty import Fault, break_push
from tests.kit.wires import Listener, SocketWire

_HEAD_END = b"\r\n\r\n"


@contextlib.contextmanager
def broken_http(url: str, fault: Fault, *, times: int = 1) -> Iterator[str]:
    """Yield another address of `url`, over which the first `times` pushes break; all else works."""
    target = urlsplit(url)
    assert target.hostname is not None
    assert target.port is not None
    upstream = (target.hostname, target.port)
    tickets = list(range(times))

    def serve(client: SocketWire) -> None:
        head, body = _read_head(client)
        is_push = head.startswith(b"POST ") and b"/git-receive-pack " in head.splitlines()[0]
        is_advertisement = b"service=git-receive-pack " in head
        breaks = (is_advertisement if fault is Fault.HANG else is_push) and bool(tickets)
        if breaks:
            tickets.pop()  # atomic under the interpreter's lock; the check above races only with itself
        if breaks and fault is Fault.HANG:
            client.wait_gone()
            return
        if breaks and fault is Fault.CUT_BEFORE_COMMANDS:
            return
        server = SocketWire(socket.create_connection(upstream))
        try:
            # One request per connection: the end of the answer is then the end of the stream.
            server.send(head + b"\r\nConnection: close" + _HEAD_END + body)
            break_push(client, server, fault if breaks else None)
        finally:
            server.close()
        if breaks and fault is Fault.HANG_AFTER_APPLY:
            client.wait_gone()

    with Listener(serve) as listener:
        yield target._replace(netloc=f"127.0.0.1:{listener.port}").geturl()


def _read_head(client: SocketWire) -> tuple[bytes, bytes]:
    seen = b""
    while _HEAD_END not in seen:
        data = client.recv()
        if not data:
            break
        seen += data
    head, _, body = seen.partition(_HEAD_END)
    return head, body
