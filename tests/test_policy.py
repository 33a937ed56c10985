"""The policy: what people decided, and which refs it is about."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitclaim.errors import GitclaimError
from gitclaim.policy import Offline, Policy, Unclaimed
from gitclaim.settings import read_settings

words = st.text("abm/*[]?.-é ", min_size=1, max_size=12)


@given(words)
def test_unless_told_otherwise_every_ref_is_guarded(name: str) -> None:
    assert Policy().guards(f"refs/{name}")


@given(words, st.sampled_from(["refs/heads/", "refs/tags/", "refs/for/", "refs/"]))
def test_nothing_is_guarded_by_no_pattern(name: str, start: str) -> None:
    assert not Policy(guard=()).guards(f"{start}{name}")


@pytest.mark.parametrize(
    ("pattern", "ref", "guarded"),
    [
        ("main", "refs/heads/main", True),
        ("main", "refs/tags/main", True),
        ("main", "refs/heads/main2", False),
        ("main", "refs/heads/x/main", False),
        ("main", "refs/heads/Main", False),
        ("main", "refs/for/main", False),
        ("refs/heads/main", "refs/heads/main", True),
        ("refs/heads/main", "refs/tags/main", False),
        ("heads/main", "refs/heads/main", False),
        ("release/*", "refs/heads/release/1", True),
        ("release/*", "refs/heads/release/1/2", True),
        ("release/*", "refs/heads/release", False),
        ("refs/for/*", "refs/for/main", True),
        ("v[0-9]*", "refs/tags/v1.2", True),
        ("v[0-9]*", "refs/tags/vx", False),
        ("*", "refs/pull/1/head", True),
    ],
)
def test_a_ref_is_guarded_by_its_whole_or_its_short_name(pattern: str, ref: str, *, guarded: bool) -> None:
    """`*` goes past slashes, as branches are named by people and not by file systems."""
    assert Policy(guard=(pattern,)).guards(ref) is guarded


@given(st.lists(st.sampled_from(["main", "x/*", "refs/heads/y"]), max_size=3), words)
def test_more_patterns_never_guard_less(patterns: list[str], name: str) -> None:
    ref = f"refs/heads/{name}"
    for pattern in patterns:
        if Policy(guard=(pattern,)).guards(ref):
            assert Policy(guard=tuple(patterns)).guards(ref)


def policy(tmp_path: Path, text: str = "", **config: str) -> Policy:
    (tmp_path / ".gitclaim.yaml").write_text(text)
    return read_settings({f"gitclaim.{key}": [value] for key, value in config.items()}, str(tmp_path)).policy


def test_without_a_word_nobody_is_kept_from_working(tmp_path: Path) -> None:
    usual = policy(tmp_path)
    assert usual == Policy(Unclaimed.ALLOW, Offline.ALLOW, timedelta(seconds=5), 5.0, (), ("*",))


def test_the_file_decides_for_all_and_git_s_configuration_for_one(tmp_path: Path) -> None:
    text = "unclaimed: warn\noffline: deny\nfresh: 1m\nbudget: 2.5\nexempt: '**/lock'\nguard: [main, 'release/*']\n"
    told = policy(tmp_path, text)
    assert told == Policy(Unclaimed.WARN, Offline.DENY, timedelta(minutes=1), 2.5, ("**/lock",), ("main", "release/*"))
    mine = policy(tmp_path, text, unclaimed="take", offline="allow", fresh="0", budget="1s")
    assert (mine.unclaimed, mine.offline) == (Unclaimed.TAKE, Offline.ALLOW)
    assert (mine.fresh, mine.budget, mine.exempt) == (timedelta(0), 1.0, told.exempt)


def test_every_word_of_a_policy_is_understood(tmp_path: Path) -> None:
    for word in Unclaimed:
        assert policy(tmp_path, f"unclaimed: {word}").unclaimed is word
    for answer in Offline:
        assert policy(tmp_path, f"offline: {answer}").offline is answer


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("unclaimed: maybe", "line 1: unclaimed: means nothing: 'maybe'; one of: allow, warn, deny, take"),
        ("offline: warn", "line 1: offline: means nothing: 'warn'; one of: allow, deny"),
        ("fresh: -1s", "line 1: fresh: not a length of time"),
        ("budget: 0", "line 1: budget: not a number of seconds"),
        ("exempt: [a, /b]", "line 1: exempt: no pattern from the repository's root: '/b'"),
        ("exempt: ../x", "line 1: exempt: no pattern from the repository's root: '../x'"),
        ("exempt: ':(top)x'", "line 1: exempt: no pattern from the repository's root: ':(top)x'"),
        ("guard: ['']", "line 1: guard: no pattern of refs: ''"),
        ("guard: a b", "line 1: guard: no pattern of refs: 'a b'"),
    ],
)
def test_a_policy_that_means_nothing_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    """A wall with a typo in it would stand open."""
    with pytest.raises(GitclaimError) as caught:
        policy(tmp_path, text)
    assert f"{caught.value.message}; {caught.value.hint}".startswith(f".gitclaim.yaml {message}")


@pytest.mark.parametrize("key", ["unclaimed", "offline", "fresh", "budget"])
def test_a_policy_of_one_s_own_that_means_nothing_is_told_with_its_key(tmp_path: Path, key: str) -> None:
    with pytest.raises(GitclaimError, match=f"git config gitclaim.{key}: "):
        policy(tmp_path, "", **{key: "nonsense"})


@pytest.mark.parametrize("key", ["exempt", "guard"])
def test_what_is_exempt_and_what_is_guarded_is_for_all_to_decide(tmp_path: Path, key: str) -> None:
    """One's own configuration opens no wall, and says so."""
    with pytest.raises(GitclaimError, match=f"git config gitclaim.{key} means nothing"):
        policy(tmp_path, "", **{key: "x"})
