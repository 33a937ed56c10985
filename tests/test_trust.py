"""Trust with real keys: whose claims count, decided on the default branch, and what becomes of all others."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from gitclaim.trust import Trust, TrustMode, fingerprint
from tests.kit.repos import Clones, Repo, make_repo


def decide(repo: Repo, text: str, **files: str) -> None:
    """Land what the repository's people decided on the default branch."""
    repo.git("fetch", "--quiet")
    repo.git("switch", "--quiet", "--detach", "origin/main")
    for name, content in {".gitclaim.yaml": text, **files}.items():
        (repo.path / name).write_text(content)
        repo.git("add", "--force", name)
    repo.git("commit", "--quiet", "--message", "decide")
    repo.git("push", "--quiet", "origin", "HEAD:main")
    repo.git("switch", "--quiet", "main")


def follow(*repos: Repo) -> None:
    for repo in repos:
        repo.git("fetch", "--quiet")


def key_of(repo: Repo) -> str:
    """The fingerprint of the key of a clone."""
    repo.claim("take", "lane:key")
    (claim,) = repo.claim("show", "lane:key", "--json").json["claims"]
    repo.claim("release", "lane:key")
    key: str = claim["key"]
    return key


def public(repo: Repo) -> str:
    return (repo.path / ".git/gitclaim/key.pub").read_text().strip()


def test_any_is_the_default(clones: Clones) -> None:
    clones.alice.claim("take", "src")
    clones.bob.claim("take", "src/a", code=3)


def test_known_counts_only_keys_that_are_listed(clones: Clones) -> None:
    """A stranger's claim blocks nobody, and who comes next removes it and says so."""
    key = key_of(clones.alice)
    clones.bob.claim("take", "docs")
    decide(clones.alice, f"trust: known\nkeys:\n  - {key} alice\n")
    follow(clones.alice, clones.bob)
    clones.alice.claim("take", "src")
    clones.bob.claim("check", "src/a", code=3)
    taken = clones.alice.claim("take", "docs/a", "--json").json
    assert taken["outcome"] == "held"
    assert "docs" not in "".join(ref for ref in clones.remote.refs() if not ref.endswith("docs/a"))


def test_who_is_not_trusted_is_told_before_taking(clones: Clones) -> None:
    key = key_of(clones.alice)
    decide(clones.alice, f"trust: known\nkeys: ['{key}']\n")
    clones.bob.git("pull", "--quiet")
    ran = clones.bob.claim("take", "src", code=1)
    assert "do not count here" in ran.stderr
    assert "gitclaim trust" in ran.stderr
    assert not clones.remote.refs()


def test_what_the_branch_that_is_checked_out_says_counts_for_nothing(clones: Clones) -> None:
    """The decision is the default branch's: a branch of one's own can't make one's key count."""
    alice, bob = clones.alice, clones.bob
    key = key_of(alice)
    theirs = key_of(bob)
    decide(alice, f"trust: known\nkeys: ['{key}']\n")
    follow(bob)
    (bob.path / ".gitclaim.yaml").write_text(f"trust: known\nkeys: ['{theirs}']\n")
    bob.claim("take", "src", code=1)
    alice.claim("take", "src")


def test_a_key_can_be_listed_as_a_public_key_or_trusted_by_one_clone(clones: Clones) -> None:
    key_of(clones.alice)
    key = key_of(clones.bob)
    decide(clones.alice, f"trust: known\nkeys: ['{public(clones.alice)}']\n")
    follow(clones.alice, clones.bob)
    clones.bob.git("config", "--add", "gitclaim.trustedKey", key)
    clones.bob.claim("take", "docs")
    # Only bob's own clone was told to trust bob's key.
    clones.alice.claim("take", "docs", "src")
    clones.bob.claim("take", "src", code=3)


def test_the_command_shows_and_keeps_keys(clones: Clones) -> None:
    """A session stands for the key of its live claims; what is forgotten counts no longer."""
    alice, bob = clones.alice, clones.bob
    key = key_of(alice)
    bob.claim("take", "docs")
    theirs = bob.claim("trust", "--json").json["own"]
    decide(alice, f"trust: known\nkeys: ['{key}']\n")
    said = alice.claim("trust", "bob", "--json").json
    assert (said["mode"], said["changed"], said["trusted"], said["counts"]) == ("known", [theirs], [theirs], True)
    alice.claim("check", "docs", code=3)
    alice.claim("trust", public(bob))
    assert alice.claim("trust", "--json").json["trusted"] == [theirs]
    assert f"this clone  {theirs}" in alice.claim("trust").stdout
    alice.claim("trust", "--forget", theirs)
    alice.claim("check", "docs")
    ran = alice.claim("trust", "nobody", code=1)
    assert "no key, and no session with a signed claim: nobody" in ran.stderr
    alice.claim("trust", "--forget", code=2)


def test_allowed_signers_are_read_from_the_default_branch(clones: Clones) -> None:
    key_of(clones.alice)
    key_of(clones.bob)
    decide(
        clones.alice,
        "trust: allowed-signers\nsigners: .allowed_signers\n",
        **{".allowed_signers": f"alice@example.org {public(clones.alice)}\n"},
    )
    clones.bob.claim("take", "docs")
    follow(clones.alice, clones.bob)
    clones.alice.claim("take", "src")
    clones.bob.claim("check", "src/a", code=3)
    assert clones.alice.claim("take", "docs", "--json").json["outcome"] == "held"


def test_allowed_signers_have_their_days(clones: Clones) -> None:
    """git's own file: a key whose time is over counts for nothing."""
    key_of(clones.alice)
    line = f'alice@example.org valid-before="20200101" {public(clones.alice)}\n'
    clones.alice.claim("take", "src")
    decide(clones.bob, "trust: allowed-signers\nsigners: .allowed_signers\n", **{".allowed_signers": line})
    (claim,) = clones.bob.claim("show", "src", "--json").json["claims"]
    assert claim["standing"] == "untrusted"


def test_who_is_no_longer_among_the_user_s_own_signers_counts_for_nothing(clones: Clones, tmp_path: Path) -> None:
    """What was remembered while they were is not believed any more."""
    key_of(clones.alice)
    signers = tmp_path / "signers"
    signers.write_text(f"alice@example.org {public(clones.alice)}\n")
    clones.alice.claim("take", "src")
    decide(clones.bob, "trust: allowed-signers\n")
    clones.bob.git("config", "gpg.ssh.allowedSignersFile", str(signers))
    clones.bob.claim("check", "src", code=3)
    signers.write_text("")
    clones.bob.claim("check", "src")


def test_a_revoked_key_counts_for_nothing(clones: Clones, tmp_path: Path) -> None:
    key_of(clones.alice)
    decide(
        clones.alice,
        "trust: allowed-signers\nsigners: .allowed_signers\n",
        **{".allowed_signers": f"alice@example.org {public(clones.alice)}\n"},
    )
    follow(clones.alice, clones.bob)
    clones.alice.claim("take", "src")
    clones.bob.claim("check", "src", code=3)
    revoked = tmp_path / "revoked"
    revoked.write_text(f"{public(clones.alice)}\n")
    clones.bob.git("config", "gpg.ssh.revocationFile", str(revoked))
    clones.bob.claim("check", "src")


def test_an_openpgp_keyring_vouches(clones: Clones, gnupg: Mapping[str, str], tmp_path: Path) -> None:
    """A key in the keyring counts; one that is not there does not, and that is no reason to wait for it."""
    decide(clones.bob, "trust: allowed-signers\n")
    follow(clones.alice, clones.bob)
    clones.alice.git("config", "user.signingKey", "a@example.org")
    clones.alice.claim("take", "src", env=gnupg)
    clones.bob.claim("check", "src", code=3, env=gnupg)
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o700)
    (claim,) = clones.bob.claim("show", "src", "--json", env={"GNUPGHOME": str(empty)}).json["claims"]
    assert claim["standing"] == "untrusted"


def test_a_missing_program_proves_nothing(clones: Clones, gnupg: Mapping[str, str]) -> None:
    decide(clones.bob, "trust: allowed-signers\n")
    follow(clones.alice, clones.bob)
    clones.alice.git("config", "user.signingKey", "a@example.org")
    clones.alice.claim("take", "src", env=gnupg)
    clones.bob.git("config", "gpg.program", "/nonexistent/gpg")
    clones.bob.claim("check", "src", code=3, env=gnupg)


def test_a_decision_that_makes_no_sense_is_named(clones: Clones) -> None:
    decide(clones.alice, "trust: everybody\n")
    ran = clones.alice.claim("take", "src", code=1)
    assert ran.stderr.startswith("error: on refs/remotes/origin/HEAD: .gitclaim.yaml line 1: trust: means nothing")
    assert not clones.remote.refs()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SHA256:" + "a" * 43, "SHA256:" + "a" * 43),
        ("SHA256:" + "a" * 43 + " alice@laptop", "SHA256:" + "a" * 43),
        ("ab" * 20, "AB" * 20),
        ("ABCD EF01 " * 5, "ABCDEF01" * 5),
    ],
)
def test_a_fingerprint_is_told_in_many_ways(text: str, expected: str) -> None:
    assert fingerprint(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "SHA256:short",
        "SHA256:" + "a" * 44,
        "ab" * 19,
        "ab" * 21,
        "ab" * 20 + "c",
        "ssh-ed25519 AAA",
        "MD5:00:11",
    ],
)
def test_what_is_no_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"fingerprint|cut short"):
        fingerprint(text)


def test_maintainers_are_known() -> None:
    trust = Trust(TrustMode.KNOWN, keys=frozenset({"a"}), maintainers=frozenset({"b"}))
    assert [trust.trusts(key, vouched=True) for key in "abc"] == [True, True, False]


def test_who_can_t_tell_which_branch_decides_is_told_how_to(tmp_path: Path, clones: Clones) -> None:
    """A clone that was not made by git clone, and a default branch whose name git does not guess."""
    key = key_of(clones.alice)
    clones.alice.git("push", "--quiet", "origin", "main:trunk")
    clones.remote.git("symbolic-ref", "HEAD", "refs/heads/trunk")
    clones.alice.git("push", "--quiet", "origin", ":main")
    clones.alice.git("fetch", "--quiet", "--prune")
    clones.alice.git("remote", "set-head", "origin", "--auto")
    (clones.alice.path / ".gitclaim.yaml").write_text(f"trust: known\nkeys: ['{key}']\n")
    clones.alice.git("add", ".gitclaim.yaml")
    clones.alice.git("commit", "--quiet", "--message", "decide")
    clones.alice.git("push", "--quiet", "origin", "HEAD:trunk")
    carl = make_repo(tmp_path / "carl", session="carl")
    assert "hint:" not in carl.claim("trust").stdout, "it keeps its claims itself"
    carl.git("remote", "add", "origin", clones.remote.path.as_uri())
    carl.git("fetch", "--quiet", "origin")
    said = carl.claim("trust").stdout
    assert said.startswith("trust: any (no branch)")
    way = said.splitlines()[-1]
    assert way == "hint: which branch of origin decides is not known here: git remote set-head origin --auto"
    carl.git(*way.rpartition(": git ")[2].split())
    said = carl.claim("trust").stdout
    assert said.startswith("trust: known (refs/remotes/origin/HEAD)")
    assert "hint:" not in said
