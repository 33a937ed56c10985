"""What every command shares: the surroundings it was started in, its common options, the way it answers."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TextIO

import click
from click.shell_completion import CompletionItem

from gitclaim.cli.present import SCHEMA, Style
from gitclaim.clock import Clock, SystemClock
from gitclaim.errors import Exit, GitclaimError
from gitclaim.workspace import Surroundings, Workspace


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command answers.

    Args:
        outcome: the one word scripts branch on.
        fields: the rest of the JSON object.
        text: the same for people.
        exit_code: how the command ends.
    """

    outcome: str
    fields: Mapping[str, Any]
    text: str
    exit_code: Exit = Exit.DONE


@dataclass(slots=True)
class Door:
    """A command's way to the outside; tests make their own.

    Args:
        environ: the environment.
        clock: the time.
        nonce: fresh random bytes.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Clock = field(default_factory=SystemClock)
    nonce: Callable[[int], bytes] = os.urandom
    session: str | None = None

    def open(self) -> Workspace:
        """The repository around the current directory."""
        try:
            cwd = os.getcwd()  # noqa: PTH109 - a Path is made from this anyway
        except FileNotFoundError as error:
            raise GitclaimError("the current directory does not exist any more", hint="cd somewhere else") from error
        interactive = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
        return Workspace.open(Surroundings(cwd, self.environ, interactive, self.clock, self.nonce, self.session))

    def style(self) -> Style:
        """How people's text looks on this standard output."""
        return Style(self.clock.now(), terminal=sys.stdout.isatty(), coloured=colours(sys.stdout))


def colours(stream: TextIO) -> bool:
    """Whether text on this stream may be coloured: on a terminal, unless the user said no (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def answers(function: Callable[..., Answer]) -> Callable[..., Any]:
    """A command with the options all of them have: it returns an `Answer`, which is shown as asked for.

    The function gets the `Door` as its keyword argument `door`.
    """

    @click.option("--json", "as_json", is_flag=True, help="Answer with one JSON object.")
    @click.option("--session", metavar="NAME", help="Act as this session, whatever the environment says.")
    @wraps(function)
    def command(*, as_json: bool, session: str | None, **options: Any) -> int:  # noqa: ANN401
        ctx = click.get_current_context()
        door = ctx.ensure_object(Door)
        door.session = session
        answer = function(door=door, **options)
        if as_json:
            said = {"schema": SCHEMA, "command": ctx.command.name, "outcome": answer.outcome, **answer.fields}
            click.echo(json.dumps(said))
        elif answer.text:
            click.echo(answer.text)
        return answer.exit_code

    return command


def completions(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """What a shell completes a resource to: the kinds that begin so, and files."""
    kinds = [kind for kind in ("path:", "task:", "topic:", "lane:") if incomplete and kind.startswith(incomplete)]
    return [*(CompletionItem(kind) for kind in kinds), CompletionItem(incomplete, type="file")]


def resource_arguments(*, required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The `RESOURCE...` arguments of a command."""
    return click.argument("resources", metavar="RESOURCE...", nargs=-1, required=required, shell_complete=completions)


def example(line: str) -> str:
    """The example at the end of a command's help."""
    return f"Example:  {line}"
