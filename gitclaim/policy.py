"""The words of a policy: what a repository's people decided about commits and pushes."""

from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import NamedTuple


class Unclaimed(StrEnum):
    """What happens to touched paths that nobody claimed.

    `TAKE` claims them at the commit, all or nothing, for the session that commits.
    """

    ALLOW = "allow"
    WARN = "warn"
    DENY = "deny"
    TAKE = "take"


class Offline(StrEnum):
    """What a hook does when it can't ask the registry: go by the mirror, or refuse."""

    ALLOW = "allow"
    DENY = "deny"


class Policy(NamedTuple):
    """What was decided.

    Args:
        unclaimed: what happens to touched paths that nobody claimed.
        offline: what happens when the registry can't be asked.
        fresh: how old a mirror a hook goes by without asking the registry.
        budget: seconds a hook spends on asking the registry.
        exempt: patterns of paths that are never blocked and need no claim; git's own, from the repository's root.
        guard: patterns of the remote refs that pre-push guards, whole (`refs/heads/main`) or short (`main`).
    """

    unclaimed: Unclaimed = Unclaimed.ALLOW
    offline: Offline = Offline.ALLOW
    fresh: timedelta = timedelta(seconds=5)
    budget: float = 5.0
    exempt: tuple[str, ...] = ()
    guard: tuple[str, ...] = ("*",)

    def guards(self, ref: str) -> bool:
        """Whether a push to this remote ref is looked at."""
        short = ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
        return any(fnmatchcase(name, pattern) for pattern in self.guard for name in (ref, short))
