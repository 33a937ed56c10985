"""What can be claimed, and the refs that claim it: the ref namespace is the lock tree."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import lru_cache
from posixpath import normpath
from typing import Final, NamedTuple, Self

from gitclaim.errors import UsageError
from gitclaim.names import RefName, is_printable, printable

CLAIMS: Final = RefName("refs/claims")
PATHS: Final = RefName("refs/claims/path")
PATTERNS: Final = RefName("refs/gitclaim/pattern")
"""Below it, one ref for each claim that was taken by pattern: who looks for them need not read all claims."""
COMPONENT_LIMIT: Final = 200

_PREFIX: Final = re.compile(r"([A-Za-z][\w-]*):")
_PLAIN: Final = re.compile(r"[a-z0-9_-][a-z0-9_.-]{0,99}", re.ASCII)
_WORD: Final = re.compile(r"\w+")
_SLOT: Final = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
_QUOTED: Final = re.compile(rb'\\(?:([abfnrtv"\\])|([0-3][0-7]{2}))')
_SPACE: Final = 0x20
_DELETE: Final = 0x7F
_NEEDS_QUOTES: Final = re.compile(r'["\\]|^\s|\s$')

# What git forbids in a ref (git-check-ref-format(1)), what its own output or a terminal would mangle (controls,
# white space, zero-width and bidirectional marks), and '%', which introduces our own escapes. A fixed list and not
# `str.isprintable`, which differs between versions of Python: two sessions must name the same ref.
_ESCAPED: Final = re.compile(
    "[\x00-\x20\x7f-\xa0~^:?*\\[\\\\%\u061c\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ufff9-\ufffb\ud800-\udfff]"
)

_ESCAPES: Final = {
    "a": b"\a",
    "b": b"\b",
    "f": b"\f",
    "n": b"\n",
    "r": b"\r",
    "t": b"\t",
    "v": b"\v",
    '"': b'"',
    "\\": b"\\",
}

# Small words that carry no topic of their own.
_STOP_WORDS: Final = frozenset(
    "a an and are as at be by for from in into is it its of on or so that the their then this to with".split()  # noqa: SIM905 - reads as what it is
)


class Kind(StrEnum):
    """The four trees a claim can stand in."""

    PATH = "path"
    TASK = "task"
    TOPIC = "topic"
    LANE = "lane"

    # As text hashes: Enum's own is slower by a call of Python, and every ref is looked up by it.
    __hash__ = str.__hash__


_KINDS: Final = frozenset(kind.value for kind in Kind)


class Resource(NamedTuple):
    """One thing that can be claimed, in normal form.

    Args:
        kind: which tree it stands in.
        name: for a path, relative to the repository's root with `/` between components and `.` for the root
            itself, bytes that are not UTF-8 as surrogates (PEP 383); for the others, the id as the user wrote it.
    """

    kind: Kind
    name: str

    @property
    def ref(self) -> RefName:
        """The ref whose existence is the claim on this resource."""
        return _ref(self.kind, self.name)

    @property
    def spec(self) -> str:
        """The resource as a claim lists it: `path:src/api`, quoted as git quotes paths where it must be."""
        return f"{self.kind}:{quote(self.name)}"

    @property
    def text(self) -> str:
        """The resource as a person writes it, safe to print: `src/api`, `task:42`."""
        if self.kind is Kind.PATH and not _PREFIX.match(self.name):
            return printable(self.name)
        return f"{self.kind}:{printable(self.name)}"

    def overlaps(self, other: Self) -> bool:
        """Whether a claim on one excludes a claim on the other."""
        return touches(self.ref, other.ref)


@lru_cache(maxsize=1 << 16)  # asked for several times of every claim, and a list has thousands
def _ref(kind: str, name: str) -> RefName:
    return RefName("/".join([f"{CLAIMS}/{kind}", *map(encode_component, _components(kind, name))]))


def _components(kind: str, name: str) -> list[str]:
    if kind == Kind.PATH:
        return [] if name == "." else name.split("/")
    if kind == Kind.TOPIC:
        return [topic_normal_form(name)]
    return name.split("/")


def is_above(upper: str, lower: str) -> bool:
    """Whether one ref is a proper ancestor of another in the lock tree."""
    return lower.startswith(f"{upper}/")


def touches(one: str, other: str) -> bool:
    """Whether two refs exclude each other: they are the same, or one is above the other."""
    return one == other or is_above(one, other) or is_above(other, one)


def ancestors(ref: RefName) -> list[RefName]:
    """The refs that exclude this one from above, nearest first, the root of all claims last."""
    found = []
    upper = ref.above()
    while upper.startswith(CLAIMS):
        found.append(upper)
        upper = upper.above()
    return found


def encode_component(component: str) -> str:
    """One component of a name as one component of a ref.

    Two components that any supported file system may treat as one file (Unicode normalisation, letter case) become
    the same text: the caseless match of the Unicode standard (D145), then NFC. What git forbids or mangles is
    percent-encoded, and over 200 bytes the text is cut and finished with `%-` and a hash.
    """
    if _PLAIN.fullmatch(component) and ".." not in component and not component.endswith((".", ".lock")):
        return component
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", component).casefold())
    text = _ESCAPED.sub(_percent, folded)
    if text.startswith("."):
        text = f"%2E{text[1:]}"
    # "a...b": the second dot of every pair goes, so that no two are left side by side.
    text = text.replace("..", ".%2E")
    if text.endswith("."):
        text = f"{text[:-1]}%2E"
    if text.endswith(".lock"):
        text = f"{text[:-5]}%2Elock"
    text = "%40" if text == "@" else text.replace("@{", "%40{")
    encoded = text.encode()
    if len(encoded) <= COMPONENT_LIMIT:
        return text
    # Imported late: OpenSSL takes 3 ms to load, and names this long are rare.
    from hashlib import sha256  # noqa: PLC0415

    mark = f"%-{sha256(encoded).hexdigest()[:32]}"
    head = encoded[: COMPONENT_LIMIT - len(mark)].decode(errors="ignore")
    # A cut inside an escape would leave a '%' without its two digits.
    return re.sub(r"%[0-9A-F]?$", "", head) + mark


def quote(name: str) -> str:
    r"""The name as git quotes paths: as it is, or in double quotes with C escapes where bytes need it."""
    if is_printable(name) and not _NEEDS_QUOTES.search(name):
        return name
    named = {value[0]: f"\\{key}" for key, value in _ESCAPES.items()}
    data = name.encode("utf-8", "surrogateescape")
    body = "".join(named.get(byte) or (chr(byte) if _SPACE <= byte < _DELETE else f"\\{byte:03o}") for byte in data)
    return f'"{body}"'


def unquote(text: str) -> str:
    """The name behind `quote`.

    Raises:
        ValueError: the quoting is broken.
    """
    if not text.startswith('"'):
        return text
    body = text[1:-1].encode("utf-8", "surrogateescape")
    rest = _QUOTED.sub(b"", body)
    if len(text) < len('""') or not text.endswith('"') or b'"' in rest or b"\\" in rest:
        raise ValueError(f"broken quoting: {printable(text)}")
    return _QUOTED.sub(_unescape, body).decode("utf-8", "surrogateescape")


def parse_spec(text: str) -> Resource:
    """The resource a claim lists, from `Resource.spec`.

    Raises:
        ValueError: the text is no resource in normal form.
    """
    word, colon, rest = text.partition(":")
    if not colon or word not in _KINDS:
        raise ValueError(f"no resource: {printable(text[:100])}")
    resource = Resource(Kind(word), unquote(rest))
    try:
        normal = explicit(resource.kind, resource.name)
    except UsageError as error:
        raise ValueError(error.message) from None
    if normal != resource:
        raise ValueError(f"not in normal form: {printable(text[:100])}")
    return resource


def parse_argument(text: str, *, prefix: str, tops: Iterable[str], is_path: Callable[[str], bool]) -> Resource:
    """The resource a person named on the command line.

    A bare argument is a path, from the root with `:/` in front; one with spaces that is no path is a topic; `path:`,
    `task:`, `topic:` and `lane:` say it outright.

    Args:
        text: the argument.
        prefix: the current directory, relative to the repository's root, empty at the root.
        tops: the absolute names of the repository's root.
        is_path: whether a path relative to the root exists or is tracked.

    Raises:
        UsageError: the argument names nothing that can be claimed.
    """
    match = _PREFIX.match(text)
    if match and match[1] in _KINDS:
        kind, rest = Kind(match[1]), text[match.end() :]
        return explicit(kind, normal_path(rest, prefix=prefix, tops=tops) if kind is Kind.PATH else rest)
    if match:
        shown = printable(text)
        raise UsageError(
            f"unknown kind of resource: {printable(match[0])}",
            hint=f"kinds are path: task: topic: lane: - for a file of that name, write path:{shown}",
        )
    if text.startswith(":/"):
        # As git writes what is relative to the root; what hooks print works from every directory.
        return Resource(Kind.PATH, normal_path(text[2:] or ".", prefix="", tops=()))
    if " " in text.strip():
        try:
            path = normal_path(text, prefix=prefix, tops=tops)
        except UsageError:
            return explicit(Kind.TOPIC, text)
        return Resource(Kind.PATH, path) if is_path(path) else explicit(Kind.TOPIC, text)
    return Resource(Kind.PATH, normal_path(text, prefix=prefix, tops=tops))


def explicit(kind: Kind, name: str) -> Resource:
    """The resource of that kind in normal form.

    Raises:
        UsageError: the name is empty or means nothing in that kind.
    """
    if kind is Kind.PATH:
        return Resource(kind, normal_path(name, prefix="", tops=()))
    name = unicodedata.normalize("NFC", _one_spelling(name).strip())
    if any(ord(char) < 0x20 or char == "\x7f" for char in name):  # noqa: PLR2004 - the C0 controls
        raise UsageError(f"a {kind} name has no control characters: {printable(name)}")
    if kind is Kind.TOPIC:
        if not _WORD.search(name):
            raise UsageError("a topic needs a word", hint='say what it is about: topic:"pagination of users"')
        return Resource(kind, " ".join(name.split()))
    parts = [part.strip() for part in name.split("/") if part.strip()]
    if not parts:
        raise UsageError(f"{kind}: needs a name", hint=f"write {kind}:NAME")
    if kind is Kind.LANE and (len(parts) > 2 or not all(map(_SLOT.fullmatch, parts[1:]))):  # noqa: PLR2004
        raise UsageError(
            f"not a lane: {printable(name)}", hint="write lane:NAME, or lane:NAME/SLOT with a number from 1"
        )
    return Resource(kind, "/".join(parts))


def normal_path(text: str, *, prefix: str, tops: Iterable[str]) -> str:
    """A path as written in a directory, relative to the repository's root.

    Args:
        text: the path, absolute or relative to `prefix`.
        prefix: the directory it is relative to, itself relative to the root; empty for the root.
        tops: absolute names of the root, for absolute paths.

    Raises:
        UsageError: the path is empty, outside the repository, or inside `.git`.
    """
    if not text:
        raise UsageError("a path can't be empty", hint="write . for the whole repository")
    if "\0" in text:
        raise UsageError("a path can't contain a NUL byte")
    text = _one_spelling(text)
    if text.startswith("/"):
        # `..` is taken by the letter, as in a relative path; two slashes in front would be kept (POSIX 4.13).
        text = normpath(f"/{text.lstrip('/')}")
        inside = [text[len(top) :] for top in tops if f"{text}/".startswith(f"{top.rstrip('/')}/")]
        if not inside:
            raise _outside(text)
        text, prefix = inside[0], ""
    parts: list[str] = []
    for part in [*prefix.split("/"), *text.split("/")]:
        if part == "..":
            if not parts:
                raise _outside(text)
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    if any(part.casefold() == ".git" for part in parts):
        raise UsageError(f"{printable(text)} is inside .git", hint="claim files of the work tree")
    return "/".join(parts) or "."


def topic_normal_form(text: str) -> str:
    """A topic without the accidents of its wording: casefolded words without stop words, joined by `-`."""
    words = _WORD.findall(unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold()))
    return "-".join([word for word in words if word not in _STOP_WORDS] or words)


def reduced(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """The resources without doubles and without those another one already covers, in the order given."""
    refs: dict[RefName, Resource] = {}
    for resource in resources:
        refs.setdefault(resource.ref, resource)
    if len(refs) == 1:
        return tuple(refs.values())
    return tuple(resource for ref, resource in refs.items() if not any(up in refs for up in ancestors(ref)))


def _one_spelling(text: str) -> str:
    """The text as Python spells its bytes: one that no bytes are, or that is spelt otherwise, would be another ref.

    Raises:
        UsageError: it has half a surrogate pair, which no file name and no UTF-8 text has.
    """
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise UsageError(
            f"{printable(text)} is no text", hint='it has half of a surrogate pair (JSON "\\ud800")'
        ) from None


def _outside(text: str) -> UsageError:
    return UsageError(f"{printable(text)} is outside the repository", hint="claim paths of the repository you are in")


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape"))


def _unescape(match: re.Match[bytes]) -> bytes:
    return _ESCAPES[match[1].decode()] if match[1] else bytes([int(match[2], 8)])
