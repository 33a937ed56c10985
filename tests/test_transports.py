"""What every transport must do for a claim, proved with raw git; and what one of them fails to do."""

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.kit.held import held
from tests.kit.latency import latency
from tests.kit.processes import accepts, eventually
from tests.kit.raw import ABSENT, Push, push, push_argv
from tests.kit.repos import PATIENCE, ROOT, Clones, Repo, make_bare, make_clones
from tests.kit.transport import Transport
from tests.kit.transports import absent, serving

LIES = pytest.mark.xfail(
    strict=False,
    reason="dulwich 1.2.21 reports lost swaps as won, applies `atomic` in part, and overlooks packed refs",
)

_numbers = itertools.count()


def new(repo: Repo) -> str:
    """Return a commit that no other push has."""
    return repo.empty_commit(f"{repo.session} {next(_numbers)}")


def test_several_refs_outside_heads_are_created_at_once(remote_over: Clones) -> None:
    refs = ("refs/claims/path/src/api", "refs/claims/task/x", "refs/gitclaim/done/y")
    commit = new(remote_over.alice)

    done = push(remote_over.alice, remote_over.url, commit, dict.fromkeys(refs, ABSENT))

    assert done.code == 0
    assert remote_over.remote.refs("refs/claims/") | remote_over.remote.refs("refs/gitclaim/") == dict.fromkeys(
        refs, commit
    )


def test_one_stale_lease_stops_all_refs(remote_over: Clones) -> None:
    push(remote_over.alice, remote_over.url, new(remote_over.alice), {"refs/claims/path/a": ABSENT})
    before = remote_over.remote.refs()

    late = push(
        remote_over.bob,
        remote_over.url,
        new(remote_over.bob),
        {"refs/claims/path/a": ABSENT, "refs/claims/path/b": ABSENT},
    )

    assert late.code == 1
    assert "[rejected] (stale info)" in late.stdout
    assert remote_over.remote.refs() == before


def test_a_ref_moves_and_goes_under_its_lease(remote_over: Clones) -> None:
    first, second = new(remote_over.alice), new(remote_over.alice)
    ref = "refs/claims/path/a"
    push(remote_over.alice, remote_over.url, first, {ref: ABSENT})

    assert push(remote_over.alice, remote_over.url, second, {ref: first}).code == 0
    assert push(remote_over.alice, remote_over.url, None, {ref: first}).code == 1
    assert remote_over.remote.refs() == {ref: second}
    assert push(remote_over.alice, remote_over.url, None, {ref: second}).code == 0
    assert remote_over.remote.refs() == {}


def test_the_other_clone_can_mirror_the_claims(remote_over: Clones) -> None:
    commit = new(remote_over.alice)
    push(remote_over.alice, remote_over.url, commit, {"refs/claims/path/a": ABSENT})

    remote_over.bob.git("fetch", "--no-write-fetch-head", remote_over.url, "+refs/claims/*:refs/claims/*")

    assert remote_over.bob.refs() == {"refs/claims/path/a": commit}


@pytest.mark.parametrize(("taken", "wanted"), [("a", "a/b"), ("a/b", "a")], ids=["above", "below"])
def test_a_claim_above_or_below_is_refused(remote_over: Clones, taken: str, wanted: str) -> None:
    push(remote_over.alice, remote_over.url, new(remote_over.alice), {f"refs/claims/path/{taken}": ABSENT})

    late = push(remote_over.bob, remote_over.url, new(remote_over.bob), {f"refs/claims/path/{wanted}": ABSENT})

    assert late.code == 1
    assert "[remote rejected]" in late.stdout
    assert list(remote_over.remote.refs()) == [f"refs/claims/path/{taken}"]


@pytest.mark.parametrize("packed", [False, True], ids=["loose", "packed"])
@pytest.mark.parametrize(("taken", "wanted"), [("a", "a/b"), ("a/b", "a")], ids=["above", "below"])
def test_one_refused_ref_takes_all_with_it(
    request: pytest.FixtureRequest, remote_over: Clones, taken: str, wanted: str, *, packed: bool
) -> None:
    if "dulwich" in request.node.name:
        request.applymarker(LIES)
    push(remote_over.alice, remote_over.url, new(remote_over.alice), {f"refs/claims/path/{taken}": ABSENT})
    if packed:
        remote_over.remote.git("pack-refs", "--all")

    expected = {f"refs/claims/path/{wanted}": ABSENT, "refs/claims/task/x": ABSENT}
    late = push(remote_over.bob, remote_over.url, new(remote_over.bob), expected)

    assert late.code == 1
    assert list(remote_over.remote.refs()) == [f"refs/claims/path/{taken}"]


def test_a_missing_repository_is_known_before_anything_is_sent(
    transport: Transport, clones: Clones, tmp_path: Path
) -> None:
    url = transport.url(tmp_path / "none.git")

    done = push(clones.alice, url, new(clones.alice), {"refs/claims/path/a": ABSENT}, env=transport.env())

    assert (done.code, done.stdout, done.entered) == (128, "", ("get_refs_list",))


@pytest.mark.parametrize("name", ["ssh", "http", "daemon", "dulwich"])
def test_a_server_that_is_gone_is_known_before_anything_is_sent(name: str, clones: Clones, tmp_path: Path) -> None:
    with serving(name, tmp_path) as transport:
        env = transport.env()
        gone = transport.url(clones.remote.path)

    done = push(clones.alice, gone, new(clones.alice), {"refs/claims/path/a": ABSENT}, env=env)

    assert (done.code, done.stdout, done.entered) == (128, "", ("get_refs_list",))


@pytest.mark.parametrize(
    ("name", "code"),
    # The helper of HTTP is a process of its own, whose death git reports as an ordinary failure.
    [("file", 128), ("http", 1), ("daemon", 128)],
)
def test_a_remote_without_atomic_is_told_by_stderr_alone(name: str, code: int, tmp_path: Path) -> None:
    """No ref line is printed: only the sentence distinguishes it from an answer that was lost."""
    with serving(name, tmp_path) as transport:
        remote = make_bare(tmp_path / "remote.git")
        remote.git("config", "receive.advertiseAtomic", "false")
        alice = make_clones(tmp_path, remote, transport.url(remote.path)).alice

        refused = push(alice, "origin", new(alice), {"refs/claims/path/a": ABSENT})
        single = alice.try_git(*push_argv("origin", new(alice), {"refs/claims/path/b": ABSENT}, atomic=False))

    assert (refused.code, refused.stdout) == (code, "")
    assert "fatal: the receiving end does not support --atomic push" in refused.stderr
    assert single.code == 0
    assert list(remote.refs()) == ["refs/claims/path/b"]


@pytest.fixture(params=["daemon", pytest.param("dulwich", marks=LIES)])
def raced(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Clones]:
    """A remote whose pushes can be held at the door."""
    with serving(request.param, tmp_path) as transport:
        remote = make_bare(tmp_path / "remote.git")
        yield make_clones(tmp_path, remote, transport.url(remote.path))


def late_push(clones: Clones, commit: str | None, expected: dict[str, str], *meanwhile: str) -> Push:
    """Let alice push with a view of the remote from before `meanwhile`, an update-ref on the remote's disk.

    On its disk and not through its server, because dulwich's serves one connection at a time.
    """
    with held(clones.url) as door, ThreadPoolExecutor() as pool:
        pushing = pool.submit(push, clones.alice, door.url, commit, expected)
        assert door.reached.wait(PATIENCE)
        clones.remote.git("update-ref", *meanwhile)
        door.go.set()
        return pushing.result()


def test_of_two_writers_that_saw_no_ref_the_second_creates_nothing(raced: Clones) -> None:
    first = new(raced.remote)
    expected = {"refs/claims/path/a": ABSENT, "refs/claims/task/x": ABSENT}

    late = late_push(raced, new(raced.alice), expected, "refs/claims/path/a", first)

    assert raced.remote.refs() == {"refs/claims/path/a": first}
    assert late.code == 1


def test_a_ref_that_moved_meanwhile_stays_where_it_moved(raced: Clones) -> None:
    first, second = new(raced.remote), new(raced.remote)
    raced.remote.git("update-ref", "refs/claims/path/a", first)

    late = late_push(raced, None, {"refs/claims/path/a": first}, "refs/claims/path/a", second)

    assert raced.remote.refs() == {"refs/claims/path/a": second}
    assert late.code == 1


@pytest.mark.parametrize(("taken", "wanted"), [("a", "a/b"), ("a/b", "a")], ids=["above", "below"])
def test_of_two_nested_writers_the_second_leaves_nothing(raced: Clones, taken: str, wanted: str) -> None:
    first = new(raced.remote)
    expected = {f"refs/claims/path/{wanted}": ABSENT, "refs/claims/task/x": ABSENT}

    late = late_push(raced, new(raced.alice), expected, f"refs/claims/path/{taken}", first)

    assert raced.remote.refs() == {f"refs/claims/path/{taken}": first}
    assert late.code == 1


@pytest.mark.parametrize("name", ["ssh", "http", "daemon", "dulwich"])
def test_a_link_delays_every_transport_and_counts_connections(name: str, clones: Clones, tmp_path: Path) -> None:
    """One round trip each to connect, to see the refs, and to push: no transport does with less."""
    rtt = 0.05
    with serving(name, tmp_path) as transport, latency(transport.url(clones.remote.path), rtt=rtt) as link:
        commit = new(clones.alice)
        started = time.monotonic()
        done = push(clones.alice, link.url, commit, {"refs/claims/path/a": ABSENT}, env=transport.env())
        elapsed = time.monotonic() - started

    assert done.code == 0
    assert elapsed >= 3 * rtt
    assert link.connections == 1


def test_a_stopped_server_leaves_no_process(tmp_path: Path) -> None:
    with serving("daemon", tmp_path) as transport:
        port = urlsplit(transport.url(tmp_path)).port or 0
        assert accepts(port)

    eventually(lambda: not accepts(port))


def test_a_server_does_not_outlive_the_tests_that_were_killed(tmp_path: Path) -> None:
    words = "from tests.kit.transports import *; d = Daemon(); d.start(Path()); print(d.url(Path())); input()"
    argv = [sys.executable, "-c", words]
    with subprocess.Popen(
        argv,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as tests:
        assert tests.stdout is not None
        port = urlsplit(tests.stdout.readline().decode()).port or 0
        assert accepts(port)
        tests.kill()

    eventually(lambda: not accepts(port))


def test_a_missing_transport_is_skipped_unless_it_is_required() -> None:
    with pytest.raises(pytest.skip.Exception, match="no sshd"):
        absent("no sshd", required=False)
    with pytest.raises(pytest.fail.Exception, match="no sshd"):
        absent("no sshd", required=True)
