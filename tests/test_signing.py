"""Signatures with real keys: who signs, what a verdict says, and what happens when the programs are broken."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from gitclaim import process as programs
from gitclaim.errors import GitclaimError
from gitclaim.git import Git
from gitclaim.names import Oid
from gitclaim.process import Completed
from gitclaim.refstore.contract import Signature, Verdict
from gitclaim.signing import CloneSigner
from gitclaim.state import State
from gitclaim.trust import Trust, TrustMode
from gitclaim.verifying import GitVerifier
from tests.kit.garbage import claim_message, raw_commit, untrusted, written
from tests.kit.repos import ROOT, Clones, Repo, make_repo, run


def signature(repo: Repo, name: str, **env: str) -> tuple[str, str | None]:
    """The verdict on the claim on that resource, as this clone sees it."""
    (found,) = repo.claim("show", name, "--json", env=env).json["claims"]
    return found["signature"], found["key"]


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def user_key(repo: Repo, path: Path) -> str:
    """Set the user's own ssh signing up; the key's fingerprint."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path, cwd=path.parent, env=os.environ)
    repo.git("config", "gpg.format", "ssh")
    repo.git("config", "user.signingKey", str(path))
    return run("ssh-keygen", "-lf", path, cwd=path.parent, env=os.environ).stdout.split()[1]


def test_a_clone_makes_itself_a_key(clones: Clones) -> None:
    """Nothing set up: an ed25519 key for its owner alone, in a directory for its owner alone; the claim is Good."""
    os.umask(0)
    clones.alice.claim("take", "a")
    key = clones.alice.path / ".git/gitclaim/key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    fingerprint = run("ssh-keygen", "-lf", key, cwd=key.parent, env=os.environ).stdout.split()
    assert fingerprint[3] == "(ED25519)"
    assert signature(clones.bob, "a") == ("good", fingerprint[1])


def test_eight_processes_make_one_key(alice: Repo) -> None:
    """Whoever comes second keeps the first one's; no draft is left, and every claim is signed with the same."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "GITCLAIM_SESSION": "one"}
    running = [
        subprocess.Popen([sys.executable, "-m", "gitclaim", "take", f"f{n}"], cwd=alice.path, env=env, stdout=-1)
        for n in range(8)
    ]
    for process in running:
        process.communicate(timeout=60)
    assert [process.returncode for process in running] == [0] * 8
    claims = alice.claim("list", "--verify", "--json").json["claims"]
    assert len(claims) == 8
    assert {one["signature"] for one in claims} == {"good"}
    assert len({one["key"] for one in claims}) == 1
    names = {path.name for path in (alice.path / ".git/gitclaim").iterdir()}
    assert {name for name in names if "key" in name} == {"key", "key.fingerprint", "key.pub"}


def test_what_this_clone_signed_needs_no_second_look(clones: Clones, tmp_path: Path) -> None:
    """Nobody else's word is taken for it: another clone asks ssh-keygen."""
    alice, trace = clones.alice, tmp_path / "trace"
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin/ssh-keygen", f'echo "$*" >>"{trace}"; exec "{shutil.which("ssh-keygen")}" "$@"')
    env = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    for words in (("take", "a"), ("renew",), ("list", "--verify")):
        alice.claim(*words, env=env)
    assert "check-novalidate" not in trace.read_text()
    clones.bob.claim("list", "--verify", env=env)
    assert "check-novalidate" in trace.read_text()
    key, nobody = alice.claim("trust", "--json").json["own"], ("-c", "gpg.ssh.allowedSignersFile=/dev/null")
    for note in (alice.path / ".git/gitclaim/verdicts").iterdir():
        assert note.read_text() == f"good {key}\n"
        assert alice.git(*nobody, "show", "--no-patch", "--format=%GF", note.name) == key


def test_another_key_in_the_place_of_the_first_is_known_for_what_it_is(alice: Repo) -> None:
    alice.claim("take", "a")
    before = alice.claim("trust", "--json").json["own"]
    for name in ("key", "key.pub"):
        (alice.path / ".git/gitclaim" / name).unlink()
    assert alice.claim("trust", "--json").json["own"] != before
    assert "bound to the key" in alice.claim("renew", code=1).stderr


@pytest.mark.parametrize("victim", ["$$", "$PPID"])
def test_half_a_key_is_never_one(alice: Repo, tmp_path: Path, victim: str) -> None:
    """ssh-keygen or gitclaim killed while the key is written: nothing is held; the next command makes a whole one."""
    (tmp_path / "bin").mkdir()
    text = 'for file; do :; done; echo "-----BEGIN OPENSSH PRIVATE KEY-----" | tee "$file" >"$file.pub"; kill -9 '
    script(tmp_path / "bin/ssh-keygen", text + victim)
    ran = alice.claim("take", "a", code=None, env={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"})
    if victim == "$$":
        assert ran.code == 1
        assert ran.stderr.startswith("error: can't make a signing key: ssh-keygen ended with -9\n")
        assert not [path for path in (alice.path / ".git/gitclaim").iterdir() if "key" in path.name]
    assert not (alice.path / ".git/gitclaim/key").exists()
    alice.claim("take", "a")
    assert signature(alice, "a")[0] == "good"


def test_a_key_that_is_not_made_in_time_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ssh-keygen that hangs is ended, wherever it was."""
    state = State(tmp_path / "gitclaim")

    def hangs(argv: Sequence[str], **_: object) -> Completed:
        state.write("half", Path(argv[-1]).name)
        return Completed(tuple(argv), None, b"", b"")

    monkeypatch.setattr(programs, "run", hangs)
    with pytest.raises(GitclaimError, match="can't make a signing key"):
        CloneSigner(state, os.environ).options()
    assert state.names() == []


def test_a_key_that_others_can_read_is_closed_and_signs(alice: Repo) -> None:
    """As a copy or a backup leaves it: ssh-keygen would refuse it at length."""
    alice.claim("take", "a")
    key = alice.path / ".git/gitclaim/key"
    key.chmod(0o644)
    key.parent.chmod(0o755)
    alice.claim("take", "b")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (key, key.parent)] == [0o600, 0o700]


def test_the_user_s_own_ssh_key_signs(clones: Clones, tmp_path: Path) -> None:
    """git's signing set-up is used as it is, and no key is made; `gitclaim.signing clone` says otherwise."""
    fingerprint = user_key(clones.alice, tmp_path / "mine")
    clones.alice.claim("take", "a")
    assert signature(clones.bob, "a") == ("good", fingerprint)
    assert not (clones.alice.path / ".git/gitclaim/key").exists()
    clones.alice.git("config", "gitclaim.signing", "clone")
    clones.alice.claim("take", "b")
    assert signature(clones.bob, "b")[1] != fingerprint
    clones.alice.git("config", "gitclaim.signing", "never")
    told = clones.alice.claim("take", "c", code=1).stderr
    assert told == "error: gitclaim.signing is 'never'\nhint: set it to auto or clone\n"


def test_allowed_signers_make_a_known_key_no_better_and_a_stranger_no_worse(clones: Clones, tmp_path: Path) -> None:
    """Good says that the signature is sound; who may claim is a later question."""
    clones.alice.claim("take", "a")
    for signers in ("", "someone@example.org ssh-ed25519 AAAA\n"):
        (tmp_path / "signers").write_text(signers)
        clones.bob.git("config", "gpg.ssh.allowedSignersFile", str(tmp_path / "signers"))
        assert signature(clones.bob, "a")[0] == "good"
        shutil.rmtree(clones.bob.path / ".git/gitclaim/verdicts")
    clones.bob.git("config", "gpg.ssh.allowedSignersFile", "/nonexistent")
    assert signature(clones.bob, "a")[0] == "good"


def test_the_user_s_openpgp_key_signs(clones: Clones, gnupg: Mapping[str, str]) -> None:
    """Good to who has the public key, unknown to who has not: neither forged nor fine."""
    clones.alice.git("config", "commit.gpgSign", "true")
    clones.alice.git("config", "user.email", "a@example.org")
    clones.alice.git("config", "user.name", "Ann")
    clones.alice.claim("take", "a", env=gnupg)
    verdict, key = signature(clones.alice, "a", **gnupg)
    assert verdict == "good"
    assert key
    assert len(key) == 40
    assert signature(clones.bob, "a")[0] == "unknown"
    assert clones.bob.claim("take", "a", "--json", code=3).json["blockers"][0]["reason"] == "HELD"


def test_a_broken_signing_set_up_says_how_to_mend_it(alice: Repo, tmp_path: Path) -> None:
    """No such key, a program that fails, one that hangs: exit code 1, the way out, and nothing is held."""
    alice.git("config", "gpg.format", "ssh")
    alice.git("config", "user.signingKey", str(tmp_path / "missing"))
    alice.git("config", "gitclaim.timeout", "1")
    hint = "hint: mend git's signing set-up, or sign with a key of this clone: git config gitclaim.signing clone\n"
    told = alice.claim("take", "a", code=1).stderr
    assert told.startswith("error: git could not sign the claim: ")
    assert told.endswith(hint)
    alice.git("config", "gpg.ssh.program", str(script(tmp_path / "hangs", "exec sleep 60")))
    assert alice.claim("take", "a", code=1).stderr == f"error: signing the claim did not end in time\n{hint}"
    assert alice.git("ls-remote", "origin", "refs/claims/*") == ""
    alice.git("config", "gitclaim.signing", "clone")
    alice.claim("take", "a")


def test_a_broken_key_of_the_clone_says_how_to_mend_it(alice: Repo) -> None:
    """A key that is no key is named; without it a new one is made."""
    alice.claim("take", "a")
    key = alice.path / ".git/gitclaim/key"
    key.write_text("no key\n")
    (key.parent / "key.pub").unlink()
    told = alice.claim("take", "b", code=1).stderr
    assert told.startswith("error: git could not sign the claim: ")
    assert f"{key}: remove that file to get a new one\n" in told
    key.unlink()
    alice.claim("take", "b")


def test_half_a_key_still_signs(alice: Repo) -> None:
    """Who was killed between the two halves leaves the private one, which is enough."""
    alice.claim("take", "a")
    (alice.path / ".git/gitclaim/key.pub").unlink()
    alice.claim("take", "b")
    assert signature(alice, "b")[0] == "good"


def test_an_unsigned_or_forged_claim_is_bad_and_stays_so(clones: Clones) -> None:
    """No signature, another object's signature, a changed byte: Bad, and the verdict is kept by object."""
    clones.alice.claim("take", "mine")
    raw = clones.alice.git("cat-file", "commit", "refs/claims/path/mine")
    signed = "gpgsig" + raw.partition("\n\n")[0].partition("gpgsig")[2]
    stolen = written() + b"\n" + signed.encode()
    refs = {
        "unsigned": raw_commit(clones.alice, claim_message("unsigned")),
        "stolen": raw_commit(clones.alice, claim_message("stolen"), head=stolen),
        "worded": raw_commit(clones.alice, claim_message("worded", purpose="gpgsig -----BEGIN SSH SIGNATURE-----")),
    }
    for name, oid in refs.items():
        clones.alice.git("push", "--quiet", "origin", f"{oid}:refs/claims/path/{name}")
        assert signature(clones.bob, name)[0] == "bad"
        kept = clones.bob.path / ".git/gitclaim/verdicts" / oid
        assert kept.read_text().split()[0] == "bad"
        kept.write_text("damaged\n")
        assert signature(clones.bob, name)[0] == "bad"
        kept.write_text("good SHA256:remembered\n")
        assert signature(clones.bob, name) == ("good", "SHA256:remembered")


def test_a_verifier_that_does_not_work_proves_nothing(clones: Clones, tmp_path: Path) -> None:
    """ssh-keygen missing, failing, hanging, or with nowhere to write: Unknown, never Bad, and not remembered."""
    clones.alice.claim("take", "a")
    bob = clones.bob
    bob.git("config", "gitclaim.timeout", "1")
    scripts = [script(tmp_path / "fails", "exit 255"), script(tmp_path / "hangs", "sleep 9")]
    for program in ("/nonexistent", *scripts):
        bob.git("config", "gpg.ssh.program", str(program))
        assert signature(bob, "a")[0] == "unknown"
        assert bob.claim("take", "a", "--json", code=3).json["blockers"][0]["reason"] == "HELD"
    bob.git("config", "--unset", "gpg.ssh.program")
    assert signature(bob, "a", TMPDIR="/nonexistent")[0] == "unknown"
    assert signature(bob, "a")[0] == "good"
    bob.git("config", "gpg.ssh.program", "/nonexistent")
    assert signature(bob, "a")[0] == "good", "a verdict once given is remembered"


def test_a_broken_gpg_proves_nothing(clones: Clones, gnupg: Mapping[str, str], tmp_path: Path) -> None:
    """gpg missing or failing: Unknown."""
    clones.alice.git("config", "commit.gpgSign", "true")
    clones.alice.git("config", "user.email", "a@example.org")
    clones.alice.git("config", "user.name", "Ann")
    clones.alice.claim("take", "a", env=gnupg)
    for program in ("/nonexistent", str(script(tmp_path / "fails", "exit 2"))):
        clones.bob.git("config", "gpg.program", program)
        assert signature(clones.bob, "a")[0] == "unknown"


def test_a_signature_that_is_none_is_bad_every_time(tmp_path: Path) -> None:
    """ssh-keygen ends before it has read what git hands it, and git may die of that: then it is asked again."""
    repo = make_repo(tmp_path / "repo")
    oids = [Oid(oid) for oid in untrusted(repo).values()]
    git = Git({**os.environ, "GIT_DIR": str(repo.path / ".git")}, str(repo.path), 30)
    for attempt in range(40):
        verdicts = GitVerifier(git, State(tmp_path / f"state-{attempt}"), {}).verify(oids)
        assert {verdict.signature for verdict in verdicts.values()} == {Signature.BAD}


MAIN_KEY = "A" * 40
SUBKEY = "B" * 40
VALID = f"VALIDSIG {SUBKEY} 2026-11-21 1795230000 0 4 0 22 8 00 {MAIN_KEY}"
GOOD_SIGNATURE = ("GOODSIG BBBBBBBBBBBBBBBB Ann", VALID, "TRUST_ULTIMATE 0 pgp")


def under_gpg(repo: Repo, trust: TrustMode, *status: str) -> GitVerifier:
    """Verifies with a gpg that says of every signature what is told here (gnupg's doc/DETAILS)."""
    said = "".join(f"[GNUPG:] {line}\\n" for line in ("NEWSIG", *status))
    program = script(repo.path / "gpg", f"[ \"$1\" = --version ] && exit 0\ncat >/dev/null\nprintf '{said}'")
    repo.git("config", "gpg.program", str(program))
    git = Git({**os.environ, "GIT_DIR": str(repo.path / ".git")}, str(repo.path), 30)
    config = {"gpg.program": [str(program)]}
    return GitVerifier(git, State(repo.path / "state"), config, lambda: Trust(trust, keys=frozenset({MAIN_KEY})))


def signed_by_gpg(repo: Repo) -> Oid:
    block = b"-----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----"
    return Oid(raw_commit(repo, claim_message("a"), head=written() + b"\ngpgsig " + block))


@pytest.mark.parametrize(
    ("status", "signature", "counts"),
    [
        (GOOD_SIGNATURE, Signature.GOOD, (True, True, True)),
        ((*GOOD_SIGNATURE[:2], "TRUST_UNDEFINED 0 pgp"), Signature.GOOD, (True, True, False)),
        (("EXPSIG BBBBBBBBBBBBBBBB Ann", *GOOD_SIGNATURE[1:]), Signature.GOOD, (True, True, False)),
        (("EXPKEYSIG BBBBBBBBBBBBBBBB Ann", *GOOD_SIGNATURE[1:]), Signature.GOOD, (True, True, False)),
        (("REVKEYSIG BBBBBBBBBBBBBBBB Ann", *GOOD_SIGNATURE[1:]), Signature.BAD, None),
        (("BADSIG BBBBBBBBBBBBBBBB Ann",), Signature.BAD, None),
        (("ERRSIG BBBBBBBBBBBBBBBB 22 8 00 1795230000 9 -",), Signature.UNKNOWN, (True, False, False)),
    ],
    ids=["good", "untrusted", "expired", "expired key", "revoked", "bad", "missing key"],
)
def test_each_word_of_gpg_s_means_one_thing(
    tmp_path: Path, status: tuple[str, ...], signature: Signature, counts: tuple[bool, bool, bool] | None
) -> None:
    """Where everybody's claims count, where those by a listed key do, and where the keyring has to vouch for it."""
    repo = make_repo(tmp_path / "repo")
    oid = signed_by_gpg(repo)
    verdicts = []
    for mode in TrustMode:
        shutil.rmtree(repo.path / "state", ignore_errors=True)
        verdicts.append(under_gpg(repo, mode, *status).verify([oid])[oid])
    assert {one.signature for one in verdicts} == {signature}
    if counts:
        assert tuple(one.trusted for one in verdicts) == counts


def test_a_subkey_stands_for_its_main_key(tmp_path: Path) -> None:
    """Which is what is listed, and what people know."""
    repo = make_repo(tmp_path / "repo")
    oid = signed_by_gpg(repo)
    assert under_gpg(repo, TrustMode.KNOWN, *GOOD_SIGNATURE).verify([oid])[oid] == Verdict(
        Signature.GOOD, MAIN_KEY, ssh=False
    )


def test_what_a_keyring_vouched_for_is_asked_again(tmp_path: Path) -> None:
    """It changes, and its trust database with it; that a signature is good, and whose it is, does not."""
    repo = make_repo(tmp_path / "repo")
    oid = signed_by_gpg(repo)
    for word, counts in (("ULTIMATE", True), ("NEVER", False)):
        verifier = under_gpg(repo, TrustMode.ALLOWED_SIGNERS, *GOOD_SIGNATURE[:2], f"TRUST_{word} 0 pgp")
        assert verifier.verify([oid])[oid] == Verdict(Signature.GOOD, MAIN_KEY, counts, ssh=False)
    verifier = under_gpg(repo, TrustMode.KNOWN, "BADSIG BBBBBBBBBBBBBBBB Ann")
    assert verifier.verify([oid])[oid] == Verdict(Signature.GOOD, MAIN_KEY, ssh=False)


BOGUS = "-----BEGIN PGP SIGNATURE-----\n\niHUEABYKAB0WIQRn\n=abcd\n-----END PGP SIGNATURE-----"


@pytest.mark.parametrize(
    ("more", "ssh"),
    [
        ("", False),
        ("\ngpgsig-sha256 -----BEGIN SSH SIGNATURE-----", False),
        ("\nx -----BEGIN SSH SIGNATURE-----", False),
        ("\ngpgsig -----BEGIN SSH SIGNATURE-----", False),
    ],
)
def test_the_kind_of_a_signature_is_what_git_takes_it_for(clones: Clones, more: str, ssh: bool) -> None:  # noqa: FBT001
    """Whatever else a commit says; so a key that is missing does not pass for a program that is."""
    repo = clones.alice
    head = written() + b"\ngpgsig " + (BOGUS.replace("\n", "\n ") + more).encode()
    oid = Oid(raw_commit(repo, claim_message("x"), head=head))
    git = Git({**os.environ, "GIT_DIR": str(repo.path / ".git")}, str(repo.path), 30)
    state = State(repo.path / ".git/gitclaim")
    verdict = GitVerifier(git, state, {}).verify([oid])[oid]
    assert (verdict.signature, verdict.ssh) == (Signature.UNKNOWN, ssh)
    trust = Trust(TrustMode.ALLOWED_SIGNERS)
    if shutil.which("gpg"):
        assert not GitVerifier(git, state, {}, lambda: trust).verify([oid])[oid].trusted


def test_the_kind_of_a_good_signature_is_that_of_its_key(clones: Clones, gnupg: Mapping[str, str]) -> None:
    alice = clones.alice
    alice.claim("take", "a")
    alice.git("config", "commit.gpgSign", "true")
    alice.git("config", "user.signingKey", "a@example.org")
    alice.claim("take", "b", env=gnupg)
    git = Git({**os.environ, **gnupg, "GIT_DIR": str(alice.path / ".git")}, str(alice.path), 30)
    oids = [Oid(alice.git("rev-parse", f"refs/claims/path/{name}")) for name in "ab"]
    verdicts = GitVerifier(git, State(alice.path / ".git/kinds"), {}).verify(oids)
    assert [verdicts[oid].ssh for oid in oids] == [True, False]
