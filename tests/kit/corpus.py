"""Every way to change a path, for every kind of path, below every kind of claim: what must stop it, and a world for it.

The world is a bare remote and the clone of `bob`, with the hooks in it. In each commit of a cell's operation there are
the paths of all cells of that operation; the claims of `alice` that are live can be put up and taken down, each kind of
path by itself. All others stay: they expired, are incomplete, forged, or bob's own.
"""

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from pathlib import Path
from typing import Final

from gitclaim.names import printable
from tests.kit.garbage import raw_object
from tests.kit.races import LATER, at
from tests.kit.repos import ROOT, Ran, Repo, make_bare, make_clone


class Kind(StrEnum):
    """How a path lies to the claim that concerns it."""

    PLAIN = "plain file"
    INSIDE = "in a claimed directory"
    ABOVE = "above a claimed path"
    BRACKETS = "[id] in its name"
    BRACES = "{x}"
    SPACE = "with a space"
    NFD = "NFD, claimed as NFC"
    CASE = "in another case"
    BYTES = "not UTF-8"
    GLOB = "new, matches a pattern"


class Standing(StrEnum):
    """How the claim on a path stands."""

    LIVE = "live"
    EXPIRED = "expired"
    VOID = "void"
    FORGED = "forged"
    OWN = "own"
    NONE = "none"


class Outcome(StrEnum):
    """What becomes of the change: which wall stops it first, if any does."""

    COMMIT = "commit"
    PUSH = "push"
    ALLOW = "allow"


# The table. One row an operation, one column a standing; it is so for every kind of path. `commit` is stopped by
# pre-commit or pre-merge-commit, and with --no-verify by pre-push; `push` is not seen before pre-push.
TABLE: Final = """\
                                        live    expired  void   forged  own    none

modify                                  commit  allow    allow  allow   allow  allow
add                                     commit  allow    allow  allow   allow  allow
delete                                  commit  allow    allow  allow   allow  allow
rename into                             commit  allow    allow  allow   allow  allow
rename out of                           commit  allow    allow  allow   allow  allow
copy into                               commit  allow    allow  allow   allow  allow
copy out of                             allow   allow    allow  allow   allow  allow
chmod                                   commit  allow    allow  allow   allow  allow
symlink                                 commit  allow    allow  allow   allow  allow
submodule bump                          commit  allow    allow  allow   allow  allow
file to directory                       commit  allow    allow  allow   allow  allow
directory to file                       commit  allow    allow  allow   allow  allow

merge clean                             allow   allow    allow  allow   allow  allow
merge, changed before its commit        commit  allow    allow  allow   allow  allow
merge conflicted, resolved by hand      commit  allow    allow  allow   allow  allow
merge conflicted, theirs thrown away    commit  allow    allow  allow   allow  allow
merge conflicted, ours thrown away      commit  allow    allow  allow   allow  allow
merge -X ours                           commit  allow    allow  allow   allow  allow
merge -s ours                           commit  allow    allow  allow   allow  allow
merge --squash                          commit  allow    allow  allow   allow  allow
octopus                                 allow   allow    allow  allow   allow  allow
octopus, changed before its commit      commit  allow    allow  allow   allow  allow

root commit                             commit  allow    allow  allow   allow  allow
amend                                   commit  allow    allow  allow   allow  allow
cherry-pick                             push    allow    allow  allow   allow  allow
revert                                  push    allow    allow  allow   allow  allow
rebase                                  push    allow    allow  allow   allow  allow
am                                      push    allow    allow  allow   allow  allow

commit -a                               commit  allow    allow  allow   allow  allow
commit -a in a subdirectory             commit  allow    allow  allow   allow  allow
commit -- path                          commit  allow    allow  allow   allow  allow
commit --include                        commit  allow    allow  allow   allow  allow
commit --only, others staged            commit  allow    allow  allow   allow  allow
commit --only others, this staged       allow   allow    allow  allow   allow  allow
intent to add                           allow   allow    allow  allow   allow  allow
empty commit                            allow   allow    allow  allow   allow  allow
stash                                   allow   allow    allow  allow   allow  allow
"""

ROWS: Final = {
    row.rsplit(maxsplit=len(Standing))[0]: row.split()[-len(Standing) :] for row in TABLE.splitlines()[1:] if row
}
"""The operations, and what stands in their rows."""

Key = tuple[str, Kind, Standing]


def expected() -> dict[Key, Outcome]:
    """The table, cell by cell, without what can't be."""
    standings = [Standing(word) for word in TABLE.split("\n", 1)[0].split()]
    return {
        (operation, kind, standing): Outcome(word)
        for operation, words in ROWS.items()
        for kind, (standing, word) in product(Kind, zip(standings, words, strict=True))
        if (operation, kind, standing) not in IMPOSSIBLE
    }


@dataclass(frozen=True, slots=True)
class Spot:
    """A path, and how the claim on it stands."""

    kind: Kind
    standing: Standing

    @property
    def path(self) -> str:
        """The path that is changed; bytes that are not UTF-8 as surrogates."""
        return {
            Kind.PLAIN: "plain/{}.c",
            Kind.INSIDE: "inside/{}/deep/x.c",
            Kind.ABOVE: "above/{}",
            Kind.BRACKETS: "app/{}/[id]/page.tsx",
            Kind.BRACES: "braces/{}/{{x}}",
            Kind.SPACE: "with space/{} x.c",
            Kind.NFD: "nfd/{}-cafe\u0301.c",
            Kind.CASE: "CASE/{}.C",
            Kind.BYTES: "bytes/{}-\udcff.c",
            Kind.GLOB: "glob/{}/deep/new.sql",
        }[self.kind].format(self.standing.upper() if self.kind is Kind.CASE else self.standing)

    @property
    def asked(self) -> tuple[str, ...]:
        """How the claim on it is taken."""
        claimed = {
            Kind.INSIDE: f"inside/{self.standing}",
            Kind.ABOVE: f"{self.path}/x.c",
            Kind.NFD: f"nfd/{self.standing}-caf\u00e9.c",
            Kind.CASE: f"case/{self.standing}.c",
        }.get(self.kind, self.path)
        return ("--glob", f"glob/{self.standing}/**/*.sql") if self.kind is Kind.GLOB else (f"path:{claimed}",)


IMPOSSIBLE: Final[Mapping[Key, str]] = {
    (operation, Kind.BYTES, standing): "APFS has no such names (EILSEQ)"
    for operation, standing in product(ROWS, Standing)
    if sys.platform == "darwin"
}
"""The combinations that can't exist, each with the reason."""

KINDS: Final = tuple(kind for kind in Kind if not all((name, kind, Standing.LIVE) in IMPOSSIBLE for name in ROWS))
SPOTS: Final = tuple(Spot(kind, standing) for kind, standing in product(KINDS, Standing))
GITLINK: Final = "b0b" + "0" * 37
UNHOOKED: Final = ("-c", "core.hooksPath=/dev/null")
OTHER: Final = "other.txt"
AWKWARD: Final = (
    "color.ui=always",
    "core.abbrev=4",
    "diff.ignoreSubmodules=all",
    "diff.relative=true",
    "diff.renames=copies",
    "i18n.logOutputEncoding=ISO-8859-1",
    "log.showSignature=true",
    "trailer.ifexists=add",
    "trailer.separators=%",
)
"""What a user may have set, and what git must not see things by when gitclaim asks it."""


@dataclass(frozen=True, slots=True)
class World:
    """Bob's clone and the remote, and what alice holds when she is there.

    Args:
        root: where both lie.
        live: the refs of alice's live claims, and what they point at, for each kind of path.
        ids: the ids of those claims.
        own: the id of bob's own claim.
    """

    root: Path
    live: Mapping[Kind, Mapping[str, str]]
    ids: Mapping[Kind, str]
    own: str

    @property
    def bob(self) -> Repo:
        """The clone with the hooks."""
        return Repo(self.root / "bob", "bob", {"PYTHONPATH": str(ROOT), "GITCLAIM_SESSION": "bob"})

    @property
    def remote(self) -> Repo:
        """The registry."""
        return Repo(self.root / "remote.git")

    def copied(self, root: Path) -> "World":
        """The same world elsewhere."""
        shutil.copytree(self.root, root, symlinks=True)
        return World(root, self.live, self.ids, self.own)

    def stand(self, *kinds: Kind) -> None:
        """Let alice's live claims on those kinds of path stand in the registry, and no others."""
        lines = [
            f"update {ref} {oid}\n" if kind in kinds else f"delete {ref}\n"
            for kind, refs in self.live.items()
            for ref, oid in refs.items()
        ]
        self.remote.git("update-ref", "--stdin", input="".join(lines))

    def begin(self, operation: "Operation") -> None:
        """Bring bob to where the operation is made from, whatever he was in the middle of."""
        bob = self.bob
        bob.git(*UNHOOKED, "checkout", "--quiet", "--force", "-B", "work", f"origin/{operation.base}")
        bob.git("clean", "--quiet", "-ffd")
        operation.prepare(bob)


@dataclass(frozen=True, slots=True)
class Operation:
    """One way to change all spots in one commit.

    Args:
        base: the branch it begins on; all of these have landed.
        prepare: what comes before the command that a hook may stop.
        argv: that command; `commit` and `merge` know --no-verify.
        undo: what makes that command possible again, once it was stopped.
    """

    base: str
    prepare: Callable[[Repo], None]
    argv: tuple[str, ...] = ("commit", "--quiet", "--message", "work")
    undo: tuple[str, ...] = ()

    def attempt(self, repo: Repo, *, verify: bool = True) -> Ran:
        """Make the commit, or try to."""
        where = self.argv.index("commit" if "commit" in self.argv else self.argv[0]) + 1
        skip = [] if verify or not {"commit", "merge"} & set(self.argv) else ["--no-verify"]
        return repo.try_git(*self.argv[:where], *skip, *self.argv[where:])


def template(root: Path) -> World:
    """Make the world once; it takes seconds."""
    make_bare(root / "remote.git")
    alice = make_clone("remote.git", root / "alice", session="alice")
    alice.git("remote", "set-url", "origin", "../remote.git")
    for spot in SPOTS:
        if spot.kind is Kind.GLOB:
            _write(alice, f"glob/{spot.standing}/old.sql", "old\n")
    for number, _ in enumerate(SPOTS):
        _write(alice, f"stock/{number}", f"{number} in stock\n" * 3)
    _write(alice, OTHER, "other\n")
    _branch(alice, "main")
    alice.git("push", "--quiet", "origin", "HEAD")
    live, ids = _claim(alice)
    make_clone("remote.git", root / "bob", session="bob")
    _landed(alice)
    world = World(root, live, ids, own="")
    bob = world.bob
    bob.git("remote", "set-url", "origin", "../remote.git")
    for setting in ("gitclaim.fresh=0", *AWKWARD):
        bob.git("config", *setting.split("="))
    bob.git("fetch", "--quiet")
    own = bob.claim("take", "--ttl", "12h", "--json", *_asked(Standing.OWN)).json["claim"]["id"]
    bob.claim("install")
    # Hooks need not judge each signature anew in each copy.
    bob.claim("check", ".", code=3)
    for repo in (bob, world.remote):
        repo.git("gc", "--quiet")
    shutil.rmtree(alice.path)
    return World(root, live, ids, own)


def _asked(standing: Standing) -> list[str]:
    return [word for spot in SPOTS if spot.standing is standing for word in spot.asked]


def _claim(alice: Repo) -> tuple[dict[Kind, dict[str, str]], dict[Kind, str]]:
    """Take alice's claims, each on its way to what is to become of it; the live ones are told."""
    at(alice, -LATER, "take", *_asked(Standing.EXPIRED))
    at(alice, -60, "take", "--ttl", "12h", "path:void/gone", *_asked(Standing.VOID))
    alice.git("push", "--quiet", "origin", ":refs/claims/path/void/gone")
    told = alice.claim("take", "--ttl", "12h", "--for", "honest", "--json", *_asked(Standing.FORGED)).json["claim"]
    text = alice.git("cat-file", "commit", told["oid"]) + "\n"
    forged = raw_object(alice, "commit", text.replace("honest", "forged").encode("utf-8", "surrogateescape"))
    alice.git("push", "--quiet", "origin", *(f"+{forged}:{ref}" for ref in told["refs"]))
    live, ids = {}, {}
    for kind in KINDS:
        told = alice.claim("take", "--ttl", "12h", "--json", *Spot(kind, Standing.LIVE).asked).json["claim"]
        live[kind] = dict.fromkeys(told["refs"], told["oid"])
        ids[kind] = told["id"]
    return live, ids


def _landed(alice: Repo) -> None:
    """What the operations begin on, and what they merge, pick and take back."""

    def grown(name: str, base: str, change: Callable[[Repo], None]) -> None:
        alice.git("checkout", "--quiet", "-B", name, base)
        change(alice)
        _branch(alice, name)

    grown("files", "main", _written("base"))
    grown("theirs", "files", _written("theirs"))
    grown("left", "files", _written("left"))
    grown("right", "files", _written("right"))
    grown("aside", "files", lambda repo: _write(repo, OTHER, "aside\n"))
    grown("third", "files", lambda repo: _write(repo, "third.txt", "third\n"))
    grown("dirs", "main", lambda repo: _each(lambda path: _write(repo, f"{path}/inner", "inner\n")))
    alice.git("checkout", "--quiet", "-B", "links", "main")
    _link(alice, "a" * 40)
    alice.git("commit", "--quiet", "--message", "links")
    alice.git("push", "--quiet", "--all", "origin")


def _branch(repo: Repo, name: str) -> None:
    repo.git("add", "--all")
    repo.git("commit", "--quiet", "--message", name)


def _each(change: Callable[[str], None]) -> None:
    for spot in SPOTS:
        change(spot.path)


def _write(repo: Repo, path: str, text: str) -> None:
    target = repo.path / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def _written(word: str) -> Callable[[Repo], None]:
    """Write all spots, so that two words are in conflict with one another."""
    return lambda repo: _each(lambda path: _write(repo, path, f"{word}\nin {path!a}\n" + "the same\n" * 5))


def _link(repo: Repo, oid: str) -> None:
    entries = "".join(f"160000 {oid}\t{spot.path}\0" for spot in SPOTS)
    repo.git("update-index", "-z", "--index-info", input=entries)


def _bumped(repo: Repo) -> None:
    _link(repo, GITLINK)
    # With diff.ignoreSubmodules git says that there is nothing to commit, unless there is something else.
    _write(repo, OTHER, "changed\n")
    repo.git("add", OTHER)


def _staged(change: Callable[[Repo], None]) -> Callable[[Repo], None]:
    def prepare(repo: Repo) -> None:
        change(repo)
        repo.git("add", "--all")

    return prepare


def _git(*args: str) -> Callable[[Repo], None]:
    def prepare(repo: Repo) -> None:
        repo.git(*args)

    return prepare


def _nothing(_: Repo) -> None:
    """Prepare nothing."""


def _moved(repo: Repo, pairs: Iterable[tuple[str, str]], *, keep: bool) -> None:
    for source, target in pairs:
        (repo.path / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(repo.path / source, repo.path / target)
        if not keep:
            (repo.path / source).unlink()


def _pairs(*, into: bool) -> Iterator[tuple[str, str]]:
    for number, spot in enumerate(SPOTS):
        yield (f"stock/{number}", spot.path) if into else (spot.path, f"out/{number}")


def _replaced(repo: Repo, make: Callable[[Path], object]) -> None:
    for spot in SPOTS:
        target = repo.path / spot.path
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink()
        make(target)


def _directory(target: Path) -> None:
    target.mkdir()
    (target / "inner").write_text("inner\n")


def _merged(*heads: str, then: Callable[[Repo], None] = _nothing) -> Callable[[Repo], None]:
    """Merge without committing, in conflict or not, and settle it."""

    def prepare(repo: Repo) -> None:
        repo.try_git("merge", "--no-commit", "--no-ff", *heads)
        then(repo)

    return prepare


def _mine(repo: Repo) -> None:
    """Bob's own commit beside all claims, and then a change that is to go into it."""
    _write(repo, "mine.txt", "mine\n")
    repo.git("add", "mine.txt")
    repo.git(*UNHOOKED, "commit", "--quiet", "--message", "mine")
    _staged(_written("changed"))(repo)


def _rootless(repo: Repo) -> None:
    """All spots staged on a branch without commits, and none of what was there before the claims."""
    repo.git("rm", "--quiet", "--cached", "glob/*/old.sql")
    repo.git("update-ref", "-d", "HEAD")


def _committed(repo: Repo) -> None:
    """All spots in a commit that no hook has seen."""
    _staged(_written("changed"))(repo)
    repo.git(*UNHOOKED, "commit", "--quiet", "--message", "work")


def _mailed(repo: Repo) -> None:
    patch = repo.git("format-patch", "--stdout", "origin/files..origin/theirs")
    (repo.path / ".git/patch").write_text(patch + "\n", encoding="utf-8", errors="surrogateescape")


def _beside(repo: Repo) -> None:
    """All spots changed, and only something else staged."""
    _written("changed")(repo)
    _write(repo, OTHER, "changed\n")
    repo.git("add", OTHER)


def _around(repo: Repo) -> None:
    """All spots staged, and only something else left to stage."""
    _staged(_written("changed"))(repo)
    _write(repo, OTHER, "changed\n")


def _intended(repo: Repo) -> None:
    _written("changed")(repo)
    repo.git("add", "--intent-to-add", ".")
    _write(repo, OTHER, "changed\n")
    repo.git("add", OTHER)


_COMMIT: Final = ("commit", "--quiet", "--message", "work")
_FINISH: Final = ("commit", "--quiet", "--no-edit")
_MERGE: Final = ("merge", "--quiet", "--no-edit")
_ABORT: Final = ("merge", "--abort")
_PATHS: Final = tuple(spot.path for spot in SPOTS)

OPERATIONS: Final[Mapping[str, Operation]] = {
    "modify": Operation("files", _staged(_written("changed"))),
    "add": Operation("main", _staged(_written("new"))),
    "delete": Operation("files", _staged(lambda repo: _each(lambda path: (repo.path / path).unlink()))),
    "rename into": Operation("main", _staged(lambda repo: _moved(repo, _pairs(into=True), keep=False))),
    "rename out of": Operation("files", _staged(lambda repo: _moved(repo, _pairs(into=False), keep=False))),
    "copy into": Operation("main", _staged(lambda repo: _moved(repo, _pairs(into=True), keep=True))),
    "copy out of": Operation("files", _staged(lambda repo: _moved(repo, _pairs(into=False), keep=True))),
    "chmod": Operation("files", _staged(lambda repo: _each(lambda path: (repo.path / path).chmod(0o755)))),
    "symlink": Operation("files", _staged(lambda repo: _replaced(repo, lambda path: path.symlink_to(OTHER)))),
    "submodule bump": Operation("links", _bumped),
    "file to directory": Operation("files", _staged(lambda repo: _replaced(repo, _directory))),
    "directory to file": Operation(
        "dirs", _staged(lambda repo: _replaced(repo, lambda path: path.write_text("file\n")))
    ),
    "merge clean": Operation("aside", _nothing, (*_MERGE, "origin/theirs"), _ABORT),
    "merge, changed before its commit": Operation(
        "aside", _merged("origin/theirs", then=_staged(_written("by hand"))), _FINISH
    ),
    "merge conflicted, resolved by hand": Operation(
        "left", _merged("origin/right", then=_staged(_written("by hand"))), _FINISH
    ),
    "merge conflicted, theirs thrown away": Operation(
        "left", _merged("origin/right", then=_git("checkout", "HEAD", ".")), _FINISH
    ),
    "merge conflicted, ours thrown away": Operation(
        "left", _merged("origin/right", then=_git("checkout", "MERGE_HEAD", ".")), _FINISH
    ),
    "merge -X ours": Operation("left", _nothing, (*_MERGE, "-X", "ours", "origin/right"), _ABORT),
    "merge -s ours": Operation("aside", _nothing, (*_MERGE, "-s", "ours", "origin/theirs"), _ABORT),
    "merge --squash": Operation("aside", _git("merge", "--quiet", "--squash", "origin/theirs")),
    "octopus": Operation("aside", _nothing, (*_MERGE, "origin/theirs", "origin/third"), _ABORT),
    "octopus, changed before its commit": Operation(
        "aside", _merged("origin/theirs", "origin/third", then=_staged(_written("by hand"))), _FINISH
    ),
    "root commit": Operation("files", _rootless),
    "amend": Operation("files", _mine, ("commit", "--quiet", "--amend", "--no-edit")),
    "cherry-pick": Operation("aside", _nothing, ("cherry-pick", "origin/theirs")),
    "revert": Operation("theirs", _nothing, ("revert", "--no-edit", "HEAD")),
    "rebase": Operation("files", _committed, ("rebase", "--quiet", "origin/aside")),
    "am": Operation("files", _mailed, ("am", "--quiet", ".git/patch")),
    "commit -a": Operation("files", _written("changed"), (*_COMMIT, "--all")),
    "commit -a in a subdirectory": Operation("files", _written("changed"), ("-C", "stock", *_COMMIT, "--all")),
    "commit -- path": Operation("files", _written("changed"), ("--literal-pathspecs", *_COMMIT, "--", *_PATHS)),
    "commit --include": Operation("files", _beside, (*_COMMIT, "--include", "--", *_PATHS)),
    "commit --only, others staged": Operation("files", _beside, (*_COMMIT, "--only", "--", *_PATHS)),
    "commit --only others, this staged": Operation("files", _around, (*_COMMIT, "--only", "--", OTHER)),
    "intent to add": Operation("main", _intended),
    "empty commit": Operation("files", _written("changed"), (*_COMMIT, "--allow-empty")),
    "stash": Operation("files", _staged(_written("changed")), ("stash", "--quiet")),
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One operation, tried in a world.

    Args:
        world: a world of its own.
        operation: what is tried.
        name: its name.
        apart: the kinds of path that are tried with no other live claim beside.
        seen: what became of it so far.
    """

    world: World
    operation: Operation
    name: str
    apart: tuple[Kind, ...]
    seen: dict[Key, Outcome | str] = field(default_factory=dict)

    def run(self) -> dict[Key, Outcome | str]:
        """What becomes of each cell; where the walls contradict each other, in words.

        What is allowed while all live claims stand is allowed below any of them. What is stopped names the paths of all
        of them, and is tried again below some by themselves. A push after --no-verify is tried once: what stops it
        names the paths of all of them too.
        """
        self.world.stand(*KINDS)
        self.world.begin(self.operation)
        if not (together := self._stopped()):
            self._pushed()
        else:
            self._alone(self._stopped, Outcome.COMMIT, together)
            self.world.stand(*KINDS)
            assert not self._stopped(verify=False)
            missed = {*KINDS} - self._kept_back()
            self._note(Standing.LIVE, missed, "stopped at commit, but not at push")
            self.world.stand()
            self.world.begin(self.operation)
            if self._stopped():
                return self._others(Outcome.COMMIT)
        self.world.stand()
        return self._others(Outcome.PUSH if self._kept_back() else Outcome.ALLOW)

    def _pushed(self) -> None:
        """What becomes of a commit that no hook stopped."""
        if together := self._kept_back():
            self._alone(self._kept_back, Outcome.PUSH, together)
        else:
            self._note(Standing.LIVE, KINDS, Outcome.ALLOW)

    def _alone(self, stopped: Callable[[], set[Kind]], outcome: Outcome, together: set[Kind]) -> None:
        """Some kinds' live claims by themselves, with what is stopped, or should be."""
        self._note(Standing.LIVE, together, outcome)
        for kind in self.apart:
            self.world.stand(kind)
            by = stopped()
            self._note(Standing.LIVE, [kind], outcome if by == {kind} else f"at {outcome}: stopped by {sorted(by)}")
            if not by:
                self.world.begin(self.operation)

    def _others(self, outcome: Outcome) -> dict[Key, Outcome | str]:
        for standing in Standing:
            if standing is not Standing.LIVE:
                self._note(standing, KINDS, outcome)
        return self.seen

    def _note(self, standing: Standing, kinds: Iterable[Kind], outcome: Outcome | str) -> None:
        self.seen.update({(self.name, kind, standing): outcome for kind in kinds})

    def _stopped(self, *, verify: bool = True) -> set[Kind]:
        """Whose paths a hook stopped the commit for; anything else that stops it is a mistake of the operation's."""
        by = _named(self.operation.attempt(self.world.bob, verify=verify))
        if by and self.operation.undo:
            self.world.bob.git(*self.operation.undo)
        return by

    def _kept_back(self) -> set[Kind]:
        """Whose paths pre-push stops what was made for; git asks it on a dry run too."""
        return _named(self.world.bob.try_git("push", "--dry-run", "--quiet", "origin", "HEAD:refs/heads/landing"))


def _named(ran: Ran) -> set[Kind]:
    """The paths that gitclaim stopped something for, every one of which alice's live claims hold."""
    assert not ran.code or blames(ran), ran
    found = set()
    for line in ran.stderr.splitlines() if ran.code else []:
        if line.startswith("blocked: "):
            (kind,) = (kind for kind in KINDS if line.startswith(_blamed(kind)))
            found.add(kind)
    return found


def _blamed(kind: Kind) -> tuple[str, ...]:
    """How a line begins that names a path of that kind, or what lies in it."""
    name = printable(Spot(kind, Standing.LIVE).path)
    return (f"blocked: {name} ", f"blocked: {name}/inner ")


def blames(ran: Ran) -> bool:
    """Whether gitclaim stopped it, for one of alice's claims."""
    return "blocked: " in ran.stderr and (" held by alice\n" in ran.stderr or ", claimed by alice\n" in ran.stderr)
