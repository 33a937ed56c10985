"""The command `gitclaim` itself: finds the sub-command, and turns every failure into a line and an exit code."""

import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import click

from gitclaim import __version__
from gitclaim.cli.door import Door, colours
from gitclaim.cli.present import SCHEMA
from gitclaim.errors import Exit, GitclaimError, UsageError
from gitclaim.names import printable

COMMANDS: Final = (
    "init",
    "take",
    "renew",
    "release",
    "give",
    "break",
    "list",
    "show",
    "check",
    "sweep",
    "session",
    "doctor",
)
"""The commands in the order people meet them; `NAME` lives in the module `NAME_command`."""


class LazyGroup(click.Group):
    """A group that imports the one command it runs: a command's start is part of its cost."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All commands, in reading order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"gitclaim.cli.{cmd_name}_command").command
        return command


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 error, 2 usage, 3 denied, 4 registry unreachable, 5 fenced. See docs/exit-codes.md.",
)
@click.version_option(__version__, "-V", "--version", prog_name="gitclaim", message="%(prog)s %(version)s")
def gitclaim() -> None:
    """Claim what you work on, so that nobody else works on it at the same time.

    The git remote is the registry: claims are signed objects under refs/claims/*, taken by an atomic
    compare-and-swap push. Paths, task:ID, topic:WORDS and lane:NAME can be claimed.
    """


def run(args: Sequence[str]) -> int:
    """Run the command line; the exit code."""
    try:
        code: Any = gitclaim.main(args=list(args), prog_name="gitclaim", standalone_mode=False, obj=Door())
        # Flushed here, so that a full disk or a closed pipe is met inside of this try.
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough. Python would complain once more while closing standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return Exit.INTERRUPTED
    except Exception as error:
        if os.environ.get("GITCLAIM_TRACEBACK"):
            raise
        return _failed(_explained(error), args)
    return int(code or 0)


def _explained(error: Exception) -> GitclaimError:
    match error:
        case GitclaimError():
            return error
        case click.exceptions.NoArgsIsHelpError():
            return UsageError("a command is missing", hint=f"\n{error.format_message()}")
        case click.UsageError():
            hint = f"{error.ctx.command_path if error.ctx else 'gitclaim'} --help"
            return UsageError(printable(error.format_message()), hint=hint)
        case click.ClickException():
            return GitclaimError(printable(error.format_message()))
        case OSError():
            return GitclaimError(printable(str(error)))
        case _:
            return GitclaimError(
                f"this is a bug in gitclaim: {type(error).__name__}: {printable(str(error))}",
                hint="set GITCLAIM_TRACEBACK=1 to see where, and report it",
                exit_code=Exit.BUG,
            )


def _failed(error: GitclaimError, args: Sequence[str]) -> int:
    if "--json" in args:
        command = next((arg for arg in args if arg in COMMANDS), None)
        said = {"schema": SCHEMA, "command": command, "outcome": "error", "reason": error.reason}
        click.echo(json.dumps({**said, "message": error.message, "hint": error.hint, "exit": int(error.exit_code)}))
        return error.exit_code
    coloured = colours(sys.stderr)
    click.echo(f"{click.style('error:', fg='red') if coloured else 'error:'} {error.message}", err=True)
    if error.hint:
        click.echo(f"{click.style('hint:', fg='cyan') if coloured else 'hint:'} {error.hint}", err=True)
    return error.exit_code
