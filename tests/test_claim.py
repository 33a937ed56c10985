"""The claim object: what is written is what is read, and nothing else is read as a claim."""

import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitclaim.claim import (
    GRACE,
    LONGEST_LEASE,
    MESSAGE_LIMIT,
    PURPOSE_LIMIT,
    RESOURCE_LIMIT,
    WILDCARD_LIMIT,
    Claim,
    Commit,
    MalformedError,
    NewerFormatError,
    format_claim,
    lease_end,
    parse_claim,
    parse_commit,
    purpose_text,
    renewal,
    show_time,
    signed_part,
)
from gitclaim.errors import UsageError
from gitclaim.names import ClaimId, Oid, Session, is_printable
from gitclaim.resources import Kind, Resource, explicit, quote, reduced
from tests.kit.hostile import PROPERTY, WORDS
from tests.kit.repos import Repo, make_repo

TAKEN = datetime(2026, 11, 21, 3, 28, 11, tzinfo=UTC)
OID = Oid("4f0c" * 10)
CLAIM = Claim(
    id=ClaimId("01JD3Q7Z8N4W1T6V2Y5B9C0EFG"),
    session=Session("alice-3f2a"),
    resources=(Resource(Kind.PATH, "src/api"), Resource(Kind.TASK, "gptme/gptme#2602")),
    taken=TAKEN,
    expires=TAKEN + timedelta(hours=1),
    purpose="Add pagination to the users endpoint",
    branch="feature/pagination",
    base=OID,
    needs=("task:schema-v2",),
    assumes=(f"path:db/schema.sql@{OID}",),
)
MESSAGE = f"""\
take src/api, task:gptme/gptme#2602

Add pagination to the users endpoint

Claim-Format: 1
Claim: 01JD3Q7Z8N4W1T6V2Y5B9C0EFG
Session: alice-3f2a
Resource: path:src/api
Resource: task:gptme/gptme#2602
Taken: 2026-11-21T03:28:11Z
Expires: 2026-11-21T04:28:11Z
Branch: feature/pagination
Base: {OID}
Needs: task:schema-v2
Assumes: path:db/schema.sql@{OID}
"""

# What the system hands us: text without half surrogate pairs, bytes spelt one way.
TEXT = WORDS.map(lambda text: os.fsdecode(os.fsencode(text)))
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9990, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0)
)


def purposes(text: str) -> str:
    try:
        return purpose_text(text)
    except UsageError:
        return ""


@st.composite
def resources(draw: st.DrawFn) -> Resource:
    try:
        return explicit(draw(st.sampled_from(list(Kind))), draw(TEXT))
    except UsageError:
        return Resource(Kind.PATH, draw(st.sampled_from(["a", "b/c", "d e", "\udcff"])))


KEYS = st.from_regex("X-[A-Za-z0-9-]{0,12}", fullmatch=True)
VALUES = TEXT.map(str.strip).filter(is_printable)
PROSE = st.lists(st.one_of(TEXT, st.sampled_from(["\n", "\n\n", "\n\n\n", "---", "Session: mallory", "# no"]))).map(
    "\n".join
)
CLAIMS = st.builds(
    Claim,
    id=st.builds(ClaimId.made, st.integers(0, (1 << 48) - 1), st.binary(min_size=10, max_size=10)),
    session=st.from_regex(r"[a-zé][!-~]{0,20}", fullmatch=True).map(Session),
    resources=st.lists(resources(), min_size=1, max_size=5).map(reduced),
    taken=st.just(TAKEN),
    expires=MOMENTS.filter(lambda moment: moment > TAKEN),
    purpose=PROSE.map(purposes),
    branch=st.none() | TEXT,
    base=st.none() | st.just(OID),
    patterns=st.lists(TEXT.filter(lambda text: text.count("*") <= WILDCARD_LIMIT), max_size=2).map(tuple),
    needs=st.lists(TEXT, max_size=2).map(tuple),
    assumes=st.lists(TEXT, max_size=2).map(tuple),
    extra=st.lists(st.tuples(KEYS, VALUES), max_size=3).map(tuple),
)


def test_a_claim_is_written_like_this() -> None:
    """The example of docs/claim-format.md."""
    assert format_claim(CLAIM) == MESSAGE
    assert parse_claim(MESSAGE) == CLAIM


@given(CLAIMS)
@PROPERTY
def test_what_is_written_is_what_is_read(claim: Claim) -> None:
    assert parse_claim(format_claim(claim)) == claim


@given(CLAIMS, st.sampled_from(["Replaces", "Given-By"]), VALUES)
@PROPERTY
def test_a_step_s_notes_are_written_and_not_carried_on(claim: Claim, key: str, value: str) -> None:
    """What happened in one step stands in its commit, and is no part of the claim the next step writes."""
    message = format_claim(claim, action="renew", notes=[(key, value)])

    assert message.startswith("renew ")
    assert f"\n{key}: {value}\n" in message
    assert parse_claim(message) == claim


RAW = st.text(st.sampled_from('a :\n\r\t\x1b\u2028\u202e\\"X-'), max_size=8) | TEXT


@given(CLAIMS, RAW, RAW, RAW, RAW)
@PROPERTY
@example(CLAIM, "ends with a line\n", "", "", "")
@example(CLAIM, "\n\nClaim: x", "x", "y ", "take")
@example(CLAIM, "", "Session", "mallory", "take")
@example(CLAIM, "", "session", "mallory", "take")
@example(CLAIM, "", "X", "y", "take\n\nmore")
def test_a_claim_that_would_read_back_differently_is_never_written(
    claim: Claim, purpose: str, key: str, value: str, action: str
) -> None:
    """Whatever a caller puts in: what comes out reads back the same, or nothing comes out."""
    odd = claim._replace(purpose=purpose, branch=value, patterns=(key,), extra=((key, value),))
    try:
        message = format_claim(odd, action=action)
    except UsageError as error:
        assert is_printable(error.message)  # noqa: PT017 - most are fine
        return
    assert parse_claim(message) == odd


@pytest.mark.parametrize(
    "change",
    [
        {"resources": ()},
        {"resources": (Resource(Kind.PATH, "a"), Resource(Kind.PATH, "a/b"))},
        {"resources": (Resource(Kind.PATH, "./a"),)},
        {"resources": tuple(Resource(Kind.PATH, str(number)) for number in range(RESOURCE_LIMIT + 1))},
        {"patterns": ("*.c", "**/a/" * (WILDCARD_LIMIT + 1))},
        {"purpose": "x" * (PURPOSE_LIMIT + 1)},
        {"purpose": "one \x1b[31m"},
        {"expires": TAKEN},
        {"expires": TAKEN + timedelta(microseconds=1)},
        {"expires": datetime(9999, 12, 31, tzinfo=UTC)},
        {"extra": (("X", "two\nlines"),)},
        {"extra": (("X", " space"),)},
        {"extra": (("no key", ""),)},
        {"extra": (("Needs", "task:x"), ("Claim", "again"))},
    ],
    ids=str,
)
def test_a_claim_nobody_could_read_is_not_written(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="can't be written"):
        format_claim(CLAIM._replace(**change))


def test_a_claim_too_large_to_be_read_is_not_written() -> None:
    """A thousand long paths are one more than a claim object may weigh."""
    many = tuple(Resource(Kind.PATH, f"{number}/" + "/".join(["d" * 200] * 6)) for number in range(RESOURCE_LIMIT))
    with pytest.raises(UsageError, match="too large"):
        format_claim(CLAIM._replace(resources=many))
    assert len(format_claim(CLAIM._replace(resources=many[:500]))) < MESSAGE_LIMIT


def dropped(key: str) -> str:
    return "\n".join(line for line in MESSAGE.split("\n") if not line.startswith(f"{key}: "))


def changed(key: str, value: str) -> str:
    return "\n".join(f"{key}: {value}" if line.startswith(f"{key}: ") else line for line in MESSAGE.split("\n"))


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ("", "no Claim-Format"),
        ("a commit\n\nlike any other\n", "no Claim-Format"),
        (dropped("Claim-Format"), "no Claim-Format"),
        (changed("Claim-Format", "0"), "no claim format 0"),
        (changed("Claim-Format", "01"), "no claim format 01"),
        (changed("Claim-Format", "one"), "no Claim-Format"),
        (changed("Claim-Format", "\u0661"), "no Claim-Format"),
        (changed("Claim-Format", "-1"), "no Claim-Format"),
        (MESSAGE + "Claim-Format: 1\n", "Claim-Format stands there more than once"),
        *((dropped(key), f"no {key}") for key in ("Claim", "Session", "Taken", "Expires")),
        *(
            (f"{MESSAGE}{key}: x\n", f"{key} stands there more than once")
            for key in ("Claim", "Session", "Taken", "Expires", "Branch", "Base")
        ),
        (dropped("Resource"), "1 to 1000 resources"),
        (MESSAGE + "Resource: path:src/api\n", "covers another"),
        (MESSAGE + "Resource: path:src\n", "covers another"),
        (MESSAGE + "Resource: path:SRC/API\n", "covers another"),
        (MESSAGE + "Resource: path:./x\n", "not in normal form"),
        (MESSAGE + "Resource: file:x\n", "no resource"),
        (MESSAGE + 'Resource: path:"x\n', "broken quoting"),
        (MESSAGE + "Resource: path:../x\n", "outside"),
        (f"{MESSAGE}Pattern: {'**/a/' * 5}b\n", "at most 4 wildcards"),
        (MESSAGE + "".join(f"Resource: path:{number}\n" for number in range(RESOURCE_LIMIT)), "1 to 1000 resources"),
        (changed("Claim", "01jd3q7z8n4w1t6v2y5b9c0efg"), "not a claim id"),
        (changed("Session", "a b"), "not a session name"),
        (changed("Session", "-a"), "not a session name"),
        (changed("Session", "x" * 100_000), "not a session name"),
        (changed("Taken", "2026-11-21"), "not a time"),
        (changed("Taken", "2026-11-21T03:28:11+01:00"), "not a time"),
        (changed("Taken", "2026-13-21T03:28:11Z"), "month"),
        (changed("Taken", "0000-01-01T00:00:00Z"), "year"),
        (changed("Expires", "9999-12-31T23:59:59Z"), "out of range"),
        (changed("Expires", "2026-11-21T03:28:11Z"), "expires before"),
        (changed("Base", "HEAD"), "not an object name"),
        (changed("Base", "0" * 40), "not an object name"),
        (changed("Branch", '"x'), "broken quoting"),
        (MESSAGE + "session: mallory\n", "spelt like a known one"),
        (MESSAGE + "RESOURCE: path:x\n", "spelt like a known one"),
        (MESSAGE + "not a trailer\n", "not a trailer"),
        (MESSAGE + " continued\n", "not a trailer"),
        (MESSAGE + "X: \x1b[31m\n", "not a trailer"),
        (MESSAGE + "X: \u202e\n", "not a trailer"),
        (MESSAGE.replace("\n", "\r\n"), "Claim-Format"),
        (MESSAGE.partition("\n\n")[2].partition("\n\n")[2], "no subject"),
        (MESSAGE.replace("Add pagination", "\x1b]0;x\x07"), "control characters"),
        (MESSAGE.replace("Add pagination", "x" * PURPOSE_LIMIT), "characters"),
    ],
)
def test_what_breaks_a_rule_is_no_claim(message: str, complaint: str) -> None:
    """Strict on what it knows: each rule of docs/claim-format.md, broken by itself."""
    with pytest.raises(MalformedError, match=complaint) as caught:
        parse_claim(message)
    assert is_printable(str(caught.value))
    assert len(str(caught.value)) < 300


FOUR: Final = "*a" * WILDCARD_LIMIT
FIVE: Final = FOUR + "*"


@pytest.mark.parametrize(
    ("pattern", "is_one"),
    [
        (FIVE, True),
        (f":(glob){FIVE}", True),
        (f":(top,glob,icase){FIVE}", True),
        ("*****/**/**/**/x", True),
        ("**/" * WILDCARD_LIMIT, True),
        (f":/{FOUR}", True),
        ("**/" * (WILDCARD_LIMIT + 1), False),
        (":(glob)" + "**" * 1 + "/**" * WILDCARD_LIMIT, False),
        (f":/{FIVE}", False),
        (f":!{FIVE}", False),
        (f":(top){FIVE}", False),
        (f":(attr:glob){FIVE}", False),
        (f":(attr:x\\,glob){FIVE}", False),
        (f":(icase){FIVE}:(glob)", False),
    ],
)
def test_a_pattern_has_few_wildcards_that_match_across_directories(pattern: str, is_one: bool) -> None:  # noqa: FBT001
    """In git's own form each does: `*` matches a slash there."""
    message = f"{MESSAGE}Pattern: {quote(pattern)}\n"
    if is_one:
        assert parse_claim(message).patterns == (pattern,)
    else:
        with pytest.raises(MalformedError, match="at most 4 wildcards"):
            parse_claim(message)


def test_unknown_trailers_are_kept_in_their_order() -> None:
    """Tolerant of what it does not know: another version's words survive a renewal by this one."""
    claim = parse_claim(MESSAGE + "Zeta: 1\nAlpha:\nZeta:2\nX-Url: https://x/?a: b\n")

    assert claim.extra == (("Zeta", "1"), ("Alpha", ""), ("Zeta", "2"), ("X-Url", "https://x/?a: b"))
    assert parse_claim(format_claim(renewal(claim, TAKEN, timedelta(hours=3)))).extra == claim.extra


@pytest.mark.parametrize("number", ["2", "10", "999999999999999999999"])
@pytest.mark.parametrize("rest", ["", "what: ever\n it may be\n", "Claim: of another form\n"])
def test_a_later_format_says_so_whatever_else_it_changed(number: str, rest: str) -> None:
    """It blocks as a live claim does, so no rule of ours may turn it into garbage that anyone removes."""
    with pytest.raises(NewerFormatError, match=number[:9]):
        parse_claim(changed("Claim-Format", number) + rest)


@given(st.text(max_size=300) | PROSE)
@PROPERTY
def test_no_text_breaks_the_reader(text: str) -> None:
    for message in (text, f"{MESSAGE}{text}", f"take\n\n{text}\n\nClaim-Format: 1\n{text}"):
        with_no_other_error(lambda message=message: parse_claim(message))  # type: ignore[misc]


def with_no_other_error(read: Callable[[], object]) -> None:
    try:
        read()
    except (MalformedError, NewerFormatError) as error:
        assert is_printable(str(error))  # noqa: PT017 - reading may well succeed


# ---- purposes, times, leases


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ("one line", "one line"),
        ("\n\n  two\t \r\nlines  \n\n\n", "  two\nlines"),
        ("a\n \n\n\nb", "a\n\n\n\nb"),
        ("a\u2028b\x85c\x0bd", "a\nb\nc\nd"),
        ("👩\u200d💻 क\u200cष", "👩\u200d💻 क\u200cष"),
        ("", ""),
    ],
)
def test_a_purpose_is_lines_without_trailing_space(given_text: str, kept: str) -> None:
    assert purpose_text(given_text) == kept
    assert parse_claim(format_claim(CLAIM._replace(purpose=kept))).purpose == kept


@pytest.mark.parametrize("text", ["\x1b[31m", "a\0", "\u202e", "\udcff", "x" * (PURPOSE_LIMIT + 1)])
def test_a_purpose_that_no_claim_can_carry_is_an_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        purpose_text(text)
    assert is_printable(caught.value.message)


def test_others_may_take_over_only_after_the_grace() -> None:
    assert CLAIM.lapses() == CLAIM.expires + GRACE


def test_a_lease_has_whole_seconds_and_an_end() -> None:
    now = TAKEN + timedelta(microseconds=999_999)
    assert lease_end(now, timedelta(minutes=5)) == TAKEN + timedelta(minutes=5)
    assert renewal(CLAIM, now, LONGEST_LEASE).expires == TAKEN + LONGEST_LEASE
    with pytest.raises(UsageError, match="30d 1h is too long"):
        lease_end(now, LONGEST_LEASE + timedelta(hours=1))


def test_times_are_written_with_four_digits_and_in_utc() -> None:
    assert show_time(datetime(33, 4, 3, 1, 2, 3, 999, tzinfo=UTC)) == "0033-04-03T01:02:03Z"
    assert show_time(datetime.fromisoformat("2026-01-01T00:30:00+01:00")) == "2025-12-31T23:30:00Z"


def test_a_title_names_three_resources_at_most() -> None:
    names = tuple(Resource(Kind.PATH, name) for name in "abcde")
    assert CLAIM._replace(resources=names[:3]).title == "a, b, c"
    assert CLAIM._replace(resources=names).title == "a, b, c and 2 more"


# ---- commits


@pytest.fixture
def repo(alice_alone: Repo) -> Repo:
    return alice_alone


@pytest.fixture
def alice_alone(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    return make_repo(tmp_path_factory.mktemp("claims") / "repo")


def raw_commit(repo: Repo, message: str, *options: str, parents: tuple[str, ...] = ()) -> bytes:
    tree = repo.git("hash-object", "-t", "tree", "-w", "--stdin")
    words = [word for parent in parents for word in ("-p", parent)]
    oid = repo.git(*options, "commit-tree", *words, "-F", "-", tree, input=message)
    return subprocess.run(["git", "cat-file", "commit", oid], cwd=repo.path, capture_output=True, check=True).stdout


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_a_commit_of_git_is_read(tmp_path_factory: pytest.TempPathFactory, object_format: str) -> None:
    place = tmp_path_factory.mktemp("formats")
    subprocess.run(["git", "init", "-q", f"--object-format={object_format}", place], check=True)
    repo = Repo(place)
    first, second = repo.empty_commit("first"), repo.empty_commit("second")

    commit = parse_commit(raw_commit(repo, MESSAGE, parents=(first, second)))

    assert commit.parents == (first, second)
    assert commit.tree == repo.git("hash-object", "-t", "tree", "--stdin")
    assert abs(commit.written - datetime.now(UTC)) < timedelta(minutes=1)
    assert not commit.signed
    assert parse_claim(commit.message) == CLAIM


def test_a_signed_commit_is_read(repo: Repo) -> None:
    """The lines of a signature look like headers and like messages; they are neither."""
    key = repo.path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    repo.git("config", "gpg.format", "ssh")
    repo.git("config", "user.signingKey", str(key))
    tree = repo.git("hash-object", "-t", "tree", "-w", "--stdin")
    oid = repo.git("commit-tree", "-S", "-F", "-", tree, input=MESSAGE)
    raw = subprocess.run(["git", "cat-file", "commit", oid], cwd=repo.path, capture_output=True, check=True).stdout

    commit = parse_commit(raw)

    assert commit.signed
    assert parse_claim(commit.message) == CLAIM
    assert_only_malformed_when_mutated(raw)


def test_a_broken_commit_is_malformed_and_nothing_worse(repo: Repo) -> None:
    assert_only_malformed_when_mutated(raw_commit(repo, MESSAGE, parents=(repo.empty_commit("first"),)))


def assert_only_malformed_when_mutated(raw: bytes) -> None:
    for end in range(0, len(raw), 7):
        read_all(raw[:end])

    @given(st.lists(st.tuples(st.integers(0, len(raw)), st.binary(max_size=12)), min_size=1, max_size=4))
    @PROPERTY
    def check(edits: list[tuple[int, bytes]]) -> None:
        mutated = raw
        for at, piece in edits:
            mutated = mutated[:at] + piece + mutated[at + len(piece) // 2 :]
        read_all(mutated)

    check()


@given(st.binary(max_size=400))
@PROPERTY
@example(b"")
@example(b"\n\n")
@example(b"tree \xff\n\n")
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    read_all(raw)


def read_all(raw: bytes) -> None:
    def read() -> None:
        parse_claim(parse_commit(raw).message).lapses()

    with_no_other_error(read)


def header(*, tree: str = OID, parents: str = "", who: str = "A <a@b> 1795231691 +0000", more: str = "") -> bytes:
    return f"tree {tree}\n{parents}author {who}\ncommitter {who}\n{more}\nmessage\n".encode()


def test_a_header_is_read_as_git_reads_it() -> None:
    """Parents stand right behind the tree; a line further down that calls itself one is none."""
    found = parse_commit(header(parents=f"parent {OID}\n", more=f"parent {'1' * 40}\nencoding x\n"))

    written = datetime.fromtimestamp(1795231691, UTC)
    assert found == Commit(tree=OID, parents=(OID,), written=written, signed=False, message="message\n")


@pytest.mark.parametrize("name", ["gpgsig", "gpgsig-sha256"])
def test_a_signature_is_a_header_and_not_a_text(name: str) -> None:
    assert parse_commit(header(more=f"encoding x\n{name} -----BEGIN\n end\nother x\n")).signed
    assert not parse_commit(header(more=f"mergetag x\n {name} y\n")).signed
    assert not parse_commit(header() + f"\n{name} x\n".encode()).signed


@pytest.mark.parametrize(
    "raw",
    [
        header(tree="x"),
        header(tree="0" * 40),
        header(parents="parent x\n"),
        header(parents=f"parent {'0' * 40}\n"),
        header(who="A"),
        header(who="A <a@b> 99999999999999999999 +0000"),
        header(who="A <a@b> 253402300799 +0000"),
        header(who="A <a@b> -1 +0000"),
        header(who="A <a@b> 1_0 +0000"),
        header() + b"\xff",
        b"blob",
    ],
)
def test_a_broken_header_is_no_commit(raw: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_commit(raw)
    assert is_printable(str(caught.value))


def test_git_reads_the_trailers_as_we_do(repo: Repo) -> None:
    """`git interpret-trailers` and `git for-each-ref` are how people look at claims."""
    messages: list[tuple[Claim, str]] = []

    @given(CLAIMS)
    @PROPERTY
    def collect(claim: Claim) -> None:
        messages.append((claim, format_claim(claim)))

    collect()
    stream = []
    for number, (_, message) in enumerate(messages):
        body = message.encode()
        stream.append(f"commit refs/heads/c{number:04}\ncommitter A <a@b> 0 +0000\ndata {len(body)}\n".encode() + body)
    subprocess.run(["git", "fast-import", "--quiet"], cwd=repo.path, input=b"\n".join(stream), check=True)
    form = "--format=%(trailers:unfold)%00"
    shown = subprocess.run(
        ["git", "for-each-ref", form, "refs/heads/c*"], cwd=repo.path, capture_output=True, check=True
    ).stdout.decode()

    by_git = [block.strip("\n") for block in shown.split("\0")[:-1]]
    assert len(by_git) == len(messages)
    for (_, message), block in zip(messages, by_git, strict=True):
        # git cuts spaces at the end, and so do we when we read.
        ours = [line.rstrip(" ") for line in message.rstrip("\n").split("\n\n")[-1].split("\n")]
        assert [line.rstrip(" ") for line in block.split("\n")] == ours


def test_what_is_signed_is_a_commit_without_its_signatures() -> None:
    """Those of both of git's hashes, with all their lines; and nothing of the text that looks like one."""
    bare = header(more="encoding x\n")
    head, _, text = bare.partition(b"\n\n")
    for more in (b"\ngpgsig a\n b\n  c", b"\ngpgsig-sha256 a", b"\ngpgsig a\n b\ngpgsig-sha256 c\n d\ngpgsig e"):
        assert signed_part(head + more + b"\n\n" + text) == bare
    other = head + b"\ngpgsign a\n\n" + text + b"\ngpgsig a\n"
    assert signed_part(other) == other
