"""The mirror: always what the registry shows, fetched by one process at a time."""

import itertools
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitclaim.clock import SystemClock
from gitclaim.errors import GitclaimError, UnreachableError
from gitclaim.mirror import Mirror, Stamp, read_stamp, write_stamp
from gitclaim.names import is_printable
from gitclaim.state import State
from tests.kit.hostile import PROPERTY
from tests.kit.repos import ROOT, Clones, Repo
from tests.kit.stores import git_in, mirror_in, state_in

A = "refs/claims/path/a"
_numbers = itertools.count()


def put(clones: Clones, name: str) -> str:
    """Set a ref of the registry to an object nobody else has, as others do."""
    oid = clones.remote.empty_commit(f"claim {next(_numbers)}")
    clones.remote.git("update-ref", name, oid)
    return oid


def drop(clones: Clones, name: str) -> None:
    clones.remote.git("update-ref", "-d", name)


@pytest.fixture
def mirror(clones: Clones) -> Mirror:
    return mirror_in(clones.alice, "origin")


def test_a_sync_shows_what_the_registry_has(mirror: Mirror, clones: Clones) -> None:
    """New, changed, gone; and a take-over, which follows from nothing that was there."""
    first = {name: put(clones, name) for name in (A, "refs/claims/path/b/c", "refs/claims/task/x")}
    mirror.sync()
    assert clones.alice.refs() == first

    taken_over = put(clones, A)
    drop(clones, "refs/claims/task/x")
    mirror.sync()
    assert clones.alice.refs() == {A: taken_over, "refs/claims/path/b/c": first["refs/claims/path/b/c"]}


@pytest.mark.parametrize(("was", "now"), [("a", "a/b"), ("a", "a/b/c"), ("a/b", "a"), ("a/b/c", "a"), ("a/b/c", "a/b")])
@pytest.mark.parametrize("packed", [False, True], ids=["loose", "packed"])
def test_a_name_gives_way_to_one_above_or_below(
    mirror: Mirror,
    clones: Clones,
    was: str,
    now: str,
    packed: bool,  # noqa: FBT001
) -> None:
    put(clones, f"refs/claims/path/{was}")
    mirror.sync()
    if packed:
        clones.alice.git("pack-refs", "--all", "--prune")
    drop(clones, f"refs/claims/path/{was}")
    oid = put(clones, f"refs/claims/path/{now}")

    mirror.sync()

    assert clones.alice.refs() == {f"refs/claims/path/{now}": oid}


def test_an_empty_registry_empties_the_mirror(clones: Clones, tmp_path: Path) -> None:
    """A repository without a single ref, as hosts make them."""
    subprocess.run(["git", "init", "--quiet", "--bare", tmp_path / "empty.git"], check=True)
    put(clones, A)
    mirror_in(clones.alice, "origin").sync()

    mirror_in(clones.alice, str(tmp_path / "empty.git")).sync()

    assert clones.alice.refs() == {}


def test_whatever_stands_in_the_registry_is_seen(mirror: Mirror, clones: Clones) -> None:
    """Blobs, trees and tags are no claims, but they stand in the way, and one of them must not hide the rest."""
    clones.alice.git("config", "transfer.fsckObjects", "true")
    blob = clones.remote.git("hash-object", "-w", "--stdin", input="x")
    nobodys = f"tree {clones.remote.git('rev-parse', 'main^{tree}')}\n\nno author\n"
    commit = clones.remote.git("hash-object", "-w", "--literally", "-t", "commit", "--stdin", input=nobodys)
    clones.remote.git("update-ref", "refs/claims/path/blob", blob)
    clones.remote.git("update-ref", "refs/claims/path/nobodys", commit)
    oid = put(clones, A)

    mirror.sync()

    assert clones.alice.refs() == {A: oid, "refs/claims/path/blob": blob, "refs/claims/path/nobodys": commit}


def test_a_sync_touches_nothing_but_the_claims(mirror: Mirror, clones: Clones) -> None:
    """Not the branches, not the tags, not FETCH_HEAD, whatever the user's settings say."""
    for key in ("fetch.prune", "fetch.pruneTags", "fetch.all"):
        clones.alice.git("config", key, "true")
    clones.alice.git("config", "remote.origin.tagOpt", "--tags")
    clones.alice.git("config", "--add", "remote.origin.fetch", "+refs/*:refs/all/*")
    clones.alice.git("tag", "mine")
    clones.remote.git("tag", "theirs", "main")
    clones.remote.git("branch", "new", "main")
    before = clones.alice.git("for-each-ref")
    put(clones, A)
    put(clones, "refs/gitclaim/broken/x")

    mirror.sync()

    ours = [line for line in clones.alice.git("for-each-ref").splitlines() if "\trefs/claims/" not in line]
    assert "\n".join(line for line in ours if "\trefs/gitclaim/" not in line) == before
    assert len(clones.alice.refs()) == 1
    assert len(clones.alice.refs("refs/gitclaim")) == 1
    assert not (clones.alice.path / ".git" / "FETCH_HEAD").exists()


def test_an_unreachable_registry_leaves_the_mirror_and_its_age(mirror: Mirror, clones: Clones) -> None:
    """An old view is better than none, as long as it says how old it is."""
    oid = put(clones, A)
    mirror.sync()
    before = read_stamp(state_in(clones.alice))
    clones.remote.path.rename(clones.remote.path.with_name("away"))

    with pytest.raises(UnreachableError) as caught:
        mirror.sync()

    after = read_stamp(state_in(clones.alice))
    assert is_printable(caught.value.message)
    assert before is not None
    assert after is not None
    assert (after.synced, after.finished, after.begun) == (before.synced, before.finished, before.begun + 1)
    assert clones.alice.refs() == {A: oid}
    clones.remote.path.with_name("away").rename(clones.remote.path)
    mirror.sync()


class ManualClock:
    """A clock the test moves; each look at it takes a second."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 21, tzinfo=UTC)

    def now(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def test_the_age_counts_from_when_the_sync_began(clones: Clones) -> None:
    """What the registry got while it was being read may be missing, so the view is as old as the question."""
    clock = ManualClock()
    mirror = Mirror(git_in(clones.alice), state_in(clones.alice), clock, target="origin", registry="here")
    assert mirror.age(clock.now()) is None
    began = clock.time + timedelta(seconds=1)
    mirror.sync()
    assert mirror.age(began + timedelta(seconds=42)) == 42


def test_another_registry_starts_anew(clones: Clones) -> None:
    """The age of one registry's mirror says nothing about another's."""
    mirror_in(clones.alice, "origin").sync()
    other = mirror_in(clones.alice, clones.url)
    assert other.age(datetime.now(UTC)) is None
    other.sync()
    stamp = read_stamp(state_in(clones.alice))
    assert stamp is not None
    assert (stamp.registry, stamp.begun, stamp.finished) == (clones.url, 1, 1)


# ---- one at a time


def counted(clones: Clones, before: str = "true") -> Path:
    """Let the server keep a log of the fetches of all of alice's work trees, and do something before each."""
    log = clones.alice.path.parent / "fetches"
    script = clones.alice.path.parent / "upload-pack"
    script.write_text(f'#!/bin/sh\necho fetch >> "{log}"\n{before}\nexec git-upload-pack "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    clones.alice.git("config", "remote.origin.uploadpack", str(script))
    log.touch()
    return log


SYNC = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from gitclaim.clock import SystemClock
from gitclaim.git import Git, clean_environment
from gitclaim.mirror import Mirror
from gitclaim.state import State

git = Git(clean_environment(os.environ, interactive=False), os.getcwd(), 30)
mirror = Mirror(git, State(Path(sys.argv[1])), SystemClock(), target="origin", registry="origin")
print("ready", flush=True)
for _ in sys.stdin:
    mirror.sync()
    print(git.run("for-each-ref", "--format=%(refname)", "refs/claims").text.replace("\\n", " "), flush=True)
"""


def test_eight_worktrees_sync_at_once_with_few_fetches_and_all_see_the_truth(clones: Clones) -> None:
    """Who waited for another's fetch that began after it asked need not fetch again."""
    log = counted(clones, before="sleep 0.1")
    trees = [clones.alice.path.parent / f"tree{number}" for number in range(8)]
    for tree in trees:
        clones.alice.git("worktree", "add", "--quiet", "--detach", str(tree))
    argv = [sys.executable, "-c", SYNC, str(state_in(clones.alice).root)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen(argv, cwd=tree, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for tree in trees
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for number in range(3):
            put(clones, f"refs/claims/path/{number}")
            expected = "".join(f"refs/claims/path/{shown} " for shown in range(number + 1))
            fetched = len(log.read_text(encoding="utf-8").splitlines())
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            for process in processes:
                assert process.stdout is not None
                assert process.stdout.readline() == f"{expected}\n"
            # The first one's, and one for all that asked while it was under way.
            assert 1 <= len(log.read_text(encoding="utf-8").splitlines()) - fetched <= 3
    finally:
        for process in processes:
            process.communicate()
            assert process.returncode == 0


def test_a_sync_never_returns_what_was_fetched_before_it_was_asked(clones: Clones) -> None:
    """A fetch that was under way already may have read the registry too early."""
    log = counted(clones)
    mirror = mirror_in(clones.alice, "origin")
    mirror.sync()
    put(clones, A)
    mirror.sync()
    assert len(log.read_text(encoding="utf-8").splitlines()) == 2
    assert list(clones.alice.refs()) == [A]


@pytest.mark.parametrize(
    ("asked", "found", "fetches"),
    [
        ((3, 3), (3, 3), 1),  # nobody did
        ((3, 3), (4, 4), 0),  # somebody did, after we asked
        ((3, 2), (3, 3), 1),  # the one under way when we asked has ended: it began too early
        ((3, 2), (4, 4), 0),
        ((3, 3), (4, 3), 1),  # the one that began after we asked failed or was killed
        ((3, 3), (5, 4), 1),
    ],
)
def test_a_fetch_counts_if_it_began_after_the_question(
    clones: Clones, asked: tuple[int, int], found: tuple[int, int], fetches: int
) -> None:
    """`begun` is read before the lock is waited for, `finished` when it is held."""
    log = counted(clones)
    state = state_in(clones.alice)
    when = datetime(2026, 11, 21, tzinfo=UTC)

    class Meanwhile(State):
        """Another process ran while we waited for the lock."""

        def lock(self, name: str, timeout: float):  # type: ignore[no-untyped-def] # noqa: ANN202
            write_stamp(state, Stamp("origin", when, *found))
            return super().lock(name, timeout)

    write_stamp(state, Stamp("origin", when, *asked))
    Mirror(git_in(clones.alice), Meanwhile(state.root), SystemClock(), target="origin", registry="origin").sync()

    assert len(log.read_text(encoding="utf-8").splitlines()) == fetches


def test_syncs_and_pushes_at_once_disturb_each_other_never(clones: Clones) -> None:
    """The registry changes under the fetch: what is seen is then a little old, never an error."""
    script = (
        'for i in $(seq 40); do git update-ref "refs/claims/path/n$i" main; done; git update-ref -d refs/claims/path/n1'
    )
    mirror = mirror_in(clones.alice, "origin")
    with subprocess.Popen(["sh", "-c", script], cwd=clones.remote.path) as pusher:
        while pusher.poll() is None:
            mirror.sync()
    mirror.sync()
    assert clones.alice.refs() == clones.remote.refs()
    assert len(clones.alice.refs()) == 39


def test_a_busy_clone_is_an_error_and_not_a_hang(clones: Clones) -> None:
    mirror = mirror_in(clones.alice, "origin", timeout=0.05)
    with (
        state_in(clones.alice).lock("sync.lock", 1),
        pytest.raises(UnreachableError, match="another"),
    ):
        mirror.sync()


# ---- the note beside the mirror


def test_a_note_is_read_as_it_was_written(tmp_path: Path) -> None:
    state = State(tmp_path / "gitclaim")
    assert read_stamp(state) is None
    for stamp in (Stamp("."), Stamp("ssh://\udcff", datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC), 9, 8)):
        write_stamp(state, stamp)
        assert read_stamp(state) == stamp


DAMAGED = [
    "",
    "{",
    "[]",
    "null",
    "{}",
    '{"registry": ".", "synced": "yesterday", "begun": 1, "finished": 1}',
    '{"registry": ".", "synced": 5, "begun": 1, "finished": 1}',
    '{"registry": ".", "synced": null, "begun": [], "finished": 1}',
    '{"registry": ".", "synced": null, "begun": Infinity, "finished": 1}',
    '{"registry": ".", "synced": "9999-12-31T23:59:59-12:00", "begun": 1, "finished": 1}',
    "[" * 100_000,
]


@pytest.mark.parametrize("text", DAMAGED, ids=lambda text: text[:60])
def test_a_damaged_note_says_how_to_mend_it(tmp_path: Path, text: str) -> None:
    """It says which registry the refs are of, so nothing goes on as if it were not there."""
    state = State(tmp_path)
    state.write(text, "mirror.json")
    with pytest.raises(GitclaimError, match="damaged") as caught:
        read_stamp(state)
    assert "remove it" in (caught.value.hint or "")


def test_a_note_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "mirror.json").write_bytes(b"\xff")
    with pytest.raises(GitclaimError, match="can't read"):
        read_stamp(State(tmp_path))


def test_no_text_breaks_the_reader(tmp_path: Path) -> None:
    state = State(tmp_path)

    @given(
        st.text(st.characters(exclude_categories=["Cs"]))
        | st.from_regex(
            r'\{"registry": "x", "synced": "[-0-9T:+Z.]*", "begun": [-0-9.e]+, "finished": 1\}', fullmatch=True
        )
    )
    @PROPERTY
    def check(text: str) -> None:
        state.write(text, "mirror.json")
        try:
            read_stamp(state)
        except GitclaimError as error:
            assert "damaged" in error.message  # noqa: PT017 - some texts are fine

    check()


def test_linked_worktrees_share_one_mirror(clones: Clones) -> None:
    clones.alice.git("worktree", "add", "--quiet", "--detach", str(clones.alice.path.parent / "linked"))
    linked = Repo(clones.alice.path.parent / "linked")
    oid = put(clones, A)
    mirror_in(linked, "origin").sync()
    assert clones.alice.refs() == {A: oid}
    assert read_stamp(state_in(clones.alice)) == read_stamp(state_in(linked))
