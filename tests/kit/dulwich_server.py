"""dulwich's own git server over one directory: `python dulwich_server.py ROOT PORT`.

As dulwich ships it, but for a longer queue (upstream, five may wait). One client at a time is what makes its
swaps safe: it ignores what `set_if_equals` answers, and served by threads it reports success to losers.
"""

import sys

from dulwich.server import FileSystemBackend, TCPGitServer


class _Server(TCPGitServer):
    request_queue_size = 128


def main(root: str, port: str) -> None:
    with _Server(FileSystemBackend(root), "127.0.0.1", int(port)) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
