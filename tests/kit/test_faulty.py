"""The broken remotes break where they say, proved with raw git."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.faulty import Fault, Remote, Via, broken, cut_after_apply, pipe_command
from tests.kit.faulty_http import broken_http
from tests.kit.processes import eventually
from tests.kit.raw import ABSENT, push, push_argv
from tests.kit.repos import Clones
from tests.kit.transports import serving

REF = "refs/claims/path/a"
VIA = ("daemon", "ssh", "http", "file")


@contextlib.contextmanager
def breaking(via: str, fault: Fault, clones: Clones, tmp_path: Path) -> Iterator[Remote]:
    """Serve the clones' remote over a transport whose first push breaks."""
    bare = clones.remote.path
    match via:
        case "daemon" | "ssh":
            with broken(bare, fault, via=via) as remote:
                yield remote
        case "http":
            with serving("http", tmp_path) as web, broken_http(web.url(bare), fault) as url:
                yield Remote(url, {})
        case _:  # a remote on this disk has no wire to cut, but its receive-pack can be replaced
            (tmp_path / "tickets").mkdir()
            clones.alice.git("config", "remote.origin.receivepack", pipe_command(fault, 1, tmp_path / "tickets"))
            yield Remote("origin", {})


@pytest.mark.parametrize("via", VIA)
@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE_COMMANDS, Fault.CUT_AFTER_APPLY])
def test_a_cut_push_says_nothing_about_its_refs(via: str, fault: Fault, clones: Clones, tmp_path: Path) -> None:
    """Applied or not, git prints the same: no ref line, and over HTTP the exit code of a plain refusal."""
    commit = clones.alice.empty_commit("lost")
    with breaking(via, fault, clones, tmp_path) as remote:
        lost = push(clones.alice, remote.url, commit, {REF: ABSENT}, env=remote.env)

    assert (lost.code, lost.stdout) == ((1, "Done\n") if via == "http" else (128, ""))
    assert lost.entered == ("get_refs_list", "push_refs")
    assert clones.remote.refs() == ({REF: commit} if fault is Fault.CUT_AFTER_APPLY else {})


@pytest.mark.parametrize("via", VIA)
def test_only_the_first_push_breaks(via: str, clones: Clones, tmp_path: Path) -> None:
    first, second = (clones.alice.empty_commit(word) for word in ("first", "second"))
    with breaking(via, Fault.CUT_AFTER_APPLY, clones, tmp_path) as remote:
        push(clones.alice, remote.url, first, {REF: ABSENT}, env=remote.env)
        seen = clones.alice.git("ls-remote", remote.url, "refs/claims/*", env=remote.env)
        again = push(clones.alice, remote.url, second, {REF: first}, env=remote.env)

    assert seen == f"{first}\t{REF}"
    assert again.code == 0
    assert clones.remote.refs() == {REF: second}


def test_as_many_pushes_break_as_asked_for(clones: Clones) -> None:
    first, second, third = (clones.alice.empty_commit(word) for word in ("first", "second", "third"))
    moves = ((ABSENT, first), (first, second), (second, third))
    with cut_after_apply(clones.remote.path, times=2) as (url, env):
        codes = [push(clones.alice, url, new, {REF: old}, env=env).code for old, new in moves]

    assert codes == [128, 128, 0]


@pytest.mark.parametrize("via", ["daemon", "ssh"])
@pytest.mark.parametrize("fault", [Fault.HANG, Fault.HANG_AFTER_APPLY])
def test_a_hanging_remote_hangs_until_the_client_gives_up(via: Via, fault: Fault, clones: Clones) -> None:
    commit = clones.alice.empty_commit("patience")
    with broken(clones.remote.path, fault, via=via) as (url, env):
        argv = ["git", *push_argv(url, commit, {REF: ABSENT})]
        with subprocess.Popen(argv, cwd=clones.alice.path, env={**os.environ, **env}) as pushing:
            if fault is Fault.HANG_AFTER_APPLY:
                eventually(lambda: clones.remote.refs() == {REF: commit})
            with pytest.raises(subprocess.TimeoutExpired):
                pushing.wait(0.2)
            pushing.kill()

    assert clones.remote.refs() == ({REF: commit} if fault is Fault.HANG_AFTER_APPLY else {})
