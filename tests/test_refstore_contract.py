"""What every ref store promises, asked of all of them alike."""

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitclaim.names import Oid, RefName
from gitclaim.refstore.contract import ABSENT, Lost, RefStore, Refused, Swap, Swapped, Value, neighbourhood
from gitclaim.refstore.local import LocalStore
from gitclaim.refstore.memory import MemoryRefs, MemoryStore
from tests.kit.repos import Clones, Repo, make_repo
from tests.kit.stores import commits, git_in, local_store, ref, remote_store

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class World:
    """Two sessions' stores over one registry, and a view of the registry that none of them has touched."""

    alice: RefStore
    bob: RefStore
    objects: tuple[Oid, ...]
    truth: Callable[[], Mapping[RefName, Oid]]
    repo: Repo | None = None
    clone: Repo | None = None


def memory_world() -> World:
    registry = MemoryRefs()
    objects = tuple(Oid(f"{number + 1:040x}") for number in range(4))
    return World(MemoryStore(registry), MemoryStore(registry), objects, lambda: dict(registry.refs))


def seen_in(repo: Repo) -> Callable[[], Mapping[RefName, Oid]]:
    return lambda: {RefName(name): Oid(oid) for name, oid in repo.refs().items()}


def local_world(root: Path, ref_format: str) -> World:
    repo = make_repo(root / "repo")
    if ref_format != "files":
        repo.git("init", "--quiet", f"--ref-format={ref_format}", str(root / ref_format))
        repo = Repo(root / ref_format)
    repo.git("commit", "--quiet", "--allow-empty", "-m", "start")
    repo.git("worktree", "add", "--quiet", str(root / "linked"))
    objects = commits(repo, 4)
    return World(local_store(repo), local_store(Repo(root / "linked")), objects, seen_in(repo), repo, repo)


def remote_world(clones: Clones) -> World:
    objects = commits(clones.alice, 4)
    lent = clones.bob.path / ".git" / "objects" / "info" / "alternates"
    lent.write_text(f"{clones.alice.path}/.git/objects\n", encoding="utf-8")
    alice, bob = (remote_store(repo, clones.url) for repo in (clones.alice, clones.bob))
    return World(alice, bob, objects, seen_in(clones.remote), clones.remote, clones.alice)


def has_reftable() -> bool:
    """git 2.45 and later."""
    usage = subprocess.run(["git", "init", "-h"], capture_output=True, text=True, check=False).stdout
    return "--ref-format" in usage


@pytest.fixture(params=["memory", "files", "reftable", "remote"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    match request.param:
        case "memory":
            return memory_world()
        case "remote":
            return remote_world(request.getfixturevalue("clones"))
        case "reftable" if not has_reftable():
            pytest.skip("this git has no reftable")
        case ref_format:
            return local_world(tmp_path, ref_format)


@pytest.fixture
def far_world(remote_over: Clones) -> World:
    return remote_world(remote_over)


def create(store: RefStore, *names: str, oid: Oid) -> object:
    return store.swap([Swap(ref(name), ABSENT, oid) for name in names])


A, B, C = ref("a"), ref("b"), ref("c")


class TestSwap:
    """All or nothing, each ref compared with what was expected."""

    def test_a_ref_is_created_only_if_it_is_absent(self, world: World) -> None:
        one, two, *_ = world.objects
        assert world.alice.swap([Swap(A, ABSENT, one)]) == Swapped()

        assert world.bob.swap([Swap(A, ABSENT, two)]) == Lost({A: one})
        assert world.truth() == {A: one}

    def test_the_same_object_does_not_make_a_second_winner(self, world: World) -> None:
        """git calls it success when the ref has the new value already."""
        one = world.objects[0]
        create(world.alice, "a", oid=one)

        assert create(world.bob, "a", oid=one) == Lost({A: one})

    def test_a_ref_moves_from_exactly_what_was_expected(self, world: World) -> None:
        one, two, three, _ = world.objects
        create(world.alice, "a", oid=one)

        assert world.bob.swap([Swap(A, two, three)]) == Lost({A: one})
        assert world.bob.swap([Swap(A, one, two)]) == Swapped()
        assert world.alice.swap([Swap(A, one, three)]) == Lost({A: two})
        assert world.truth() == {A: two}

    def test_a_ref_is_deleted_from_exactly_what_was_expected(self, world: World) -> None:
        one, two, *_ = world.objects
        create(world.alice, "a", oid=one)

        assert world.bob.swap([Swap(A, two, ABSENT)]) == Lost({A: one})
        assert world.bob.swap([Swap(A, one, ABSENT)]) == Swapped()
        assert world.truth() == {}

    @pytest.mark.parametrize("index", [None, 1], ids=["delete", "move"])
    def test_what_is_absent_neither_moves_nor_goes(self, world: World, index: int | None) -> None:
        new: Value = ABSENT if index is None else world.objects[index]
        assert world.alice.swap([Swap(A, world.objects[0], new)]) == Lost({})
        assert world.truth() == {}

    @pytest.mark.parametrize(("there", "wanted"), [("a", "a/b"), ("a", "a/b/c"), ("a/b", "a"), ("a/b/c", "a")])
    def test_a_name_above_or_below_excludes(self, world: World, there: str, wanted: str) -> None:
        """git's clash of names is our lock: it is a loss that shows the holder, not a refusal."""
        one, two, *_ = world.objects
        create(world.alice, there, oid=one)

        assert create(world.bob, wanted, oid=two) == Lost({ref(there): one})
        assert world.truth() == {ref(there): one}

    def test_the_root_excludes_everything_below(self, world: World) -> None:
        one, two, *_ = world.objects
        root = RefName("refs/claims/path")
        assert world.alice.swap([Swap(root, ABSENT, one)]) == Swapped()
        assert create(world.bob, "a/b", oid=two) == Lost({root: one})

    def test_all_or_nothing(self, world: World) -> None:
        one, two, *_ = world.objects
        create(world.alice, "b", oid=one)

        assert create(world.bob, "a", "b", "c", oid=two) == Lost({B: one})
        assert world.truth() == {B: one}
        assert create(world.bob, "a", "c", oid=two) == Swapped()
        assert world.truth() == {A: two, B: one, C: two}

    def test_all_or_nothing_when_one_name_clashes(self, world: World) -> None:
        one, two, *_ = world.objects
        create(world.alice, "b/x", oid=one)

        assert create(world.bob, "a", "b", oid=two) == Lost({ref("b/x"): one})
        assert world.truth() == {ref("b/x"): one}

    def test_create_move_and_delete_go_together(self, world: World) -> None:
        one, two, three, _ = world.objects
        create(world.alice, "a", "b", oid=one)
        mixed = [Swap(A, one, ABSENT), Swap(B, one, two), Swap(C, ABSENT, three)]

        assert world.bob.swap(mixed) == Swapped()
        assert world.truth() == {B: two, C: three}
        lost = world.alice.swap(mixed)
        assert lost == Lost({B: two, C: three})

    def test_a_loss_shows_all_that_can_exclude(self, world: World) -> None:
        """The refs asked for, above and below them; not their neighbours."""
        one, two, three, _ = world.objects
        create(world.alice, "a", "b/c", "d/e/f", "d/e/g", "d/h", "x", oid=one)

        lost = create(world.bob, "a/1", "b", "d/e", oid=two)

        assert lost == Lost(dict.fromkeys([A, ref("b/c"), ref("d/e/f"), ref("d/e/g")], one))
        assert create(world.bob, "y", oid=three) == Swapped()

    def test_a_swap_that_changes_nothing_cannot_be_written_down(self) -> None:
        with pytest.raises(ValueError, match="changes nothing"):
            Swap(A, ABSENT, ABSENT)

    def test_no_swaps_do_nothing(self, world: World) -> None:
        """Least of all push the user's branch."""
        assert world.alice.swap([]) == Swapped()
        assert world.alice.swap_each([]) == {}
        assert world.truth() == {}

    def test_a_thousand_refs_go_in_one_swap(self, world: World) -> None:
        one, two, *_ = world.objects
        names = [f"dir{number % 10}/file-{number:04}" for number in range(1000)]

        assert create(world.alice, *names, oid=one) == Swapped()
        assert len(world.truth()) == 1000
        lost = create(world.bob, *names[:-1], "new", oid=two)
        assert isinstance(lost, Lost)
        assert len(lost.current) == 999
        assert world.alice.swap([Swap(ref(name), one, ABSENT) for name in names]) == Swapped()
        assert world.truth() == {}


class TestSwapEach:
    """Each by itself, in as few transactions as the store can."""

    def test_each_has_its_own_outcome(self, world: World) -> None:
        one, two, three, _ = world.objects
        create(world.alice, "a", "b", "c", "d", "h/i", oid=one)
        world.bob.swap([Swap(B, one, two), Swap(C, one, ABSENT)])

        outcomes = world.alice.swap_each(
            [
                Swap(A, one, ABSENT),
                Swap(B, one, ABSENT),
                Swap(C, one, ABSENT),
                Swap(ref("d"), one, three),
                Swap(ref("e"), ABSENT, three),
                Swap(ref("h"), ABSENT, three),
            ]
        )

        assert outcomes == {
            A: Swapped(),
            B: Lost({B: two}),
            C: Lost({}),
            ref("d"): Swapped(),
            ref("e"): Swapped(),
            ref("h"): Lost({ref("h/i"): one}),
        }
        assert world.truth() == {B: two, ref("d"): three, ref("e"): three, ref("h/i"): one}

    def test_a_hundred_go_at_once(self, world: World) -> None:
        one, two, *_ = world.objects
        names = [ref(f"f{number}") for number in range(100)]
        world.alice.swap([Swap(name, ABSENT, one) for name in names])
        world.bob.swap([Swap(names[7], one, two)])

        outcomes = world.alice.swap_each([Swap(name, one, ABSENT) for name in names])

        assert [name for name, outcome in outcomes.items() if outcome != Swapped()] == [names[7]]
        assert world.truth() == {names[7]: two}


class TestView:
    """What a store shows without asking again."""

    def test_after_a_swap_the_view_shows_it(self, world: World) -> None:
        one, two, *_ = world.objects
        create(world.alice, "a", "b/c", oid=one)
        assert world.alice.below([RefName("refs/claims")]) == {A: one, ref("b/c"): one}
        world.alice.swap([Swap(A, one, two), Swap(ref("b/c"), one, ABSENT)])
        assert world.alice.below([RefName("refs/claims")]) == {A: two}

    def test_after_a_loss_the_view_shows_everything(self, world: World) -> None:
        one, two, *_ = world.objects
        create(world.alice, "a", "x", oid=one)
        create(world.bob, "a", oid=two)
        assert world.bob.below([RefName("refs/claims")]) == {A: one, ref("x"): one}

    @pytest.mark.parametrize(("was", "now"), [("a", "a/b"), ("a/b", "a")])
    def test_a_swap_shows_even_where_the_view_was_behind(self, world: World, was: str, now: str) -> None:
        """What stood above or below a moment ago is gone, or the swap would not have happened."""
        one, two, *_ = world.objects
        create(world.alice, was, oid=one)
        world.bob.sync()
        world.bob.swap([Swap(ref(was), one, ABSENT)])

        assert create(world.bob, now, oid=two) == Swapped()
        assert create(world.alice, "x", oid=two) == Swapped()
        stale = world.alice.swap([Swap(ref(now), two, one)])

        assert stale == Swapped()
        assert world.alice.below([RefName("refs/claims")]) == {ref(now): one, ref("x"): two}

    def test_a_sync_shows_what_others_did(self, world: World) -> None:
        one = world.objects[0]
        create(world.alice, "a", oid=one)
        world.bob.sync()
        assert world.bob.exact([A]) == {A: one}
        assert world.bob.age(datetime.now(UTC)) is not None

    def test_exact_is_exact(self, world: World) -> None:
        one, *_ = world.objects
        create(world.alice, "a/b", "ab", "c", oid=one)

        assert world.alice.exact([A, ref("a/b"), ref("a/b/c"), C, C]) == {ref("a/b"): one, C: one}
        assert world.alice.exact([]) == {}

    def test_below_is_at_or_below(self, world: World) -> None:
        one, *_ = world.objects
        create(world.alice, "a/b", "a/c/d", "ab", oid=one)

        assert world.alice.below([A]) == {ref("a/b"): one, ref("a/c/d"): one}
        assert world.alice.below([ref("a/b"), A]) == {ref("a/b"): one, ref("a/c/d"): one}
        assert world.alice.below([ref("a/b/x"), ref("z")]) == {}
        assert world.alice.below([]) == {}

    def test_the_neighbourhood_is_above_at_and_below(self, world: World) -> None:
        one, *_ = world.objects
        create(world.alice, "a", "b/c/d", "b/x", "e", oid=one)
        assert neighbourhood(world.alice, [ref("a/b/c"), ref("b/c")]) == {A: one, ref("b/c/d"): one}


class TestGit:
    """What only real repositories can do to a store."""

    @pytest.fixture(params=["files", "remote"])
    def world(self, request: pytest.FixtureRequest, tmp_path: Path) -> World:
        if request.param == "files":
            return local_world(tmp_path, "files")
        return remote_world(request.getfixturevalue("clones"))

    def hook(self, world: World, name: str, body: str) -> None:
        assert world.repo is not None
        hooks = Path(world.repo.git("rev-parse", "--path-format=absolute", "--git-path", "hooks"))
        hooks.mkdir(exist_ok=True)
        script = hooks / name
        script.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        script.chmod(0o755)

    def test_a_refusal_is_no_loss(self, world: World) -> None:
        """Nobody else is there: saying "lost" would send the session looking for a holder."""
        one = world.objects[0]
        say = 'printf "not \\033[31mhere" >&2'
        self.hook(world, "update", f"{say}; exit 1")  # asked by receive-pack
        if isinstance(world.alice, LocalStore):
            self.hook(world, "reference-transaction", f'{say}; [ "$1" != prepared ]')

        refused = create(world.alice, "a", oid=one)

        assert isinstance(refused, Refused)
        assert not refused.final
        assert refused.message.isprintable()
        assert "not \\x1b[31mhere" in refused.message
        assert world.alice.swap_each([Swap(A, ABSENT, one)]) == {A: refused}
        assert world.truth() == {}

    @pytest.mark.parametrize("packed", [False, True], ids=["loose", "packed"])
    def test_names_clash_loose_and_packed(self, world: World, packed: bool) -> None:  # noqa: FBT001
        one, two, *_ = world.objects
        create(world.alice, "a", "b/c", oid=one)
        if packed:
            assert world.repo is not None
            world.repo.git("pack-refs", "--all", "--prune")

        assert create(world.bob, "a/x", oid=two) == Lost({A: one})
        assert create(world.bob, "b", oid=two) == Lost({ref("b/c"): one})
        assert world.bob.swap([Swap(A, one, ABSENT)]) == Swapped()
        assert create(world.bob, "a/x", oid=two) == Swapped()

    def test_a_ref_swapped_for_one_below_it_is_not_done_in_one_step(self, world: World) -> None:
        """So `--widen` takes two steps; the memory store says the same."""
        for here in (world, memory_world()):
            one, two, *_ = here.objects
            create(here.alice, "a", oid=one)
            assert here.alice.swap([Swap(A, one, ABSENT), Swap(ref("a/b"), ABSENT, two)]) == Lost({A: one})
            assert here.truth() == {A: one}

    def test_a_branch_of_the_same_name_is_not_the_ref(self, world: World) -> None:
        """`git branch refs/claims/path/a` is an easy slip, and for `git rev-parse` it answers to that name."""
        one, two, *_ = world.objects
        create(world.alice, "x", oid=one)
        clone = world.clone
        assert clone is not None
        for kind in ("heads", "tags", "remotes"):
            clone.git("update-ref", f"refs/{kind}/{A}", one)

        assert world.alice.exact([A]) == {}
        assert create(world.alice, "a", oid=two) == Swapped()
        assert world.alice.exact([A]) == {A: two}

    def test_a_name_that_describes_a_commit_is_not_that_commit(self, world: World) -> None:
        """`fix-g1a2b3c4` is what `git describe` prints, and git resolves it (gitrevisions(7))."""
        one, *_ = world.objects
        name = ref(f"fix-g{one[:8]}")

        assert world.alice.exact([name]) == {}
        assert create(world.alice, f"fix-g{one[:8]}", oid=one) == Swapped()

    @pytest.mark.parametrize("kinds", [["heads"], ["heads", "tags"]], ids=len)
    def test_a_branch_of_the_same_name_on_the_server_refuses(self, clones: Clones, kinds: list[str]) -> None:
        """git would push to the branch, or to nothing; the lease keeps it from that, and the message says why."""
        world = remote_world(clones)
        one, two, *_ = world.objects
        create(world.alice, "x", oid=one)
        for kind in kinds:
            clones.remote.git("update-ref", f"refs/{kind}/{A}", one)

        assert isinstance(create(world.alice, "a", oid=two), Refused)
        assert clones.remote.git("rev-parse", f"refs/heads/{A}") == one
        assert world.truth() == {ref("x"): one}

    def test_a_symbolic_ref_leads_no_write_elsewhere(self, tmp_path: Path) -> None:
        world = local_world(tmp_path, "files")
        one, two, *_ = world.objects
        assert world.repo is not None
        create(world.alice, "there", oid=one)
        world.repo.git("update-ref", "refs/heads/target", one)
        world.repo.git("symbolic-ref", A, "refs/heads/target")

        create(world.bob, "a", oid=two)
        world.bob.swap([Swap(A, one, two)])
        world.bob.swap([Swap(A, one, ABSENT)])

        assert world.repo.git("rev-parse", "refs/heads/target") == one

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_directory_that_cannot_be_written_refuses(self, world: World) -> None:
        assert world.repo is not None
        refs = Path(world.repo.git("rev-parse", "--path-format=absolute", "--git-path", "refs"))
        refs.chmod(0o500)
        try:
            assert isinstance(create(world.alice, "a", oid=world.objects[0]), Refused)
        finally:
            refs.chmod(0o700)


class TestServer:
    """What a server may forbid."""

    def test_a_hook_refuses(self, clones: Clones) -> None:
        hook = clones.remote.path / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\necho 'policy: \033[2Jno claims' >&2\nexit 1\n", encoding="utf-8")
        hook.chmod(0o755)
        world = remote_world(clones)

        refused = create(world.alice, "a", oid=world.objects[0])

        assert isinstance(refused, Refused)
        assert "no claims" in refused.message
        assert "\033" not in refused.message
        assert not refused.final
        assert world.truth() == {}

    def test_a_server_may_forbid_deletions(self, clones: Clones) -> None:
        hook = clones.remote.path / "hooks" / "update"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f'#!/bin/sh\n[ "$3" != {"0" * 40} ]\n', encoding="utf-8")
        hook.chmod(0o755)
        world = remote_world(clones)
        one = world.objects[0]
        create(world.alice, "a", oid=one)

        assert isinstance(world.alice.swap([Swap(A, one, ABSENT)]), Refused)
        assert world.alice.exact([A]) == {A: one}

    def test_without_atomic_pushes_one_ref_works_and_several_are_refused_for_good(self, clones: Clones) -> None:
        clones.remote.git("config", "receive.advertiseAtomic", "false")
        world = remote_world(clones)
        one, two, *_ = world.objects

        refused = create(world.alice, "a", "b", oid=one)

        assert isinstance(refused, Refused)
        assert refused.final
        assert "atomic" in refused.message
        assert world.truth() == {}
        assert create(world.alice, "a", oid=one) == Swapped()
        assert create(world.bob, "a/b", oid=two) == Lost({A: one})
        assert world.alice.swap_each([Swap(B, ABSENT, one), Swap(A, one, ABSENT)]) == {B: Swapped(), A: Swapped()}


class TestTransports:
    """The same over every wire."""

    def test_the_first_takes_and_the_second_is_told(self, far_world: World) -> None:
        one, two, *_ = far_world.objects
        assert create(far_world.alice, "a", "b/c", oid=one) == Swapped()

        assert create(far_world.bob, "a", oid=two) == Lost({A: one})
        assert create(far_world.bob, "b", oid=two) == Lost({ref("b/c"): one})
        assert create(far_world.bob, "a", oid=one) == Lost({A: one})
        assert far_world.bob.swap([Swap(A, two, ABSENT)]) == Lost({A: one})
        assert far_world.truth() == {A: one, ref("b/c"): one}

    def test_a_ref_moves_and_goes(self, far_world: World) -> None:
        one, two, *_ = far_world.objects
        create(far_world.alice, "a", oid=one)

        assert far_world.bob.swap([Swap(A, one, two)]) == Swapped()
        each = far_world.alice.swap_each([Swap(A, one, ABSENT), Swap(B, ABSENT, one)])
        assert each == {A: Lost({A: two}), B: Swapped()}
        assert far_world.bob.swap([Swap(A, two, ABSENT)]) == Swapped()
        assert far_world.truth() == {B: one}


def test_a_store_leaves_no_traces_behind(clones: Clones) -> None:
    """Each push is watched through a file; none of them stays."""
    world = remote_world(clones)
    create(world.alice, "a", oid=world.objects[0])
    create(world.bob, "a", oid=world.objects[1])

    for repo in (clones.alice, clones.bob):
        left = sorted(path.name for path in (repo.path / ".git" / "gitclaim").iterdir())
        assert not [name for name in left if name.startswith("push")]
    assert git_in(clones.alice).run("status", "--porcelain").out == b""
