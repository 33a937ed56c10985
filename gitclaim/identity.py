"""Which session this is: one it was told of, or a name made once for each work tree."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from gitclaim.errors import UsageError
from gitclaim.names import Session, printable
from gitclaim.state import State

VARIABLE: Final = "GITCLAIM_SESSION"


class Identity(NamedTuple):
    """Who we are.

    Args:
        session: the session.
        source: where its name came from, for people.
    """

    session: Session
    source: str


class MadeName(NamedTuple):
    """How a work tree gets a name of its own.

    Args:
        state: the work tree's own files.
        user: who works there, for people to recognise; may be empty.
        nonce: fresh random bytes, as many as asked for.
    """

    state: State
    user: str
    nonce: Callable[[int], bytes]

    def get(self) -> str:
        """The name, made if there is none; of several processes that make one at once, all get the first one's."""
        name = (self.state.read("session") or "").strip()
        if name:
            return name
        plain = "".join(char if char.isascii() and char.isalnum() else "-" for char in self.user.lower()).strip("-")
        made = f"{plain[:20].strip('-') or 'session'}-{self.nonce(2).hex()}"
        return self.state.write_first(f"{made}\n", "session").strip()


def identify(told: str | None, environ: Mapping[str, str], variables: Iterable[str], made: MadeName) -> Identity:
    """The session: the one on the command line, else the first variable that names one, else the work tree's own.

    Args:
        told: the session named on the command line, if any.
        environ: the environment.
        variables: further variables that may name a session, in order.
        made: the work tree's own name.

    Raises:
        UsageError: the name cannot be a session's; says where it came from.
    """
    if told is not None:
        return Identity(_session(told, "--session"), "--session")
    for variable in (VARIABLE, *variables):
        if environ.get(variable):
            return Identity(_session(environ[variable], variable), variable)
    return Identity(_session(made.get(), printable(str(made.state.path("session")))), "made for this work tree")


def _session(name: str, source: str) -> Session:
    try:
        return Session(name)
    except UsageError as error:
        raise UsageError(f"{source}: {error.message}", hint=error.hint) from error
