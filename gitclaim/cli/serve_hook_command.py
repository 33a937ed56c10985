"""`gitclaim serve-hook`."""

import os
import sys

import click

from gitclaim.cli.door import Answer, Door, answers, example
from gitclaim.errors import Exit
from gitclaim.hooks.door import Hook
from gitclaim.hooks.receive import judged, refusal_lines
from gitclaim.names import printable


@click.command("serve-hook", epilog=example("gitclaim serve-hook"))
@answers
def command(*, door: Door) -> Answer:
    """Judge a push on a server, as its pre-receive hook.

    Reads what git tells that hook on standard input, `OLD NEW REF` a line, and changes nothing. The exit code is 1 for
    a push to refuse. gitclaim install --server has git ask.
    """
    lines = sys.stdin.buffer.read() if sys.stdin else b""
    hook = Hook("pre-receive", os.getcwd(), door.environ, door.clock, door.nonce)  # noqa: PTH109 - a Path is made from this anyway
    refusals = judged(hook, lines)
    fields = {
        "refusals": [{"ref": printable(one.ref), "message": one.message, "hint": one.hint or None} for one in refusals]
    }
    if refusals:
        return Answer("refused", fields, "\n".join(refusal_lines(refusals)), Exit.FIXABLE)
    return Answer("accepted", fields, "accepted")
