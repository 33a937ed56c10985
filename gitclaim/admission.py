"""Admission: what a server lets into `refs/claims` and `refs/gitclaim` (docs/server.md).

What a push says stands at a ref has to stand there, and git compares it once more when it applies the push: what others
push in between changes nothing about the judgement.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from string import ascii_lowercase
from typing import Final, NamedTuple

from gitclaim.change import Update
from gitclaim.claim import GRACE, RESOURCE_LIMIT, Claim, Commit, MalformedError, parse_commit, show_time
from gitclaim.clock import show_duration
from gitclaim.names import ClaimId, Oid, RefName, is_ref_name, printable
from gitclaim.record import RECORDS, RELEASED, Broken, Released, broken_ref, parse_broken, parse_released, released_ref
from gitclaim.refstore.contract import Signature, Verdict, neighbourhood
from gitclaim.registry import Found, Holding, Parsed, Registry, Standing
from gitclaim.resources import CLAIMS, PATHS, PATTERNS, is_above
from gitclaim.sweep import is_over
from gitclaim.trust import Trust, Whole

MOST_REFS: Final = 2 * RESOURCE_LIMIT
"""Refs of claims and records that one push may change: the largest claim fits, and a large sweep."""
MOST_CLAIMS: Final = 100
"""Claims that one push may put in place."""
TOLERANCE: Final = timedelta(seconds=10)
"""How far the clock of who takes over may be ahead of the server's; the grace covers everything else."""

_LOOKED_AT: Final = 50
"""Signatures on claims of others that are checked for one push."""
_DEEPEST: Final = 6
"""Directories and a file in the made-up paths that patterns are tried on."""
_MUCH: Final = 4
"""A pattern that matches one in so many paths of a depth is about no file in particular."""
_UNTOLD: Final = (
    "whose it is can't be told on this server, which can't check its signature",
    "a maintainer breaks it: gitclaim break --reason; or take it anew once it has lapsed",
)
_DEAD: Final = frozenset({Standing.EXPIRED, Standing.VOID, Standing.FORMING, Standing.UNTRUSTED, Standing.MALFORMED})


Matches = Callable[[Sequence[str], Sequence[str]], set[str]]
"""Asks git which of some paths, which need not exist, match any of some pathspecs, the excluded ones left out."""


class Refusal(NamedTuple):
    """Why a push is refused.

    Args:
        ref: the ref, as it was pushed; or the path and the commit that touches it.
        message: why, one printable line.
        hint: the way out, if there is one.
    """

    ref: str
    message: str
    hint: str = ""


def is_ours(ref: str) -> bool:
    """Whether a ref is in the name spaces of claims and records."""
    return f"{ref}/".startswith(("refs/claims/", "refs/gitclaim/"))


def admit(registry: Registry, updates: Sequence[Update], trust: Trust, matches: Matches) -> list[Refusal]:
    """Judge the claims and records of a push; what is not refused may come in.

    Args:
        registry: where claims stand, as the server sees it before the push.
        updates: what is pushed to refs of claims and records.
        trust: what was decided about claims.
        matches: asks git about patterns.
    """
    if len(updates) > MOST_REFS:
        return [Refusal(updates[0].ref, f"{len(updates)} refs of claims in one push; at most {MOST_REFS}")]
    if (objects := len({update.new for update in updates if update.new})) > MOST_CLAIMS:
        return [Refusal(updates[0].ref, f"{objects} claims in one push; at most {MOST_CLAIMS}")]
    try:
        named = [(RefName(update.ref), update) for update in updates]
    except ValueError:
        bad = next(update.ref for update in updates if not is_ref_name(update.ref))
        return [Refusal(bad, f"no name of a ref: {printable(bad)[:200]}")]
    if len({ref for ref, _ in named}) < len(named):
        # git does one after the other where a push is not atomic.
        twice = next(ref for ref, count in Counter(ref for ref, _ in named).items() if count > 1)
        return [Refusal(twice, "it comes twice in one push")]
    # git compares each ref with what the push says stands there, but ref by ref: what is said of one must not make a
    # claim look incomplete, so that another goes.
    there = registry.store.exact(ref for ref, _ in named)
    stale = [ref for ref, update in named if there.get(ref) != update.old]
    if stale:
        return [Refusal(stale[0], "it changed meanwhile", "look again: gitclaim list")]
    return _Admission(registry, dict(named), trust, matches).judge()


class _Admission:
    """One push under judgement.

    Args:
        registry: where claims stand before it.
        updates: what it does to refs of claims and records.
        trust: what was decided about claims.
        matches: asks git about patterns.
    """

    def __init__(self, registry: Registry, updates: Mapping[RefName, Update], trust: Trust, matches: Matches) -> None:
        self.registry = registry
        self.trust = trust
        self.matches = matches
        self.now = registry.clock.now()
        self.updates = updates
        self.claims = {ref: update for ref, update in updates.items() if _is_claim(ref)}
        self.records = {ref: update for ref, update in updates.items() if _is_record(ref)}
        oids = [oid for update in updates.values() for oid in (update.new, update.old) if oid]
        self.parsed: dict[Oid, Parsed] = registry.parsed(oids) if len(updates) else {}
        # What stands, as the push says it does.
        standing = {ref: update.old for ref, update in self.claims.items() if update.old}
        self.found = {one.ref: one for one in registry.read(standing)}
        self.verdicts = registry.verifier.verify({update.new for update in updates.values() if update.new})
        # By the objects that stood, and not by the ids of claims: those anybody can write into a claim of theirs.
        self.ended: set[Oid] = set()
        self.continued: dict[Oid, Claim] = {}
        self._everything: Mapping[Oid, bytes | str] | None = None

    def judge(self) -> list[Refusal]:
        """All that speaks against it."""
        foreign = [ref for ref in self.updates if ref not in self.claims and ref not in self.records]
        refusals = [Refusal(ref, "no ref of a claim, and nothing else is kept there") for ref in foreign]
        groups: dict[Oid, list[RefName]] = {}
        for ref, update in self.claims.items():
            if update.new:
                groups.setdefault(update.new, []).append(ref)
        for oid, refs in groups.items():
            refusals += [Refusal(refs[0], *said) for said in self._claim(oid, refs)]
        for ref, update in self.records.items():
            refusals += [Refusal(ref, *said) for said in self._record(ref, update)]
        gone = [ref for ref, update in self.claims.items() if not update.new]
        return refusals + list(self._deletions(gone))

    def _claim(self, oid: Oid, refs: Sequence[RefName]) -> Iterator[tuple[str, str]]:
        """What speaks against a claim at these refs."""
        commit, claim, note = self.parsed[oid]
        if commit is None or claim is None:
            yield f"no claim: {note}", "only gitclaim writes there"
            return
        if set(refs) != set(claim.refs):
            yield _whole_set(claim, refs), "its refs are pushed together: gitclaim take does"
            return
        yield from self._signature(oid)
        yield from self._times(commit, claim)
        if self.trust.whole is not Whole.ANYONE and not self._is_maintainer(oid) and self._is_whole(claim):
            hint = "claim the directories that are needed; `whole: anyone` in .gitclaim.yaml allows it to all"
            yield "only maintainers may claim the whole repository here", hint
        olds = {old for ref in refs if (old := self.updates[ref].old)}
        before = {old for old in olds if _id(self.parsed[old]) == claim.id}
        if before:
            yield from self._continuation(oid, commit, claim, before)
        else:
            yield from self._beginning(commit, claim)
        yield from self._in_the_way(refs, but=claim.id)

    def _is_whole(self, claim: Claim) -> bool:
        """Whether a claim holds the whole repository: its root, or by its patterns files of whatever name."""
        if PATHS in claim.refs or not claim.patterns:
            return PATHS in claim.refs
        groups = list(_made_up())
        matched = self.matches([path for group in groups for path in group], claim.patterns)
        return any(len(matched.intersection(group)) * _MUCH >= len(group) for group in groups)

    def _signature(self, oid: Oid) -> Iterator[tuple[str, str]]:
        verdict = self.verdicts[oid]
        if verdict.signature is Signature.BAD:
            yield "its signature is not good", ""
        elif verdict.signature is Signature.UNKNOWN:
            hint = "sign with an ssh key: git config gitclaim.signing clone"
            yield "its signature can't be checked on this server", hint
        elif not verdict.trusted:
            hint = f"trust is decided in .gitclaim.yaml on {self.trust.source}"
            yield f"its key does not count here: {verdict.key or 'nobody vouches for it'}", hint

    def _times(self, commit: Commit, claim: Claim) -> Iterator[tuple[str, str]]:
        latest = max(commit.written, claim.taken)
        # Not as far ahead as a client may see a claim without taking one clock for wrong: that may be behind ours.
        if commit.written < self.now - GRACE or latest > self.now + GRACE / 2:
            dated = commit.written if commit.written < self.now - GRACE else latest
            yield (
                f"it is dated {show_time(dated)}, and it is {show_time(self.now)} here",
                "set the clock of that machine",
            )
        if claim.expires <= self.now:
            yield f"its lease ran out at {show_time(claim.expires)}", "take it anew"
        if claim.expires - max(self.now, commit.written) > self.trust.max_ttl + TOLERANCE:
            longest = show_duration(self.trust.max_ttl)
            yield f"its lease is longer than {longest}, the longest here", f"--ttl {longest.replace(' ', '')}"

    def _beginning(self, commit: Commit, claim: Claim) -> Iterator[tuple[str, str]]:
        """What speaks against a claim that begins here."""
        if commit.parents:
            yield "a claim begins without a past", "take it anew"
        if abs(claim.taken - self.now) > GRACE:
            yield f"it was taken at {show_time(claim.taken)}, and it is {show_time(self.now)} here", "take it anew"
        if self.registry.store.exact([released_ref(claim.id), broken_ref(claim.id)]):
            yield "that claim has ended: an old object was pushed back", "take it anew"
        if self._stands(claim.id):
            yield "another claim has that id", "take it anew"

    def _stands(self, claim: ClaimId) -> bool:
        """Whether a claim with that id stands anywhere: records and commits name claims by nothing else."""
        if self._everything is None:
            standing = self.registry.store.below([CLAIMS])
            self._everything = self.registry.objects.read(set(standing.values()))
        # Whoever only mentions it had to know it before there was one.
        return any(isinstance(content, bytes) and claim.encode() in content for content in self._everything.values())

    def _continuation(self, oid: Oid, commit: Commit, claim: Claim, before: set[Oid]) -> Iterator[tuple[str, str]]:
        """What speaks against the next step of a claim that stands there."""
        if len(commit.parents) != 1 or commit.parents[0] not in before:
            yield "it does not follow what stands there", "look again: gitclaim list"
            return
        parent = commit.parents[0]
        previous = self.parsed[parent].claim
        if previous is None or not _is_part(claim, previous) or claim.taken != previous.taken:
            yield "a claim that goes on may give something up, and no more", "take the rest as another claim"
            return
        holder = self.registry.holder(parent)
        if not holder.told:
            yield _UNTOLD
        elif holder.bound and self.verdicts[oid].key != holder.key:
            yield f"{previous.session} holds it, by another key", "only its holder's key goes on with a claim"
        elif not holder.bound and not self.registry.holder(oid).sound:
            yield f"it was given to {previous.session}, who has not gone on with it", "they renew it: gitclaim renew"
        self.continued |= dict.fromkeys(self._steps(parent), claim)

    def _steps(self, oid: Oid) -> list[Oid]:
        """An object that stands, and what it follows: a renewal that was cut short leaves both at refs."""
        return [step.oid for step in self.registry.life(oid)]

    def _in_the_way(self, refs: Sequence[RefName], *, but: ClaimId) -> Iterator[tuple[str, str]]:
        """What keeps a claim from standing at these refs: at them, above them, below them."""
        there = [one for ref in refs if (one := self.found.get(ref)) and (not one.claim or one.claim.id != but)]
        for one in self._live(there):
            yield _held(one), "wait, or ask its holder: gitclaim list"
        created = [ref for ref in refs if not self.updates[ref].old]
        now_there = neighbourhood(self.registry.store, created) if created else {}
        after = {ref for ref in now_there if not (ref in self.updates and not self.updates[ref].new)} | set(refs)
        clashes = [ref for ref in after for other in created if is_above(ref, other) or is_above(other, ref)]
        for ref in sorted(set(clashes) - set(created))[:1]:
            yield f"it overlaps what stands at {printable(ref)}", "gitclaim take sees that first"

    def _record(self, ref: RefName, update: Update) -> Iterator[tuple[str, str]]:
        """What speaks against a record."""
        if update.new is None:
            content = self.registry.objects.read([update.old])[update.old] if update.old else ""
            if not is_over(content, self.now + TOLERANCE + GRACE):
                yield "the record is still of use: it keeps an old claim from being pushed back", "gitclaim sweep knows"
            return
        commit, record = self._recorded(update.new, released=is_above(RELEASED, ref))
        if commit is None or record is None or ref not in {released_ref(record.claim), broken_ref(record.claim)}:
            yield "no record of a claim that ended", "only gitclaim writes there"
            return
        if commit.parents != (record.oid,):
            yield "it does not follow the claim it is about", ""
            return
        claim = self.registry.parsed([record.oid])[record.oid].claim
        if claim is None or claim.id != record.claim:
            yield "it is about something that is no claim", ""
            return
        if abs(commit.written - self.now) > GRACE:
            yield f"it is dated {show_time(commit.written)}, and it is {show_time(self.now)} here", ""
        until = self.registry.worthless_from(Holding(claim, record.oid))
        if isinstance(record, Released) and record.until != until:
            yield f"it says {show_time(record.until)}, and the claim would have lapsed at {show_time(until)}", ""
        yield from self._signature(update.new)
        yield from self._ending(claim, update.new, record)

    def _recorded(self, oid: Oid, *, released: bool) -> tuple[Commit | None, Released | Broken | None]:
        """The commit in an object, and the record it is."""
        content = self.registry.objects.read([oid])[oid]
        try:
            commit = parse_commit(content) if isinstance(content, bytes) else None
        except MalformedError:
            return None, None
        if commit is None or commit.tree != self.registry.objects.empty_tree:
            return None, None
        return commit, (parse_released if released else parse_broken)(commit.message)

    def _ending(self, claim: Claim, oid: Oid, record: Released | Broken) -> Iterator[tuple[str, str]]:
        """What speaks against a claim's end, by the record in that object."""
        ended, released = record.oid, isinstance(record, Released)
        gone = [update.old for ref in claim.refs if (update := self.updates.get(ref)) and not update.new]
        standing = self.registry.parts(claim)
        kept = [ref for ref in standing if ref not in self.updates or self.updates[ref].new]
        # What never stood there is nobody's claim, whatever it says and whoever signed it.
        if kept or ended not in gone:
            yield "a claim ends in the push that says so, all its refs with it", "gitclaim release does"
            return
        holder = self.registry.holder(ended)
        own = holder.may_end(claim, self.verdicts[oid].key, record.by)
        if released and not holder.told:
            yield _UNTOLD
        elif released and not own:
            yield f"{claim.session} holds it, by another key", "only its holder's key releases a claim"
        if not released and not own and not self._is_maintainer(oid):
            hint = "`maintainers` in .gitclaim.yaml on the default branch lists who may"
            yield "only maintainers break claims here", hint
        self.ended.update(self._steps(ended))

    def _deletions(self, refs: Iterable[RefName]) -> Iterator[Refusal]:
        """What speaks against taking these refs away."""
        there = []
        for ref in refs:
            one = self.found.get(ref)
            if one is None or self._given_up(one):
                continue
            if one.standing is Standing.NEWER:
                yield Refusal(ref, f"{one.note}: it can't be judged here", "upgrade gitclaim on the server")
            else:
                there.append(one)
        for one in self._live(there):
            hint = "its holder releases it: gitclaim release; a maintainer breaks it: gitclaim break --reason"
            yield Refusal(one.ref, _held(one), hint)

    def _given_up(self, found: Found) -> bool:
        """Whether its holder, or a maintainer, gives up what a claim has at that ref."""
        rest = self.continued.get(found.oid)
        return found.oid in self.ended or (rest is not None and found.ref not in rest.refs)

    def _live(self, found: Iterable[Found]) -> list[Found]:
        """Those of what was found that others may not touch, by the server's clock and signatures."""
        listed = [one for one in found if one.standing not in _DEAD and not self._lapsed(one)]
        # Each signature takes time: who asks for more than a few of others' claims gets none.
        judged = self.registry.judged(listed[:_LOOKED_AT]) if listed else []
        return [*(one for one in judged if one.standing not in _DEAD), *listed[_LOOKED_AT:]]

    def _lapsed(self, found: Found) -> bool:
        return found.claim is not None and self.now + TOLERANCE >= found.claim.lapses()

    def _is_maintainer(self, oid: Oid) -> bool:
        verdict: Verdict = self.verdicts[oid]
        return verdict.signature is Signature.GOOD and verdict.key in self.trust.maintainers


def _is_claim(ref: RefName) -> bool:
    """Whether a claim may stand there: which one, its own list of refs tells."""
    return is_above(CLAIMS, ref) or is_above(PATTERNS, ref)


def _made_up() -> Iterator[list[str]]:
    """Paths nobody has, in lists of one depth and kind: a pattern that matches many of them asks for no name.

    No two of a list begin or end with the same letter, so that one letter alone is a name.
    """
    # Imported late: only who claims by pattern is asked. What is drawn must not be known: a pattern could leave it out.
    from random import SystemRandom  # noqa: PLC0415

    draw = SystemRandom()

    def words() -> list[str]:
        ends = zip(draw.sample(ascii_lowercase, 26), draw.sample(ascii_lowercase, 26), strict=True)
        return [first + "".join(draw.choices(ascii_lowercase, k=draw.randint(2, 8))) + last for first, last in ends]

    for depth in range(1, _DEEPEST + 1):
        plain = ["/".join(parts) for parts in zip(*(words() for _ in range(depth)), strict=True)]
        dotted = [f"{path}.{word[-3:]}" for path, word in zip(plain, words(), strict=True)]
        yield from (plain, dotted, [path.upper() for path in dotted])


def _is_part(claim: Claim, whole: Claim) -> bool:
    """Whether all that a claim holds is what another holds: all patterns have one ref between them."""
    return set(claim.refs) <= set(whole.refs) and set(claim.patterns) <= set(whole.patterns)


def _is_record(ref: RefName) -> bool:
    return any(is_above(start, ref) for start in RECORDS)


def _id(parsed: Parsed) -> ClaimId | None:
    return parsed.claim.id if parsed.claim else None


def _whole_set(claim: Claim, refs: Iterable[RefName]) -> str:
    strange = sorted(set(refs) - set(claim.refs))
    if strange:
        return f"a claim on {claim.title}, copied to a ref it does not list"
    missing = sorted(set(claim.refs) - set(refs))
    return f"incomplete: the claim is on {printable(missing[0])} too"


def _held(found: Found) -> str:
    if found.claim is None:
        return found.note
    return f"{found.claim.session} holds {found.claim.title} until {show_time(found.claim.expires)}"
