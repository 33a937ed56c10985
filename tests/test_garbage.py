"""Refs under `refs/claims` that are no claims: nothing breaks, everything is named, and nothing reaches a terminal."""

import json
import shlex
import time

import pytest

from tests.kit.garbage import UNSAFE, claim_message, malformed, newer, push, raw_commit, raw_object, untrusted
from tests.kit.repos import Clones, Ran, Repo, make_clone
from tests.kit.sized import few

DOCUMENTED = {0, 1, 2, 3, 4, 5, 6, 7}


@pytest.fixture
def mallory(clones: Clones) -> Repo:
    """A clone of somebody who pushes what they like."""
    return make_clone(clones.url, clones.alice.path.parent / "mallory", session="mallory")


def safe(ran: Ran, *args: str) -> Ran:
    """The run, which ended as documented and printed nothing that a terminal obeys."""
    said = ran.stdout + ran.stderr
    assert ran.code in DOCUMENTED, (args, ran)
    assert "Traceback" not in said, (args, said)
    assert not UNSAFE.search(said), (args, UNSAFE.findall(said)[:9], said[:2000])
    if "--json" in args:
        # Strict readers refuse half a surrogate pair, which Python's would let pass.
        json.dumps(ran.json, ensure_ascii=False).encode()
    return ran


def say(repo: Repo, *args: str, code: int | None = None) -> Ran:
    """Run a command, which must stand whatever it meets."""
    return safe(repo.claim(*args, code=code), *args)


READING = (
    "list",
    "list --json",
    "list --mine",
    "list --expired --verify",
    "list --expired --verify --json",
    "list --kind task",
    "list message",
    "list --offline",
    "show message",
    "show message --json",
    "show name/case --json",
    "show task:1",
    "show object --offline",
    "show unsigned",
    "show forged --json",
    "show newer",
    "check message date head object name newer unsigned forged free",
    "check message date head object name newer unsigned forged free --json",
    "check task:1",
    "sweep --dry-run",
    "sweep --dry-run --json",
    "sweep --dry-run --malformed-after 1s",
    "session",
    "doctor",
    "doctor --json",
)


@pytest.mark.parametrize("who", few(["alice", "bob"], 1))
def test_every_reading_command_stands(clones: Clones, mallory: Repo, who: str) -> None:
    """Whatever is pushed under refs/claims, no command that looks fails, and none prints a byte of it raw."""
    clones.alice.claim("take", "src/mine")
    push(mallory, {**malformed(mallory), **untrusted(mallory), **newer(mallory)})
    for line in READING:
        say(getattr(clones, who), *line.split())


def test_list_and_show_name_everything(alice: Repo, mallory: Repo) -> None:
    """list has a line with MALFORMED and a reason for each ref, and so has show."""
    refs = malformed(mallory)
    push(mallory, refs)
    listed = say(alice, "list", "--json", code=0).json["claims"]
    assert len(listed) == len(refs)
    assert {one["standing"] for one in listed} == {"malformed"}
    assert all(one["note"] and one["claim"] is None for one in listed)
    lines = say(alice, "list", code=0).stdout.splitlines()
    assert sum("MALFORMED" in line for line in lines) == len(refs)
    shown = say(alice, "show", ".", code=0).stdout
    assert shown.count(": MALFORMED: ") == len([ref for ref in refs if ref.startswith("path/")])


def test_bad_signatures_block_nobody(alice: Repo, bob: Repo, mallory: Repo) -> None:
    """A claim nobody signed, or with another's signature, is removed by whoever meets it, and said to be."""
    push(mallory, untrusted(mallory))
    listed = say(alice, "list", "--verify", "--json", code=0).json["claims"]
    assert {one["standing"] for one in listed} == {"untrusted"}
    assert {one["signature"] for one in listed} == {"bad"}
    held = say(alice, "take", "unsigned", "forged/below", "--json", code=0).json
    assert sorted(one["ref"] for one in held["removed"]) == ["refs/claims/path/forged", "refs/claims/path/unsigned"]
    assert say(bob, "take", "unsigned", "--json", code=3).json["blockers"][0]["claim"]["session"] == "alice"


def test_what_is_no_claim_denies_with_malformed(alice: Repo, mallory: Repo) -> None:
    """At, above and below: the answer is 3, MALFORMED, with the ref and the way out."""
    blob = raw_object(mallory, "blob", b"\x1b[31m")
    push(mallory, {"path/at": blob, "path/above": blob, "path/below/it": blob, "task": blob})
    for asked in ("at", "above/it", "below", "task:1", "."):
        blockers = say(alice, "take", asked, "--json", code=3).json["blockers"]
        assert {blocker["reason"] for blocker in blockers} == {"MALFORMED"}
        assert all(blocker["claim"] is None for blocker in blockers)
    text = say(alice, "take", "above/it", code=3).stdout
    assert text.startswith("denied: above/it: no claim stands at refs/claims/path/above\n  a blob, not a commit\n")
    assert "gitclaim sweep" in text
    say(alice, "take", "free", "lane:free", code=0)


def test_a_newer_format_blocks_and_is_never_swept(alice: Repo, mallory: Repo) -> None:
    """What a later gitclaim wrote stands as live, and the message says which side to upgrade."""
    push(mallory, newer(mallory))
    text = say(alice, "take", "newer/file", code=3).stdout
    assert "newer" in text
    assert "upgrade gitclaim" in text
    say(alice, "sweep", "--malformed-after", "1s")
    time.sleep(1.1)
    say(alice, "sweep", "--malformed-after", "1s")
    assert "refs/claims/path/newer" in mallory.git("ls-remote", "origin")


def test_sweep_removes_it_after_a_grace(clones: Clones, mallory: Repo) -> None:
    """First seen, it is left alone; after the grace a dry run shows it, a sweep removes it, and all is free again."""
    refs = malformed(mallory)
    push(mallory, refs)
    first = say(clones.alice, "sweep", "--malformed-after", "2s", "--json", code=0).json
    assert len(first["young"]) + len(first["removed"]) == len(refs)
    assert first["young"]
    time.sleep(2.1)
    dry = say(clones.alice, "sweep", "--malformed-after", "2s", "--dry-run", code=0).stdout
    assert dry.count("would remove: ") == len(first["young"])
    swept = say(clones.alice, "sweep", "--malformed-after", "2s", "--json", code=0).json
    assert len(swept["removed"]) == len(first["young"])
    assert clones.remote.refs() == {}
    assert say(clones.bob, "take", ".", "task:1", "--json", code=0).json["outcome"] == "held"
    assert clones.remote.git("for-each-ref", "refs/heads/main")


def test_writing_commands_stand_beside_it(clones: Clones, mallory: Repo) -> None:
    """take, renew, give, release and break work on what is sound while garbage stands all around it."""
    alice, bob = clones.alice, clones.bob
    push(mallory, {**malformed(mallory), **untrusted(mallory), **newer(mallory)})
    say(alice, "take", "src/a", "lane:one", "--for", "sound", code=0)
    say(alice, "take", "src/b", code=0)
    say(alice, "renew", code=0)
    say(alice, "renew", "--ttl", "2h", "--json", code=0)
    say(alice, "give", "src/b", "--to", "bob", code=0)
    say(bob, "release", "src/b", code=0)
    say(bob, "break", "src/a", "--reason", "test", code=0)
    say(alice, "renew", "src/a", code=5)
    say(alice, "release", "--all", code=0)
    say(bob, "break", "object/blob", "--reason", "no claim", code=0)
    say(bob, "take", "object/blob", code=0)
    say(bob, "init", code=0)


def test_a_copied_claim_carries_nothing(clones: Clones, mallory: Repo) -> None:
    """Alice's own signed object at a ref it does not list is no claim, and does not harm the one it is a copy of."""
    oid = clones.alice.claim("take", "real", "--json").json["claim"]["oid"]
    mallory.git("fetch", "--quiet", "origin", "refs/claims/path/real")
    push(mallory, {"path/copy": oid, "task/copy": oid})
    assert say(clones.bob, "take", "copy", "--json", code=3).json["blockers"][0]["reason"] == "MALFORMED"
    standings = {one["ref"]: one["standing"] for one in say(clones.bob, "list", "--json").json["claims"]}
    assert standings == {
        "refs/claims/path/copy": "malformed",
        "refs/claims/path/real": "live",
        "refs/claims/task/copy": "malformed",
    }
    say(clones.alice, "renew", "real", code=0)
    say(clones.bob, "take", "real", code=3)


def test_a_replayed_object_is_the_claim_it_was(clones: Clones, mallory: Repo) -> None:
    """Somebody who puts an earlier object of a claim back takes nothing from its holder, who can go on or let go."""
    old = clones.alice.claim("take", "real", "--json").json["claim"]["oid"]
    mallory.git("fetch", "--quiet", "origin", "refs/claims/path/real")
    clones.alice.claim("renew", "--ttl", "2h")
    mallory.git("push", "--quiet", "--force", "origin", f"{old}:refs/claims/path/real")
    assert say(clones.bob, "take", "real", "--json", code=3).json["blockers"][0]["claim"]["session"] == "alice"
    say(clones.alice, "renew", code=0)
    say(clones.alice, "release", "real", code=0)
    push(mallory, {"path/real": old})
    say(clones.alice, "release", "real", code=0)
    say(clones.bob, "take", "real", code=0)


def test_a_ref_that_is_all_of_refs_claims_is_named(clones: Clones) -> None:
    """`refs/claims` itself as a ref keeps every claim out; no command breaks, and doctor names it."""
    # receive-pack calls the name funny and refuses it; other servers need not, and whoever has the disk can.
    clones.remote.git("update-ref", "refs/claims", raw_object(clones.remote, "blob", b"x"))
    assert say(clones.alice, "take", "src").code in {1, 3}
    for line in ("list", "show src", "check src", "renew", "sweep --malformed-after 1s", "session", "init"):
        say(clones.alice, *line.split())
    assert "refs/claims" in say(clones.alice, "doctor").stdout


def test_a_symbolic_ref_leads_nowhere(clones: Clones) -> None:
    """A symbolic ref that somebody with the disk planted is no claim, and nothing is written where it leads."""
    main = clones.remote.git("rev-parse", "refs/heads/main")
    clones.remote.git("symbolic-ref", "refs/claims/path/link", "refs/heads/main")
    assert say(clones.alice, "take", "link", "--json", code=3).json["blockers"][0]["reason"] == "MALFORMED"
    assert clones.remote.git("rev-parse", "refs/heads/main") == main


def test_what_is_to_be_pasted_is_quoted(clones: Clones) -> None:
    """A hint that repeats another's words is no command of theirs: a shell reads it as one name."""
    name = "$(touch owned)`touch owned`;touch owned'"
    clones.alice.claim("take", f"path:{name}")
    denied = say(clones.bob, "take", f"path:{name}", code=3).stdout
    line = next(line for line in denied.splitlines() if "gitclaim break" in line)
    assert shlex.split(line)[2] == f"path:{name}"
    history = next(line for line in say(clones.bob, "show", f"path:{name}").stdout.splitlines() if "git log" in line)
    assert len(shlex.split(history)) == 4


def test_a_record_of_breaking_can_be_garbage_too(clones: Clones, mallory: Repo) -> None:
    """What stands under refs/gitclaim/broken is as foreign as a claim."""
    claim = clones.alice.claim("take", "src", "--json").json["claim"]
    clones.bob.claim("break", "src", "--reason", "gone")
    record = f"break src\n\n\x1b[31m\u202e\n\nBroken: {claim['id']}\nObject: {claim['oid']}\nSession: x\n"
    for oid in (raw_commit(mallory, record.encode()), raw_object(mallory, "blob", b"\x1b")):
        mallory.git("push", "--quiet", "--force", "origin", f"{oid}:refs/gitclaim/broken/{claim['id']}")
        say(clones.bob, "list", code=0)
        say(clones.bob, "sweep", code=0)
    assert claim_message("src")
    assert say(clones.alice, "renew", "src", code=5).stdout.startswith(("fenced:", "expired:"))
