"""What a session last wrote: the exact ids its next swap expects, one small file a claim."""

from hashlib import sha256

from gitclaim.names import ClaimId, Oid, Session
from gitclaim.state import State


class FileLedger:
    """One session's ledger in a clone.

    It is no registry and decides nothing: it tells a session that it was fenced, and what it held.

    Args:
        state: the clone's own files.
        session: whose ledger it is.
    """

    def __init__(self, state: State, session: Session) -> None:
        self._state = state
        # Hashed: any name a session may have is then a file name, and none leads out of the directory.
        self._where = ("held", sha256(session.encode()).hexdigest()[:32])

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
