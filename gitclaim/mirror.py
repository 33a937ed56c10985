"""The mirror: a remote registry's refs in the clone's own `refs/claims/*`, synced by one process at a time."""

import json
from datetime import UTC, datetime
from time import monotonic
from typing import Final, NamedTuple

from gitclaim.clock import Clock
from gitclaim.errors import GitclaimError, UnreachableError
from gitclaim.git import Git
from gitclaim.names import printable
from gitclaim.process import Completed
from gitclaim.refstore.locks import own_directory, remove_abandoned
from gitclaim.state import BusyError, State

EMBEDDED: Final = "."
"""The registry that is the repository itself; git calls a repository's own remote so too."""

# With '+': a take-over is no fast-forward. git-fetch(1) says that it is not needed outside of refs/heads and refs/tags,
# but without it git rejects the update and ends with 1 (measured, 2.39.5).
REFSPECS: Final = (
    "+refs/claims/*:refs/claims/*",
    "+refs/gitclaim/broken/*:refs/gitclaim/broken/*",
    "+refs/gitclaim/pattern/*:refs/gitclaim/pattern/*",
    "+refs/gitclaim/released/*:refs/gitclaim/released/*",
)

_RETRIES: Final = 3
_SOON: Final = 2.0
"""Seconds within which a failed fetch is tried again."""


class Stamp(NamedTuple):
    """What the clone's `refs/claims/*` are.

    Args:
        registry: the registry they show, `.` for the repository itself.
        synced: when the last finished sync began, None before the first.
        begun: how many syncs were begun.
        finished: the number of the last one that finished.
    """

    registry: str
    synced: datetime | None = None
    begun: int = 0
    finished: int = 0


class Mirror:
    """The mirror of one registry in one clone.

    Args:
        git: asks the clone.
        state: the clone's own files.
        clock: dates the syncs.
        target: what git calls the registry, a remote's name or a URL.
        registry: the registry's identity, its URL.
    """

    def __init__(self, git: Git, state: State, clock: Clock, *, target: str, registry: str) -> None:
        self._git = git
        self._state = state
        self._clock = clock
        self._target = target
        self._registry = registry

    def sync(self) -> None:
        """Fetch every claim; return once a fetch that began after this call has ended, whoever ran it.

        Raises:
            GitclaimError: the clone's refs are the registry itself by now: fetching would drop live claims.
            UnreachableError: the registry could not be read.
        """
        asked_at = self._stamp().begun
        try:
            with self._state.lock("sync.lock", self._git.timeout):
                self._sync_unless_done(asked_at)
        except BusyError as error:
            # Whoever has the lock waits for the registry, all the time a call may take.
            raise UnreachableError(
                f"another process has waited {self._git.timeout:g} seconds for {printable(self._registry)}",
                hint="gitclaim.timeout sets how long to wait, in seconds; --offline, where there is one, asks nobody",
            ) from error

    def _sync_unless_done(self, asked_at: int) -> None:
        self._check_not_embedded()
        stamp = self._stamp()
        if stamp.begun > asked_at and stamp.finished == stamp.begun:
            return
        number, began = stamp.begun + 1, self._clock.now()
        write_stamp(self._state, Stamp(self._registry, stamp.synced, number, stamp.finished))
        self._fetch()
        write_stamp(self._state, Stamp(self._registry, began, number, number))

    def age(self, now: datetime) -> float | None:
        """Seconds since the last finished sync began; None before the first."""
        synced = self._stamp().synced
        return None if synced is None else (now - synced).total_seconds()

    def _check_not_embedded(self) -> None:
        noted = read_stamp(self._state)
        if noted and noted.registry == EMBEDDED != self._registry:
            raise GitclaimError(
                f"this clone was switched from {printable(self._registry)} to a registry of its own meanwhile",
                hint="run the command again",
            )

    def _stamp(self) -> Stamp:
        stamp = read_stamp(self._state)
        return stamp if stamp and stamp.registry == self._registry else Stamp(self._registry)

    def _fetch(self) -> None:
        begun = monotonic()
        done = self._call()
        # A ref that moved between listing and fetching ("not our ref"), or in the clone under git's hands, fails
        # a fetch as a registry that is gone does. Such a race is over at once; what takes long is none.
        for attempt in range(_RETRIES):
            if not done.code or monotonic() - begun > _SOON:
                break
            self._clock.sleep(0.02 * (attempt + 1))
            done = self._call()
        if done.code and remove_abandoned(own_directory(self._git)):
            done = self._call()
        if done.code is None:
            raise UnreachableError(
                f"the registry did not answer within {self._git.timeout:g} seconds: {printable(self._registry)}",
                hint="gitclaim.timeout sets how long to wait, in seconds; --offline, where there is one, asks nobody",
            )
        if done.code:
            raise UnreachableError(
                f"can't read the registry {printable(self._registry)}: {printable(done.complaint)}",
                hint="check the network and your access; gitclaim doctor finds out more; list --offline asks nobody",
            )

    def _call(self) -> Completed:
        return self._git.call(
            # Claims follow nothing but their own renewals: naming what we have would only cost round trips.
            *("-c", "fetch.negotiationAlgorithm=noop"),
            # What a user demands of code objects must not let one odd claim keep all others from being seen.
            *("-c", "fetch.fsckObjects=false"),
            *("fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"),
            *("--no-recurse-submodules", "--refmap=", "--end-of-options", self._target, *REFSPECS),
        )


def read_stamp(state: State) -> Stamp | None:
    """What the clone's `refs/claims/*` are, or None where nothing was noted.

    Raises:
        GitclaimError: the note can't be read.
    """
    text = state.read("mirror.json")
    if text is None:
        return None
    try:
        noted = json.loads(text)
        synced = noted["synced"]
        return Stamp(
            registry=str(noted["registry"]),
            synced=None if synced is None else datetime.fromisoformat(synced).astimezone(UTC),
            begun=int(noted["begun"]),
            finished=int(noted["finished"]),
        )
    # Arithmetic: a number or a date too large. Recursion: a thousand brackets.
    except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
        path = printable(str(state.path("mirror.json")))
        raise GitclaimError(f"{path} is damaged", hint="remove it; the next sync writes it anew") from error


def write_stamp(state: State, stamp: Stamp) -> None:
    """Note what the clone's `refs/claims/*` are."""
    synced = stamp.synced.isoformat() if stamp.synced else None
    noted = {"registry": stamp.registry, "synced": synced, "begun": stamp.begun, "finished": stamp.finished}
    state.write(json.dumps(noted) + "\n", "mirror.json")
