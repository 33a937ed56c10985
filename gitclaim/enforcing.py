"""Enforcing: bring the view up to date as far as the policy asks, read what concerns the changes, and judge."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple

from gitclaim.change import Change, Work
from gitclaim.claim import GRACE, Claim
from gitclaim.errors import UnreachableError
from gitclaim.names import ClaimId, Oid, RefName
from gitclaim.policy import Offline, Policy
from gitclaim.record import Broken
from gitclaim.refstore.contract import neighbourhood
from gitclaim.registry import Found, Registry, Standing
from gitclaim.resources import CLAIMS, PATHS, PATTERNS, ancestors, is_above, touches
from gitclaim.verdict import Allowed, Block, Blocked, Verdict, View, path_ref, verdict

MANY: Final = 200
"""Touched paths from which on reading all refs costs less than asking for those that matter."""


class Ruling(NamedTuple):
    """A verdict and what it rests on.

    Args:
        verdict: the verdict.
        age: how old the view is, in seconds; 0 where it was just brought up to date, None if it never was.
        offline: why the registry could not be asked, None if it was or did not have to be.
        broken: the records of those claims of this session's that were broken, by the claim's id.
    """

    verdict: Verdict
    age: float | None = 0.0
    offline: UnreachableError | None = None
    broken: Mapping[ClaimId, Broken] = MappingProxyType({})


def enforce(registry: Registry, changes: Sequence[Change], work: Work, policy: Policy, *, sync: bool) -> Ruling:
    """Judge changes, on a view as fresh as the policy asks; what looks blocked is looked at once more, up to date.

    Args:
        registry: where claims stand.
        changes: what is touched.
        work: what git knows of them.
        policy: what was decided.
        sync: whether the view is brought up to date first, however fresh it is.

    Raises:
        GitclaimError: the registry can't be asked, and the policy refuses to go by the mirror.
    """
    age = registry.store.age(registry.clock.now())
    offline: UnreachableError | None = None
    # Below zero the clock was set back: until it catches up, any mirror would look fresh.
    if sync or age is None or not 0 <= age <= policy.fresh.total_seconds():
        age, offline = _refreshed(registry, policy, age)
    given = judge(registry, changes, work, policy)
    if isinstance(given, Blocked) and age != 0 and not offline:
        age, offline = _refreshed(registry, policy, age)
        given = judge(registry, changes, work, policy)
    return Ruling(given, age, offline, broken_claims(registry, given))


def broken_claims(registry: Registry, given: Verdict) -> dict[ClaimId, Broken]:
    """The records of those lost claims in a verdict that were broken, from the store's view as it is."""
    lost = given.lost if isinstance(given, Allowed) else [block.lost for block in given.blocks if block.lost]
    records = ((claim.id, registry.broken(claim.id)) for claim in dict.fromkeys(lost))
    return {claim: record for claim, record in records if record}


def falls_under(registry: Registry, change: Change, work: Work) -> tuple[ClaimId, ...]:
    """This session's live claims that a change falls under, from the store's view as it is, oldest first.

    Args:
        registry: where claims stand.
        change: what is touched.
        work: what git knows of it.
    """
    found = registry.read(refs_near(registry, {path_ref(path) for path in (*change.paths, *change.doubtful)}))
    mine = [one for one in found if one.claim and one.standing is Standing.LIVE and not _foreign(one, registry)]
    if not mine:
        return ()
    matched = _matched(mine, [change], work)

    def below(one: Found, paths: Iterable[str]) -> bool:
        """Whether one of the paths is what this claim is about."""
        if one.claim and is_above(PATTERNS, one.ref):
            return not matched.get(one.claim.id, frozenset()).isdisjoint(paths)
        return any(touches(path_ref(path), one.ref) for path in paths)

    # What a merge throws away of one side is work as well: the holder's, if it lies under a claim of theirs.
    held = [path for path in change.doubtful if any(below(one, [path]) for one in mine)]
    paths = {*change.paths, *(work.dropped(change, held) if held else ())}
    return tuple(sorted({one.claim.id for one in mine if one.claim and below(one, paths)}))


def judge(registry: Registry, changes: Sequence[Change], work: Work, policy: Policy, *, past: bool = False) -> Verdict:
    """The verdict on changes from the store's view as it is.

    Signatures are checked, and merges looked into, only where the verdict hangs on them.

    Args:
        registry: where claims stand.
        changes: what is touched.
        work: what git knows of them.
        policy: what was decided.
        past: whether a claim that died since counts for the commits that were made while it lived.
    """
    view = _view(registry, changes, past=past)
    counting = {Standing.LIVE, Standing.EXPIRED} if past else {Standing.LIVE}
    view = view._replace(matched=_matched((one for one in view.found if one.standing in counting), changes, work))
    settled: set[int] = set()
    while True:
        given = verdict(changes, view, policy)
        blocks = given.blocks if isinstance(given, Blocked) else ()
        unchecked = {one.found.oid for one in blocks if one.found and one.found.claim and not one.found.verdict}
        if unchecked:
            judged = registry.judged(one for one in view.found if one.oid in unchecked)
            known = {(one.ref, one.oid): one for one in judged}
            view = view._replace(found=tuple(known.get((one.ref, one.oid), one) for one in view.found))
            continue
        doubts = {id(one.change): one.change for one in blocks if _in_doubt(one)}
        if not doubts.keys() - settled:
            return given
        surer = {key: _settled(change, [one.path for one in blocks], work) for key, change in doubts.items()}
        changes = [surer.get(id(change), change) for change in changes]
        settled |= {id(change) for change in surer.values()}


def _refreshed(registry: Registry, policy: Policy, age: float | None) -> tuple[float | None, UnreachableError | None]:
    """How old the view is now, and why it could not be brought up to date."""
    try:
        registry.store.sync()
    except UnreachableError as error:
        if policy.offline is Offline.DENY:
            raise UnreachableError(
                f"{error.message}; the policy is `offline: deny`",
                hint="try again when it answers (gitclaim.budget sets how long a hook waits, in seconds), or go by the "
                "mirror: git -c gitclaim.offline=allow ...",
            ) from error
        return age, error
    return 0.0, None


def _in_doubt(block: Block) -> bool:
    """Whether names alone don't tell that this is touched: in a merge, or where a commit may be amended."""
    return block.path in block.change.doubtful or (block.found is not None and block.change.commit is None)


def _settled(change: Change, paths: Iterable[str], work: Work) -> Change:
    """The change with what it truly drops and without what it only takes back; what does not matter is left out."""
    asked = set(paths)
    dropped = work.dropped(change, asked & set(change.doubtful))
    undone = work.undone(change, asked & set(change.paths)) if change.commit is None else set()
    kept = tuple(path for path in change.paths if path not in undone)
    return change._replace(paths=kept, doubtful=tuple(sorted(dropped)))


def _matched(found: Iterable[Found], changes: Sequence[Change], work: Work) -> Mapping[ClaimId, frozenset[str]]:
    """Which of the paths touched match the patterns of the claims found where such claims stand."""
    claims = [one.claim for one in found if one.claim and is_above(PATTERNS, one.ref)]
    # One question for many claims, as most match nothing. With magic, by itself: it may exclude what others match.
    magic = [claim for claim in claims if any(pattern.startswith(":") for pattern in claim.patterns)]
    single = {claim.id for claim in magic}
    groups = [[claim for claim in claims if claim.id not in single], *([claim] for claim in magic)]
    matched: dict[ClaimId, frozenset[str]] = {}
    while groups:
        group = groups.pop()
        paths = work.matching(changes, [pattern for claim in group for pattern in claim.patterns]) if group else set()
        if paths and len(group) == 1:
            matched[group[0].id] = frozenset(paths)
        elif paths:
            groups += [group[: len(group) // 2], group[len(group) // 2 :]]
    return matched


def _foreign(found: Found, registry: Registry) -> bool:
    return found.claim is not None and found.claim.session != registry.session


def _view(registry: Registry, changes: Sequence[Change], *, past: bool) -> View:
    refs = {path_ref(path) for change in changes for path in (*change.paths, *change.doubtful)}
    found = registry.read(refs_near(registry, refs))
    live = {
        one.claim.id for one in found if one.claim and one.standing is Standing.LIVE and not _foreign(one, registry)
    }
    gone = [oid for claim, oid in registry.ledger.held().items() if claim not in live] if refs else []
    lost = tuple(holding.claim for holding in registry.holdings(gone) if holding.claim.id not in live)
    died = [one for one in found if past and one.standing is Standing.EXPIRED]
    lived = {one.claim.id: _life(registry, one.claim, one.oid) for one in died if one.claim}
    return View(registry.session, tuple(found), lost=lost, past=past, lived=lived)


def refs_near(registry: Registry, refs: set[RefName]) -> Mapping[RefName, Oid]:
    """What stands at, above and below these refs; and where claims are found that were taken by pattern."""
    if not refs:
        return {}
    if len(refs) <= MANY:
        return neighbourhood(registry.store, [*refs, PATTERNS])
    uppers = {upper for ref in refs for upper in ancestors(ref)}
    listed = {**registry.store.exact([CLAIMS]), **registry.store.below([PATHS, PATTERNS])}
    return {
        ref: oid
        for ref, oid in listed.items()
        if ref in refs or ref in uppers or is_above(PATTERNS, ref) or not refs.isdisjoint(ancestors(ref))
    }


def _life(registry: Registry, claim: Claim, oid: Oid) -> tuple[tuple[datetime, datetime], ...]:
    """When a claim that died lived: each step of its chain, from when it was written until others might take over."""
    lives = [(min(step.written, step.claim.expires), step.claim.expires + GRACE) for step in registry.life(oid)]
    lives = lives[::-1] or [(claim.taken, claim.lapses())]
    return ((min(claim.taken, lives[0][0]), lives[0][1]), *lives[1:])
