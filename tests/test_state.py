"""The clone's own files."""

import errno
import os
import re
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gitclaim.errors import GitclaimError
from gitclaim.ledger import FileLedger
from gitclaim.names import ClaimId, Oid, Session
from gitclaim.signing import CloneSigner
from gitclaim.state import State
from tests.kit.repos import Clones

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_what_was_not_written_to_for_long_is_pruned_and_nothing_else(tmp_path: Path) -> None:
    state = State(tmp_path)
    for name, age in (("push.1", 7200), ("push.2", 60), ("key", 7200)):
        state.write("x", name)
        os.utime(state.path(name), (NOW.timestamp() - age,) * 2)
    state.make("push.directory")
    (tmp_path / "push.link").symlink_to("key")
    os.utime(tmp_path / "push.link", (NOW.timestamp() - 7200,) * 2, follow_symlinks=False)
    state.prune(NOW, timedelta(hours=1), start="push.")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "push.2", "push.directory", "push.link"]


def test_where_there_is_nothing_nothing_is_pruned(tmp_path: Path) -> None:
    State(tmp_path / "none").prune(NOW, timedelta(hours=1), "verdicts")
    assert not (tmp_path / "none").exists()


def test_a_text_that_can_not_be_put_in_place_leaves_nothing_behind(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.make("key")
    with pytest.raises(GitclaimError, match="can't write"):
        state.write("x", "key")
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_drafts_are_no_files_of_the_directory(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.write("x", "verdicts", "one")
    state.write("x", "verdicts", ".two.1.2")
    assert state.names("verdicts") == ["one"]


def entered(state: State) -> dict[str, Callable[[], object]]:
    """Everything that can be done with a directory `verdicts`, and a file in it."""
    return {
        "read": lambda: state.read("verdicts", "one"),
        "has": lambda: state.has("verdicts", "one"),
        "write": lambda: state.write("x", "verdicts", "one"),
        "write_first": lambda: state.write_first("x", "verdicts", "one"),
        "remove": lambda: state.remove("verdicts", "one"),
        "names": lambda: state.names("verdicts"),
        "prune": lambda: state.prune(NOW + timedelta(days=9999), timedelta(0), "verdicts"),
        "make": lambda: state.make("verdicts"),
    }


@pytest.mark.parametrize("below", ["", "verdicts"])
@pytest.mark.parametrize("act", entered(State("")))
def test_a_link_in_place_of_a_directory_leads_nowhere(tmp_path: Path, below: str, act: str) -> None:
    """Nothing is read, written or removed where it leads; one line says what to do."""
    elsewhere = tmp_path / "elsewhere"
    victim = elsewhere / "one" if below else elsewhere / "verdicts/one"
    victim.parent.mkdir(parents=True)
    victim.write_text("precious")
    link = tmp_path / "gitclaim" / below
    link.parent.mkdir(exist_ok=True, mode=0o700)
    link.symlink_to(elsewhere)
    with pytest.raises(GitclaimError, match="is a symbolic link") as caught:
        entered(State(tmp_path / "gitclaim"))[act]()
    assert caught.value.hint
    assert [path.name for path in victim.parent.iterdir()] == ["one"]
    assert victim.read_text() == "precious"


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    """A link, even to a file of ours, a pipe that would hang, a directory: each is named."""
    state = State(tmp_path / "gitclaim")
    state.write("precious", "real")
    state.path("link").symlink_to("real")
    state.path("dangling").symlink_to("nowhere")
    os.mkfifo(state.path("pipe"))
    state.make("directory")
    for name in ("link", "dangling", "pipe", "directory"):
        for act in (state.read, state.has):
            with pytest.raises(GitclaimError, match=f"{name} is (a symbolic link|no regular file)"):
                act(name)
        with pytest.raises(GitclaimError, match=name), state.lock(name, 1):
            pytest.fail("locked it")
    state.write("new", "link")
    assert (state.read("link"), state.read("real")) == ("new", "precious")
    assert not state.path("nowhere").exists()


def test_a_file_in_place_of_a_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "gitclaim").write_text("")
    for act in entered(State(tmp_path / "gitclaim")).values():
        with pytest.raises(GitclaimError, match="is no directory"):
            act()


def test_what_others_can_enter_is_closed(tmp_path: Path) -> None:
    """Reading is enough to close it; verdicts that others could have renamed are not believed."""
    state = State(tmp_path / "gitclaim")
    state.write("good", "verdicts", "one")
    state.write("a key", "key")
    state.path().chmod(0o775)
    state.path("verdicts").chmod(0o755)
    state.path("key").chmod(0o644)
    state = State(state.root)
    assert state.has("key")
    assert state.read("verdicts", "one") == "good"
    paths = (state.path(), state.path("verdicts"), state.path("key"))
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o700, 0o700, 0o600]
    state.path("verdicts").chmod(0o770)
    state = State(state.root)
    assert state.read("verdicts", "one") is None
    assert stat.S_IMODE(state.path("verdicts").stat().st_mode) == 0o700


def test_another_user_s_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a repository several users share: neither a key nor a verdict of another is used."""
    state = State(tmp_path / "gitclaim")
    state.write("good", "verdicts", "one")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    for act in entered(State(state.root)).values():
        with pytest.raises(GitclaimError, match="gitclaim belongs to another user") as caught:
            act()
        assert caught.value.hint
    assert state.path("verdicts", "one").read_text() == "good"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_s_is_refused(tmp_path: Path) -> None:
    """One that was planted while the directory was open."""
    state = State(tmp_path / "gitclaim")
    state.write("good", "verdicts", "one")
    os.chown(state.path("verdicts", "one"), 1, 1)
    for act in (state.read, state.has):
        with pytest.raises(GitclaimError, match="one belongs to another user"):
            act("verdicts", "one")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_works_for_who_owns_the_repository(tmp_path: Path) -> None:
    """As in a container: root can use what is there, and its owner what root made; a third user's is refused."""
    os.chown(tmp_path, 1, 1)
    state = State(tmp_path / "gitclaim")
    state.write("good", "verdicts", "one")
    with state.lock("sync.lock", 1):
        state.write_first("me", "session")
    for path in (tmp_path, *tmp_path.rglob("*")):
        assert (path.stat().st_uid, path.stat().st_gid) == (1, 1)
    assert State(state.root).read("verdicts", "one") == "good"
    os.chown(state.root, 2, 2)
    with pytest.raises(GitclaimError, match=r"gitclaim belongs to another user \(uid 2\)"):
        State(state.root).read("session")


@pytest.mark.parametrize("umask", [0, 0o777])
def test_no_umask_opens_or_closes_anything(tmp_path: Path, umask: int) -> None:
    state = State(tmp_path / "gitclaim")
    before = os.umask(umask)
    try:
        state.write("x", "held", "one", "file")
        state.write_first("x", "session")
        with state.lock("lock", 1):
            CloneSigner(state, os.environ).options()
    finally:
        after = os.umask(before)
    assert after == umask
    for path in (state.path(), *state.path().rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_what_is_made_is_its_owner_s_alone_from_the_first_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where modes are not changed later: by a file system that keeps none, or not yet."""

    def fails(*_: object) -> None:
        raise OSError(errno.EPERM, "not permitted")

    monkeypatch.setattr(os, "fchmod", fails)
    monkeypatch.setattr(os, "chmod", fails)
    state = State(tmp_path / "gitclaim")
    before = os.umask(0)
    try:
        state.write("x", "held", "file")
        with state.lock("lock", 1):
            pass
    finally:
        os.umask(before)
    for path in (state.path(), *state.path().rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("hard", [True, False])
def test_what_lies_where_a_text_is_drafted_is_not_written_to(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hard: bool,  # noqa: FBT001
) -> None:
    """Who could guess the name of the draft, while the directory was open, gains nothing."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    state = State(tmp_path / "gitclaim")
    monkeypatch.setattr(time, "monotonic_ns", lambda: 7)
    draft = state.path(f".key.{os.getpid()}.7")
    state.make()
    draft.hardlink_to(victim) if hard else draft.symlink_to(victim)
    with pytest.raises(GitclaimError, match="can't write"):
        state.write("mine", "key")
    assert victim.read_text() == "precious"
    assert not state.has("key")


def test_a_link_that_takes_the_place_of_a_new_directory_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the moment after it was made: what it leads to is not given to the owner of the repository, nor closed."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    elsewhere.chmod(0o755)
    real = os.mkdir

    def replaced(path: str, mode: int) -> None:
        real(path, mode)
        Path(path).rmdir()
        Path(path).symlink_to(elsewhere)

    monkeypatch.setattr(os, "mkdir", replaced)
    with pytest.raises(GitclaimError, match="can't make"):
        State(tmp_path / "gitclaim").write("x", "key")
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc/passwd"])
def test_a_part_is_the_name_of_one_file(tmp_path: Path, name: str) -> None:
    """Whoever asks for another is wrong, and is told before anything happens."""
    state = State(tmp_path / "gitclaim")
    acts: list[Callable[..., object]] = [state.read, state.has, state.remove, state.names, state.make, state.at]
    for act in (*acts, lambda *parts: state.write("x", *parts), lambda *parts: state.write_first("x", *parts)):
        for parts in ((name,), ("verdicts", name), (name, "x")):
            with pytest.raises(ValueError, match="not a file name"):
                act(*parts)
    assert not list(tmp_path.iterdir())


def test_every_session_has_a_ledger_of_its_own(tmp_path: Path) -> None:
    """Whatever its letters: none leads out, none is too long for a file system, and none is another's."""
    long = "\U0001f680" * 127
    names = ["../../x", "a/b", ".", "..", "/etc", "name", "NAME", "Name", "é", "e\u0301", f"{long}a", f"{long}b"]
    names += ["x" * 128, "616263", "abc", "~", "$HOME", "con", "a:b", "a\\b", "*"]
    state = State(tmp_path / "gitclaim")
    for number, name in enumerate(names, 1):
        FileLedger(state, Session(name)).record(ClaimId("0" * 26), Oid(f"{number:040x}"))
    for number, name in enumerate(names, 1):
        assert FileLedger(state, Session(name)).held() == {ClaimId("0" * 26): Oid(f"{number:040x}")}
    assert [path.name for path in tmp_path.iterdir()] == ["gitclaim"]
    made = [path.name for path in state.path("held").iterdir()]
    assert len({name.casefold() for name in made}) == len(names)
    assert all(re.fullmatch("[0-9a-f-]{1,200}", name) for name in made)


def test_a_file_that_was_left_empty_is_written_again(tmp_path: Path) -> None:
    """By a machine that stopped: else each process would take its own text for the first."""
    state = State(tmp_path)
    state.write("", "session")
    assert state.write_first("one", "session") == "one"
    assert state.write_first("two", "session") == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["session"]


PLANTED = {
    ".": "list",
    "verdicts": "list --verify",
    "held": "renew",
    "mirror.json": "list",
    "seen.json": "sweep",
    "session": "session",
    "key": "take more",
    "key.pub": "take more",
    "verdict": "list --verify",
    "sync.lock": "list",
}


def test_commands_name_a_link_that_was_planted(clones: Clones) -> None:
    """Each of the clone's own files as a link: exit code 1, the file and the way out, and nothing done elsewhere."""
    clones.alice.claim("take", "mine")
    clones.bob.claim("take", "theirs")
    clones.alice.claim("list", "--verify")
    own = clones.alice.path / ".git/gitclaim"
    elsewhere = clones.alice.path.parent / "elsewhere"
    oid = clones.alice.claim("show", "mine", "--json").json["claims"][0]["oid"]
    for name, line in PLANTED.items():
        place = own / "verdicts" / oid if name == "verdict" else own / name
        place.rename(elsewhere) if place.exists() else elsewhere.write_text("")
        (own.parent / "gitclaim" if name == "." else place).symlink_to(elsewhere)
        before = sorted(path.name for path in elsewhere.iterdir()) if elsewhere.is_dir() else elsewhere.read_bytes()
        link = own if name == "." else place
        ran = clones.alice.claim(*line.split(), env={"GITCLAIM_SESSION": ""} if name == "session" else {}, code=1)
        assert ran.stderr.startswith(f"error: {link} is a symbolic link\nhint: remove it"), (name, ran)
        after = sorted(path.name for path in elsewhere.iterdir()) if elsewhere.is_dir() else elsewhere.read_bytes()
        assert before == after
        link.unlink()
        elsewhere.rename(link)
