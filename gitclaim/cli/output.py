"""Says things: answers and errors, as text or JSON, to whatever the two outputs are."""

import io
import json
import os
import sys

import click

from gitclaim.cli.door import Answer, Door
from gitclaim.cli.present import SCHEMA
from gitclaim.cli.terminal import coloured
from gitclaim.errors import GitclaimError


class CannotSayError(GitclaimError):
    """Standard output takes nothing, so the error may only go to standard error."""


def prepare_outputs() -> None:
    """Make the outputs take every character: what their encoding lacks is escaped, not a failure."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def close_outputs() -> None:
    """Let go of what can't be written: Python would try once more when it ends, and complain in words of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(answer: Answer, door: Door) -> None:
    """Write an answer to standard output, at once.

    Raises:
        OSError: it could not be written; nobody reads it any more, or the disk is full.
    """
    if door.as_json:
        said = {"schema": SCHEMA, "command": door.command, "outcome": answer.outcome, **answer.fields}
        click.echo(json.dumps(said))
    elif answer.text:
        click.echo(answer.text)


def say_error(error: GitclaimError, door: Door) -> int:
    """Write an error, to standard output as JSON or to standard error as text; its exit code."""
    try:
        if door.as_json and not isinstance(error, CannotSayError):
            said: dict[str, object] = {"schema": SCHEMA, "command": door.command, "outcome": "error"}
            said |= {"reason": error.reason, "message": error.message, "hint": error.hint, "exit": int(error.exit_code)}
            click.echo(json.dumps(said))
        else:
            click.echo(error_text(error), err=True)
    except OSError:
        # Nobody can be told; the exit code still tells.
        pass
    return error.exit_code


def error_text(error: GitclaimError) -> str:
    """The error and what to do about it, a line each."""
    paint = coloured(sys.stderr)
    lines = [f"{click.style('error:', fg='red') if paint else 'error:'} {error.message}"]
    if error.hint:
        lines.append(f"{click.style('hint:', fg='cyan') if paint else 'hint:'} {error.hint}")
    return "\n".join(lines)
