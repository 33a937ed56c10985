"""`gitclaim check` of what is staged and of ranges: the same verdict as the hooks', for people, scripts and CI."""

from pathlib import Path
from typing import Any

import pytest

from tests.kit.garbage import ULID, claim_message
from tests.kit.repos import ROOT, Clones, Ran, Repo

RULING = {"blocks", "own", "unclaimed", "lost", "ways", "age", "offline"}
BLOCK = {"path", "reason", "commit", "claim", "ref", "lost"}


@pytest.fixture
def scene(clones: Clones) -> Clones:
    """Alice holds `src`; both clones stand at the same commit."""
    clones.alice.commit_file("src/a", "start\n")
    clones.alice.git("push", "--quiet", "origin", "main")
    clones.bob.git("pull", "--quiet")
    clones.alice.claim("take", "src", "--for", "the API")
    return clones


def stage(repo: Repo, *names: str, content: str = "") -> None:
    for name in names:
        path = repo.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content or f"{repo.session}\n")
        repo.git("add", "--", name)


def commit(repo: Repo, *names: str, message: str = "x", content: str = "", date: str = "") -> str:
    stage(repo, *names, content=content)
    env = {"GIT_COMMITTER_DATE": date} if date else {}
    repo.git("commit", "--quiet", "--no-verify", "-m", message, env=env)
    return repo.git("rev-parse", "HEAD")


def said(ran: Ran, outcome: str) -> dict[str, Any]:
    """The one JSON object, with all the fields of a ruling."""
    assert ran.stderr == ""
    told: dict[str, Any] = ran.json
    assert list(told)[:3] == ["schema", "command", "outcome"]
    assert (told["schema"], told["command"], told["outcome"]) == ("gitclaim/1", "check", outcome)
    assert told.keys() == {"schema", "command", "outcome", "commits", *RULING}
    return told


def past_claim(repo: Repo, name: str) -> str:
    """A claim from three to four on a day long ago, signed by its holder and swept by nobody; its id."""
    message = claim_message(name, Session=repo.session, Taken="2026-01-02T03:00:00Z", Expires="2026-01-02T04:00:00Z")
    key = repo.path / ".git/gitclaim/key"
    signing = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={key}")
    tree = repo.git("hash-object", "-t", "tree", "-w", "--stdin")
    env = {"GIT_COMMITTER_DATE": "2026-01-02T03:00:00Z"}
    oid = repo.git(*signing, "commit-tree", "-S", tree, input=message.decode(), env=env)
    repo.git("push", "--quiet", "--no-verify", "origin", f"{oid}:refs/claims/path/{name}")
    return ULID


# What is staged.


def test_what_is_staged_and_held_by_another_is_said_with_every_way_out(scene: Clones) -> None:
    stage(scene.bob, "src/a", "free")
    ran = scene.bob.claim("check", "--staged", code=3)
    assert ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert lines[0] == "blocked: src/a lies within src, held by alice"
    assert "  for     the API" in lines
    for word in ("gitclaim take src/a --wait", "git restore --staged :/src/a", "git commit --no-verify", "break src"):
        assert word in ran.stdout


def test_what_is_staged_and_held_by_another_is_said_in_json(scene: Clones) -> None:
    stage(scene.bob, "src/a", "free")
    told = said(scene.bob.claim("check", "--staged", "--json", code=3), "blocked")
    (block,) = told["blocks"]
    assert block.keys() == BLOCK
    assert (block["path"], block["reason"], block["commit"]) == ("src/a", "WITHIN", None)
    assert (block["claim"]["session"], block["ref"], block["lost"]) == ("alice", "refs/claims/path/src", None)
    assert told["commits"] == []
    assert told["ways"]
    assert (told["age"], told["offline"]) == (0.0, None)


def test_what_is_staged_and_free_is_clear(scene: Clones) -> None:
    stage(scene.bob, "free")
    assert scene.bob.claim("check", "--staged").stdout == "clear: 1 paths touched, none held by another session\n"
    told = said(scene.bob.claim("check", "--staged", "--json"), "clear")
    assert (told["blocks"], told["own"], told["unclaimed"]) == ([], [], ["free"])


def test_nothing_staged_is_clear(scene: Clones) -> None:
    assert scene.bob.claim("check", "--staged").stdout == "clear: 0 paths touched, none held by another session\n"


def test_the_holder_s_own_is_clear_and_named(scene: Clones) -> None:
    stage(scene.alice, "src/a")
    told = said(scene.alice.claim("check", "--staged", "--json"), "clear")
    assert len(told["own"]) == 1
    assert told["unclaimed"] == []


def test_the_index_in_the_environment_is_the_one_checked(scene: Clones) -> None:
    env = {"GIT_INDEX_FILE": str(scene.bob.path / ".git/other")}
    scene.bob.git("read-tree", "HEAD", env=env)
    (scene.bob.path / "src/a").write_text("x")
    scene.bob.git("add", "src/a", env=env)
    scene.bob.claim("check", "--staged")
    scene.bob.claim("check", "--staged", env=env, code=3)


@pytest.mark.parametrize(("policy", "code"), [("allow", 0), ("warn", 0), ("take", 0), ("deny", 3)])
def test_the_policy_about_unclaimed_paths_holds_here_too(scene: Clones, policy: str, code: int) -> None:
    """A check takes nothing, whatever a commit would."""
    scene.bob.git("config", "gitclaim.unclaimed", policy)
    stage(scene.bob, "free")
    ran = scene.bob.claim("check", "--staged", code=code)
    assert ("warning: nobody claimed free" in ran.stdout) is (policy in {"warn", "take"})
    assert ("blocked: nobody claimed free" in ran.stdout) is (policy == "deny")
    assert scene.bob.claim("list", "--mine", "--json").json["claims"] == []


def test_a_claim_that_was_taken_over_is_fenced(scene: Clones) -> None:
    scene.bob.claim("take", "docs")
    scene.alice.claim("break", "docs", "--reason", "gone")
    scene.alice.claim("take", "docs")
    stage(scene.bob, "docs/x")
    ran = scene.bob.claim("check", "--staged", code=3)
    assert ran.stdout.startswith("fenced: this session's claim on docs was broken by alice: gone")
    (block,) = said(scene.bob.claim("check", "--staged", "--json", code=3), "blocked")["blocks"]
    assert (block["reason"], block["lost"]["resources"]) == ("FENCED", ["path:docs"])


def test_odd_names_are_told_without_harm(scene: Clones) -> None:
    """Neither a terminal nor a JSON parser stumbles over them."""
    name = "src/\x1b[31m\n\udcff"
    (scene.bob.path / name).write_text("x")
    scene.bob.git("add", "--all")
    ran = scene.bob.claim("check", "--staged", code=3)
    assert "\x1b" not in ran.stdout
    assert "\\x1b[31m\\x0a\\xff" in ran.stdout
    (block,) = said(scene.bob.claim("check", "--staged", "--json", code=3), "blocked")["blocks"]
    assert block["path"] == "src/\x1b[31m\n\ufffd"


# Ranges.


def test_a_commit_of_a_range_is_blocked_by_what_stands_now(scene: Clones) -> None:
    oid = commit(scene.bob, "src/a")
    last = commit(scene.bob, "free")
    ran = scene.bob.claim("check", "--range", "origin/main..HEAD", code=3)
    assert ran.stdout.startswith(f"commit {oid[:12]}:\nblocked: src/a lies within src, held by alice\n")
    told = said(scene.bob.claim("check", "--range", "origin/main..HEAD", "--json", code=3), "blocked")
    assert told["commits"] == [last, oid]
    assert [(block["path"], block["commit"]) for block in told["blocks"]] == [("src/a", oid)]


def test_a_range_that_touches_nothing_held_is_clear(scene: Clones) -> None:
    commit(scene.bob, "free")
    commit(scene.bob, "free2")
    ran = scene.bob.claim("check", "--range", "origin/main..HEAD")
    assert ran.stdout == "clear: 2 paths touched, none held by another session\n"
    assert said(scene.bob.claim("check", "--range", "HEAD..HEAD", "--json"), "clear")["commits"] == []


def test_the_holder_s_commits_are_its_own_by_their_trailer_whoever_checks(scene: Clones) -> None:
    """CI is another session in another clone: the trailer that prepare-commit-msg wrote speaks for the holder."""
    env = {"GITCLAIM_SESSION": "alice", "PYTHONPATH": str(ROOT)}
    alice = Repo(scene.alice.path, "alice", env)
    alice.claim("install")
    stage(alice, "src/a", "free")
    alice.git("commit", "--quiet", "-m", "x")
    alice.git("push", "--quiet", "origin", "HEAD:refs/heads/topic")
    scene.bob.git("fetch", "--quiet")
    for session in ("bob", "ci"):
        scene.bob.claim("check", "--range", "main..origin/topic", session=session)


def test_a_new_file_that_matches_the_holder_s_pattern_is_its_own_whoever_checks(scene: Clones) -> None:
    alice = Repo(scene.alice.path, "alice", {"GITCLAIM_SESSION": "alice", "PYTHONPATH": str(ROOT)})
    stage(alice, "a.sql")
    alice.claim("install")
    alice.claim("take", "--glob", "*.sql")
    stage(alice, "new.sql")
    alice.git("commit", "--quiet", "-m", "x")
    alice.git("push", "--quiet", "origin", "HEAD:refs/heads/topic")
    scene.bob.git("fetch", "--quiet")
    scene.bob.claim("check", "--range", "main..origin/topic")
    commit(scene.bob, "mine.sql")
    told = said(scene.bob.claim("check", "--range", "main~1..main", "--json", code=3), "blocked")
    assert [(block["path"], block["reason"]) for block in told["blocks"]] == [("mine.sql", "WITHIN")]
    assert told["blocks"][0]["ref"].startswith("refs/gitclaim/pattern/")


def test_commits_made_past_the_hooks_under_a_claim_that_expired_since_are_reported(scene: Clones) -> None:
    theirs = past_claim(scene.alice, "old")
    times = ("02:59:59", "03:30:00", "04:01:59", "04:02:00")
    oids = [commit(scene.bob, "old", content=at, date=f"2026-01-02T{at}Z") for at in times]
    told = said(scene.bob.claim("check", "--range", "origin/main..HEAD", "--json", code=3), "blocked")
    assert told["commits"] == oids[::-1]
    assert [(block["path"], block["commit"]) for block in told["blocks"]] == [("old", oids[2]), ("old", oids[1])]
    assert told["blocks"][0]["claim"]["id"] == theirs
    ran = scene.bob.claim("check", "--range", "origin/main..HEAD", code=3)
    assert f"commit {oids[1][:12]}:" in ran.stdout
    assert "expired" in ran.stdout


def test_the_holder_s_own_under_a_claim_that_expired_since_are_not_reported(scene: Clones) -> None:
    theirs = past_claim(scene.alice, "old")
    commit(scene.bob, "old", message=f"x\n\nClaim: {theirs}", date="2026-01-02T03:30:00Z")
    scene.bob.claim("check", "--range", "origin/main..HEAD")
    scene.bob.claim("check", "--range", "origin/main..HEAD", session="alice")


def test_what_is_staged_has_nothing_to_do_with_claims_that_expired(scene: Clones) -> None:
    past_claim(scene.alice, "old")
    stage(scene.bob, "old")
    scene.bob.claim("check", "--staged")


# Offline.


def test_offline_the_mirror_is_gone_by_and_its_age_is_told(scene: Clones) -> None:
    commit(scene.bob, "src/a")
    ran = scene.bob.claim("check", "--range", "origin/main..HEAD", "--offline")
    assert "never seen the registry" in ran.stdout
    scene.bob.claim("list")
    scene.remote.path.rename(scene.remote.path.with_name("away"))
    ran = scene.bob.claim("check", "--range", "origin/main..HEAD", "--offline", code=3)
    assert "note: offline, as of" in ran.stdout
    told = said(scene.bob.claim("check", "--range", "origin/main..HEAD", "--offline", "--json", code=3), "blocked")
    assert told["age"] > 0
    assert scene.bob.claim("check", "--range", "origin/main..HEAD", code=4).stderr.startswith("error: can't read")
    assert scene.bob.claim("check", "--staged", "--json", code=4).json["outcome"] == "error"


# Usage.


@pytest.mark.parametrize(
    "words",
    [[], ["--staged", "--range", "a..b"], ["--staged", "src"], ["--range", "HEAD", "src"], ["--offline"], ["--range"]],
)
def test_one_thing_is_checked_at_a_time(scene: Clones, words: list[str]) -> None:
    ran = scene.bob.claim("check", *words, code=2)
    assert ran.stdout == ""
    assert "error:" in ran.stderr.lower()


@pytest.mark.parametrize("words", ["nope..HEAD", "", "--all", "HEAD:src..HEAD", "-h"])
def test_a_range_that_is_none_is_an_error_the_user_can_mend(scene: Clones, words: str) -> None:
    ran = scene.bob.claim("check", f"--range={words}", code=1)
    assert ran.stderr.startswith("error: no range of commits: ")
    assert "\nhint: " in ran.stderr


def test_outside_of_a_repository_there_is_nothing_to_check(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    assert "git repository" in Repo(outside).claim("check", "--staged", code=1).stderr
