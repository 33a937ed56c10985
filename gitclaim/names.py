"""The kinds of string gitclaim handles, one type each, so that none stands in another's place."""

import re
from typing import Final, Self

from gitclaim.errors import UsageError

_OID: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# git-check-ref-format(1), rules 1 to 8; rule 9 concerns a name without a slash.
_REF: Final = re.compile(
    r"refs(?:/(?!\.)(?:(?!\.\.|@\{|\.lock(?:/|\Z))[^\x00-\x20\x7f~^:?*\[\\/])+)+(?<!\.)",
)
_CLAIM_ID: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_SESSION: Final = re.compile(r"(?!-)\S{1,128}")

CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Oid(str):
    """The name of a git object: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.

    Raises:
        ValueError: the text is no object name, or is the all-zero one git uses for "no object".
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:  # noqa: D102 - the class says what it takes
        if not _OID.fullmatch(text) or not text.strip("0"):
            raise ValueError(f"not an object name: {text!r}")
        return super().__new__(cls, text)

    @property
    def zero(self) -> str:
        """What git writes for "no object", in this object name's length."""
        return "0" * len(self)


class RefName(str):
    """A full ref name, `refs/...`, as `git check-ref-format` allows it.

    Raises:
        ValueError: the text is no full ref name.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:  # noqa: D102 - the class says what it takes
        if not _REF.fullmatch(text):
            raise ValueError(f"not a full ref name: {text!r}")
        return super().__new__(cls, text)

    def above(self) -> Self:
        """The ref name one component shorter; what is cut from a valid one needs no second look."""
        return str.__new__(type(self), self.rpartition("/")[0])


def is_ref_name(text: str) -> bool:
    """Whether that is the full name of a ref."""
    try:
        RefName(text)
    except ValueError:
        return False
    return True


class ClaimId(str):
    """A claim's identity and nonce: a ULID, 26 characters of Crockford's base 32.

    The form is https://github.com/ulid/spec: 48 bits of milliseconds, then 80 random bits.

    Raises:
        ValueError: the text is no ULID.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:  # noqa: D102 - the class says what it takes
        if not _CLAIM_ID.fullmatch(text):
            raise ValueError(f"not a claim id: {text!r}")
        return super().__new__(cls, text)

    @classmethod
    def made(cls, milliseconds: int, nonce: bytes) -> Self:
        """A new id from a time since the epoch and ten random bytes.

        Raises:
            ValueError: the nonce is not ten bytes, or the time does not fit 48 bits.
        """
        if len(nonce) != 10 or not 0 <= milliseconds < 1 << 48:  # noqa: PLR2004 - the ULID layout
            raise ValueError("a claim id is made of 48 bits of milliseconds and 80 random bits")
        number = milliseconds << 80 | int.from_bytes(nonce)
        return cls("".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5)))


class Session(str):
    """Who holds a claim: 1 to 128 printable characters, no white space, no leading dash.

    Raises:
        UsageError: the text cannot name a session.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:  # noqa: D102 - the class says what it takes
        if not _SESSION.fullmatch(text) or not is_printable(text):
            raise UsageError(
                f"not a session name: {printable(text[:140])}",
                hint="use 1 to 128 characters without spaces or control characters, not starting with '-'",
            )
        return super().__new__(cls, text)


NOBODY: Final = str.__new__(Session, "")
"""The session of who only looks, as a server does: no claim can be its."""


# Besides the C0 and C1 controls: what reorders, hides or breaks a line of text (Unicode TR 36, "bidi spoofing"),
# and the lone surrogates that stand for bytes that are not UTF-8.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""The text with everything escaped that a terminal might obey: `\x1b`, `\u202e`, raw bytes as `\xff`."""
    return _UNSAFE.sub(_escape, text)


def is_printable(text: str) -> bool:
    """Whether `printable` leaves the text as it is."""
    return not _UNSAFE.search(text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004 - PEP 383's range
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004
