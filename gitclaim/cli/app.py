"""The command `gitclaim` itself: finds the sub-command, and turns every failure into a line and an exit code."""

import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import click

from gitclaim import __version__
from gitclaim.cli.door import Answer, Door
from gitclaim.cli.output import CannotSayError, close_outputs, prepare_outputs, say, say_error
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
    "land",
    "sweep",
    "trust",
    "install",
    "uninstall",
    "serve-hook",
    "session",
    "doctor",
)
"""The commands in the order people meet them; `NAME` lives in the module `NAME_command`."""


_COMPLETION: Final = "_GITCLAIM_COMPLETE"
"""The variable through which a shell asks for completions (click's convention)."""


class LazyGroup(click.Group):
    """A group that imports the one command it runs: a command's start is part of its cost."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All commands, in reading order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"gitclaim.cli.{cmd_name.replace('-', '_')}_command").command
        return command


@click.command(
    cls=LazyGroup,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 error, 2 usage, 3 denied, 4 registry unreachable, 5 fenced. See docs/exit-codes.md.",
)
@click.version_option(__version__, "-V", "--version", prog_name="gitclaim", message="%(prog)s %(version)s")
@click.pass_context
def gitclaim(ctx: click.Context) -> None:
    """Claim what you work on, so that nobody else works on it at the same time.

    The git remote is the registry: claims are signed objects under refs/claims/*, taken by an atomic
    compare-and-swap push. Paths, task:ID, topic:WORDS and lane:NAME can be claimed.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(Exit.USAGE)


def run(args: Sequence[str]) -> int:
    """Run the command line; the exit code."""
    prepare_outputs()
    door = Door(as_json=_wants_json(args), command=next((arg for arg in args if arg in COMMANDS), None))
    try:
        return _run(args, door)
    except BrokenPipeError:
        # Whoever reads the help has seen enough.
        return Exit.DONE
    except (KeyboardInterrupt, click.Abort):
        return say_error(GitclaimError("interrupted", exit_code=Exit.INTERRUPTED), door)
    except Exception as error:
        if os.environ.get("GITCLAIM_TRACEBACK"):
            raise
        return say_error(_explained(error), door)
    finally:
        close_outputs()


def _run(args: Sequence[str], door: Door) -> int:
    if instruction := os.environ.get(_COMPLETION):
        # Imported late: only a shell asks for it.
        from click.shell_completion import shell_complete  # noqa: PLC0415

        return shell_complete(gitclaim, {}, "gitclaim", _COMPLETION, instruction)
    try:
        with gitclaim.make_context("gitclaim", list(args), obj=door) as ctx:
            answered: Any = gitclaim.invoke(ctx)
    except click.exceptions.Exit as done:
        return done.exit_code
    code = Exit.DONE
    for answer in [answered] if isinstance(answered, Answer) else answered:
        code = answer.exit_code
        try:
            say(answer, door)
        except BrokenPipeError:
            # Whoever reads has seen enough; what was done is done, and its code says so.
            break
        except OSError as error:
            message = f"the answer can't be written: {error.strerror}; the command itself ended with {answer.outcome!r}"
            raise CannotSayError(message) from error
    return code


def _wants_json(args: Sequence[str]) -> bool:
    """Whether `--json` was asked for, as far as that can be told where the arguments themselves are wrong."""
    words = list(args)
    return "--json" in (words[: words.index("--")] if "--" in words else words)


def _explained(error: Exception) -> GitclaimError:
    match error:
        case GitclaimError():
            return error
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
