"""What every command shares: the surroundings it was started in, its common options, the way it answers."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from gitclaim.cli.present import Style
from gitclaim.cli.terminal import coloured, is_terminal
from gitclaim.clock import Clock, SystemClock, parse_duration
from gitclaim.errors import Exit, GitclaimError, UsageError
from gitclaim.workspace import Surroundings, Workspace

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Answer(NamedTuple):
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


class Door:
    """A command's way to the outside; tests make their own.

    Args:
        environ: the environment.
        clock: the time.
        nonce: fresh random bytes.
        session: the session named on the command line, if any.
        as_json: whether to answer in JSON.
        command: the command, once it is known.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        nonce: Callable[[int], bytes] = os.urandom,
        session: str | None = None,
        as_json: bool = False,
        command: str | None = None,
    ) -> None:
        self.environ = os.environ if environ is None else environ
        self.clock: Clock = clock or SystemClock()
        self.nonce = nonce
        self.session = session
        self.as_json = as_json
        self.command = command
        self.prefix = ""

    def open(self) -> Workspace:
        """The repository around the current directory."""
        try:
            cwd = os.getcwd()  # noqa: PTH109 - a Path is made from this anyway
        except FileNotFoundError as error:
            raise GitclaimError("the current directory does not exist any more", hint="cd somewhere else") from error
        interactive = is_terminal(sys.stdin) and is_terminal(sys.stderr)
        around = Surroundings(cwd, self.environ, interactive, self.clock, self.nonce, self.session)
        workspace = Workspace.open(around)
        self.prefix = workspace.place.prefix
        return workspace

    def style(self) -> Style:
        """How people's text looks on this standard output."""
        return Style(
            self.clock.now(), terminal=is_terminal(sys.stdout), coloured=coloured(sys.stdout), prefix=self.prefix
        )


def duration(ctx: click.Context, param: click.Parameter, value: str | None) -> timedelta | None:  # noqa: ARG001 - click's signature
    """The length of time an option was given; the error names the option."""
    try:
        return None if value is None else parse_duration(value)
    except UsageError as error:
        raise UsageError(f"{param.opts[0]}: {error.message}", hint=error.hint) from error


def duration_option(name: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option that takes a length of time."""
    return click.option(name, metavar="DURATION", callback=duration, help=text)


def answers(function: Callable[..., Answer | Iterator[Answer]]) -> Callable[..., Any]:
    """A command with the options all of them have: it returns an `Answer`, or one after the other if it never ends.

    The function gets the `Door` as its keyword argument `door`.
    """

    @click.option("--json", "as_json", is_flag=True, help="Answer with one JSON object.")
    @click.option("--session", metavar="NAME", help="Act as this session, whatever the environment says.")
    @wraps(function)
    def command(*, as_json: bool, session: str | None, **options: Any) -> Answer | Iterator[Answer]:  # noqa: ANN401
        ctx = click.get_current_context()
        door = ctx.ensure_object(Door)
        door.session, door.as_json, door.command = session, as_json, ctx.command.name
        return function(door=door, **options)

    return command


def completions(ctx: click.Context, param: click.Parameter, incomplete: str) -> list["CompletionItem"]:  # noqa: ARG001
    """What a shell completes a resource to: the kinds that begin so, and files."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only a shell asks for it

    kinds = [kind for kind in ("path:", "task:", "topic:", "lane:") if incomplete and kind.startswith(incomplete)]
    return [*(CompletionItem(kind) for kind in kinds), CompletionItem(incomplete, type="file")]


def resource_arguments(*, required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The `RESOURCE...` arguments of a command."""
    metavar = "RESOURCE..." if required else "[RESOURCE]..."
    return click.argument("resources", metavar=metavar, nargs=-1, required=required, shell_complete=completions)


def example(line: str) -> str:
    """The example at the end of a command's help."""
    return f"Example:  {line}"
