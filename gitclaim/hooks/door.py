"""What every hook shares: the surroundings it was started in, and what it says."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from gitclaim.change import Update
from gitclaim.clock import Clock
from gitclaim.errors import Exit, GitclaimError
from gitclaim.names import Oid, printable
from gitclaim.verdict import Blocked
from gitclaim.workspace import Surroundings, Workspace

if TYPE_CHECKING:
    from gitclaim.cli.present import Style
    from gitclaim.enforcing import Ruling


class Hook(NamedTuple):
    """A hook that git has started.

    Args:
        name: which.
        cwd: the current directory: the root of the work tree, or a bare repository.
        environ: the environment.
        clock: the time.
        nonce: fresh random bytes.
    """

    name: str
    cwd: str
    environ: Mapping[str, str]
    clock: Clock
    nonce: Callable[[int], bytes]

    def open(self) -> Workspace:
        """The repository the hook was started in; its registry is asked within the policy's budget."""
        around = Surroundings(self.cwd, self.environ, interactive=False, clock=self.clock, nonce=self.nonce)
        return Workspace.open(around, hurried=True)

    def style(self) -> "Style":
        """How people's text looks on standard error."""
        # Imported late: most hooks have nothing to say.
        from gitclaim.cli.present import Style  # noqa: PLC0415
        from gitclaim.cli.terminal import coloured, is_terminal  # noqa: PLC0415

        # Hooks run in the root; git tells where it was started.
        prefix = self.environ.get("GIT_PREFIX", "").rstrip("/")
        return Style(self.clock.now(), terminal=is_terminal(sys.stderr), coloured=coloured(sys.stderr), prefix=prefix)

    def say(self, lines: Iterable[str]) -> None:
        """Tell the person or the agent that commits or pushes; git shows a hook's standard error."""
        text = "".join(f"{line}\n" for line in lines)
        if text:
            # Nobody reads it any more, or the disk is full: the exit code still tells.
            with suppress(OSError):
                sys.stderr.write(text)
                sys.stderr.flush()


def pushed(name: str, text: str, read: Callable[[str], tuple[str, str, str]]) -> Iterator[Update]:
    """What git tells a hook about a push, a line each ref.

    Args:
        name: the hook.
        text: the lines.
        read: takes a line apart: the remote ref, what it is to point at, what it points at now.

    Raises:
        GitclaimError: a line is not as git writes it.
    """
    for line in filter(None, text.split("\n")):
        try:
            ref, new, old = read(line)
            yield Update(ref, _oid(new), _oid(old))
        except ValueError as error:
            raise GitclaimError(f"not a line for a {name} hook: {printable(line)[:200]}") from error


def _oid(text: str) -> Oid | None:
    return Oid(text) if text.strip("0") else None


def refused(hook: Hook, ruling: "Ruling") -> Exit:
    """Say what is in the way and every way out; the exit code with which git stops."""
    from gitclaim.cli.ruling import Where, blocked_lines, way_lines, ways_out  # noqa: PLC0415 - most refuse nothing

    style = hook.style()
    where = Where.PUSH if hook.name == "pre-push" else Where.COMMIT
    ways = ways_out(ruling.verdict, style, where) if isinstance(ruling.verdict, Blocked) else []
    hook.say([*blocked_lines(ruling, style), *way_lines(ways)])
    return Exit.FIXABLE
