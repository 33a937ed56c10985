"""Attacks by who can push and has a key: what a server's wall lets nobody do, and what a plain host still promises."""

import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from tests.kit.attacker import (
    NONE,
    Attacker,
    fields,
    is_private,
    message,
    moment,
    new_id,
    shift_wall,
    with_signature,
)
from tests.kit.garbage import claim_message, raw_object
from tests.kit.races import at
from tests.kit.repos import make_repo
from tests.kit.sized import few
from tests.kit.walled import (
    DAY,
    HELD_BY_ALICE,
    HOUR,
    SRC,
    TASK,
    Scene,
    accepted,
    commit,
    held_by_alice,
    lines,
    refused,
    refused_push,
)


@pytest.fixture
def scene(attacked: Scene) -> Scene:
    return attacked


# Forged claims.


def test_an_unsigned_claim_is_refused(scene: Scene) -> None:
    forged = scene.mallory.commit(message("path:docs"), signature=b"")
    refused(scene, lambda: scene.mallory.push({"refs/claims/path/docs": forged}), "its signature is not good")


def test_a_claim_that_was_changed_after_it_was_signed_is_refused(scene: Scene) -> None:
    text = message("path:docs")
    signature = scene.mallory.signature(scene.mallory.bare(text))
    forged = scene.mallory.commit(text.replace(b"A purpose", b"A pretext"), signature=signature)
    refused(scene, lambda: scene.mallory.push({"refs/claims/path/docs": forged}), "its signature is not good")


def test_a_signature_from_another_object_is_refused(scene: Scene) -> None:
    """That of alice's claim, on a renewal in her name."""
    header = scene.attacked.git("cat-file", "commit", scene.held).partition("\n\n")[0]
    signature = header.partition("gpgsig ")[2].replace("\n ", "\n").encode()
    assert signature.startswith(b"-----BEGIN SSH SIGNATURE-----")
    said = fields(scene.attacked, scene.held)
    text = message("path:src", "task:7", Claim=scene.id, Session="alice", Taken=said["Taken"])
    forged = scene.mallory.commit(text, scene.held, signature=signature)
    refused(scene, lambda: scene.mallory.push({SRC: forged, TASK: forged}), "its signature is not good")


def test_a_signature_nobody_here_can_check_is_refused(scene: Scene) -> None:
    junk = b"-----BEGIN PGP SIGNATURE-----\n\niQEzBAABCAAdFiEE\n-----END PGP SIGNATURE-----"
    forged = scene.mallory.commit(message("path:docs"), signature=junk)
    refused(scene, lambda: scene.mallory.push({"refs/claims/path/docs": forged}), "signature")


def test_a_forged_claim_on_a_plain_host_blocks_nobody(scene: Scene) -> None:
    scene.plain()
    forged = scene.mallory.commit(message("path:docs"), signature=b"")
    accepted(scene.mallory.push({"refs/claims/path/docs": forged}))
    scene.alice.claim("check", "docs")
    assert scene.alice.claim("take", "docs", "--json").json["outcome"] == "held"


@pytest.mark.parametrize("mode", ["known", "allowed-signers"])
def test_a_key_that_does_not_count_claims_nothing(scene: Scene, mode: str) -> None:
    alice = scene.holder.public
    files = {".allowed_signers": f"alice@example.org {alice}\n"}
    scene.decide(f"trust: {mode}\nkeys: ['{alice}']\nsigners: .allowed_signers\n", **files)
    claim = scene.mallory.claim("path:docs")
    refused(scene, lambda: scene.mallory.push({"refs/claims/path/docs": claim}), "its key does not count here")
    own = scene.holder.claim("path:docs", Session="alice")
    accepted(scene.holder.push({"refs/claims/path/docs": own}))


def test_a_branch_of_ones_own_makes_no_key_count(scene: Scene) -> None:
    """What the default branch says counts, and not what the push brings beside it, or to another branch."""
    scene.decide(f"trust: known\nkeys: ['{scene.holder.public}']\n")
    scene.attacked.git("pull", "--quiet")
    tip = commit(scene.attacked, ".gitclaim.yaml", f"trust: known\nkeys: ['{scene.mallory.public}']\n")
    claim = scene.mallory.claim("path:docs")
    both = {"refs/heads/mine": tip, "refs/claims/path/docs": claim}
    refused(scene, lambda: scene.mallory.push(both), "its key does not count here")


# Replayed and misplaced claims.


@pytest.mark.parametrize("step", ["same", "older"])
def test_a_released_claim_can_not_be_pushed_back(scene: Scene, step: str) -> None:
    """Neither as it last stood nor as it began, inside its lease."""
    old = scene.held if step == "same" else scene.older
    scene.alice.claim("release", "--all")
    words = "that claim has ended" if step == "older" else "a claim begins without a past"
    refused(scene, lambda: scene.mallory.push({SRC: old, TASK: old}), words)


def test_a_broken_claim_can_not_be_pushed_back(scene: Scene) -> None:
    record = scene.maintainer.broken(scene.held)
    accepted(scene.maintainer.push({SRC: None, TASK: None, f"refs/gitclaim/broken/{scene.id}": record}))
    refused(scene, lambda: scene.mallory.push({SRC: scene.older, TASK: scene.older}), "that claim has ended")


def test_a_replay_on_a_plain_host_blocks_nobody(scene: Scene) -> None:
    """As long as the record of the release stands."""
    scene.alice.claim("release", "--all")
    scene.plain()
    for old in (scene.held, scene.older):
        accepted(scene.mallory.push({SRC: old, TASK: old}))
        scene.attacked.claim("check", "src/a", session="bob")
        assert scene.attacked.claim("take", "src/a", "--json", session="bob").json["outcome"] == "held"
        scene.attacked.claim("release", "--all", session="bob")


def test_a_claim_stands_under_its_own_refs_alone(scene: Scene) -> None:
    """Copied, or renamed: the ref it is pushed to is one it lists."""
    claim = scene.mallory.claim("path:docs")
    for held in (claim, scene.held):
        refused_push(scene, {"refs/claims/path/lib": held}, "copied to a ref it does not list")
    both = {"refs/claims/path/docs": claim, "refs/claims/path/lib": claim}
    refused(scene, lambda: scene.mallory.push(both), "copied to a ref it does not list")


def test_a_claim_comes_with_all_its_refs(scene: Scene) -> None:
    claim = scene.mallory.claim("path:docs", "task:8")
    refused(scene, lambda: scene.mallory.push({"refs/claims/path/docs": claim}), "incomplete: the claim is on")
    accepted(scene.mallory.push({"refs/claims/path/docs": claim, "refs/claims/task/8": claim}))


def test_two_claims_never_share_an_id(scene: Scene) -> None:
    """Records and commits name claims by it."""
    twin = scene.mallory.claim("path:docs", Claim=scene.id)
    refused(scene, lambda: scene.mallory.push({"refs/claims/path/docs": twin}), "another claim has that id")


# Another's claim is deleted.


def test_anothers_claim_is_not_deleted(scene: Scene) -> None:
    refused(scene, lambda: scene.mallory.push({SRC: None, TASK: None}), HELD_BY_ALICE)


def test_not_even_one_of_its_refs(scene: Scene) -> None:
    """What is left would be incomplete, and anybody's."""
    refused(scene, lambda: scene.mallory.push({TASK: None}), HELD_BY_ALICE)


def record_ref(scene: Scene, kind: str = "released") -> str:
    return f"refs/gitclaim/{kind}/{scene.id}"


def test_a_record_of_release_by_another_key_deletes_nothing(scene: Scene) -> None:
    record = scene.mallory.released(scene.held)
    attack = {SRC: None, TASK: None, record_ref(scene): record}
    refused(scene, lambda: scene.mallory.push(attack), "only its holder's key releases a claim")


def test_who_is_no_maintainer_breaks_no_claim(scene: Scene) -> None:
    record = scene.mallory.broken(scene.held)
    attack = {SRC: None, TASK: None, record_ref(scene, "broken"): record}
    refused(scene, lambda: scene.mallory.push(attack), "only maintainers break claims here")


def test_a_record_that_nobody_signed_deletes_nothing(scene: Scene) -> None:
    bare = scene.attacked.git("cat-file", "commit", scene.mallory.released(scene.held)).partition("\n\n")[2]
    record = scene.mallory.commit(f"{bare}\n".encode(), scene.held, signature=b"")
    attack = {SRC: None, TASK: None, record_ref(scene): record}
    refused(scene, lambda: scene.mallory.push(attack), "its signature is not good")


@pytest.mark.parametrize("past", ["nothing", "alice's claim"])
def test_a_record_about_what_never_stood_deletes_nothing(scene: Scene, past: str) -> None:
    """A claim with alice's id that mallory made up, or gave to herself, and then releases."""
    parents = [scene.held] if past != "nothing" else []
    session = "alice" if past == "nothing" else "mallory"
    fake = scene.mallory.claim("path:src", "task:7", past=parents, Claim=scene.id, Session=session)
    attack = {SRC: None, TASK: None, record_ref(scene): scene.mallory.released(fake)}
    refused(scene, lambda: scene.mallory.push(attack), "a claim ends in the push that says so")


def test_a_record_about_what_never_stood_makes_no_claim_worthless(scene: Scene) -> None:
    """It would say that whoever holds it was given it, and gave it up."""
    fake = scene.mallory.claim("path:docs", past=[scene.held], Claim=scene.id)
    own = scene.mallory.claim("path:docs")
    attack = {"refs/claims/path/docs": own, record_ref(scene): scene.mallory.released(fake)}
    refused(scene, lambda: scene.mallory.push(attack), "a claim ends in the push that says so")


def test_a_renewal_of_a_claim_with_the_same_id_gives_up_nothing_of_it(scene: Scene) -> None:
    """Also where such a claim came before there was a wall."""
    twin = scene.mallory.claim("path:docs", "task:8", Claim=scene.id)
    both = {"refs/claims/path/docs": twin, "refs/claims/task/8": twin}
    hook = scene.remote.path / "hooks" / "pre-receive"
    hook.rename(hook.with_name("off"))
    accepted(scene.mallory.push(both))
    hook.with_name("off").rename(hook)
    taken = fields(scene.attacked, twin)["Taken"]
    longer = scene.mallory.claim("path:docs", "task:8", past=[twin], Claim=scene.id, Taken=taken)
    attack: dict[str, str | None] = {**dict.fromkeys(both, longer), SRC: None, TASK: None}
    refused(scene, lambda: scene.mallory.push(attack), HELD_BY_ALICE)
    record = scene.mallory.released(twin)
    ending: dict[str, str | None] = {**dict.fromkeys(both), SRC: None, TASK: None, record_ref(scene): record}
    refused(scene, lambda: scene.mallory.push(ending), HELD_BY_ALICE)


def test_a_lie_about_what_stands_there_deletes_nothing(scene: Scene) -> None:
    """With other values for one of two refs, a claim would look incomplete: and git compares ref by ref."""
    own = scene.mallory.claim("path:docs")
    accepted(scene.mallory.push({"refs/claims/path/docs": own}))
    before = scene.remote.refs("refs")
    for lie in (own, NONE):
        heard = scene.mallory.speak(scene.remote, f"{scene.held} {NONE} {SRC}", f"{lie} {NONE} {TASK}")
        assert f"ng {SRC} pre-receive hook declined" in heard
        assert f"ok {SRC}" not in heard
        assert scene.remote.refs("refs") == before
        told = lines(scene, f"{scene.held} {NONE} {SRC}", f"{lie} {NONE} {TASK}")
        assert told == ["it changed meanwhile"]


def test_a_lie_about_the_same_ref_twice_deletes_nothing(scene: Scene) -> None:
    told = lines(scene, f"{scene.held} {NONE} {SRC}", f"{scene.held} {scene.older} {SRC}")
    assert told


# Another's claim goes on.


@pytest.mark.parametrize("session", ["alice", "mallory"])
def test_anothers_claim_is_neither_renewed_nor_given(scene: Scene, session: str) -> None:
    taken = fields(scene.attacked, scene.held)["Taken"]
    changed = {"Claim": scene.id, "Session": session, "Taken": taken}
    step = scene.mallory.commit(message("path:src", "task:7", **changed), scene.held)
    hint = "only its holder's key goes on with a claim"
    refused(scene, lambda: scene.mallory.push({SRC: step, TASK: step}), "alice holds it, by another key", hint)
    less = scene.mallory.commit(message("path:src", **changed), scene.held)
    refused(scene, lambda: scene.mallory.push({SRC: less, TASK: None}), hint)


def test_an_older_step_does_not_shorten_a_lease(scene: Scene) -> None:
    attack = {SRC: scene.older, TASK: scene.older}
    refused(scene, lambda: scene.mallory.push(attack), "it does not follow what stands there")


def test_a_claim_that_goes_on_grows_by_nothing(scene: Scene) -> None:
    """Not even its holder's: what is new is looked at as a claim of its own."""
    scene.alice.git("fetch", "--quiet", "origin", "refs/claims/*:refs/seen/*")
    taken = fields(scene.attacked, scene.held)["Taken"]
    changed = {"Claim": scene.id, "Session": "alice", "Taken": taken}
    step = scene.holder.commit(message("path:docs", "path:src", "task:7", **changed), scene.held)
    attack = {SRC: step, TASK: step, "refs/claims/path/docs": step}
    refused(scene, lambda: scene.holder.push(attack), "a claim that goes on may give something up, and no more")


def test_on_a_plain_host_another_keys_renewal_is_worth_nothing(scene: Scene) -> None:
    """What mallory wrote over alice's claim blocks nobody: whoever comes next takes it over."""
    scene.plain()
    taken = fields(scene.attacked, scene.held)["Taken"]
    changed = {"Claim": scene.id, "Session": "mallory", "Taken": taken}
    step = scene.mallory.commit(message("path:src", "task:7", **changed), scene.held)
    accepted(scene.mallory.push({SRC: step, TASK: step}))
    assert scene.alice.claim("take", "src", "--json").json["outcome"] == "held"


# Dates and leases.


@pytest.mark.parametrize(
    ("ahead", "changed", "words"),
    [
        pytest.param(-HOUR, {}, "it is dated", id="back-dated"),
        pytest.param(HOUR, {}, "it is dated", id="dated in the future"),
        pytest.param(timedelta(), {"Taken": moment(-HOUR)}, "it was taken at", id="taken earlier"),
        pytest.param(
            timedelta(), {"Taken": moment(HOUR), "Expires": moment(2 * HOUR)}, "it is dated", id="taken later"
        ),
        pytest.param(timedelta(), {"Expires": moment(9 * HOUR)}, "longer than 8h", id="longer than the longest"),
        pytest.param(timedelta(), {"Expires": moment(29 * DAY)}, "longer than 8h", id="far"),
        pytest.param(timedelta(), {"Expires": moment(365 * DAY)}, "longer than any registry accepts", id="for a year"),
        pytest.param(
            timedelta(),
            {"Taken": moment(-timedelta(seconds=90)), "Expires": moment(-timedelta(seconds=60))},
            "its lease ran out",
            id="over when it begins",
        ),
    ],
)
def test_a_claim_is_dated_sanely(scene: Scene, ahead: timedelta, changed: dict[str, str | None], words: str) -> None:
    claim = scene.mallory.commit(message("path:docs", **changed), at=datetime.now(UTC) + ahead)
    refused(scene, lambda: scene.mallory.push({"refs/claims/path/docs": claim}), words)


def test_a_renewal_keeps_to_the_longest_lease(scene: Scene) -> None:
    claim = scene.mallory.claim("path:docs")
    accepted(scene.mallory.push({"refs/claims/path/docs": claim}))
    said = fields(scene.attacked, claim)
    changed = {"Claim": said["Claim"], "Taken": said["Taken"], "Expires": moment(9 * HOUR)}
    longer = scene.mallory.commit(message("path:docs", **changed), claim)
    refused(scene, lambda: scene.mallory.push({"refs/claims/path/docs": longer}), "its lease is longer than 8h")


# Claims that would block everybody.


def test_the_whole_repository_is_claimed_by_maintainers_alone(scene: Scene) -> None:
    scene.alice.claim("release", "--all")
    root = {"refs/claims/path": scene.mallory.claim("path:.")}
    refused(scene, lambda: scene.mallory.push(root), "only maintainers may claim the whole repository")
    accepted(scene.mallory.push({"refs/claims/path": scene.maintainer.claim("path:.")}))


@pytest.mark.parametrize(("name", "words"), [("src/a", "it overlaps what stands at"), ("src", HELD_BY_ALICE)])
def test_what_is_held_is_not_claimed_again(scene: Scene, name: str, words: str) -> None:
    claim = scene.mallory.claim(f"path:{name}")
    refused(scene, lambda: scene.mallory.push({f"refs/claims/path/{name}": claim}), words)


def test_nor_from_above(scene: Scene) -> None:
    accepted(scene.mallory.push({"refs/claims/path/lib/x": scene.mallory.claim("path:lib/x")}))
    claim = scene.maintainer.claim("path:lib")
    refused(scene, lambda: scene.maintainer.push({"refs/claims/path/lib": claim}), "it overlaps what stands at")


def test_ten_thousand_claims_in_one_push_are_refused_at_once(scene: Scene) -> None:
    """Before any of them is looked at: the refusal takes about as long as git itself takes."""
    claim = scene.mallory.claim("path:docs")
    text = "".join(f"{NONE} {claim} refs/claims/path/many/{number}\n" for number in range(10_000))
    start = time.monotonic()
    ran = scene.remote.claim("serve-hook", input=text, code=1)
    assert time.monotonic() - start < 5
    assert "10000 refs of claims in one push; at most" in ran.stdout


@pytest.mark.torture
def test_ten_thousand_real_claims_in_one_push_are_refused_at_once(scene: Scene) -> None:
    bare = (scene.mallory.bare(message(f"path:many/{number}")) for number in range(10_000))
    stream = "".join(
        f"commit refs/many/{number}\ncommitter M <m@example.org> 1 +0000\ndata {len(text)}\n{text}\n"
        for number, text in enumerate(one.partition(b"\n\n")[2].decode() for one in bare)
    )
    scene.attacked.git("fast-import", "--quiet", input=stream)
    start = time.monotonic()
    specs = ("--quiet", "--no-verify", "origin", "refs/many/*:refs/claims/path/many/*")
    ran = scene.attacked.try_git("push", *specs, timeout=300)
    assert time.monotonic() - start < 60
    assert ran.code == 1
    assert not [ref for ref in scene.remote.refs() if "many" in ref]


def test_more_claims_than_one_push_may_bring_are_refused(scene: Scene) -> None:
    """Each signature takes time to look at: here none is."""
    tree = scene.attacked.git("hash-object", "-t", "tree", "-w", "--stdin")
    made = [scene.attacked.git("commit-tree", tree, "-m", str(number)) for number in range(101)]
    attack = {f"refs/claims/path/many/{number}": oid for number, oid in enumerate(made)}
    refused(scene, lambda: scene.mallory.push(attack), "101 claims in one push; at most 100")


def test_a_long_past_in_a_record_is_not_looked_at(scene: Scene) -> None:
    """A thousand steps that never stood, each with a signature to check, would keep the server busy."""
    number, fake = 60, scene.held
    said = fields(scene.attacked, scene.held)
    changed = {"Claim": scene.id, "Session": "alice", "Taken": said["Taken"]}
    text = message("path:src", "task:7", **changed)
    for _ in range(number):
        bare = scene.mallory.bare(text, fake)
        fake = raw_object(scene.attacked, "commit", with_signature(bare, b"-----BEGIN SSH SIGNATURE-----\nU1NI"))
    fake = scene.mallory.commit(message("path:src", "task:7", **changed), fake)
    trace = scene.root / "trace"
    attack = {SRC: None, TASK: None, record_ref(scene): scene.mallory.released(fake)}
    counting = scene.root / "bin" / "ssh-keygen"
    counting.parent.mkdir()
    counting.write_text(f'#!/bin/sh\necho >>"{trace}"\nexec {shutil.which("ssh-keygen")} "$@"\n')
    counting.chmod(0o755)
    scene.remote.git("config", "gpg.ssh.program", str(counting))
    refused(scene, lambda: scene.mallory.push(attack), "a claim ends in the push that says so")
    assert len(trace.read_text().splitlines()) < number


# What is no claim.

Make = Callable[[], tuple[str, str]]
FIFTY: Final = 50 << 20
JUNK: Final = (
    "claims claims/path/docs claims/task/8 claims/other/kind claims/path/name/CASE claims/path/name/%ZZ gitclaim "
    "gitclaim/x gitclaim/done/x gitclaim/guard/topic gitclaim/pattern/x gitclaim/released gitclaim/broken "
    "gitclaim/released/01M7YC401KXTB8VF507NG0SPSC gitclaim/broken/01M7YC401KXTB8VF507NG0SPSC gitclaim/released/a/b"
)


def test_nothing_but_claims_and_records_comes_in(scene: Scene) -> None:
    """No work, no claim elsewhere than where claims stand, and no record of what is no claim; asked by hand."""
    alice, refs = scene.alice, {f"refs/{name}" for name in JUNK.split()}
    objects = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": str(alice.path / ".git" / "objects")}
    kinds = (
        {ref: alice.empty_commit(ref) for ref in refs},
        {ref: raw_object(alice, "blob", ref.encode()) for ref in refs},
        {ref: scene.holder.claim("path:docs") for ref in refs - {"refs/claims/path/docs"}},
    )
    for made in kinds:
        text = "".join(f"{NONE} {oid} {ref}\n" for ref, oid in made.items())
        ran = scene.remote.claim("serve-hook", "--json", input=text, code=1, env=objects)
        assert {one["ref"] for one in ran.json["refusals"]} == made.keys()
    refused_push(
        scene,
        {"refs/gitclaim/done/x": scene.mallory.claim("path:docs")},
        "no ref of a claim, and nothing else is kept there",
    )


@pytest.mark.parametrize("kind", ["blob", "tree", "tag", "files", "message", "history", "missing tree"])
def test_what_is_no_commit_over_the_empty_tree_is_refused(scene: Scene, kind: str) -> None:
    repo, text = scene.attacked, claim_message("docs")
    head = repo.git("rev-parse", "HEAD")
    tag = f"object {head}\ntype commit\ntag x\ntagger M <m@example.org> 1 +0000\n\nx\n"
    made: dict[str, Make] = {
        "blob": lambda: (repo.git("hash-object", "-w", "--stdin", input="x" * FIFTY), "a blob, not a commit"),
        "tree": lambda: (repo.git("rev-parse", "HEAD^{tree}"), "a tree, not a commit"),
        "tag": lambda: (raw_object(repo, "tag", tag.encode()), "a tag, not a commit"),
        "files": lambda: (scene.mallory.commit(text, tree=repo.git("rev-parse", "HEAD^{tree}")), "a commit with files"),
        "message": lambda: (scene.mallory.commit(b"x" * FIFTY, signature=b""), "a commit of 5"),
        "history": lambda: (scene.mallory.commit(text, commit(repo)), "a claim begins without a past"),
        "missing tree": lambda: (scene.mallory.commit(text, tree="1" * 40), ""),
    }
    oid, words = made[kind]()
    refused_push(scene, {"refs/claims/path/docs": oid}, words)


@pytest.mark.parametrize("megabytes", [2, pytest.param(50, marks=pytest.mark.torture)])
def test_a_huge_message_of_work_is_judged_like_any_other(scene: Scene, megabytes: int) -> None:
    """All of it names, on what is held and on what is free."""
    repo = scene.attacked
    start, text = repo.git("rev-parse", "HEAD"), f"Claim: {scene.id}\n".encode() * (megabytes << 15)
    for name, code in (("src/a", 1), ("lib/a", 0)):
        tree = repo.git("rev-parse", f"{commit(repo, name)}^{{tree}}")
        oid = scene.mallory.commit(b"work\n\n" + text, start, tree=tree, signature=b"")
        began = time.monotonic()
        ran = scene.mallory.push({"refs/heads/x": oid})
        assert (ran.code, time.monotonic() - began < 30) == (code, True), ran.stderr
        repo.git("reset", "--quiet", "--hard", start)


def test_bytes_that_are_no_text_are_refused_in_claims_and_judged_in_work(scene: Scene) -> None:
    repo = scene.attacked
    odd = scene.mallory.commit(message("path:docs").replace(b"A purpose", b"caf\xe9"))
    refused(scene, lambda: scene.mallory.push({"refs/claims/path/docs": odd}), "the message is not UTF-8")
    session = scene.mallory.claim("path:docs", Session="m\udcff")
    refused(scene, lambda: scene.mallory.push({"refs/claims/path/docs": session}), "no claim")
    ref = "refs/claims/path/\udcff"
    refused(scene, lambda: scene.mallory.push({ref: odd}), "refs/claims/path/\\xff: no claim")
    head = b"author \xff <\xfe> 1 +0000\ncommitter \xff <\xfe> 99999999999999999 +0000\nencoding \xff"
    parent, tree = repo.git("rev-parse", "HEAD"), repo.git("rev-parse", f"{commit(repo)}^{{tree}}")
    body = b"\n\n\xff\n\nClaim: \xff\nClaim: " + scene.id.encode() + b"\n"
    raw = f"tree {tree}\nparent {parent}\n".encode() + head + body
    work = raw_object(repo, "commit", raw)
    refused(scene, lambda: scene.mallory.push({"refs/heads/\udcff": work}), "held by alice")
    free = raw_object(repo, "commit", raw.replace(tree.encode(), repo.git("rev-parse", "HEAD~1^{tree}").encode()))
    accepted(scene.mallory.push({"refs/heads/\udcff": free}))


def test_a_path_that_is_no_text_can_be_held(scene: Scene) -> None:
    repo = scene.attacked
    scene.alice.claim("take", "caf\udce9")
    blob = repo.git("rev-parse", "HEAD:src/a")
    repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},caf\udce9/x")
    repo.git("commit", "--quiet", "--no-verify", "-m", "work")
    refused(scene, lambda: scene.mallory.push({"refs/heads/x": repo.git("rev-parse", "HEAD")}), "caf\\xe9/x in commit")


# Work on what another holds.


def test_hooks_that_are_turned_off_do_not_help(scene: Scene) -> None:
    """A clone's hooks are gone round with one option; the wall, CI and `doctor` are not."""
    repo = scene.attacked
    repo.claim("install")
    (repo.path / "src" / "a").write_text("mallory\n")
    off = ("-c", "core.hooksPath=/dev/null")
    repo.git(*off, "commit", "--quiet", "--all", "-m", "work")
    refused(scene, lambda: repo.try_git(*off, "push", "origin", "HEAD:refs/heads/x"), "held by alice until")
    ran = repo.claim("check", "--range", "origin/main..HEAD", code=3)
    assert "src/a lies within src, held by alice" in ran.stdout
    repo.git("config", "core.hooksPath", "/dev/null")
    assert "core.hooksPath" in repo.claim("doctor", code=None).stdout


@pytest.mark.parametrize("signed", ["by nobody", "by mallory"])
def test_a_name_in_a_trailer_proves_nothing(scene: Scene, signed: str) -> None:
    repo = scene.attacked
    tree = repo.git("rev-parse", f"{commit(repo)}^{{tree}}")
    text = f"work\n\nClaim: {scene.id}\n".encode()
    signature = b"" if signed == "by nobody" else None
    forged = scene.mallory.commit(text, repo.git("rev-parse", "HEAD~1"), tree=tree, signature=signature)
    held_by_alice(scene, {"refs/heads/x": forged})


def test_a_signature_of_the_holders_on_something_else_proves_nothing(scene: Scene) -> None:
    """Nor does one without the name of the claim."""
    repo, holder = scene.attacked, scene.holder
    parent, tree = repo.git("rev-parse", "HEAD"), repo.git("rev-parse", f"{commit(repo)}^{{tree}}")
    text = f"work\n\nClaim: {scene.id}\n".encode()
    mallory = Attacker(repo, holder.key)
    signature = mallory.signature(mallory.bare(text, parent, tree=repo.git("rev-parse", f"{parent}^{{tree}}")))
    held_by_alice(scene, {"refs/heads/x": mallory.commit(text, parent, tree=tree, signature=signature)})
    held_by_alice(scene, {"refs/heads/x": mallory.commit(b"work\n", parent, tree=tree)})
    accepted(scene.mallory.push({"refs/heads/x": mallory.commit(text, parent, tree=tree)}))


def test_a_commit_hides_behind_nothing(scene: Scene) -> None:
    """Not behind a tag of a tag, a merge, a branch named like a claim, or a later commit that takes it back."""
    repo = scene.attacked
    start = repo.git("rev-parse", "HEAD")
    work = commit(repo)
    repo.git("tag", "-a", "-m", "x", "inner", work)
    repo.git("tag", "-a", "-m", "x", "outer", "inner")
    held_by_alice(scene, {"refs/tags/outer": repo.git("rev-parse", "outer")})
    held_by_alice(scene, {"refs/heads/refs/claims/path/docs": work})
    held_by_alice(scene, {"refs/pull/1/head": work})
    repo.git("revert", "--no-edit", "HEAD")
    held_by_alice(scene, {"refs/heads/x": repo.git("rev-parse", "HEAD")})
    repo.git("switch", "--quiet", "--detach", start)
    commit(repo, "lib/x")
    repo.git("merge", "--quiet", "-m", "merge", work)
    held_by_alice(scene, {"refs/heads/x": repo.git("rev-parse", "HEAD")})


def test_a_merge_that_changes_what_is_held_is_work_on_it(scene: Scene) -> None:
    repo = scene.attacked
    start = repo.git("rev-parse", "HEAD")
    side = commit(repo, "lib/x")
    repo.git("switch", "--quiet", "--detach", start)
    commit(repo, "lib/y")
    repo.git("merge", "--quiet", "--no-commit", side)
    (repo.path / "src" / "a").write_text("evil\n")
    repo.git("commit", "--quiet", "--no-verify", "--all", "-m", "merge")
    held_by_alice(scene, {"refs/heads/x": repo.git("rev-parse", "HEAD")})


@pytest.mark.parametrize("way", ["root", "rename", "delete", "mode", "case", "submodule", "file for directory"])
def test_every_kind_of_change_is_seen(scene: Scene, way: str) -> None:
    repo = scene.attacked
    blob = repo.git("rev-parse", "HEAD:src/a")
    match way:
        case "root":
            repo.git("switch", "--quiet", "--orphan", "other")
            (repo.path / "src").mkdir()
            (repo.path / "src" / "a").write_text("mallory\n")
            repo.git("add", "src")
        case "rename":
            repo.git("mv", "src/a", "elsewhere")
        case "delete":
            repo.git("rm", "--quiet", "src/a")
        case "mode":
            repo.git("update-index", "--chmod=+x", "src/a")
        case "case":
            repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},SRC/b")
        case "submodule":
            head = repo.git("rev-parse", "HEAD")
            repo.git("update-index", "--add", "--cacheinfo", f"160000,{head},src/module")
        case _:
            repo.git("rm", "--quiet", "--cached", "src/a")
            repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},src")
    repo.git("commit", "--quiet", "--no-verify", "-m", "work")
    held_by_alice(scene, {"refs/heads/x": repo.git("rev-parse", "HEAD")})


def test_notes_bring_no_work_in(scene: Scene) -> None:
    """What came as notes is not known work, when a branch comes to it."""
    work = commit(scene.attacked)
    accepted(scene.mallory.push({"refs/notes/x": work}))
    held_by_alice(scene, {"refs/heads/x": work})


def test_replaced_objects_deceive_nobody(scene: Scene) -> None:
    """A replacement that touches nothing, for the commit that is pushed, and one for alice's claim."""
    repo = scene.attacked
    parent, work = repo.git("rev-parse", "HEAD"), commit(repo)
    harmless = scene.mallory.commit(b"x\n", parent, tree=repo.git("rev-parse", f"{parent}^{{tree}}"), signature=b"")
    over = scene.mallory.commit(message("path:src", "task:7", Expires=moment(-DAY), Taken=moment(-2 * DAY)))
    ran = scene.mallory.push({f"refs/replace/{work}": harmless, f"refs/replace/{scene.held}": over})
    assert ran.code == 0, ran.stderr
    held_by_alice(scene, {"refs/heads/x": work})
    refused(scene, lambda: scene.mallory.push({SRC: None, TASK: None}), HELD_BY_ALICE)


def test_what_only_an_unguarded_branch_has_is_not_known(scene: Scene) -> None:
    scene.decide("guard: [main]\n")
    work = commit(scene.attacked)
    accepted(scene.mallory.push({"refs/heads/x": work}))
    scene.attacked.git("fetch", "--quiet")
    scene.attacked.git("merge", "--quiet", "-m", "merge", "origin/main")
    held_by_alice(scene, {"refs/heads/main": scene.attacked.git("rev-parse", "HEAD")})


def landing(scene: Scene, claim: str, work: str, *refs: str, by: Attacker | None = None) -> dict[str, str | None]:
    """A push that lands a commit on main, and gives up the claim in this object, at these refs."""
    record = (by or scene.mallory).released(claim, f"refs/heads/main@{work}")
    name = fields(scene.attacked, claim)["Claim"]
    return {**dict.fromkeys(refs), "refs/heads/main": work, f"refs/gitclaim/released/{name}": record}


def test_ones_own_claim_vouches_for_nothing_of_anothers(scene: Scene) -> None:
    own = scene.mallory.claim("path:docs")
    accepted(scene.mallory.push({"refs/claims/path/docs": own}))
    held_by_alice(scene, landing(scene, own, commit(scene.attacked), "refs/claims/path/docs"))


def test_the_holder_of_the_claim_lands_what_others_may_not(scene: Scene) -> None:
    """The same push, with alice's key."""
    scene.alice.git("pull", "--quiet")
    own = Attacker(scene.attacked, scene.holder.key)
    accepted(scene.mallory.push(landing(scene, scene.held, commit(scene.attacked), SRC, TASK, by=own)))


def test_a_claim_with_the_same_id_vouches_for_nothing(scene: Scene) -> None:
    """Also where such a claim came before there was a wall; nor does the name of it, with its own key's signature."""
    repo = scene.attacked
    twin = scene.mallory.claim("path:zoo", Claim=scene.id)
    hook = scene.remote.path / "hooks" / "pre-receive"
    hook.rename(hook.with_name("off"))
    accepted(scene.mallory.push({"refs/claims/path/zoo": twin}))
    hook.with_name("off").rename(hook)
    held_by_alice(scene, landing(scene, twin, commit(repo), "refs/claims/path/zoo"))
    tree = repo.git("rev-parse", f"{commit(repo, 'zoo')}^{{tree}}")
    text = f"work\n\nClaim: {scene.id}\n".encode()
    held_by_alice(scene, {"refs/heads/x": scene.mallory.commit(text, repo.git("rev-parse", "HEAD~2"), tree=tree)})


def test_a_record_vouches_only_where_it_may_come_in(scene: Scene) -> None:
    """Alice's own, signed by mallory."""
    attack = landing(scene, scene.held, commit(scene.attacked), SRC, TASK)
    refused(scene, lambda: scene.mallory.push(attack), "only its holder's key releases a claim")


def test_a_forced_push_does_not_take_anothers_work_away(scene: Scene) -> None:
    start = scene.alice.git("rev-parse", "HEAD")
    commit(scene.alice, "src/a", "alice\n", f"work\n\nClaim: {scene.id}")
    scene.alice.claim("land", "--keep")
    refused(
        scene, lambda: scene.mallory.push({"refs/heads/main": start}), "takes back the work of alice", "src/a in commit"
    )
    scene.alice.claim("release", "--all")
    accepted(scene.mallory.push({"refs/heads/main": start}))


@pytest.mark.parametrize("number", [20, pytest.param(1000, marks=pytest.mark.torture)])
def test_signed_commits_that_name_a_claim_do_not_hold_the_server_up(scene: Scene, number: int) -> None:
    """Each is looked at, for it may be the holder's."""
    repo = scene.attacked
    tip = repo.git("rev-parse", "HEAD")
    trees = [repo.git("rev-parse", f"{one}^{{tree}}") for one in (commit(repo), tip)]
    for count in range(number):
        text = f"work {count}\n\nClaim: {scene.id}\n".encode()
        tip = scene.mallory.commit(text, tip, tree=trees[count % 2])
    start = time.monotonic()
    held_by_alice(scene, {"refs/heads/x": tip})
    assert time.monotonic() - start < 5 + number / 10


# Clocks.


@pytest.mark.parametrize("days", [-1, 1])
def test_a_takers_clock_takes_nothing_that_lives(scene: Scene, days: int) -> None:
    """A day ahead, every lease looks over; the server knows better."""
    before = scene.remote.refs("refs")
    ran = at(scene.attacked, days * DAY.total_seconds(), "take", "src", "--json", session="bob", code=None)
    assert ran.code != 0
    assert scene.remote.refs("refs") == before


@pytest.mark.parametrize("days", [-1, 1])
def test_a_holders_clock_keeps_nothing_that_is_not_the_holders(scene: Scene, days: int) -> None:
    """What alice writes by a wrong clock stays out; once it is right her claim still is hers, and lands."""
    commit(scene.alice, "src/a", "alice\n")
    assert at(scene.alice, days * DAY.total_seconds(), "renew", code=None).code != 0
    assert scene.remote.refs()[SRC] == scene.held
    scene.alice.claim("land")
    assert scene.remote.git("show", "main:src/a") == "alice"


@pytest.mark.parametrize("days", [-1, 1])
def test_a_servers_clock_lets_no_two_land(scene: Scene, days: int) -> None:
    """A day ahead it gives every claim up, and then only one of both lands: who comes second is fenced."""
    shift_wall(scene.remote, scene.python, days * DAY)
    commit(scene.alice, "src/a", "alice\n")
    commit(scene.attacked)
    taken = scene.attacked.claim("take", "src", session="bob", code=None)
    assert taken.code != 0
    # By hand, with the server's time in it.
    late = datetime.now(UTC) + days * DAY
    dates = {"Taken": moment(days * DAY), "Expires": moment(days * DAY + HOUR)}
    claim = scene.mallory.commit(message("path:src", **dates), at=late)
    over = scene.mallory.push({SRC: claim, TASK: None})
    assert (over.code == 0) is (days > 0)
    mine = scene.alice.claim("land", code=None)
    theirs = scene.mallory.push({"refs/heads/main": scene.attacked.git("rev-parse", "HEAD")})
    assert [mine.code, theirs.code].count(0) <= 1
    landed = scene.remote.git("log", "--format=%h", "-1", "main", "--", "src")
    assert len(landed.split()) == 1
    if days > 0:
        assert mine.code != 0


def test_who_wakes_after_the_lease_lands_nothing(scene: Scene) -> None:
    """Alice's claim lapsed, mallory took it over and landed: by alice's slow clock hers still lives."""
    late = 2 * HOUR.total_seconds()
    shift_wall(scene.remote, scene.python, timedelta(seconds=late))
    at(scene.attacked, late, "take", "src", session="bob")
    commit(scene.attacked)
    at(scene.attacked, late, "land", session="bob")
    commit(scene.alice, "src/a", "alice\n")
    before = scene.remote.refs("refs")
    assert scene.alice.claim("land", code=None).code != 0
    assert scene.remote.refs("refs") == before


# The clone's own files.


def test_a_directory_of_keys_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo")
    repo.commit_file("x")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (repo.path / ".git" / "gitclaim").symlink_to(elsewhere)
    ran = repo.claim("take", "x", code=None)
    assert ran.code != 0, ran.stdout
    assert not list(elsewhere.iterdir())
    assert not repo.refs()


def test_keys_are_their_owners_alone(scene: Scene) -> None:
    key = scene.holder.key
    assert is_private(key)
    assert is_private(key.parent)


# Claims by pattern.

PATTERN: Final = "refs/gitclaim/pattern"


def by_pattern(scene: Scene, *patterns: str) -> dict[str, str | None]:
    """A claim of mallory's on docs, and on all that matches, taken after alice's; where it belongs."""
    name = new_id()
    text = message("path:docs", Claim=name, Taken=moment(timedelta(seconds=5)), Pattern="PATTERN")
    lines = "\n".join(f"Pattern: {pattern}" for pattern in patterns)
    claim = scene.mallory.commit(text.replace(b"Pattern: PATTERN", lines.encode()))
    return {"refs/claims/path/docs": claim, f"{PATTERN}/{name}": claim}


def test_a_renewal_swaps_no_patterns(scene: Scene) -> None:
    first = by_pattern(scene, "docs/*.sql")
    accepted(scene.mallory.push(first))
    old = first["refs/claims/path/docs"]
    assert old
    said = fields(scene.attacked, old)
    more = {"Claim": said["Claim"], "Taken": said["Taken"], "Pattern": "lib/**"}
    step = scene.mallory.commit(message("path:docs", **more), old)
    refused_push(scene, dict.fromkeys(first, step), "may give something up, and no more")


@pytest.mark.parametrize("pattern", ["src/**", "src/new"])
@pytest.mark.parametrize("walled", [True, False])
def test_a_pattern_takes_nothing_from_who_holds_it(scene: Scene, pattern: str, walled: bool) -> None:  # noqa: FBT001
    """It can be claimed, as patterns often overlap what others hold; who held that before lands there."""
    if not walled:
        scene.plain()
    accepted(scene.mallory.push(by_pattern(scene, pattern)))
    work = commit(scene.alice, "src/new", "alice\n")
    scene.alice.claim("land", "--keep")
    assert scene.remote.git("rev-parse", "main") == work
    scene.attacked.git("pull", "--quiet")
    commit(scene.attacked, "src/new")
    scene.attacked.claim("land", code=3)


@pytest.mark.parametrize("pattern", ["**/a/" * 20 + "b", ":/" + "*/" * 30 + "b"])
def test_a_pattern_keeps_nobody_s_git_busy(scene: Scene, pattern: str) -> None:
    """One that takes git hours on a deep path is none, to the wall and to every hook."""
    refused_push(scene, by_pattern(scene, pattern), "at most 4 wildcards")
    scene.plain()
    accepted(scene.mallory.push(by_pattern(scene, pattern)))
    commit(scene.alice, "/".join(["a"] * 60), "alice\n")
    start = time.monotonic()
    scene.alice.claim("check", "--range", "HEAD^..HEAD")
    assert time.monotonic() - start < 10


def test_a_pattern_with_as_many_wildcards_as_there_may_be_takes_no_time(scene: Scene) -> None:
    scene.plain()
    accepted(scene.mallory.push(by_pattern(scene, *(f"{'**/*/' * 4}b{number}" for number in range(100)))))
    commit(scene.alice, "/".join(["a"] * 60), "alice\n")
    start = time.monotonic()
    scene.alice.claim("check", "--range", "HEAD^..HEAD")
    assert time.monotonic() - start < 10


# Dates.


def before_the_wall(scene: Scene, refs: Mapping[str, str | None]) -> None:
    """Push what stood there when the wall was put up."""
    hook = scene.remote.path / "hooks" / "pre-receive"
    hook.rename(hook.with_name("off"))
    accepted(scene.mallory.push(refs))
    hook.with_name("off").rename(hook)


@pytest.mark.parametrize(("ahead", "let_in"), [(119, False), (50, True)])
def test_a_claim_dated_ahead_stops_no_client_with_a_clock_that_is_a_little_behind(
    scene: Scene,
    ahead: int,
    let_in: bool,  # noqa: FBT001
) -> None:
    """Who sees a claim more than two minutes ahead takes nothing over."""
    dates = {"Taken": moment(-5 * HOUR), "Expires": moment(-2 * HOUR)}
    old = scene.mallory.commit(message("path:old", **dates), at=datetime.now(UTC) - 5 * HOUR)
    before_the_wall(scene, {"refs/claims/path/old": old})
    late = scene.mallory.claim("path:docs", at=datetime.now(UTC) + timedelta(seconds=ahead))
    assert (scene.mallory.push({"refs/claims/path/docs": late}).code == 0) is let_in
    at(scene.alice, -30, "take", "old")


# Keys nobody here has.

BOGUS: Final = b"-----BEGIN PGP SIGNATURE-----\n\niHUEABYKAB0WIQRn\n=abcd\n-----END PGP SIGNATURE-----"


def test_a_step_by_a_key_nobody_has_steals_nothing(scene: Scene) -> None:
    """Nobody can tell who signed it; but an ssh key took the claim."""
    scene.plain()
    said = fields(scene.attacked, scene.held)
    text = message("path:src", "task:7", Claim=scene.id, Session="mallory", Taken=said["Taken"])
    step = scene.mallory.commit(text, scene.held, signature=BOGUS)
    accepted(scene.mallory.push({SRC: step, TASK: step}))
    scene.alice.claim("take", "src")


def test_a_key_that_is_not_known_makes_a_claim_nobody_s(scene: Scene) -> None:
    """Alice signs with an openpgp key that the server misses; the claim was there before the wall."""
    docs = "refs/claims/path/docs"
    text = message("path:docs", Session="alice")
    claim = scene.mallory.commit(text, signature=BOGUS)
    before_the_wall(scene, {docs: claim})
    refused_push(scene, {docs: None}, "alice holds docs")
    said = fields(scene.attacked, claim)
    ended = f"refs/gitclaim/released/{said['Claim']}"
    refused_push(scene, {docs: None, ended: scene.mallory.released(claim)}, "whose it is can't be told")
    step = scene.mallory.commit(text.replace(b"Session: alice", b"Session: mallory"), claim)
    refused_push(scene, {docs: step}, "whose it is can't be told")
    broken = f"refs/gitclaim/broken/{said['Claim']}"
    accepted(scene.maintainer.push({docs: None, broken: scene.maintainer.broken(claim)}))


def test_what_was_given_is_not_for_a_third(scene: Scene) -> None:
    scene.alice.claim("give", "--to", "bob", "src")
    scene.attacked.git("fetch", "--quiet", "origin", "+refs/claims/*:refs/seen/*")
    said = fields(scene.attacked, scene.held)
    text = message("path:src", "task:7", Claim=scene.id, Session="mallory", Taken=said["Taken"])
    step = scene.mallory.commit(text, scene.held)
    refused_push(scene, {SRC: step, TASK: step}, "it was given to bob, who has not gone on with it")
    scene.attacked.claim("renew", session="bob")


def test_a_released_claim_in_other_bytes_is_released(scene: Scene) -> None:
    """The signature is no part of what is signed: with another header it is another object, and as good."""
    scene.plain()
    held = scene.held
    scene.alice.claim("release", "--all")
    head, _, text = (scene.attacked.git("cat-file", "commit", held) + "\n").partition("\n\n")
    other = raw_object(scene.attacked, "commit", f"{head}\ngpgsig-sha256 x\n\n{text}".encode())
    accepted(scene.mallory.push({SRC: other, TASK: other}))
    (found,) = scene.attacked.claim("show", "src", "--json").json["claims"]
    assert (found["signature"], found["standing"]) == ("good", "untrusted")
    scene.attacked.claim("take", "src", session="bob")


WHOLE: Final = [
    # What the rule of old knew.
    ["*"],
    ["**/*"],
    ["."],
    [":/"],
    [":(glob)**"],
    [":!docs"],
    [":!docs", ":!a"],
    ["*.*"],
    # The same in other words.
    ["**/?*/**"],
    ["**/[!/]*"],
    ["**/[!0]*"],
    ["**/*[a-z]"],
    ["x/../*"],
    [":(top,icase)[a-z.]*"],
    [":(top,glob)*/*/*"],
    [":(icase)*[A-Z]"],
    # Among others.
    ["[a-i]*", "[j-z]*/**"],
    ["*.sql", ":(exclude)x", "**"],
    ["x", '"\\\\*"', "*"],
]


@pytest.mark.parametrize("patterns", few(reversed(WHOLE), 8), ids=str)
def test_nobody_claims_the_whole_repository_by_a_pattern(scene: Scene, patterns: list[str]) -> None:
    """In whatever words: what matches names that nobody has holds whatever comes."""
    refused_push(scene, by_pattern(scene, *patterns), "only maintainers may claim the whole repository")


@pytest.mark.parametrize(
    "patterns",
    [["docs/**"], ["**/*.sql", "*.py"], ["**/test_*"], ["s*"], ["*", ":!*"], ["Makefile"]],
    ids=str,
)
def test_a_pattern_that_asks_for_a_name_is_anybody_s(scene: Scene, patterns: list[str]) -> None:
    accepted(scene.mallory.push(by_pattern(scene, *patterns)))


@pytest.mark.parametrize("pattern", [":(bogus)x", "../*", "/etc/x", "x" * 5000, '"a\\000b"'])
def test_a_pattern_git_can_t_read_is_refused(scene: Scene, pattern: str) -> None:
    """Nobody's gitclaim writes one: it asks git what matches before it takes that."""
    refused_push(scene, by_pattern(scene, "docs/*", pattern))
