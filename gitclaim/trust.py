"""The words of trust: whose signatures count, who may break claims, and what a claim may ask for."""

import re
from datetime import timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from gitclaim.claim import LONGEST_LEASE

_SSH: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_OPENPGP: Final = re.compile(r"[0-9A-F]{40}(?:[0-9A-F]{24})?", re.IGNORECASE)
_PUBLIC: Final = re.compile(r"(?:ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+ (?P<blob>[A-Za-z0-9+/]+=*)")


class TrustMode(StrEnum):
    """Whose claims count.

    `ANY`: everybody's. `KNOWN`: those signed by a key that is listed. `ALLOWED_SIGNERS`: those for which git itself
    vouches, by an allowed-signers file or an openpgp keyring.
    """

    ANY = "any"
    KNOWN = "known"
    ALLOWED_SIGNERS = "allowed-signers"


class Whole(StrEnum):
    """Who may claim the whole repository where a server decides."""

    ANYONE = "anyone"
    MAINTAINERS = "maintainers"


class Trust(NamedTuple):
    """What a repository's people decided about claims, on its default branch.

    Args:
        mode: whose claims count.
        keys: the fingerprints listed, as `fingerprint` gives them.
        maintainers: the fingerprints of the keys that may break another's live claim where a server decides.
        signers: the text of the allowed-signers file on the default branch; None where none is named.
        max_ttl: the longest lease where a server decides.
        whole: who may claim the whole repository where a server decides.
        source: where this was read, for people.
    """

    mode: TrustMode = TrustMode.ANY
    keys: frozenset[str] = frozenset()
    maintainers: frozenset[str] = frozenset()
    signers: str | None = None
    max_ttl: timedelta = LONGEST_LEASE
    whole: Whole = Whole.MAINTAINERS
    source: str = ""

    def trusts(self, key: str, *, vouched: bool) -> bool:
        """Whether claims with a good signature by that key count.

        Args:
            key: its fingerprint.
            vouched: whether git vouches for the key.
        """
        match self.mode:
            case TrustMode.ANY:
                return True
            case TrustMode.KNOWN:
                return key in self.keys or key in self.maintainers
            case TrustMode.ALLOWED_SIGNERS:
                return vouched


def is_same_key(key: str, certified: str) -> bool:
    """Whether a push was certified by that key.

    Args:
        key: its fingerprint.
        certified: the key that did as git tells hooks, the whole fingerprint of an ssh key and the last half of an
            openpgp key's; empty if none did.
    """
    return bool(key and certified) and (key == certified or key.endswith(certified.upper()))


def fingerprint(text: str) -> str:
    """The fingerprint of the key somebody names, as git gives it in `%GF` and `%GP`.

    Args:
        text: a fingerprint (`SHA256:...`, or an openpgp one) or the line of a public ssh key, a comment behind it.

    Raises:
        ValueError: it is none of these.
    """
    public = _PUBLIC.match(text)
    if public:
        # Imported late: only who lists keys needs them.
        import base64  # noqa: PLC0415
        import binascii  # noqa: PLC0415
        import hashlib  # noqa: PLC0415

        try:
            blob = base64.b64decode(public["blob"], validate=True)
        except binascii.Error:
            raise ValueError("a public key that is cut short") from None
        return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    word = text.split(maxsplit=1)[0] if text.split() else ""
    if _SSH.fullmatch(word):
        return word
    compact = text.replace(" ", "")
    for candidate in (word, compact):
        if _OPENPGP.fullmatch(candidate):
            return candidate.upper()
    raise ValueError("no fingerprint and no public key")
