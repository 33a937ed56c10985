"""Each command over two real clones: what people read, what scripts read, how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.kit.garbage import claim_message, push, raw_commit, written
from tests.kit.processes import eventually
from tests.kit.repos import ROOT, Clones, Ran, Repo

CLAIM_KEYS = {"id", "session", "resources", "taken", "expires", "purpose", "branch", "base", "patterns", "refs", "oid"}
FOUND_KEYS = {"ref", "oid", "standing", "note", "signature", "key", "claim"}
BLOCKER_KEYS = {"resource", "reason", "claim", "ref", "standing", "note"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def plain(text: str) -> str:
    """The text with its times and object names made the same in every run."""
    text = TIME.sub("TIME", text)
    text = re.sub(r"\b[0-9a-f]{40}\b", "OID", text)
    text = re.sub(r"SHA256:\S+(?=\))", "KEY", text)
    return re.sub(r"\b[0-9A-HJKMNP-TV-Z]{26}\b", "ID", text)


def answer(ran: Ran, command: str, outcome: str) -> dict[str, Any]:
    """The one JSON object on standard output, which is all that was said."""
    assert ran.stderr == ""
    assert ran.stdout.count("\n") == 1
    said: dict[str, Any] = ran.json
    assert list(said)[:3] == ["schema", "command", "outcome"]
    assert (said["schema"], said["command"], said["outcome"]) == ("gitclaim/1", command, outcome)
    return said


def test_take_says_what_is_held_and_until_when(alice: Repo) -> None:
    """One line a claim; again, and it is held already."""
    assert plain(alice.claim("take", "src/api", "task:42").stdout) == "held: src/api, task:42 until TIME\n"
    assert plain(alice.claim("take", "src/api/x").stdout) == "held already: src/api, task:42 until TIME\n"


def test_take_answers_in_json(alice: Repo) -> None:
    """`held`, with the claim as docs/commands.md has it."""
    said = answer(alice.claim("take", "src/api", "task:42", "--for", "why", "--json"), "take", "held")
    claim = said["claim"]
    assert claim.keys() == CLAIM_KEYS
    assert claim["session"] == "alice"
    assert claim["resources"] == ["path:src/api", "task:42"]
    assert claim["refs"] == ["refs/claims/path/src/api", "refs/claims/task/42"]
    assert claim["purpose"] == "why"
    taken, expires = map(datetime.fromisoformat, (claim["taken"], claim["expires"]))
    assert expires - taken == timedelta(hours=1)
    assert said["claims"] == [claim]
    assert (said["new"], said["removed"]) == (True, [])
    assert alice.git("ls-remote", "origin", claim["refs"][0]).split()[0] == claim["oid"]
    assert not answer(alice.claim("take", "task:42", "--json"), "take", "held")["new"]


def test_a_denial_tells_everything(clones: Clones) -> None:
    """Who, why, since when, until when, and what to do next; the exit code is 3."""
    clones.alice.claim("take", "src/api", "task:42", "--for", "Add pagination")
    denied = clones.bob.claim("take", "src/api/users.py", "task:42", code=3)
    assert re.sub(r"--wait \w+ +", "--wait LEFT ", plain(denied.stdout)) == (
        "denied: src/api/users.py lies within src/api, held by alice\n"
        "denied: task:42 is held by alice\n"
        "  for     Add pagination\n"
        "  claims  src/api, task:42\n"
        "  taken   TIME on branch main\n"
        "  until   TIME\n"
        "  next    add --wait LEFT wait for it\n"
        "          gitclaim list                          see what else is taken, and take something else\n"
        '          gitclaim break src/api --reason "..."  remove it, if its holder is gone\n'
    )
    assert denied.stderr == ""


def test_a_denial_in_json_names_the_blockers(clones: Clones) -> None:
    """HELD, WITHIN and CONTAINS, each with the claim that is in the way."""
    held = clones.alice.claim("take", "src/api", "task:42", "--json").json["claim"]
    asked = ("src", "task:42/part", "task:42")
    reasons = {}
    for resource in asked:
        said = answer(clones.bob.claim("take", resource, "--json", code=3), "take", "denied")
        assert said["given_up"] == []
        (blocker,) = said["blockers"]
        assert blocker.keys() == BLOCKER_KEYS
        assert blocker["claim"] == held
        reasons[blocker["resource"]] = blocker["reason"]
    assert reasons == {"path:src": "CONTAINS", "task:42/part": "WITHIN", "task:42": "HELD"}


def test_many_blockers_are_told_in_few_lines(clones: Clones) -> None:
    """What one claim blocks is told together, and cut when it is long."""
    names = [f"file{number}" for number in range(9)]
    clones.alice.claim("take", *names)
    lines = clones.bob.claim("take", *names, code=3).stdout.splitlines()
    assert sum(line.startswith("denied: ") for line in lines) == 5
    assert "  and 4 more" in lines
    assert sum(line.startswith("  for ") for line in lines) == 1


def test_renew_gives_a_longer_lease(alice: Repo) -> None:
    """Of one claim or all; without claims there is nothing to renew."""
    assert answer(alice.claim("renew", "--json"), "renew", "nothing")["claims"] == []
    assert alice.claim("renew").stdout == "this session holds no claims\n"
    first = alice.claim("take", "a", "--json").json["claim"]
    assert plain(alice.claim("renew", "--ttl", "2h").stdout) == "renewed: a until TIME\n"
    renewed = answer(alice.claim("renew", "a", "--ttl", "3h", "--json"), "renew", "renewed")
    assert renewed["fenced"] == []
    assert renewed["claims"][0]["id"] == first["id"]
    assert renewed["claims"][0]["expires"] > first["expires"]
    refused = alice.claim("renew", "b", code=1)
    assert refused.stderr == "error: alice holds no claim on b\nhint: gitclaim list --mine shows what it holds\n"


def test_release_gives_up_some_or_all(alice: Repo) -> None:
    """One resource of a claim, then the rest; what is kept is said."""
    alice.claim("take", "a", "b")
    assert alice.claim("release", "a").stdout == "kept: b\n"
    said = answer(alice.claim("release", "--all", "--json"), "release", "released")
    assert [claim["resources"] for claim in said["claims"]] == [["path:b"]]
    assert alice.claim("release", "--all").stdout == "this session holds no claims\n"
    assert alice.git("ls-remote", "origin", "refs/claims/*") == ""
    for wrong in (("release",), ("release", "a", "--all")):
        assert alice.claim(*wrong, code=2).stderr.startswith("error: say what to release\n")


def test_give_hands_over(clones: Clones) -> None:
    """The receiver holds it from then on; the giver is told that it is gone."""
    before = clones.alice.claim("take", "a", "--json").json["claim"]
    assert plain(clones.alice.claim("give", "a", "--to", "bob").stdout) == "given to bob: a until TIME\n"
    held = answer(clones.bob.claim("take", "a", "--json"), "take", "held")
    assert held["claim"]["id"] == before["id"]
    assert (held["new"], held["claim"]["expires"]) == (False, before["expires"])
    clones.alice.claim("renew", "a", code=1)
    assert clones.bob.claim("give", "a", "--to", "bob", code=1).stderr.startswith("error: bob is this session itself\n")
    assert clones.bob.claim("give", "a", "--to", "a b", code=2).stderr.startswith("error: not a session name: a b\n")
    assert "gitclaim renew, and then again" in clones.bob.claim("give", "a", "--to", "alice", code=1).stderr
    clones.bob.claim("renew", "a")
    given = answer(clones.bob.claim("give", "a", "--to", "alice", "--json"), "give", "given")
    assert given["claims"][0]["session"] == "alice"


def test_break_removes_and_tells_the_holder(clones: Clones) -> None:
    """A reason is demanded, recorded, and told to the holder, who is fenced with exit code 5."""
    clones.alice.claim("take", "a", "b")
    assert clones.bob.claim("break", "a", code=2).stderr.startswith("error: Missing option '--reason'")
    assert clones.bob.claim("break", "a", "--reason", " ", code=2).stderr.startswith("error: a broken claim needs")
    assert clones.bob.claim("break", "a", "--reason", "gone home").stdout == "broken: alice's claim on a, b\n"
    fenced = clones.alice.claim("renew", code=5)
    assert fenced.stdout.splitlines()[0] == "fenced: the claim on a, b was broken by bob: gone home"
    assert clones.bob.claim("break", "a", "--reason", "x", code=1).stderr.startswith("error: nobody holds a\n")
    clones.alice.claim("take", "c")
    said = answer(clones.bob.claim("break", "c", "--reason", "why", "--json"), "break", "broken")
    assert said["reason"] == "why"
    assert said["broken"][0].keys() == FOUND_KEYS
    told = answer(clones.alice.claim("renew", "--json", code=5), "renew", "fenced")["fenced"][0]
    assert told.keys() == {"reason", "claim", "successor", "broken", "note"}
    assert (told["reason"], told["broken"]) == ("FENCED", {"by": "bob", "reason": "why"})
    assert told["note"] == ""


def test_list_is_a_table(clones: Clones) -> None:
    """One row a resource, each claim told once; empty, it says so."""
    assert clones.bob.claim("list").stdout == "nothing is claimed\n"
    clones.alice.claim("take", "src/api", "task:42", "--for", f"Ünïcode 日本 {'long ' * 20}")
    clones.bob.claim("take", "docs")
    lines = clones.bob.claim("list").stdout.splitlines()
    assert [plain(line).split() for line in lines] == [
        ["RESOURCE", "SESSION", "PURPOSE", "TAKEN", "UNTIL"],
        ["docs", "bob", "TIME", "TIME"],
        ["src/api", "alice", "Ünïcode", "日本", *["long"] * 6, "long…", "TIME", "TIME"],
        ["task:42"],
    ]
    # Two of the letters take two columns each, so the times stand below one another.
    taken = lines[0].index("TAKEN")
    starts = [match.start() for line in lines for match in [TIME.search(line)] if match]
    assert starts == [taken, taken - 2]


def test_list_filters(clones: Clones) -> None:
    """By session, by kind, by path at, above or below; what does not match is not there."""
    clones.alice.claim("take", "src/api", "task:42")
    clones.bob.claim("take", "docs", "lane:ci")

    def refs(*args: str) -> list[str]:
        said = answer(clones.bob.claim("list", *args, "--json"), "list", "listed")
        assert said["age"] == 0
        assert all(one.keys() == FOUND_KEYS for one in said["claims"])
        return sorted(ref for one in said["claims"] for ref in one["claim"]["refs"])

    alices = ["refs/claims/path/src/api", "refs/claims/task/42"]
    bobs = ["refs/claims/lane/ci", "refs/claims/path/docs"]
    assert refs() == sorted(alices + bobs)
    assert refs("--mine") == bobs
    assert refs("--kind", "task") == alices
    assert refs("src") == alices
    assert refs("src/api/deep/file") == alices
    assert refs("lane:ci", "task:42") == sorted(alices + bobs)
    assert refs("other") == []
    assert clones.bob.claim("list", "other").stdout == "no such claim\n"
    assert "Invalid value for '--kind'" in clones.bob.claim("list", "--kind", "x", code=2).stderr


def test_show_tells_all(clones: Clones) -> None:
    """By resource or by id; of what nobody holds, it says so with exit code 1."""
    claim = clones.alice.claim("take", "src/api", "task:42", "--for", "One\n\nTwo", "--json").json["claim"]
    text = plain(clones.bob.claim("show", "src/api").stdout)
    assert text == (
        "claim ID\n"
        "  session    alice\n"
        "  standing   live\n"
        "  resource   src/api\n"
        "  resource   task:42\n"
        "  for        One\n"
        "  for        Two\n"
        "  taken      TIME\n"
        "  expires    TIME\n"
        "  branch     main\n"
        "  base       OID\n"
        "  signature  good (KEY)\n"
        "  object     OID\n"
        "  history    git log refs/claims/path/src/api\n"
    )
    for name in ("task:42", "src/api/x", ".", claim["id"]):
        (found,) = answer(clones.bob.claim("show", name, "--json"), "show", "shown")["claims"]
        assert found["claim"] == claim
        assert found["signature"] == "good"
        assert found["key"].startswith("SHA256:")
    missing = clones.bob.claim("show", "nothing", code=1)
    assert missing.stderr == "error: nobody holds nothing\nhint: gitclaim list shows what is claimed\n"
    error = answer(clones.bob.claim("show", "nothing", "--json", code=1), "show", "error")
    assert (error["message"], error["exit"]) == ("nobody holds nothing", 1)


def test_check_answers_for_each_path(clones: Clones) -> None:
    """held, mine or free; 3 when another session holds one of them."""
    clones.alice.claim("take", "src")
    clones.bob.claim("take", "docs")
    assert clones.bob.claim("check", "docs/a", "x").stdout == "mine: docs/a, by the claim on docs\nfree: x\n"
    blocked = plain(clones.bob.claim("check", "src/a", "x", code=3).stdout).splitlines()
    assert blocked[0] == "blocked: src/a lies within src, held by alice"
    assert blocked[-1] == "free: x"
    said = answer(clones.bob.claim("check", "src/a", "docs/a", "x", "--json", code=3), "check", "blocked")
    assert [(one["resource"], one["state"]) for one in said["resources"]] == [
        ("path:src/a", "held"),
        ("path:docs/a", "mine"),
        ("path:x", "free"),
    ]
    assert said["resources"][0]["blockers"][0].keys() == BLOCKER_KEYS
    assert said["resources"][1]["claim"].keys() == CLAIM_KEYS
    assert answer(clones.bob.claim("check", "x", "--json"), "check", "clear")["age"] == 0


def test_sweep_says_what_it_did(clones: Clones) -> None:
    """Nothing to do is said too; the JSON has every list."""
    assert clones.bob.claim("sweep").stdout == "nothing to sweep\n"
    clones.alice.claim("take", "a")
    said = answer(clones.bob.claim("sweep", "--dry-run", "--json"), "sweep", "swept")
    assert {key: said[key] for key in ("removed", "kept", "young", "records", "dry_run")} == {
        "removed": [],
        "kept": [],
        "young": [],
        "records": 0,
        "dry_run": True,
    }


def test_what_expired_is_told_taken_over_and_swept(clones: Clones) -> None:
    """It is in no list but with --expired, blocks nobody, and goes with the evidence for it."""
    past = {"Taken": "2020-01-01T00:00:00Z", "Expires": "2020-01-01T01:00:00Z"}
    head = written(datetime(2020, 1, 1, tzinfo=UTC))
    refs = {f"path/{name}": raw_commit(clones.alice, claim_message(name, **past), head=head) for name in ("a", "b")}
    push(clones.alice, refs)
    bob = clones.bob
    assert bob.claim("list").stdout == "nothing is claimed\n"
    row = bob.claim("list", "a", "--expired").stdout.splitlines()[1].split("  ")
    assert row[0] == "a"
    assert row[-1] == "expired 2020-01-01T01:00:00Z"
    assert bob.claim("check", "a").stdout == "free: a\n"
    evidence = "expired 2020-01-01T01:00:00Z, held by mallory"
    dry = bob.claim("sweep", "--dry-run").stdout
    assert dry == "".join(f"would remove: refs/claims/{ref} ({evidence})\n" for ref in refs)
    taken = bob.claim("take", "a/below").stdout.splitlines()
    assert taken[1:] == ["note: the expired claim of mallory that stood in the way was removed"]
    swept = answer(bob.claim("sweep", "--json"), "sweep", "swept")
    assert [one["ref"] for one in swept["removed"]] == ["refs/claims/path/b"]
    assert clones.remote.refs().keys() == {"refs/claims/path/a/below"}


def test_sweep_goes_on_through_failures_when_told_to(clones: Clones, tmp_path: Path) -> None:
    """With --every: an answer a sweep, each at once and each whole; an unreachable registry ends none of it."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "gitclaim", "sweep", "--every", "1s", "--json"]
    errors = tmp_path / "errors"
    with errors.open("w") as err:
        going = subprocess.Popen(argv, cwd=clones.bob.path, env=env, stdout=subprocess.PIPE, stderr=err, text=True)
    assert going.stdout
    assert json.loads(going.stdout.readline())["outcome"] == "swept"
    away = clones.remote.path.rename(tmp_path / "away.git")
    eventually(lambda: "error: can't read the registry" in errors.read_text())
    away.rename(clones.remote.path)
    assert json.loads(going.stdout.readline())["outcome"] == "swept"
    going.send_signal(signal.SIGINT)
    assert json.loads(going.communicate(timeout=30)[0].splitlines()[-1])["message"] == "interrupted"
    assert going.returncode == 130


def test_session_and_init_say_who_and_where(clones: Clones) -> None:
    """The session with its source, and the registry with its source."""
    assert clones.alice.claim("session").stdout == "alice (GITCLAIM_SESSION)\n"
    said = answer(clones.alice.claim("session", "--json"), "session", "session")
    assert (said["session"], said["source"]) == ("alice", "GITCLAIM_SESSION")
    assert clones.alice.claim("init").stdout == (f"registry: {clones.url} (from the remote origin)\nsession:  alice\n")
    ready = answer(clones.alice.claim("init", "--json"), "init", "ready")
    assert {key: ready[key] for key in ("registry", "source", "session", "moved", "not_moved")} == {
        "registry": clones.url,
        "source": "the remote origin",
        "session": "alice",
        "moved": [],
        "not_moved": [],
    }


WRONG = {
    "nope": "No such command 'nope'.",
    "take": "nothing to take",
    "take a --nope": "No such option",
    "take foo:bar": "unknown kind of resource: foo:",
    "take a --ttl 5x": "--ttl: not a length of time: '5x'",
    "check": "say what to check",
    "check a --staged": "say what to check",
    "show a b": "Got unexpected extra argument (b)",
    "sweep --every 0s": "--every: 0s is out of range",
}


def test_wrong_usage_is_2_in_text_and_json(alice: Repo) -> None:
    """The message on standard error with a hint, or with --json the same on standard output."""
    for line, message in WRONG.items():
        text = alice.claim(*line.split(), code=2)
        assert text.stdout == ""
        assert text.stderr.startswith(f"error: {message}")
        assert "\nhint: " in text.stderr
        said = alice.claim(*line.split(), "--json", code=2)
        assert said.stderr == ""
        error = said.json
        assert list(error) == ["schema", "command", "outcome", "reason", "message", "hint", "exit"]
        assert (error["outcome"], error["exit"]) == ("error", 2)
        assert error["command"] == (None if line == "nope" else line.split()[0])
        assert error["message"].startswith(message)
