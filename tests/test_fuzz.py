"""Whatever bytes come, readers answer with a value or the error they promise, and no altered object counts."""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from time import perf_counter
from typing import Final, TypeVar

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gitclaim.admission import admit
from gitclaim.change import Update
from gitclaim.claim import (
    MESSAGE_LIMIT,
    PATTERN_LIMIT,
    RESOURCE_LIMIT,
    Claim,
    MalformedError,
    NewerFormatError,
    format_claim,
    parse_claim,
    parse_commit,
    parse_time,
)
from gitclaim.errors import GitclaimError
from gitclaim.hooks.receive import parsed
from gitclaim.names import ClaimId, Oid, RefName, Session, is_printable
from gitclaim.record import (
    Broken,
    Landing,
    Released,
    broken_ref,
    format_broken,
    format_released,
    landing_notes,
    landings,
    parse_broken,
    parse_released,
    released_ref,
)
from gitclaim.resources import reduced
from gitclaim.settings import parse_file, read_trust
from gitclaim.trust import Trust, TrustMode, fingerprint
from tests.kit.hostile import WORDS
from tests.kit.memory import HOUR, START, MemoryObjects, World, commit_bytes, resources

T = TypeVar("T")
# A busy machine draws slowly.
FUZZ: Final = settings(deadline=None, database=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
BRIEF: Final = settings(FUZZ, max_examples=150)

OID: Final = Oid("4f0c" * 10)
PUBLIC: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINPLR/LxwkOWhTvDOd42d8VdMJaOjYCKVMAALUsj2PoxAA me@example.org"
CLAIM: Final = Claim(
    id=ClaimId("01JD3Q7Z8N4W1T6V2Y5B9C0EFG"),
    session=Session("alice"),
    resources=resources("src/api task:org/x#42 lane:ci/2"),
    taken=START,
    expires=START + HOUR,
    purpose="Add pagination\n\nto the users endpoint",
    branch='feature/"q"',
    base=OID,
    patterns=("**/*.sql",),
    needs=("task:schema",),
)
LANDED: Final = (Landing(RefName("refs/heads/main"), OID), Landing(RefName("refs/tags/v1"), Oid("a" * 40)))
MESSAGE: Final = format_claim(CLAIM, notes=landing_notes(LANDED))
BROKEN: Final = format_broken(Broken(CLAIM.id, OID, Session("carol"), "gone\nfor good"), title="src")
RELEASED: Final = format_released(Released(CLAIM.id, OID, Session("alice"), START, LANDED), title="src")
COMMIT: Final = commit_bytes(MESSAGE, parent=OID, key="alice")
YAML: Final = f"""\
trust: known
keys:
  - SHA256:{"a" * 43} alice
  - {PUBLIC}
maintainers: ['{"0123456789" * 4}']
max-ttl: 8h
whole: anyone
unclaimed: deny
exempt: ["**/package-lock.json"]
guard: [main, release/*]
"""
PUSHED: Final = f"{'0' * 40} {OID} refs/heads/main\n{OID} {'0' * 40} refs/claims/path/src\n"
# Separated by spaces, so that the list stays readable.
_BITS = (
    "\n \n\n :  @ / \0 \x1b \u202e \ud800 \udcff \xff é 0 1 9 -1 99999999999999999999 Claim: Session: Resource: "
    'Claim-Format: Lands: Until: gpgsig parent tree author committer refs/ .. .lock path: task:. " \\ \\777 & * ! - '
    "? { [ | > !!python/object:os.system !!binary &a *a <<: ~ null 2026-02-30T25:61:61Z 0000-00-00T00:00:00Z "
    "9999-12-31T23:59:59Z"
)
BITS: Final = _BITS.split(" ")


def mutated(text: str) -> st.SearchStrategy[str]:
    """The text with a few of its parts cut, doubled, moved, exchanged, or replaced by what breaks readers."""
    lines = text.splitlines(keepends=True)

    @st.composite
    def change(draw: st.DrawFn) -> str:
        now, parts = text, list(lines)
        for _ in range(draw(st.integers(1, 3))):
            at, end = sorted((draw(st.integers(0, len(now))), draw(st.integers(0, len(now)))))
            near = min(end, at + 12)
            line, other = (draw(st.integers(0, len(parts) - 1)) for _ in range(2))
            bit = draw(st.sampled_from(BITS) | st.characters() | WORDS)
            now = draw(
                st.sampled_from(
                    [
                        now[:at] + bit + now[at:],
                        now[:at] + bit + now[near:],
                        now[:at] + now[near:],
                        now[:at],
                        now[at:],
                        now[:at] + now[at:end] + now[at:],
                        now.replace(parts[line], ""),
                        now.replace(parts[line], parts[line] * 2),
                        now.replace(parts[line], parts[other]),
                        now.replace(parts[line], parts[line] + parts[other]),
                        now.replace("\n", "\r\n"),
                        now.swapcase(),
                    ]
                )
            )
        return now

    return change()


def texts(*models: str) -> st.SearchStrategy[str]:
    """Any text, and texts much like these."""
    return st.one_of(WORDS, st.text(), *map(mutated, models))


def altered(raw: bytes, *others: bytes) -> st.SearchStrategy[bytes]:
    """The bytes with some flipped, cut out, cut off, doubled or taken from other objects; never the same."""

    @st.composite
    def change(draw: st.DrawFn) -> bytes:
        at = draw(st.integers(0, len(raw) - 1))
        size = draw(st.integers(1, 80))
        other = draw(st.sampled_from([raw, *others]))
        start = draw(st.integers(0, len(other)))
        lines = raw.splitlines(keepends=True)
        line = draw(st.integers(0, len(lines) - 1))
        return draw(
            st.sampled_from(
                [
                    raw[:at] + bytes([raw[at] ^ draw(st.integers(1, 255))]) + raw[at + 1 :],
                    raw[:at],
                    raw[:at] + raw[at + size :],
                    raw[:at] + other[start : start + size] + raw[at:],
                    raw[:at] + other[start : start + size] + raw[at + size :],
                    raw[:at] + other[start:],
                    b"".join([*lines[:line], lines[line], *lines[line:]]),
                    b"".join([*lines[:line], *lines[line + 1 :]]),
                    b"".join([*lines, lines[line]]),
                ]
            )
        )

    return change().filter(lambda new: new != raw)


def answer(reader: Callable[[str], T], text: str, *promised: type[Exception]) -> T | None:
    """What a reader says; None where it raises what it promises, with words that can be shown."""
    try:
        return reader(text)
    except promised as error:
        said = error.message if isinstance(error, GitclaimError) else str(error)
        assert is_printable(said), repr(said)
        return None


# What stands in objects.


@FUZZ
@given(texts(MESSAGE))
@example(MESSAGE)
def test_a_message_is_a_claim_or_malformed(text: str) -> None:
    """What is read as a claim is well-formed, and reads the same when it is written anew."""
    claim = answer(parse_claim, text, MalformedError, NewerFormatError)
    if claim:
        assert 0 < len(claim.resources) <= RESOURCE_LIMIT
        assert len(claim.patterns) <= PATTERN_LIMIT
        assert reduced(claim.resources) == claim.resources
        assert claim.taken < claim.expires
        assert len(set(claim.refs)) == len(claim.refs)
        assert is_printable(claim.title)
        assert parse_claim(format_claim(claim)) == claim


RAW: Final = (
    st.binary(max_size=300) | altered(COMMIT) | texts(COMMIT.decode()).map(lambda s: s.encode("utf-8", "surrogatepass"))
)


@FUZZ
@given(RAW)
@example(COMMIT)
@example(COMMIT.replace(b"gpgsig", b"encoding latin-1\ngpgsig"))
def test_bytes_are_a_commit_or_malformed(raw: bytes) -> None:
    try:
        commit = parse_commit(raw)
    except MalformedError as error:
        assert is_printable(str(error))  # noqa: PT017 - both answers are right
        return
    head = raw.partition(b"\n\n")[0]
    assert head.startswith(b"tree " + commit.tree.encode() + b"\n")
    assert head.count(b"\nparent ") >= len(commit.parents)
    assert raw.endswith(commit.message.encode())


@BRIEF
@given(texts(BROKEN, RELEASED, MESSAGE))
@example(BROKEN)
@example(RELEASED)
def test_a_message_is_a_record_or_none(text: str) -> None:
    broken, released = parse_broken(text), parse_released(text)
    assert broken is None or released is None
    if broken:
        assert all(map(is_printable, broken.reason.split("\n")))
        assert broken_ref(broken.claim)
        assert parse_broken(format_broken(broken, title="src")) == broken
    if released:
        assert parse_time(f"{released.until:%Y-%m-%dT%H:%M:%SZ}".zfill(20)) == released.until
        assert released_ref(released.claim)
        assert parse_released(format_released(released, title="src")) == released


@BRIEF
@given(texts(MESSAGE, RELEASED))
def test_landings_are_refs_and_commits_and_nothing_else(text: str) -> None:
    for landing in landings(text):
        assert RefName(landing.ref)
        assert Oid(landing.oid)
        assert f"Lands: {landing.ref}@{landing.oid}" in text


# What stands in files, and what git tells.


@BRIEF
@given(texts(f"SHA256:{'a' * 43} alice", PUBLIC, "0123 4567 " * 5))
def test_a_fingerprint_is_one_or_none(text: str) -> None:
    found = answer(fingerprint, text, ValueError)
    assert found is None or re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}|[0-9A-F]{40}(?:[0-9A-F]{24})?", found)


@BRIEF
@given(texts(YAML))
@example(YAML)
@example("keys: [" * 2000)
@example("a: &a [*a]\n")
def test_a_file_of_settings_makes_sense_or_is_refused(text: str) -> None:
    """By name and line, on one line that a terminal can show."""
    found = answer(parse_file, text, GitclaimError)
    assert found is None or all(isinstance(value, str) for values in found.values() for value in values)
    trust = answer(lambda told: read_trust({}, told, lambda _: None, "main"), text, GitclaimError)
    assert (trust is None) is (found is None or "signers" in found)
    if trust and found and "trust" not in found:
        assert trust.mode is TrustMode.ANY


@BRIEF
@given(texts(PUSHED))
@example(PUSHED)
def test_lines_for_a_hook_are_updates_or_an_error(text: str) -> None:
    updates = answer(lambda told: list(parsed(told)), text, GitclaimError)
    if updates is not None:
        assert len(updates) == sum(map(bool, text.split("\n")))
        assert all(one.ref and f" {one.ref}" in text for one in updates)


# What a server lets in.


def moves(claim: Claim, new: Oid | None, old: Oid | None) -> list[Update]:
    return [Update(ref, new, old) for ref in claim.refs]


def let_in(world: World, updates: Iterable[Update]) -> bool:
    trust = Trust(maintainers=frozenset({"carol"}))
    return not admit(world.server(trust), list(updates), trust, lambda *_: set())


def same(raw: bytes, other: bytes) -> bool:
    """Whether both say the same: the header that holds a signature is not signed itself."""
    with suppress(MalformedError):
        return parse_commit(raw) == parse_commit(other)
    return False


FRESH: Final = commit_bytes(format_claim(CLAIM), key="alice")
THEIRS: Final = commit_bytes(format_claim(CLAIM._replace(session=Session("mallory"))), key="mallory")


@FUZZ
@given(altered(FRESH, THEIRS))
@example(THEIRS)
def test_no_altered_claim_comes_in_as_its_holder_s(raw: bytes) -> None:
    """At its refs or at those it lists now; what does come in is a whole claim with a good signature of another."""
    world = World()
    assert let_in(world, moves(CLAIM, MemoryObjects(world.contents, "").add(FRESH), None))
    oid = MemoryObjects(world.contents, "").add(raw)
    ways = [CLAIM]
    with suppress(ValueError):
        ways.append(parse_claim(parse_commit(raw).message))
    for claim in ways:
        if let_in(world, moves(claim, oid, None)):
            verdict = world.server().verifier.verify([oid])[oid]
            assert (raw, verdict.key) == (THEIRS, "mallory") or (same(raw, FRESH) and verdict.key == "alice")


@FUZZ
@given(st.data())
def test_no_altered_step_goes_on_with_a_claim(data: st.DataObject) -> None:
    world = World()
    first = MemoryObjects(world.contents, "").add(FRESH)
    world.refs.refs |= dict.fromkeys(CLAIM.refs, first)
    longer = format_claim(CLAIM.until(CLAIM.expires + HOUR))
    step = commit_bytes(longer, parent=first, key="alice")
    assert let_in(world, moves(CLAIM, MemoryObjects(world.contents, "").add(step), first))
    theirs = commit_bytes(longer, parent=first, key="mallory")
    raw = data.draw(altered(step, FRESH, theirs, THEIRS))
    oid = MemoryObjects(world.contents, "").add(raw)
    if oid != first:
        assert not let_in(world, moves(CLAIM, oid, first)) or same(raw, step)


@BRIEF
@given(st.data(), st.booleans())
def test_no_altered_record_ends_a_claim(data: st.DataObject, broken: bool) -> None:  # noqa: FBT001
    world = World()
    first = MemoryObjects(world.contents, "").add(FRESH)
    world.refs.refs |= dict.fromkeys(CLAIM.refs, first)
    if broken:
        ref = broken_ref(CLAIM.id)
        text, key = format_broken(Broken(CLAIM.id, first, Session("carol"), "gone"), title="src"), "carol"
    else:
        ref = released_ref(CLAIM.id)
        text, key = format_released(Released(CLAIM.id, first, Session("alice"), CLAIM.lapses()), title="src"), "alice"
    gone = moves(CLAIM, None, first)
    record = commit_bytes(text, parent=first, key=key)
    assert let_in(world, [*gone, Update(ref, MemoryObjects(world.contents, "").add(record), None)])
    raw = data.draw(altered(record, FRESH, commit_bytes(text, parent=first, key="mallory")))
    oid = MemoryObjects(world.contents, "").add(raw)
    assert not let_in(world, [*gone, Update(ref, oid, None)]) or same(raw, record)


@BRIEF
@given(
    st.lists(
        st.builds(
            Update,
            st.sampled_from([*CLAIM.refs, released_ref(CLAIM.id), "refs/claims", "refs/gitclaim/x"])
            | WORDS.map(lambda text: f"refs/claims/{text}"),
            st.none() | st.integers(0, 4).map(lambda number: Oid(f"{number + 1:040x}")),
            st.none() | st.integers(0, 4).map(lambda number: Oid(f"{number + 1:040x}")),
        ),
        max_size=5,
    ),
    RAW,
)
def test_any_push_is_answered(updates: list[Update], raw: bytes) -> None:
    """Whatever is at the refs, whatever is pushed to them, and whatever they are called."""
    world = World()
    world.contents |= {Oid(f"{1:040x}"): FRESH, Oid(f"{2:040x}"): raw, Oid(f"{3:040x}"): "a blob, not a commit"}
    for one in updates:
        try:
            world.refs.refs |= {RefName(one.ref): one.old} if one.old else {}
        except ValueError:
            continue
    for refusal in admit(world.server(), updates, Trust(), lambda *_: set()):
        assert is_printable(refusal.message), refusal


def test_readers_take_no_longer_than_their_input_is_long() -> None:
    """No pattern looks again and again at what it has seen: the largest input takes moments, and not hours."""
    size, start = MESSAGE_LIMIT, perf_counter()
    for unit in ("a", "\n", "\n\n", "Lands: ", "Lands: x@", "break \n\n", "Session: x\n", "(", '"', "\\1", " "):
        text = (unit * (size // len(unit) + 1))[:size]
        answer(parse_claim, text, MalformedError, NewerFormatError)
        answer(parse_claim, f"x\n\nClaim-Format: 1\n{text}", MalformedError, NewerFormatError)
        parse_broken(f"break x\n\n{text}")
        parse_released(f"release x\n\n{text}")
        landings(text)
        answer(fingerprint, text, ValueError)
        answer(fingerprint, f"ssh-ed25519 {text}", ValueError)
        answer(lambda told: list(parsed(told)), text, GitclaimError)
        for head in (b"", b"tree " + b"1" * 40 + b"\n", b"tree " + b"1" * 40 + b"\nauthor x\ncommitter "):
            with pytest.raises(MalformedError):
                parse_commit(head + text.encode())
    assert perf_counter() - start < 30
