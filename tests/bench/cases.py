"""What is timed: a function for each part of the table, and the bars of docs/performance.md."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from tests.bench.measure import Command, Contender, Times, in_turns
from tests.bench.report import Row, added, compared, counted, lasted
from tests.bench.world import World, settle, stock
from tests.kit.latency import latency
from tests.kit.repos import Repo
from tests.kit.transports import serving

RTT: Final = 0.050
"""The round trip of the slow link."""
_FETCH: Final = ("fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
_CLAIMS: Final = "refs/claims/*:refs/claims/*"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Args:
        rounds: how often each thing is timed.
        crowd: how many processes run side by side.
        many: how many claims a full registry holds.
        staged: how many files a large commit has.
    """

    rounds: int
    crowd: int
    many: int
    staged: int = 10_000

    @property
    def few(self) -> int:
        """Rounds for what takes long."""
        return max(1, self.rounds // 3)


Case = Callable[[World, Sizes], list[Row]]


def start(world: World, sizes: Sizes) -> list[Row]:
    """What a start costs before any work is done."""
    codes = {
        "python -c pass": "pass",
        "python -c 'import click'": "import click",
        "python -c 'import pygit2'": "import pygit2",
        "python -c 'import gitclaim.cli.take_command'": "import gitclaim.cli.take_command",
    }
    contenders = [_always(world.python(code)) for code in codes.values()]
    nothing, *others = in_turns(sizes.rounds, *contenders)
    first, *names = codes
    return [
        lasted(first, nothing),
        *(compared(name, took, first, nothing) for name, took in zip(names, others, strict=True)),
    ]


def embedded(world: World, sizes: Sizes) -> list[Row]:
    """The repository itself is the registry."""
    repo = world.embedded("embedded")
    world.setup(repo, "take", "mine")
    take, click = in_turns(
        sizes.rounds,
        lambda number: [world.claim(repo, "take", f"src/{number}")],
        _always(world.python("import click")),
    )
    others = in_turns(sizes.rounds, *_others(world, repo).values())
    return [
        compared("`take`, free path", take, "python -c 'import click'", click, bar=90 / 56),
        *(lasted(name, took) for name, took in zip(_others(world, repo), others, strict=True)),
    ]


def disk(world: World, sizes: Sizes) -> list[Row]:
    """The registry is a bare repository on this disk."""
    remote = world.bare("disk")
    url = remote.path.as_uri()
    return _against_push(world, world.clone(url, "disk"), url, sizes.rounds, bar=6)


def link(world: World, sizes: Sizes) -> list[Row]:
    """The registry is behind `git daemon` on a link with 50 ms round trips."""
    remote = world.bare("link")
    with serving("daemon", world.root) as daemon:
        with latency(daemon.url(remote.path), rtt=0) as counter:
            repo = world.clone(counter.url, "link-counted")
            connections = 0
            for number in range(3):
                before = counter.connections
                world.setup(repo, "take", f"counted/{number}")
                connections = max(connections, counter.connections - before)
        with latency(daemon.url(remote.path), rtt=RTT) as slow:
            repo = world.clone(slow.url, "link")
            rows = _against_push(world, repo, slow.url, sizes.rounds, bar=1.5)
    return [counted("`take`, free path", connections, 1, "connection"), *rows]


def crowd(world: World, sizes: Sizes) -> list[Row]:
    """Many processes at once, in one clone, on a bare repository on this disk."""
    remote = world.bare("crowd")
    url = remote.path.as_uri()
    repo = world.clone(url, "crowd")
    count = sizes.crowd

    def apart(number: int) -> list[Command]:
        return [world.claim(repo, "take", f"apart/{number}/{one}", session=f"s{one}") for one in range(count)]

    def pushes(number: int) -> list[Command]:
        return [world.push(repo, url, f"{number}/{one}") for one in range(count)]

    def together(number: int) -> list[Command]:
        return [
            world.claim(repo, "take", f"together/{number}", session=f"s{one}", codes=(0, 3)) for one in range(count)
        ]

    ours, raw, one = in_turns(sizes.few, apart, pushes, together)
    return [
        compared(f"{count} processes take {count} paths, all win", ours, f"{count} raw pushes", raw, bar=3),
        compared(f"{count} processes take one path", one, f"{count} raw pushes", raw),
    ]


def sync(world: World, sizes: Sizes) -> list[Row]:
    """A look at the registry when nothing is new there."""
    rows = []
    for count in dict.fromkeys((0, 100, sizes.many)):
        remote = world.bare(f"sync-{count}")
        if count:
            stock(remote, count)
        url = remote.path.as_uri()
        repo = world.clone(url, f"sync-{count}")
        settle(repo, packed=True)
        checked, offline, fetched = in_turns(
            sizes.rounds,
            _always(world.claim(repo, "check", "src/free")),
            _always(world.claim(repo, "check", "--offline", "src/free")),
            _always(Command(["git", *_FETCH, url, _CLAIMS], repo.path)),
        )
        rows.append(compared(f"`check`, {count:,} claims", checked, "raw `git fetch`", fetched))
        rows.append(lasted(f"`check --offline`, {count:,} claims", offline))
        if count == 100:
            (listed,) = in_turns(sizes.rounds, _always(world.claim(repo, "list")))
            rows.append(lasted(f"`list`, {count:,} claims", listed))
    return rows


def many(world: World, sizes: Sizes) -> list[Row]:
    """A registry full of claims, as `git gc` leaves it and as pushes left it."""
    return [row for packed in (True, False) for row in _full(world, sizes, packed=packed)]


def sweep(world: World, sizes: Sizes) -> list[Row]:
    """A tenth of a full registry has expired."""
    expired = max(1, sizes.many // 10)
    template = world.bare("swept-template")
    stock(template, sizes.many - expired, expired=expired, packed=True)
    hook = template.path / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho >> pushes\n", encoding="utf-8")
    hook.chmod(0o755)
    remote = world.root / "swept.git"
    shutil.copytree(template.path, remote)
    repo = world.clone(remote.as_uri(), "swept")
    counts: list[int] = []

    def afresh(_: int) -> list[Command]:
        if (remote / "pushes").exists():
            counts.append(len((remote / "pushes").read_text(encoding="utf-8").splitlines()))
        shutil.rmtree(remote)
        shutil.copytree(template.path, remote)
        world.setup(repo, "list")
        return [world.claim(repo, "sweep", "--json")]

    (took,) = in_turns(sizes.few, afresh)
    afresh(0)
    left = int(Repo(remote).git("for-each-ref", "--count=1", "--format=1", "refs/claims/path/src/module_000") or 0)
    assert left == 1
    return [counted(f"`sweep`, {expired:,} expired of {sizes.many:,}", max(counts), 10, "pushes", took)]


def hooks(world: World, sizes: Sizes) -> list[Row]:
    """`git commit` with gitclaim's hooks and without any; the mirror is fresh."""
    alone: dict[tuple[int, int], Times] = {}
    rows = []
    for count in dict.fromkeys((0, 10, sizes.many)):
        remote = world.bare(f"hooks-{count}")
        if count:
            stock(remote, count)
        repo = world.clone(remote.path.as_uri(), f"hooks-{count}")
        settle(repo, packed=True)
        repo.git("config", "gitclaim.fresh", "1d")
        world.setup(repo, "install")
        for staged in (1, 100, sizes.staged):
            what = f"{staged:,} staged, {count:,} claims"
            ours, raw, one = _hooked(world, repo, staged, sizes.rounds if staged <= 100 else sizes.few)
            bar = 0.060 if (staged, count) == (100, sizes.many) else None
            rows.append(added(f"`git commit`, {what}", ours, "without hooks", raw, bar=bar))
            rows.append(lasted(f"pre-commit alone, {what}", one, bar=bar))
            alone[staged, count] = one
    few, full = alone[100, 10], alone[100, sizes.many]
    rows.append(compared(f"pre-commit alone, 100 staged, {sizes.many:,} claims", full, "10 claims", few, bar=1.2))
    return rows


def wall(world: World, sizes: Sizes) -> list[Row]:
    """A server with 1,000 live claims, with its hook and without."""
    live, many = min(sizes.many, 1000), min(sizes.many, 100)
    servers = []
    for name in ("walled", "open"):
        remote = world.bare(name)
        stock(remote, live)
        repo = world.clone(remote.path.as_uri(), name)
        servers.append(repo)
        if name == "walled":
            world.setup(remote, "install", "--server")
    rows = []
    kinds: Mapping[str, Callable[[Repo, int], list[Command]]] = {
        "push of 1 commit": lambda repo, number: [world.pushed(repo, 1, f"one {number}")],
        f"push of {many} commits": lambda repo, number: [world.pushed(repo, many, f"many {number}")],
        "`take`": lambda repo, number: [world.claim(repo, "take", f"mine/{number}")],
        "`land` of 1 commit with its claim": lambda repo, number: [world.landed(repo, f"land{number}")],
    }
    for name, kind in kinds.items():
        walled, without = in_turns(sizes.rounds, *(partial(kind, repo) for repo in servers))
        rows.append(added(f"{name}, {live:,} claims", walled, "without the hook", without, bar=0.400))
    return rows


CASES: Final[Mapping[str, Case]] = {
    "start": start,
    "embedded": embedded,
    "disk": disk,
    "link": link,
    "crowd": crowd,
    "sync": sync,
    "many": many,
    "sweep": sweep,
    "hooks": hooks,
    "wall": wall,
}


def _hooked(world: World, repo: Repo, staged: int, rounds: int) -> list[Times]:
    """Commits of as many files with the hooks and without, and pre-commit by itself."""
    world.fill(repo, staged)
    return in_turns(
        rounds,
        lambda number: [world.commit(repo, staged, f"with {number}")],
        lambda number: [world.commit(repo, staged, f"without {number}", hooks=False)],
        lambda number: [world.hook(repo, "pre-commit", staged, f"alone {number}")],
    )


def _full(world: World, sizes: Sizes, *, packed: bool) -> Iterator[Row]:
    form = "packed" if packed else "loose"
    remote = world.bare(f"many-{form}")
    stock(remote, sizes.many, packed=packed)
    url = remote.path.as_uri()
    repo = world.clone(url, f"many-{form}")
    settle(repo, packed=packed)
    where = f"{sizes.many:,} claims, {form} refs"
    take, raw = in_turns(
        sizes.rounds,
        lambda number: [world.claim(repo, "take", f"take/{number}")],
        lambda number: [world.push(repo, url, f"{number}")],
    )
    yield compared(f"`take`, free path, {where}", take, "raw `git push`", raw, bar=1.5)
    lists = {
        f"`list`, {where}": ("list",),
        f"`list --json`, {where}": ("list", "--json"),
        f"`list --offline`, {where}": ("list", "--offline"),
        f"`list --offline --json`, {where}": ("list", "--offline", "--json"),
    }
    times = in_turns(sizes.few, *(_always(world.claim(repo, *words)) for words in lists.values()))
    for name, took in zip(lists, times, strict=True):
        yield lasted(name, took, bar=1.0)


def _against_push(world: World, repo: Repo, url: str, rounds: int, *, bar: float) -> list[Row]:
    """Every command that a session uses, beside a raw push to the same registry."""
    world.setup(repo, "take", "mine")
    world.setup(repo, "take", "busy", session="other")
    take, raw = in_turns(
        rounds,
        lambda number: [world.claim(repo, "take", f"src/{number}")],
        lambda number: [world.push(repo, url, f"{number}")],
    )
    others = _others(world, repo)
    times = in_turns(rounds, *others.values())
    return [
        compared("`take`, free path", take, "raw `git push`", raw, bar=bar),
        *(compared(name, took, "raw `git push`", raw) for name, took in zip(others, times, strict=True)),
    ]


def _others(world: World, repo: Repo) -> Mapping[str, Contender]:
    world.setup(repo, "take", "busy", session="other")

    def release(number: int) -> list[Command]:
        world.setup(repo, "take", f"short/{number}", session="leaver")
        return [world.claim(repo, "release", f"short/{number}", session="leaver")]

    return {
        "`take`, denied": _always(world.claim(repo, "take", "busy/below", codes=(3,))),
        "`renew`": _always(world.claim(repo, "renew", "mine")),
        "`release`": release,
        "`check`": _always(world.claim(repo, "check", "src/free")),
    }


def _always(command: Command) -> Contender:
    return lambda _: [command]
