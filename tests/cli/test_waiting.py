"""How long things last: leases, waits, and what widening gives up."""

import subprocess
import sys
import time

import pytest

from tests.kit.processes import eventually
from tests.kit.repos import ROOT, Clones, Repo


def test_waiting_gets_it_when_it_comes_free(clones: Clones) -> None:
    """Another process releases it, and the one that waits holds it soon after."""
    clones.alice.claim("take", "src")
    argv = [sys.executable, "-m", "gitclaim", "take", "src/a", "--wait", "1m", "--json"]
    env = clones.bob._environ({"GITCLAIM_SESSION": "bob", "PYTHONPATH": str(ROOT)})
    waiting = subprocess.Popen(argv, cwd=clones.bob.path, env=env, stdout=subprocess.PIPE, text=True)
    eventually(lambda: clones.bob.refs() != {})
    clones.alice.claim("release", "src")
    out, _ = waiting.communicate(timeout=30)
    assert waiting.returncode == 0
    assert '"outcome": "held"' in out
    assert clones.remote.refs().keys() == {"refs/claims/path/src/a"}


def test_waiting_ends_in_time(clones: Clones) -> None:
    """What did not come free is denied, no earlier than asked for and not much later."""
    clones.alice.claim("take", "src")
    began = time.monotonic()
    denied = clones.bob.claim("take", "src", "--wait", "2s", "--json", code=3).json
    assert 2 <= time.monotonic() - began < 20
    assert denied["blockers"][0]["reason"] == "HELD"


def test_waiting_for_what_is_free_waits_for_nobody(alice: Repo) -> None:
    """`--wait` changes nothing where nothing is in the way."""
    began = time.monotonic()
    alice.claim("take", "a", "--wait", "366d")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("ttl", "code", "said"),
    [
        ("1s", 0, ""),
        ("30d", 0, ""),
        ("31d", 2, "a lease of 31d is too long"),
        ("367d", 2, "--ttl: 367d is out of range"),
        ("0s", 2, "--ttl: 0s is out of range"),
        ("9" * 99 + "d", 2, "--ttl: not a length of time"),
        ("", 2, "--ttl: not a length of time"),
    ],
)
def test_leases_have_bounds(alice: Repo, ttl: str, code: int, said: str) -> None:
    """From a second to thirty days; everything else is wrong usage, and nothing is taken."""
    ran = alice.claim("take", "a", "--ttl", ttl, code=code)
    assert ran.stderr.startswith(f"error: {said}" if said else "")
    assert bool(alice.refs()) == (code == 0)
    alice.claim("take", "b")
    assert alice.claim("renew", "b", "--ttl", ttl, code=code).stderr.startswith(f"error: {said}" if said else "")


def test_a_second_take_extends_only_when_told_to(alice: Repo) -> None:
    """Held already, the lease stays; with --ttl it becomes that long."""
    first = alice.claim("take", "a", "--json").json["claim"]
    assert alice.claim("take", "a", "--json").json["claim"]["expires"] == first["expires"]
    longer = alice.claim("take", "a", "--ttl", "5h", "--json").json["claim"]
    assert longer["expires"] > first["expires"]
    assert (longer["id"], longer["taken"]) == (first["id"], first["taken"])


def test_what_ran_out_reads_so(clones: Clones) -> None:
    """A lease that ran out still stands for others during its grace; its holder may renew it."""
    clones.alice.claim("take", "a", "--ttl", "1s")
    time.sleep(1.1)
    assert "ran out, takeable at 20" in clones.bob.claim("take", "a", code=3).stdout
    assert "ran out, takeable at 20" in clones.bob.claim("list").stdout
    assert clones.alice.claim("renew", "a").stdout.startswith("renewed: a until ")
    clones.bob.claim("take", "a", code=3)


def test_widening_has_to_be_asked_for(alice: Repo) -> None:
    """Taking what contains one's own claim is refused with the way out; then the wider claim stands alone."""
    alice.claim("take", "src/a", "task:1")
    refused = alice.claim("take", "src", code=1)
    assert "add --widen" in refused.stderr
    claim = alice.claim("take", "src", "--widen", "--json").json["claim"]
    assert claim["resources"] == ["path:src", "task:1"]
    assert alice.git("ls-remote", "origin", "refs/claims/*").count("\n") == 1


def test_widening_into_another_s_claim_loses_nothing(clones: Clones) -> None:
    """Denied from the start, the narrower claim stays."""
    clones.alice.claim("take", "src/a")
    clones.bob.claim("take", "src/b")
    denied = clones.alice.claim("take", "src", "--widen", "--json", code=3).json
    assert denied["blockers"][0]["reason"] == "CONTAINS"
    assert denied["given_up"] == []
    assert clones.remote.refs().keys() == {"refs/claims/path/src/a", "refs/claims/path/src/b"}
