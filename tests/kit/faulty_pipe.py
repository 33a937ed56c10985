"""A broken remote in the place of ssh.

Usage: `python -m tests.kit.faulty_pipe FAULT TIMES TICKETS [ssh's options and host] COMMAND`. In the place of
`git-receive-pack` of a remote on this disk, it gets the bare path instead of a command.
"""

import os
import shlex
import sys

from tests.kit.faulty import Fault, relay, takes_ticket
from tests.kit.wires import PipeWire

_SSH_LOST_CONNECTION = 255


def main(fault: str, times: str, tickets: str, *rest: str) -> int:
    words = shlex.split(rest[-1])
    command = words if len(words) > 1 else ["git-receive-pack", *words]
    breaks = takes_ticket(tickets, int(times), command[0])
    relay(PipeWire(0, 1), command, dict(os.environ), Fault(fault) if breaks else None)
    return _SSH_LOST_CONNECTION if breaks else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
