"""Sweeping: remove what died, each ref by exact id, so that a renewal in the last moment wins."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from gitclaim.claim import GRACE, MalformedError, parse_commit
from gitclaim.names import RefName
from gitclaim.protocol import CONFIRM
from gitclaim.record import RECORDS, parse_released
from gitclaim.refstore.contract import ABSENT, Swap, Swapped, Unknown
from gitclaim.registry import Found, Registry, Standing
from gitclaim.resources import CLAIMS, PATTERNS

BATCH: Final = 400
"""Refs of one push."""
MALFORMED_AFTER: Final = timedelta(minutes=10)
"""How long what is no claim is left alone, unless told otherwise."""
RECORDS_KEPT: Final = timedelta(days=30)
"""How long the record of a broken claim is kept."""

_DEAD: Final = frozenset({Standing.EXPIRED, Standing.VOID, Standing.UNTRUSTED, Standing.MALFORMED})


class Swept(NamedTuple):
    """What a sweep did.

    Args:
        removed: what it removed, or with a dry run would remove.
        kept: what was dead when read, but was renewed, removed by another or refused meanwhile.
        young: what is no claim and has not been there long enough.
        records: how many records of broken and released claims went too, being of no use any more.
    """

    removed: tuple[Found, ...]
    kept: tuple[Found, ...] = ()
    young: tuple[Found, ...] = ()
    records: int = 0


def sweep(
    registry: Registry,
    *,
    first_seen: Mapping[RefName, datetime],
    malformed_after: timedelta = MALFORMED_AFTER,
    dry_run: bool = False,
) -> Swept:
    """Remove expired and void claims, claims with bad signatures, and after a while what is no claim.

    Args:
        registry: where.
        first_seen: when each ref that carries no claim was first seen by this clone.
        malformed_after: how long those are left alone.
        dry_run: only say what would go.

    Raises:
        GitclaimError: a claim is dated in this machine's future, so its clock is no evidence.
        UnreachableError: the registry could not be reached.
    """
    registry.store.sync()
    now = registry.clock.now()
    # A sweep of ten thousand claims does not check ten thousand signatures: what is known to be bad goes.
    found = registry.recalled(_everything(registry))
    dead = [one for one in found if one.standing in _DEAD]
    if any(one.standing in {Standing.EXPIRED, Standing.VOID} for one in dead):
        registry.check_clock(found)
    young = [one for one in dead if one.standing is Standing.MALFORMED and _age(one, first_seen, now) < malformed_after]
    due = _confirmed(registry, [one for one in dead if one not in young])
    if dry_run:
        return Swept(tuple(due), young=tuple(young))
    removed, kept = _remove(registry, due)
    return Swept(tuple(removed), tuple(kept), tuple(young), _remove_records(registry, now))


def malformed(registry: Registry) -> list[Found]:
    """What stands in the store's view without being a claim."""
    return [one for one in _everything(registry) if one.standing is Standing.MALFORMED]


def _everything(registry: Registry) -> list[Found]:
    """What stands anywhere, the refs by which claims taken by pattern are found among it."""
    return registry.read(registry.store.below([CLAIMS, PATTERNS]))


def _confirmed(registry: Registry, due: list[Found]) -> list[Found]:
    """Those that are still so at a second look: what looks void may be a claim a slow server is still writing."""
    if not any(one.standing is Standing.VOID for one in due):
        return due
    registry.clock.sleep(CONFIRM)
    registry.store.sync()
    again = {(one.ref, one.oid): one.standing for one in _everything(registry)}
    return [
        one
        for one in due
        if one.standing is not Standing.VOID or again.get((one.ref, one.oid)) in {Standing.VOID, Standing.EXPIRED}
    ]


def _remove(registry: Registry, due: list[Found]) -> tuple[list[Found], list[Found]]:
    removed: list[Found] = []
    kept: list[Found] = []
    for start in range(0, len(due), BATCH):
        batch = due[start : start + BATCH]
        outcomes = registry.store.swap_each([Swap(one.ref, one.oid, ABSENT) for one in batch])
        if any(isinstance(outcome, Unknown) for outcome in outcomes.values()):
            registry.store.sync()
        left = registry.store.exact(one.ref for one in batch)
        for one in batch:
            gone = isinstance(outcomes[one.ref], Swapped) or one.ref not in left
            (removed if gone else kept).append(one)
    return removed, kept


def _age(found: Found, first_seen: Mapping[RefName, datetime], now: datetime) -> timedelta:
    """How long it has been there, by its own date or by when it was first seen; neither may lie in the future."""
    dates = [date for date in (found.written, first_seen.get(found.ref)) if date and date <= now]
    return now - min(dates, default=now)


def _remove_records(registry: Registry, now: datetime) -> int:
    records = registry.store.below(RECORDS)
    old = {oid for oid, content in registry.objects.read(records.values()).items() if is_over(content, now)}
    swaps = [Swap(ref, oid, ABSENT) for ref, oid in records.items() if oid in old]
    outcomes = registry.store.swap_each(swaps[:BATCH]) if swaps else {}
    return sum(isinstance(outcome, Swapped) for outcome in outcomes.values())


def is_over(content: bytes | str, now: datetime) -> bool:
    """Whether a record is of no use any more; what is none never was."""
    if isinstance(content, str):
        return True
    try:
        commit = parse_commit(content)
    except MalformedError:
        return True
    released = parse_released(commit.message)
    # The claim has lapsed by itself, also by a clock that is behind.
    return now >= (released.until + GRACE if released else commit.written + RECORDS_KEPT)
