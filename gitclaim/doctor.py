"""The doctor: what keeps claims from working here, and how to mend it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from shlex import quote
from typing import Final

from gitclaim.claim import GRACE, show_time
from gitclaim.clock import show_duration
from gitclaim.errors import GitclaimError, UnreachableError
from gitclaim.githook import HUSKY_WAY, HookPlace, HookState, Manager
from gitclaim.health import Check, Facts, Health
from gitclaim.holding import release
from gitclaim.names import RefName, printable
from gitclaim.protocol import Held, Request, take
from gitclaim.registry import Found, Registry, Standing
from gitclaim.resources import CLAIMS, Kind, Resource, ancestors

VERIFIED: Final = 500
"""Signatures checked at most; more would take longer than anybody waits."""
OLD_MIRROR: Final = timedelta(hours=1)

_PROBE: Final = timedelta(minutes=1)
_SKEW: Final = timedelta(seconds=5)
_SHOWN: Final = 3
_STATES: Final = {
    HookState.MISSING: "missing",
    HookState.OLDER: "another text than this gitclaim's",
    HookState.DISABLED: "not executable, so git passes over it",
    HookState.FOREIGN: "not gitclaim's",
}


def diagnose(facts: Facts, registry: Callable[[], Registry], beside: Registry, *, offline: bool) -> list[Check]:
    """Check everything that can be checked.

    Args:
        facts: what is known of the clone.
        registry: opens the registry, as every command does.
        beside: the registry, seen without touching the clone's own refs.
        offline: don't ask the registry.
    """
    checks = [*_clone(facts)]
    try:
        opened = registry()
    except GitclaimError as error:
        return [*checks, Check("registry", Health.FAILURE, error.message, error.hint or "")]
    if offline:
        return [*checks, _mirror(opened), *_claims(opened)]
    checks.append(_mirror(opened))
    try:
        beside.store.sync()
        listed = beside.store.below([CLAIMS])
        checks += _overlaps(listed)
        opened.store.sync()
    except UnreachableError as error:
        return [*checks, Check("reach", Health.FAILURE, error.message, error.hint or "")]
    checks.append(Check("reach", Health.OK, f"the registry answers; refs that claim something: {len(listed)}"))
    checks.append(_writing(opened))
    return [*checks, *_claims(opened)]


def _clone(facts: Facts) -> Iterator[Check]:
    if facts.git_suffices:
        yield Check("git", Health.OK, f"git {facts.git}")
    else:
        yield Check("git", Health.FAILURE, f"git {facts.git} is too old", "install git 2.34 or newer")
    if facts.embedded and facts.remotes:
        mend = f"gitclaim init --registry {facts.remotes[0]}"
        message = "claims are kept in this repository alone, although it has remotes"
        yield Check("registry", Health.WARNING, message, mend)
    elif facts.embedded:
        message = "no remote: claims are kept in this repository, for its own work trees"
        yield Check("registry", Health.WARNING, message, "fine on one machine; else git remote add origin URL")
    else:
        yield Check("registry", Health.OK, f"{facts.registry} (from {facts.chosen})")
    if facts.note:
        yield Check("registry", Health.WARNING, facts.note, "gitclaim init --registry URL names the one that is meant")
    for message, mend in facts.exposed:
        yield Check("keys", Health.FAILURE, message, mend)
    if not facts.exposed:
        yield Check("keys", Health.OK, "the clone's key and verdicts are its owner's alone")
    yield from _hooks(*facts.hooks, bare=facts.bare)
    if facts.headless:
        message = f"HEAD names {facts.headless}, and that is not there: a wall lets nothing in then"
        yield Check("HEAD", Health.FAILURE, message, "git symbolic-ref HEAD refs/heads/BRANCH")


def _hooks(place: HookPlace, states: Mapping[str, HookState], *, bare: bool) -> Iterator[Check]:
    """Whether git asks gitclaim before commits and pushes; in a bare repository, before it receives a push."""
    where = printable(str(place.directory))
    install = f"{_installing(place)}{' --server' if bare else ''}"
    moment = "it receives a push" if bare else "it commits or pushes"
    off = {name: state for name, state in states.items() if state is not HookState.CURRENT and name not in place.named}
    if place.off:
        message = f"core.hooksPath ({place.scope} configuration) turns git's hooks off: git asks nobody"
        yield Check("hooks", Health.FAILURE if place.shadowed else Health.WARNING, message, place.way_back)
        return
    if place.shadowed and off:
        message = f"core.hooksPath leads git to {where}; gitclaim's hooks in {printable(str(place.usual))} never run"
        yield Check("hooks", Health.FAILURE, message, f"{place.way_back}, or {install}")
    if place.misplaced:
        message = f"git does not look into {printable(str(place.misplaced))}: linked work trees share their hooks"
        removed = f"rm -r {quote(str(place.misplaced))}"
        yield Check("hooks", Health.WARNING, message, f"{removed} && {install}" if off else removed)
    if len(off) == len(states) and set(off.values()) <= {HookState.MISSING, HookState.FOREIGN}:
        managed = f"; {place.manager} manages them" if place.manager else ""
        message = f"no hook of gitclaim's in {where}: git asks nobody before {moment}{managed}"
        yield Check("hooks", Health.WARNING, message, install)
        return
    for state in HookState:
        names = [name for name, its in off.items() if its is state]
        if names:
            health = Health.FAILURE if state is HookState.DISABLED else Health.WARNING
            yield Check("hooks", health, f"{_STATES[state]}: {', '.join(names)} in {where}", install)
    if not off:
        yield Check("hooks", Health.OK, f"git asks gitclaim before {moment.replace(' or ', ' and ')} ({where})")


def _installing(place: HookPlace) -> str:
    """How gitclaim's hooks come to where git looks."""
    if place.manager is Manager.HUSKY:
        return HUSKY_WAY
    return "gitclaim install" if place.own else "gitclaim install --shared"


def _mirror(registry: Registry) -> Check:
    age = registry.store.age(registry.clock.now())
    if age is None:
        return Check("mirror", Health.OK, "this clone has not looked at the registry before")
    if age > OLD_MIRROR.total_seconds():
        old = show_duration(timedelta(seconds=age))
        return Check("mirror", Health.WARNING, f"the mirror was {old} old", "gitclaim list brings it up to date")
    return Check("mirror", Health.OK, "the mirror is up to date")


def _overlaps(listed: Iterable[RefName]) -> Iterator[Check]:
    """Pairs of refs above one another: git refuses them, and a server that does not breaks the promise."""
    refs = set(listed)
    clashes = [(up, ref) for ref in sorted(refs) for up in ancestors(ref) if up in refs]
    for up, ref in clashes[:_SHOWN]:
        yield Check(
            "overlap",
            Health.FAILURE,
            f"{printable(up)} and {printable(ref)} both exist: this registry does not exclude overlapping claims",
            "its server breaks git's rule for refs: use git's own server, and break one of the two claims",
        )
    if CLAIMS in refs:
        mend = f"git push REGISTRY --force-with-lease={CLAIMS}:OID :{CLAIMS}"
        yield Check("overlap", Health.FAILURE, f"a ref named {CLAIMS} keeps every claim out", mend)
    if not clashes:
        yield Check("overlap", Health.OK, "no two claims overlap")


def _writing(registry: Registry) -> Check:
    """Whether this clone can claim: with a real claim on two refs, which is released at once."""
    name = registry.new_id()
    resources = (Resource(Kind.LANE, f"doctor-{name}"), Resource(Kind.TASK, f"doctor/{name}"))
    try:
        _take_and_release(registry, resources)
    except GitclaimError as error:
        several = error
    else:
        return Check("writing", Health.OK, "this clone can take and release claims on several resources at once")
    try:
        _take_and_release(registry, resources[:1])
    except GitclaimError as error:
        mend = error.hint or "check that your account may push, and that the server accepts refs/claims/*"
        return Check("writing", Health.FAILURE, f"this clone can't claim: {error.message}", mend)
    mend = "take one resource at a time, or use a registry with atomic pushes"
    return Check("writing", Health.WARNING, f"claims on one resource only: {several.message}", mend)


def _take_and_release(registry: Registry, resources: tuple[Resource, ...]) -> None:
    outcome = take(registry, Request(resources, _PROBE, purpose="gitclaim doctor"))
    if not isinstance(outcome, Held):
        raise GitclaimError("a name nobody else can know was taken")
    release(registry, resources)


def _claims(registry: Registry) -> Iterator[Check]:
    found = registry.look_all()
    claims = {one.oid for one in found if one.claim}
    found = registry.judged(found) if len(claims) <= VERIFIED else registry.recalled(found)
    yield from _clock(registry, found)
    sweep = "gitclaim sweep"
    yield from _group(found, Standing.MALFORMED, Health.WARNING, "no claim", "gitclaim sweep, after ten minutes")
    yield from _group(found, Standing.UNTRUSTED, Health.WARNING, "a claim with a bad signature", sweep)
    yield from _group(found, Standing.VOID, Health.WARNING, "an incomplete claim (a stray)", sweep)
    yield from _group(found, Standing.NEWER, Health.WARNING, "a claim in a newer format", "upgrade gitclaim")
    yield from _group(found, Standing.EXPIRED, Health.OK, "an expired claim", sweep)
    live = {one.oid for one in found if one.standing is Standing.LIVE}
    yield Check("claims", Health.OK, f"{len(live)} live {'claim' if len(live) == 1 else 'claims'}")


def _group(found: Iterable[Found], standing: Standing, health: Health, what: str, mend: str) -> Iterator[Check]:
    refs = [printable(one.ref) for one in found if one.standing is standing]
    if refs:
        shown = ", ".join(refs[:_SHOWN])
        more = f" and {len(refs) - _SHOWN} more" if len(refs) > _SHOWN else ""
        yield Check("claims", health, f"{what} stands at {shown}{more}", mend)


def _clock(registry: Registry, found: Iterable[Found]) -> Iterator[Check]:
    now = registry.clock.now()
    dated = [
        (one.written, one) for one in found if one.claim and one.written and one.standing is not Standing.UNTRUSTED
    ]
    if not dated:
        yield Check("clock", Health.OK, "no claim to compare this clock with")
        return
    latest, one = max(dated, key=lambda pair: pair[0])
    if latest <= now + _SKEW:
        yield Check("clock", Health.OK, "no claim is dated in this machine's future")
        return
    whose = f"the claim of {one.claim.session} on {one.claim.title}" if one.claim else one.ref
    health = Health.FAILURE if latest > now + GRACE else Health.WARNING
    yield Check(
        "clock",
        health,
        f"{whose} is dated {show_time(latest)}, {show_duration(latest - now)} ahead of this clock",
        "compare both clocks with a time server; beyond two minutes nothing is taken over or swept",
    )
