"""Once a server lists maintainers, only they change what it goes by."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from gitclaim.change import Update
from gitclaim.claim import format_claim
from gitclaim.deciding import Decision, Turn, confirm
from gitclaim.names import Oid, RefName
from gitclaim.policy import Policy, Unclaimed
from gitclaim.record import Landing, landing_notes
from gitclaim.trust import Trust, TrustMode
from tests.kit.attacker import make_key, signing_with
from tests.kit.memory import MemoryObjects, World, commit_bytes
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


def test_a_certificate_counts_only_if_git_found_it_good_and_made_for_this_push(walled: Clones) -> None:
    """What git tells the hook (git-receive-pack(1)): the signature by a known or unknown key, its nonce, its text."""
    bob, remote = walled.bob, walled.remote
    decide(bob, "trust: any\n")
    old, tip = remote.git("rev-parse", "main"), bob.git("rev-parse", "HEAD")
    remote.git("fetch", "--quiet", str(bob.path), tip)
    key = walled.alice.claim("trust", "--json").json["own"]
    line = f"{old} {tip} refs/heads/main\n"

    def is_refused(status: str, nonce: str, commands: str = line) -> bool:
        text = f"certificate version 0.1\npusher x\nnonce 1\n\n{commands}-----BEGIN SSH SIGNATURE-----\n"
        told = {"GIT_PUSH_CERT_STATUS": status, "GIT_PUSH_CERT_NONCE_STATUS": nonce, "GIT_PUSH_CERT_KEY": key}
        told["GIT_PUSH_CERT"] = remote.git("hash-object", "-w", "--stdin", input=text)
        ran = remote.claim("serve-hook", input=line, code=None, env=told)
        return REFUSED in ran.stdout + ran.stderr

    assert not is_refused("G", "OK")
    assert is_refused("G", "OK", f"{old} {tip} refs/heads/other\n")
    assert is_refused("G", "OK", f"{line}{old} {tip} refs/heads/other\n")
    assert is_refused("G", "OK", "")
    said = {}
    for status, nonce in (
        *(("G", nonce) for nonce in ("OK", "SLOP", "BAD", "MISSING", "UNSOLICITED", "")),
        *((status, "OK") for status in ("U", "B", "N", "E", "X", "Y", "R", "")),
    ):
        said[status, nonce] = is_refused(status, nonce)
    assert {one for one, refused in said.items() if not refused} == {("G", "OK"), ("U", "OK")}


# The rule by itself, over a registry in memory.

MAIN: Final = RefName("refs/heads/main")
OTHER: Final = RefName("refs/heads/other")
OPENPGP: Final = "0123456789ABCDEF0123456789ABCDEF01234567"
TRUST: Final = Trust(TrustMode.KNOWN, frozenset({"alice"}), frozenset({"carol", OPENPGP}), source="main")
NOW: Final = Decision(TRUST, Policy(), {})
THEN: Final = NOW._replace(trust=TRUST._replace(mode=TrustMode.ANY))


@pytest.fixture
def world() -> World:
    return World()


def commit(world: World, key: str = "", words: str = "decide") -> Oid:
    return world.plant(commit_bytes(words, tree="1" * 40, key=key))


def altered(world: World, oid: Oid) -> Oid:
    """The same with other words below the same signature."""
    raw = world.contents[oid]
    assert isinstance(raw, bytes)
    return world.plant(raw + b"!")


def landed(world: World, key: str, tip: Oid, ref: RefName = MAIN) -> Oid:
    """A claim that vouches for a commit."""
    text = format_claim(world.claim(".gitclaim.yaml", "alice"), notes=landing_notes([Landing(ref, tip)]))
    return MemoryObjects(world.contents, key).write(text, parent=None, at=world.clock.now())


def is_let_in(  # noqa: PLR0913 - what a push may come with
    world: World,
    tip: Oid,
    moves: Mapping[str, Oid] | None = None,
    *,
    certified: str = "",
    now: Decision = NOW,
    then: Decision = THEN,
    by_tip: bool = True,
) -> bool:
    updates = [Update(MAIN, tip, None), *(Update(ref, oid, None) for ref, oid in (moves or {}).items())]
    refusals = confirm(world.server(now.trust), updates, Turn(MAIN, tip, now, then, by_tip), certified)
    assert [one.message for one in refusals] in ([], [REFUSED])
    return not refusals


@pytest.mark.parametrize(
    ("certified", "let_in"),
    [
        ("carol", True),
        (OPENPGP, True),
        (OPENPGP[-16:], True),
        (OPENPGP[-16:].lower(), True),
        (OPENPGP[:16], False),
        (f"F{OPENPGP[-16:]}", False),
        ("alice", False),
        ("mallory", False),
        ("", False),
    ],
)
def test_a_push_that_a_maintainer_certified_decides(world: World, certified: str, let_in: bool) -> None:  # noqa: FBT001
    assert is_let_in(world, commit(world), certified=certified) is let_in


@pytest.mark.parametrize(
    ("key", "let_in"), [("carol", True), ("alice", False), ("mallory", False), ("", False), ("unknown", False)]
)
def test_a_maintainer_s_signature_on_the_tip_decides(world: World, key: str, let_in: bool) -> None:  # noqa: FBT001
    tip = commit(world, key)
    assert is_let_in(world, tip) is let_in
    assert not is_let_in(world, altered(world, tip))
    assert not is_let_in(world, tip, by_tip=False), "it was made for another day, or another branch"


@pytest.mark.parametrize(("key", "let_in"), [("carol", True), ("alice", False), ("mallory", False), ("", False)])
def test_a_claim_of_a_maintainer_s_that_lands_it_decides(world: World, key: str, let_in: bool) -> None:  # noqa: FBT001
    tip, place = commit(world), "refs/claims/path/.gitclaim.yaml"
    step = landed(world, key, tip)
    assert is_let_in(world, tip, {place: step}) is let_in
    assert not is_let_in(world, tip, {place: altered(world, step)})
    assert not is_let_in(world, tip, {place: landed(world, key, tip, OTHER)})
    assert not is_let_in(world, tip, {place: landed(world, key, commit(world, words="another"))})
    assert not is_let_in(world, tip, {OTHER: step}), "nobody judged whether it may come in"
    assert not is_let_in(world, tip), "it comes with the push"


def test_who_makes_themselves_a_maintainer_is_none_yet(world: World) -> None:
    mine = NOW._replace(trust=TRUST._replace(maintainers=frozenset({"mallory"})))
    assert not is_let_in(world, commit(world, "mallory"), then=mine, certified="mallory")
    assert is_let_in(world, commit(world, "carol"), then=mine)


def test_only_what_changes_a_decision_needs_a_maintainer(world: World) -> None:
    """What is decided about work too; where it was read is no decision, and without maintainers anybody decides."""
    tip, nobody = commit(world), NOW._replace(trust=TRUST._replace(maintainers=frozenset()))
    assert is_let_in(world, tip, then=NOW._replace(trust=TRUST._replace(source="the new commit")))
    assert not is_let_in(world, tip, then=NOW._replace(policy=Policy(unclaimed=Unclaimed.DENY)))
    assert not is_let_in(world, tip, then=NOW._replace(file={"registry": ["elsewhere"]})), "clients go by that"
    assert not is_let_in(world, tip, then=nobody)
    assert is_let_in(world, tip, now=nobody)
