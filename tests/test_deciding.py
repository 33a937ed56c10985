"""Once a server lists maintainers, only they change what it goes by."""

from pathlib import Path

import pytest

from tests.kit.attacker import make_key, signing_with
from tests.kit.repos import ROOT, Clones, Ran, Repo


@pytest.fixture(autouse=True)
def _package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook's interpreter finds the package here, installed or not."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def walled(clones: Clones) -> Clones:
    """A server on which alice is the maintainer, and bob's key counts."""
    keys = [repo.claim("trust", "--json").json["own"] for repo in (clones.alice, clones.bob)]
    decide(clones.alice, f"trust: known\nkeys: ['{keys[1]}']\nmaintainers: ['{keys[0]}']\n")
    clones.alice.git("push", "--quiet", "origin", "main")
    clones.bob.git("pull", "--quiet")
    clones.remote.claim("install", "--server")
    return clones


def decide(repo: Repo, text: str) -> None:
    (repo.path / ".gitclaim.yaml").write_text(text)
    repo.git("add", ".gitclaim.yaml")
    repo.git("commit", "--quiet", "--message", "decide")


def push(repo: Repo, *words: str) -> Ran:
    return repo.try_git("push", "--quiet", "origin", *words)


REFUSED = "it changes what was decided in .gitclaim.yaml, and only a maintainer may"


def test_who_is_no_maintainer_decides_nothing(walled: Clones) -> None:
    """Neither by a push, nor by landing a claim on the file; other branches, and other work, go as ever."""
    bob = walled.bob
    bob.commit_file("a", "a")
    assert push(bob, "HEAD:main").code == 0
    before = (bob.path / ".gitclaim.yaml").read_text()
    for text in ("trust: any\n", f"{before}exempt: ['**']\n"):
        decide(bob, text)
        ran = push(bob, "HEAD:main")
        assert ran.code == 1
        assert REFUSED in ran.stderr
    bob.claim("take", ".gitclaim.yaml")
    assert REFUSED in bob.claim("land", code=1).stderr
    bob.claim("release", "--all")
    assert push(bob, "HEAD:elsewhere").code == 0


def test_a_maintainer_lands_a_decision(walled: Clones) -> None:
    """The claim on the file is signed by the maintainer's key, and vouches for the commit; a plain push does not."""
    decide(walled.alice, "trust: any\n")
    assert REFUSED in push(walled.alice, "main").stderr
    walled.alice.claim("take", ".gitclaim.yaml")
    walled.alice.claim("land")
    assert walled.remote.git("show", "main:.gitclaim.yaml") == "trust: any"
    walled.bob.git("pull", "--quiet")
    decide(walled.bob, "trust: any\nttl: 2h\n")
    assert push(walled.bob, "HEAD:main").code == 0, "without maintainers, who may push decides"


def test_a_maintainer_signs_a_decision(walled: Clones, tmp_path: Path) -> None:
    """Another's signature decides nothing."""
    alice, other = walled.alice, make_key(tmp_path, "other")
    (alice.path / ".gitclaim.yaml").write_text("trust: any\n")
    alice.git("commit", "--quiet", "-am", "decide", env=signing_with(other))
    assert REFUSED in push(alice, "main").stderr
    alice.git("commit", "--quiet", "--amend", "-m", "so", env=signing_with(alice.path / ".git/gitclaim/key"))
    assert push(alice, "main").code == 0
