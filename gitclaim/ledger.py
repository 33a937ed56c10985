"""What a session last wrote: the exact ids its next swap expects, one small file a claim."""

from typing import Final

from gitclaim.names import ClaimId, Oid, Session
from gitclaim.state import State

_LONGEST_NAME: Final = 200


class FileLedger:
    """One session's ledger in a clone.

    It is no registry and decides nothing: it tells a session that it was fenced, and what it held.

    Args:
        state: the clone's own files.
        session: whose ledger it is.
    """

    def __init__(self, state: State, session: Session) -> None:
        self._state = state
        self._where = ("held", _file_name(session))

    def held(self) -> dict[ClaimId, Oid]:
        """See `Ledger.held`."""
        found = {}
        for name in self._state.names(*self._where):
            text = self._state.read(*self._where, name)
            try:
                found[ClaimId(name)] = Oid((text or "").strip())
            except ValueError:
                # A file that isn't ours, or one a full disk cut short: the registry knows better.
                continue
        return found

    def record(self, claim: ClaimId, oid: Oid) -> None:
        """See `Ledger.record`."""
        self._state.write(f"{oid}\n", *self._where, claim)

    def forget(self, claim: ClaimId) -> None:
        """See `Ledger.forget`."""
        self._state.remove(*self._where, claim)


class NoLedger:
    """The ledger of who only looks: it holds nothing and remembers nothing."""

    def held(self) -> dict[ClaimId, Oid]:
        """See `Ledger.held`."""
        return {}

    def record(self, claim: ClaimId, oid: Oid) -> None:
        """See `Ledger.record`."""

    def forget(self, claim: ClaimId) -> None:
        """See `Ledger.forget`."""


def _file_name(session: Session) -> str:
    """A name for the session that every file system takes and keeps apart from others, whatever letters it has."""
    spelt = session.encode().hex()
    if len(spelt) <= _LONGEST_NAME:
        return spelt
    # Imported late: OpenSSL takes 3 ms to load, and names this long are rare.
    from hashlib import sha256  # noqa: PLC0415

    return f"{spelt[:64]}-{sha256(session.encode()).hexdigest()}"
