"""The line that tells a person what `take --wait` waits for."""

import sys
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

import click

from gitclaim.cli.terminal import is_terminal
from gitclaim.clock import show_duration
from gitclaim.protocol import Denied

_CLEAR: Final = "\r\x1b[K"


class Progress:
    """One line on standard error that is written over and cleared at the end; nothing where no person reads it."""

    def __init__(self) -> None:
        self._on = is_terminal(sys.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._on:
            click.echo(_CLEAR, nl=False, err=True)

    def show(self, denied: Denied, left: timedelta) -> None:
        """Say whom we wait for, and how long at most."""
        if not self._on:
            return
        claim = denied.blockers[0].found.claim
        whom = f"{claim.session} ({claim.title})" if claim else "what stands in the way"
        line = f"waiting for {whom}, {show_duration(left)} at most"
        # Imported late: only who waits at a terminal needs it.
        import shutil  # noqa: PLC0415

        # A line that wraps can't be cleared.
        room = shutil.get_terminal_size().columns - 1
        click.echo(_CLEAR + (line if len(line) <= room else f"{line[: room - 1]}…"), nl=False, err=True)
