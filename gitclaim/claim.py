"""The claim object: what a claim says, and its text in a commit message (docs/claim-format.md)."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Self

from gitclaim.clock import show_duration
from gitclaim.errors import UsageError
from gitclaim.names import ClaimId, Oid, RefName, Session, is_printable, printable
from gitclaim.resources import PATTERNS, Resource, parse_spec, quote, reduced, unquote

FORMAT: Final = 1
PURPOSE_LIMIT: Final = 4096
"""Characters of a purpose."""
MESSAGE_LIMIT: Final = 1 << 20
"""Bytes of a claim object; what is larger is no claim."""
PATTERN_LIMIT: Final = 100
"""Patterns of one claim: everybody's hooks have git match them."""
WILDCARD_LIMIT: Final = 4
"""Wildcards of one pattern that match across directories: git tries each of them at every depth of a path. On one that
is 60 deep four take 10 ms, six a second, eight more than twenty (measured, git 2.39)."""
RESOURCE_LIMIT: Final = 1000
"""Resources of one claim: each is a ref, and one push has to carry them all."""
GRACE: Final = timedelta(seconds=120)
"""How long after `Expires` a lease still stands for everybody but its holder."""
LONGEST_LEASE: Final = timedelta(days=30)

# A signature, the header and our own two or three lines have to fit under MESSAGE_LIMIT as well.
_ROOM: Final = 1 << 16
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""Dates from here on are refused: a grace added to one of them might leave the calendar."""

_TRAILER: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]*): ?(.*)")
_HEADER: Final = re.compile(
    rb"tree (?P<tree>OID)\n(?P<parents>(?:parent OID\n)*)author [^\n]*\n"
    rb"committer [^\n]* (?P<date>[0-9]{1,12}) [-+][0-9]{4}"
    rb"(?:\n(?P<signature>gpgsig(?:-sha256)? [^\n]*)|\n[^\n]*)*".replace(b"OID", rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")
)
_SIGNATURE: Final = re.compile(rb"\ngpgsig(?:-sha256)? [^\n]*(?:\n [^\n]*)*")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_GLOB: Final = re.compile(r":\((?:[a-z]+,)*glob(?:,[a-z]+)*\)")
"""What is glob for sure: an attribute may have that name, and anybody may give it."""
_FORMAT: Final = re.compile(r"^Claim-Format: ?(.*)$", re.MULTILINE)
_ONCE: Final = ("Claim", "Session", "Taken", "Expires", "Branch", "Base")
# What happened in one step of a claim's life; the next step does not carry it on.
_NOTES: Final = ("Replaces", "Given-By", "Lands")
_KNOWN: Final = frozenset({"Claim-Format", *_ONCE, "Resource", "Pattern", "Needs", "Assumes", *_NOTES})
_CASELESS: Final = frozenset(key.lower() for key in _KNOWN)
# The joiners of emoji and of several scripts; names may not have them, but a sentence may.
_JOINERS: Final = str.maketrans("", "", "\u200c\u200d")


class MalformedError(ValueError):
    """The object is no claim; the text says why, in one printable line."""


class NewerFormatError(ValueError):
    """The object is a claim in a format this version does not read."""


class Claim(NamedTuple):
    """What one claim says.

    Args:
        id: its identity, and the nonce that keeps any two claims from being the same bytes.
        session: who holds it.
        resources: what it holds, at least one, none covering another.
        taken: when it was first taken, UTC, whole seconds.
        expires: when its lease ends, UTC, whole seconds.
        purpose: what for, possibly several lines; empty when not said.
        branch: the branch the work goes to, if known.
        base: the commit the work began at, if known.
        patterns: pathspecs whose matches were claimed; a new file that matches is claimed too.
        needs: tasks that have to be done first.
        assumes: what the work builds on, each `resource@oid`.
        extra: trailers this version does not know, in their order.
    """

    id: ClaimId
    session: Session
    resources: tuple[Resource, ...]
    taken: datetime
    expires: datetime
    purpose: str = ""
    branch: str | None = None
    base: Oid | None = None
    patterns: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    assumes: tuple[str, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def refs(self) -> tuple[RefName, ...]:
        """The refs that must all carry this claim for it to be live."""
        resources = tuple(resource.ref for resource in self.resources)
        return (*resources, RefName(f"{PATTERNS}/{self.id}")) if self.patterns else resources

    @property
    def title(self) -> str:
        """The resources in one short printable phrase."""
        shown = ", ".join(resource.text for resource in self.resources[:3])
        more = len(self.resources) - 3
        return f"{shown} and {more} more" if more > 0 else shown

    def lapses(self) -> datetime:
        """When others may take over."""
        return self.expires + GRACE

    def until(self, expires: datetime) -> Self:
        """This claim with another end of its lease."""
        return self._replace(expires=expires)


class Commit(NamedTuple):
    """What a claim needs of a commit object.

    Args:
        tree: the tree it names.
        parents: the commits it follows.
        written: the committer's date, UTC.
        signed: whether it carries a signature at all, good or not.
        message: its text.
    """

    tree: str
    parents: tuple[Oid, ...]
    written: datetime
    signed: bool
    message: str


def purpose_text(text: str) -> str:
    """The purpose as a claim can carry it: lines without trailing white space.

    Raises:
        UsageError: it is too long, or has characters a terminal might obey.
    """
    lines = [line.rstrip() for line in text.replace("\t", " ").splitlines()]
    purpose = "\n".join(lines).strip("\n")
    if len(purpose) > PURPOSE_LIMIT:
        raise UsageError(f"the purpose is longer than {PURPOSE_LIMIT} characters", hint="say it in a sentence")
    for line in lines:
        if not _is_prose(line):
            raise UsageError(f"the purpose has control characters: {printable(line)[:100]}")
    return purpose


def whole_seconds(moment: datetime) -> datetime:
    """The moment in UTC, cut to the precision a claim carries."""
    return moment.astimezone(UTC).replace(microsecond=0)


def show_time(moment: datetime) -> str:
    """The moment as claims and JSON write it: `2026-11-21T03:28:11Z`."""
    # Not strftime: its %Y does not pad years below 1000 on Linux.
    return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat() + "Z"


def parse_time(text: str) -> datetime:
    """The moment somebody wrote as `show_time` does.

    Raises:
        MalformedError: it is none, or lies beyond the year 9998.
    """
    if not _TIME.fullmatch(text):
        raise MalformedError(f"not a time: {printable(text[:40])}")
    moment = datetime.fromisoformat(text)
    if moment >= _LAST:
        raise MalformedError(f"a time out of range: {text}")
    return moment


def format_claim(claim: Claim, *, action: str = "take", notes: Iterable[tuple[str, str]] = ()) -> str:
    """The commit message of a claim.

    Args:
        claim: what it says.
        action: the first word of the subject, for people who read the log.
        notes: `Replaces`, `Given-By` and `Lands` trailers that tell what happened in this step of the claim's life.

    Raises:
        UsageError: nobody could read the claim back from it as it is.
    """
    subject = f"{action} {claim.title}"
    trailers = [
        ("Claim-Format", str(FORMAT)),
        ("Claim", claim.id),
        ("Session", claim.session),
        *(("Resource", resource.spec) for resource in claim.resources),
        *(("Pattern", quote(pattern)) for pattern in claim.patterns),
        ("Taken", show_time(claim.taken)),
        ("Expires", show_time(claim.expires)),
        *([] if claim.branch is None else [("Branch", quote(claim.branch))]),
        *([] if claim.base is None else [("Base", claim.base)]),
        *(("Needs", quote(need)) for need in claim.needs),
        *(("Assumes", quote(assumed)) for assumed in claim.assumes),
        *claim.extra,
        *notes,
    ]
    block = "\n".join(f"{key}: {value}" for key, value in trailers)
    message = "\n\n".join(filter(None, [subject, claim.purpose, block])) + "\n"
    # Whatever a caller put in: a claim that reads back as another one, or as none, is never written.
    try:
        same = parse_claim(message) == claim
    except MalformedError as error:
        raise UsageError(f"the claim can't be written: {error}") from None
    if not same:
        raise UsageError("the claim can't be written: it would read back as another one")
    if len(message.encode()) > MESSAGE_LIMIT - _ROOM:
        raise UsageError("the claim is too large", hint="claim the directories its paths lie in")
    return message


def parse_claim(message: str) -> Claim:
    """The claim in a commit message.

    Raises:
        MalformedError: the message is no claim.
        NewerFormatError: it is one, in a later format.
    """
    paragraphs = message.rstrip("\n").split("\n\n")
    # First of all, and by itself: what else a later format changes is not known here.
    _check_format(_FORMAT.findall(paragraphs[-1]))
    if len(paragraphs) == 1:
        raise MalformedError("no subject")
    trailers = _trailers(paragraphs[-1])
    fields: dict[str, list[str]] = {}
    for key, value in trailers:
        fields.setdefault(key, []).append(value)
    for key in _ONCE:
        if len(fields.get(key, [])) > 1:
            raise MalformedError(f"{key} stands there more than once")
    purpose = "\n\n".join(paragraphs[1:-1])
    if len(purpose) > PURPOSE_LIMIT:
        raise MalformedError(f"the purpose has {len(purpose)} characters")
    try:
        claim = Claim(
            id=ClaimId(_one(fields, "Claim")),
            session=Session(_one(fields, "Session")),
            resources=tuple(map(parse_spec, fields.get("Resource", []))),
            taken=parse_time(_one(fields, "Taken")),
            expires=parse_time(_one(fields, "Expires")),
            purpose=purpose,
            branch=unquote(fields["Branch"][0]) if "Branch" in fields else None,
            base=Oid(fields["Base"][0]) if "Base" in fields else None,
            patterns=tuple(map(unquote, fields.get("Pattern", []))),
            needs=tuple(map(unquote, fields.get("Needs", []))),
            assumes=tuple(map(unquote, fields.get("Assumes", []))),
            extra=tuple((key, value) for key, value in trailers if key not in _KNOWN),
        )
    except (ValueError, UsageError) as error:
        raise MalformedError(printable(str(error)[:200])) from None
    _check_whole(claim)
    return claim


def parse_commit(raw: bytes) -> Commit:
    """The parts of a raw commit object that a claim is made of.

    Raises:
        MalformedError: the bytes are no commit with a UTF-8 message.
    """
    head, _, body = raw.partition(b"\n\n")
    # As git reads it (commit.c, parse_commit_buffer): the tree, at once the parents, then the rest in any number.
    match = _HEADER.fullmatch(head)
    if match is None:
        raise MalformedError("the commit's header is broken")
    seconds = int(match["date"])
    if seconds >= _LAST.timestamp():
        raise MalformedError("the commit's date is out of range")
    try:
        return Commit(
            tree=Oid(match["tree"].decode()),
            parents=tuple(Oid(line[len("parent ") :]) for line in match["parents"].decode().splitlines()),
            written=datetime.fromtimestamp(seconds, UTC),
            signed=match["signature"] is not None,
            message=body.decode(),
        )
    except UnicodeDecodeError:
        raise MalformedError("the message is not UTF-8") from None
    except ValueError as error:
        raise MalformedError(str(error)) from None


def signed_part(raw: bytes) -> bytes:
    """A commit without its signatures, which is what they are made over: whoever has it can dress it up in other bytes.

    git leaves out the headers of both its hashes, whichever it checks (commit.c, parse_signed_commit).
    """
    head, end, body = raw.partition(b"\n\n")
    return _SIGNATURE.sub(b"", head) + end + body


def renewal(claim: Claim, now: datetime, ttl: timedelta) -> Claim:
    """The claim with a lease that runs that long from now."""
    return claim.until(lease_end(now, ttl))


def lease_end(now: datetime, ttl: timedelta) -> datetime:
    """When a lease of that length ends.

    Raises:
        UsageError: the lease is longer than any registry accepts.
    """
    check_lease(ttl)
    return whole_seconds(now + ttl)


def check_lease(ttl: timedelta) -> None:
    """Make sure that a lease may be that long.

    Raises:
        UsageError: it may not.
    """
    if ttl > LONGEST_LEASE:
        raise UsageError(
            f"a lease of {show_duration(ttl)} is too long",
            hint=f"at most {show_duration(LONGEST_LEASE)}; renew it while you work",
        )


def _trailers(paragraph: str) -> list[tuple[str, str]]:
    found = []
    lines = paragraph.split("\n")
    # Asked once for all: most claims have nothing to escape.
    clean = is_printable("".join(lines))
    for line in lines:
        match = _TRAILER.fullmatch(line)
        if match is None or not (clean or is_printable(line)):
            raise MalformedError(f"not a trailer: {printable(line[:60])}")
        # git takes "session" for "Session": readers who go by git must see what we see.
        if match[1] not in _KNOWN and match[1].lower() in _CASELESS:
            raise MalformedError(f"a trailer that is spelt like a known one: {match[1][:60]}")
        found.append((match[1], match[2].strip()))
    return found


def _check_format(values: list[str]) -> None:
    if len(values) > 1:
        raise MalformedError("Claim-Format stands there more than once")
    if not values or not values[0].isascii() or not values[0].isdigit():
        raise MalformedError("no Claim-Format")
    if int(values[0][:9]) > FORMAT:
        raise NewerFormatError(f"claim format {values[0][:9]} is newer than this gitclaim reads ({FORMAT})")
    if values[0] != str(FORMAT):
        raise MalformedError(f"there is no claim format {values[0][:9]}")


def _check_whole(claim: Claim) -> None:
    if not claim.resources or len(claim.resources) > RESOURCE_LIMIT:
        raise MalformedError(f"a claim has 1 to {RESOURCE_LIMIT} resources, not {len(claim.resources)}")
    if len(claim.patterns) > PATTERN_LIMIT:
        raise MalformedError(f"a claim has at most {PATTERN_LIMIT} patterns, not {len(claim.patterns)}")
    if any(_crossing(pattern) > WILDCARD_LIMIT for pattern in claim.patterns):
        raise MalformedError(f"a pattern has at most {WILDCARD_LIMIT} wildcards that match across directories")
    if reduced(claim.resources) != claim.resources:
        raise MalformedError("one of its resources covers another")
    if claim.expires <= claim.taken:
        raise MalformedError("it expires before it was taken")
    if claim.branch is not None and len(claim.branch) > PURPOSE_LIMIT:
        raise MalformedError(f"the branch has {len(claim.branch)} characters")
    if not all(map(_is_prose, claim.purpose.split("\n"))):
        raise MalformedError("the purpose has control characters")


def _crossing(pattern: str) -> int:
    """How many wildcards of a pattern may match a slash: in git's own form that any of them does, but for glob."""
    wild = r"\*+" if pattern.startswith(":") and not _GLOB.match(pattern) else r"\*{2,}"
    return len(re.findall(wild, pattern))


def _is_prose(line: str) -> bool:
    return is_printable(line.translate(_JOINERS))


def _one(fields: dict[str, list[str]], key: str) -> str:
    if key not in fields:
        raise MalformedError(f"no {key}")
    return fields[key][0]
