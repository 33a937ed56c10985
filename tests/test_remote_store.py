"""The remote store at its edges: what git prints, and what a broken wire leaves unsaid."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitclaim.errors import UnreachableError
from gitclaim.names import Oid, RefName, is_printable
from gitclaim.process import Completed
from gitclaim.refstore.contract import ABSENT, Lost, Outcome, Refused, Swap, Swapped, Unknown, Value
from gitclaim.refstore.remote import RemoteStore, judged, parse_report, push_arguments, was_sent
from gitclaim.resources import Kind, explicit
from tests.kit.faulty import ALWAYS, Fault, Remote, broken, cut_after_apply, hang_after_apply
from tests.kit.faulty_http import broken_http
from tests.kit.hostile import COMPONENTS, PROPERTY
from tests.kit.latency import latency
from tests.kit.processes import eventually, free_port
from tests.kit.repos import Clones
from tests.kit.stores import commit, commits, ref, remote_store
from tests.kit.transports import serving

ONE, TWO = Oid("1" * 40), Oid("2" * 40)
A, B = ref("a"), ref("b")

# Each as git 2.39.5 printed it.
REPORTS = [
    (f"*\t{ONE}:{A}\t[new reference]", "*"),
    (f" \t{ONE}:{A}\t1111111..2222222", " "),
    (f"+\t{ONE}:{A}\t1111111...2222222 (forced update)", "+"),
    (f"-\t:{A}\t[deleted]", "-"),
    (f"=\t{ONE}:{A}\t[up to date]", "="),
    (f"!\t{ONE}:{A}\t[rejected] (stale info)", "!"),
    (f"!\t(delete):{A}\t[rejected] (stale info)", "!"),
    (f"!\t{ONE}:{A}\t[rejected] (atomic push failed)", "!"),
    (f"!\t{ONE}:{A}\t[remote rejected] (failed to update ref)", "!"),
    (f"!\t:{A}\t[remote rejected] (atomic transaction failed)", "!"),
    (f"!\t{ONE}:{A}\t[remote rejected] (pre-receive hook declined)", "!"),
    (f"!\t{ONE}:{A}\t[remote failure] (remote failed to report status)", "!"),
]


def report(*lines: str) -> str:
    return "\n".join(["To file:///srv/remote.git", *lines, "Done", ""])


@pytest.mark.parametrize(("line", "flag"), REPORTS)
def test_every_line_git_prints_is_read(line: str, flag: str) -> None:
    assert parse_report(report(line)).flags == {A: (flag, line.rpartition("\t")[2])}


def test_every_ref_of_a_report_is_read() -> None:
    text = report(f"-\t:{A}\t[deleted]", f"*\t{ONE}:{B}\t[new reference]")
    assert parse_report(text).flags == {A: ("-", "[deleted]"), B: ("*", "[new reference]")}
    assert parse_report("").flags == {}


@pytest.mark.parametrize(
    "line",
    [
        "Everything up-to-date",
        f"?\t{ONE}:{A}\t[new reference]",
        f"*\t{ONE}:{A}",
        f"* {ONE}:{A} [new reference]",
        "*",
        "\x1b[2J",
    ],
)
def test_a_line_git_is_not_known_to_print_is_an_error(line: str) -> None:
    """A line that was skipped would be a claim wrongly believed held."""
    with pytest.raises(ValueError, match="unknown line") as caught:
        parse_report(report(line))
    assert is_printable(str(caught.value))


def ended(code: int | None, *lines: str) -> Completed:
    return Completed(("git",), code, report(*lines).encode(), b"why")


CREATE, DELETE = Swap(A, ABSENT, ONE), Swap(B, ONE, ABSENT)
NEW, GONE, STALE = (line for line, _ in (REPORTS[0], REPORTS[3], REPORTS[5]))


@pytest.mark.parametrize(
    ("done", "outcome"),
    [
        (ended(0, NEW), Swapped()),
        (ended(1, NEW), Swapped()),  # another ref of the same push was rejected
        (ended(128, NEW), Unknown("why")),
        (ended(None, NEW), Unknown("it did not answer in time")),
        (ended(0, STALE), None),
        (ended(1, STALE), None),
        (ended(0, REPORTS[4][0]), None),
        (ended(1, REPORTS[11][0]), Unknown("why")),
        (ended(0), Unknown("why")),
        (ended(1), Unknown("why")),
        (ended(128), Unknown("why")),
        (ended(0, GONE.replace(A, B)), Unknown("why")),
        (ended(1, STALE.replace(A, f"refs/heads/{A}")), None),
    ],
)
def test_a_push_proves_no_more_than_it_said(done: Completed, outcome: Outcome | None) -> None:
    """None: the refs have to be read to tell."""
    assert judged([CREATE], done, sent=True) == outcome


def test_several_refs_are_swapped_only_if_all_are() -> None:
    gone = GONE.replace(A, B)
    assert judged([CREATE, DELETE], ended(0, NEW, gone), sent=True) == Swapped()
    assert judged([CREATE, DELETE], ended(0, NEW), sent=True) == Unknown("why")
    assert judged([CREATE, DELETE], ended(1, STALE, gone), sent=True) is None


def test_an_unknown_line_makes_the_whole_push_unknown() -> None:
    assert isinstance(judged([CREATE], ended(0, NEW, "surprise"), sent=True), Unknown)


def test_what_was_never_sent_changed_nothing() -> None:
    with pytest.raises(UnreachableError, match="why"):
        judged([CREATE], ended(128), sent=False)
    assert judged([CREATE], ended(1), sent=False) is None


TRACE = '{"event":"version"}\n{"event":"region_enter","category":"transport_push","label":"get_refs_list"}\n'
SENT = '{"event":"region_enter","category":"transport_push","label":"push_refs"}\n'


@pytest.mark.parametrize(
    ("trace", "sent"),
    [
        (TRACE, False),
        (TRACE + SENT, True),
        (TRACE + '{"event":"region_enter","category":"other","label":"push_refs"}\n', False),
        (TRACE + SENT[:20], True),  # killed while it wrote
        ("", True),
        ('{"event":"version"}\n', True),
    ],
)
def test_only_a_whole_trace_proves_that_nothing_was_sent(tmp_path: Path, trace: str, sent: bool) -> None:  # noqa: FBT001
    (tmp_path / "trace").write_text(trace, encoding="utf-8")
    assert was_sent(str(tmp_path / "trace")) == sent


def test_without_a_trace_anything_may_have_been_sent(tmp_path: Path) -> None:
    assert was_sent(str(tmp_path / "none"))


REFS = st.lists(COMPONENTS, min_size=1, max_size=3).map("/".join).map(lambda name: f"path:{name}")
VALUES: st.SearchStrategy[Value] = st.sampled_from([ABSENT, ONE, TWO])


@given(st.lists(st.tuples(REFS, VALUES, VALUES), min_size=1, max_size=5), st.booleans())
@PROPERTY
def test_no_push_is_without_a_lease(rows: list[tuple[str, Value, Value]], atomic: bool) -> None:  # noqa: FBT001
    """Never `+`, `--force`, `--mirror`, a wildcard or a refspec whose ref has no exact lease of its own."""
    refs = {parse_spec_ref(name): (old, new) for name, old, new in rows if old != new}
    swaps = [Swap(name, old, new) for name, (old, new) in refs.items()]
    if not swaps:
        return
    words = push_arguments("origin", swaps, atomic=atomic)
    options, _, (target, *refspecs) = split_at(words, "--end-of-options")

    leases = [word.removeprefix("--force-with-lease=") for word in options if word.startswith("--force")]
    assert target == "origin"
    assert ("--atomic" in options) == atomic
    assert "--no-verify" in options
    assert not {"--force", "-f", "--mirror", "--all", "--tags", "--prune", "--delete"} & set(options)
    assert not any("*" in word or word.startswith(("+", "-")) for word in refspecs)
    assert [lease.partition(":")[0] for lease in leases] == [spec.partition(":")[2] for spec in refspecs] == list(refs)
    assert [lease.partition(":")[2] for lease in leases] == [written(swap.expected) for swap in swaps]
    assert [spec.partition(":")[0] for spec in refspecs] == [written(swap.new) for swap in swaps]


def written(value: Value) -> str:
    return "" if value is ABSENT else value


def parse_spec_ref(text: str) -> RefName:
    kind, _, name = text.partition(":")
    return explicit(Kind(kind), name).ref


def split_at(words: list[str], word: str) -> tuple[list[str], str, list[str]]:
    at = words.index(word)
    return words[:at], word, words[at + 1 :]


def test_a_push_of_nothing_cannot_be_written_down() -> None:
    """Without refspecs git pushes the user's branch."""
    with pytest.raises(ValueError, match="nothing"):
        push_arguments("origin", [], atomic=True)


# ---- broken wires


@contextmanager
def over_http(clones: Clones, tmp_path: Path, fault: Fault, times: int) -> Iterator[Remote]:
    with serving("http", tmp_path) as web, broken_http(web.url(clones.remote.path), fault, times=times) as url:
        yield Remote(url, {})


Breaking = Callable[[Fault, int], AbstractContextManager[Remote]]


@pytest.fixture(params=["daemon", "ssh", "http"])
def breaking(request: pytest.FixtureRequest, clones: Clones, tmp_path: Path) -> Breaking:
    """A remote whose first pushes break, over each kind of wire."""
    if request.param == "http":
        return lambda fault, times: over_http(clones, tmp_path, fault, times)
    return lambda fault, times: broken(clones.remote.path, fault, times=times, via=request.param)


def store_of(clones: Clones, remote: Remote, *, timeout: float = 30.0) -> RemoteStore:
    return remote_store(clones.alice, remote.url, timeout=timeout, env=remote.env)


def test_a_lost_answer_is_unknown_and_a_sync_finds_out(breaking: Breaking, clones: Clones) -> None:
    one, two = (commit(clones.alice, word) for word in ("one", "two"))
    with breaking(Fault.CUT_AFTER_APPLY, 1) as remote:
        store = store_of(clones, remote)
        outcome = store.swap([Swap(A, ABSENT, one), Swap(B, ABSENT, one)])
        assert isinstance(outcome, Unknown)
        assert is_printable(outcome.message)
        assert store.exact([A, B]) == {}

        store.sync()
        assert store.exact([A, B]) == {A: one, B: one}
        assert store.swap([Swap(A, one, two)]) == Swapped()


def test_a_lost_answer_is_unknown_for_each(clones: Clones) -> None:
    one = commit(clones.alice, "one")
    with cut_after_apply(clones.remote.path) as remote:
        outcomes = store_of(clones, remote).swap_each([Swap(A, ABSENT, one), Swap(B, ABSENT, one)])
    assert {name: type(outcome) for name, outcome in outcomes.items()} == {A: Unknown, B: Unknown}


def test_a_cut_before_the_commands_is_never_called_a_success(breaking: Breaking, clones: Clones) -> None:
    """git had begun to send, so it can't know; the registry can."""
    one = commit(clones.alice, "one")
    with breaking(Fault.CUT_BEFORE_COMMANDS, 1) as remote:
        store = store_of(clones, remote)
        assert isinstance(store.swap([Swap(A, ABSENT, one)]), Unknown)
        store.sync()
        assert store.exact([A]) == {}
        assert store.swap([Swap(A, ABSENT, one)]) == Swapped()


def test_a_loss_that_cannot_be_explained_is_unknown(clones: Clones) -> None:
    """The registry went away between the rejection and the reading; what was swapped beside it stays known."""
    mine, theirs = commit(clones.alice, "mine"), commit(clones.bob, "theirs")
    remote_store(clones.alice, "origin").swap([Swap(A, ABSENT, mine)])
    clones.bob.git("config", "remote.origin.uploadpack", "false")
    bob = remote_store(clones.bob, "origin")

    assert isinstance(bob.swap([Swap(A, ABSENT, theirs)]), Unknown)
    each = bob.swap_each([Swap(A, ABSENT, theirs), Swap(B, ABSENT, theirs)])

    assert isinstance(each[A], Unknown)
    assert each[B] == Swapped()
    assert clones.remote.refs() == {A: mine, B: theirs}


@pytest.mark.parametrize("scheme", ["git", "http", "ssh", "file", "missing"])
def test_a_registry_that_is_not_there_is_known_at_once(scheme: str, clones: Clones, tmp_path: Path) -> None:
    """Nothing was sent, so nothing was written: that is a certainty, not an unknown."""
    port = free_port()
    url = {
        "git": f"git://127.0.0.1:{port}/x.git",
        "http": f"http://127.0.0.1:{port}/x.git",
        "ssh": f"ssh://127.0.0.1:{port}/x.git",
        "file": (tmp_path / "none.git").as_uri(),
        "missing": "no-such-remote",
    }[scheme]
    store = remote_store(clones.alice, url)
    began = time.monotonic()
    with pytest.raises(UnreachableError) as caught:
        store.swap([Swap(A, ABSENT, commit(clones.alice, "one"))])
    with pytest.raises(UnreachableError):
        store.sync()
    assert time.monotonic() - began < 5
    assert is_printable(caught.value.message)
    assert caught.value.hint


def processes_with(word: str) -> list[int]:
    """The processes whose command line or environment has the word, but for this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if word.encode() in text:
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for left-over processes in /proc")
@pytest.mark.parametrize("via", ["daemon", "ssh"])
def test_a_registry_that_hangs_is_given_up_in_time(via: str, clones: Clones) -> None:
    """With everything that was started for it; and nothing was sent."""
    one = commit(clones.alice, "one")
    with broken(clones.remote.path, Fault.HANG, times=ALWAYS, via="ssh" if via == "ssh" else "daemon") as remote:
        mark = f"GITCLAIM_TEST_MARK={via}-{os.getpid()}-{time.monotonic_ns()}"
        name, _, value = mark.partition("=")
        store = remote_store(clones.alice, remote.url, timeout=1, env={**remote.env, name: value})
        began = time.monotonic()
        with pytest.raises(UnreachableError, match="in time"):
            store.swap([Swap(A, ABSENT, one)])
        assert 1 <= time.monotonic() - began < 2.5
        eventually(lambda: not processes_with(mark), within=2)
    assert clones.remote.refs() == {}


def test_a_registry_that_hangs_after_the_work_is_unknown(clones: Clones) -> None:
    one = commit(clones.alice, "one")
    with hang_after_apply(clones.remote.path) as remote:
        store = store_of(clones, remote, timeout=1.5)
        assert store.swap([Swap(A, ABSENT, one)]) == Unknown("it did not answer in time")
        store.sync()
        assert store.exact([A]) == {A: one}


def test_a_sync_that_hangs_is_given_up_in_time(clones: Clones) -> None:
    clones.alice.git("config", "remote.origin.uploadpack", "sleep 60; true")
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="within 1 seconds"):
        remote_store(clones.alice, "origin", timeout=1).sync()
    assert time.monotonic() - began < 2.5


def test_a_push_interrupted_in_the_middle_leaves_no_lock_behind(clones: Clones) -> None:
    """On a remote on this disk our own children write; they are asked to end before they are made to."""
    hook = clones.remote.path / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\n[ "$1" != prepared ] || exec sleep 60\n', encoding="utf-8")
    hook.chmod(0o755)
    one = commit(clones.alice, "one")

    outcome = remote_store(clones.alice, clones.url, timeout=1).swap([Swap(A, ABSENT, one)])

    assert isinstance(outcome, Unknown)
    hook.unlink()
    eventually(lambda: not list(clones.remote.path.rglob("*.lock")), within=5)
    assert remote_store(clones.alice, clones.url).swap([Swap(A, ABSENT, one)]) == Swapped()


def test_one_connection_takes_a_claim(clones: Clones, tmp_path: Path) -> None:
    """No fetch before, none after, no negotiation; only who loses reads again."""
    clones.alice.git("config", "push.negotiate", "true")
    one, two = commits(clones.alice, 2)
    with serving("daemon", tmp_path) as daemon, latency(daemon.url(clones.remote.path), rtt=0) as link:
        store = remote_store(clones.alice, link.url)
        assert store.swap([Swap(A, ABSENT, one), Swap(B, ABSENT, one)]) == Swapped()
        assert link.connections == 1
        assert store.swap([Swap(A, ABSENT, two)]) == Lost({A: one})
        assert link.connections == 3


def test_a_user_who_mirrors_or_signs_pushes_is_told(clones: Clones) -> None:
    """What the user's own settings forbid is a refusal with git's words, never a claim believed held."""
    clones.alice.git("config", "push.gpgSign", "true")
    store = remote_store(clones.alice, clones.url)
    one = commit(clones.alice, "one")
    try:
        outcome = store.swap([Swap(A, ABSENT, one)])
    except UnreachableError as error:
        assert "signed" in error.message  # noqa: PT017 - either answer is sound
    else:
        assert isinstance(outcome, Refused | Unknown)
    assert clones.remote.refs() == {}
