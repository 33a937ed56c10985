"""The kinds of string: what each of them accepts."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitclaim.errors import UsageError
from gitclaim.names import CROCKFORD, ClaimId, Oid, RefName, Session, is_printable, printable
from tests.kit.hostile import PROPERTY, WORDS

SHA1 = "9ae1" * 10
SHA256 = "9ae1" * 16


@pytest.mark.parametrize("text", [SHA1, SHA256])
def test_an_object_name_has_40_or_64_digits(text: str) -> None:
    assert Oid(text) == text
    assert Oid(text).zero == "0" * len(text)


@pytest.mark.parametrize("text", ["", "HEAD", SHA1[:-1], SHA1 + "a", SHA1.upper(), SHA1 + "\n", "0" * 40, "0" * 64])
def test_nothing_else_is_an_object_name(text: str) -> None:
    """The all-zero name least of all: for git it means "do not look"."""
    with pytest.raises(ValueError, match="not an object name"):
        Oid(text)


PIECES = st.sampled_from(
    ["refs", "/", "//", "a", ".", "..", ".lock", "lock", "@", "@{", "~", ":", "^", "?", "*", "[", "\\", " ", "\n", "é"]
)


def test_a_ref_name_is_what_git_says() -> None:
    """git-check-ref-format(1) decides, but for `refs/` in front."""
    names: set[str] = {"refs/a", "refs/a.", "refs/.a", "refs/a.lock", "refs/a.lock/b", "refs/a/", "refs//a", "refs/a\n"}

    @given(st.lists(PIECES, min_size=1, max_size=5).map(lambda parts: "refs/" + "".join(parts)))
    @PROPERTY
    def collect(name: str) -> None:
        names.add(name)

    collect()
    for name in sorted(names, key=len)[:120]:
        by_git = subprocess.run(["git", "check-ref-format", name], check=False).returncode == 0
        assert is_ref(name) == by_git, name


def is_ref(name: str) -> bool:
    try:
        return RefName(name) == name
    except ValueError:
        return False


@pytest.mark.parametrize("text", ["", "refs", "refs/", "heads/main", "HEAD"])
def test_a_ref_name_is_full(text: str) -> None:
    assert not is_ref(text)


@given(st.integers(0, (1 << 48) - 1), st.binary(min_size=10, max_size=10))
@PROPERTY
def test_a_claim_id_holds_its_time_and_its_nonce(milliseconds: int, nonce: bytes) -> None:
    number = 0
    for digit in ClaimId.made(milliseconds, nonce):
        number = number * 32 + CROCKFORD.index(digit)

    assert divmod(number, 1 << 80) == (milliseconds, int.from_bytes(nonce))


def test_claim_ids_sort_by_time() -> None:
    assert ClaimId.made(1, b"\xff" * 10) < ClaimId.made(2, b"\0" * 10)


@pytest.mark.parametrize(
    ("milliseconds", "nonce"), [(-1, b"\0" * 10), (1 << 48, b"\0" * 10), (0, b""), (0, b"\0" * 11)]
)
def test_a_claim_id_is_made_of_a_time_and_ten_bytes(milliseconds: int, nonce: bytes) -> None:
    with pytest.raises(ValueError, match="48 bits"):
        ClaimId.made(milliseconds, nonce)


@pytest.mark.parametrize("text", ["", "0" * 25, "8" + "0" * 25, "I" * 26, "0" * 25 + "a", "0" * 26 + "\n"])
def test_nothing_else_is_a_claim_id(text: str) -> None:
    with pytest.raises(ValueError, match="not a claim id"):
        ClaimId(text)


@pytest.mark.parametrize("text", ["alice-3f2a", "a", "x" * 128, "Zoë@host:1", "会话"])
def test_a_session_is_one_printable_word(text: str) -> None:
    assert Session(text) == text


@pytest.mark.parametrize(
    "text", ["", "-x", "a b", "a\n", "\x1b[31m", "a\x85", "a\u202eb", "a\u200bb", "\udcff", "x" * 129, "a\u3000"]
)
def test_nothing_else_is_a_session(text: str) -> None:
    """What can't be printed as it is could not be written into a claim, or would look like another's name."""
    with pytest.raises(UsageError, match="not a session name") as caught:
        Session(text)
    assert is_printable(caught.value.message)


@given(WORDS)
@PROPERTY
def test_printable_text_stays_and_all_else_is_escaped(text: str) -> None:
    shown = printable(text)

    assert is_printable(shown)
    assert shown.isascii() or any(not char.isascii() for char in text)
    assert (shown == text) == is_printable(text)
    shown.encode()  # no surrogate is left


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb", "a\\x0ab"),
        ("\x9b", "\\x9b"),
        ("\u202e", "\\u202e"),
        ("\udcff", "\\xff"),
        ("\ud800", "\\ud800"),
        ("é 🚀", "é 🚀"),
    ],
)
def test_an_escape_shows_what_it_stands_for(text: str, shown: str) -> None:
    assert printable(text) == shown
