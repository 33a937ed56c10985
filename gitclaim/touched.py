"""What is touched, as git sees it: by the commit that is being made, and by commits a remote does not have."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import product
from typing import Final, NamedTuple

from gitclaim import git as questions
from gitclaim.change import Change, Update
from gitclaim.errors import GitclaimError
from gitclaim.git import Git, GitError, Place
from gitclaim.names import ClaimId, Oid, printable

# --no-renames: a rename is a deletion and an addition, so both sides show. A copy shows where it went to; where it came
# from is touched only if it changed. --ignore-submodules=none: what .gitmodules ignores is committed all the same.
_COMPARED: Final = ("-r", "-z", "--no-renames", "--ignore-submodules=none")
# What is printed for a commit without --no-commit-header has a line of its own (git 2.33).
_FORMAT: Final = "%H%x00%P%x00%ct%x00%(trailers:key=Claim,valueonly=yes,unfold=yes,separator=%x2C)"
# A user's own set-up for trailers must not rename or hide ours.
_TRAILERS: Final = ("-c", "trailer.separators=:", "-c", "trailer.claim.key=Claim")
_GITHEAD: Final = "GITHEAD_"
NOTHING: Final = "GITCLAIM_NOTHING"
"""The file in the git directory by which pre-commit tells prepare-commit-msg that there is nothing to name."""
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)
_FATAL: Final = 128
_ROOM: Final = 100_000
"""Characters of paths or patterns that fit on a command line."""
_LONGEST: Final = 4096


class Remote(NamedTuple):
    """A remote, as far as this clone knows it.

    Args:
        name: its name, or a URL.
        alike: the remotes whose tracking refs show what is known there.
        counts: whether what a ref of it has counts as known.
        default: its default branch, in full as it calls it; None where that is not known.
    """

    name: str
    alike: Sequence[str]
    counts: Callable[[str], bool]
    default: str | None


class Touched:
    """Asks git what is touched.

    Args:
        git: asks the repository.
        place: where it lies.
        index: the index git handed to a hook, absolute; None for the work tree's own.
        exempt: patterns of paths that are left out.
    """

    def __init__(self, git: Git, place: Place, index: str | None, exempt: tuple[str, ...] = ()) -> None:
        self.git = git
        self.place = place
        self._exempt = exempt
        self._env = {"GIT_INDEX_FILE": index} if index else {}
        self._tree: Oid | None = None

    def staged(self, heads: Sequence[Oid]) -> Change:
        """The commit that is being made from the index.

        Args:
            heads: what it merges into the current commit.
        """
        parents = (*([self.place.head] if self.place.head else []), *heads)
        change = Change((), parents=parents)
        return _merged(change, [self._index_against(side, self._specs()) for side in self._sides(change)])

    def merging(self, environ: Mapping[str, str], *, automatic: bool) -> tuple[Oid, ...]:
        """What the commit that is being made merges.

        Args:
            environ: the environment of the hook.
            automatic: whether git may be merging by itself: it then names what it merges in the environment, and
                writes MERGE_HEAD only after pre-merge-commit (measured, git 2.39).
        """
        try:
            lines = _words(self.place.git_dir, "MERGE_HEAD")
        except (FileNotFoundError, UnicodeDecodeError):
            lines = []
            names = [key.removeprefix(_GITHEAD) for key in environ if key.startswith(_GITHEAD)] if automatic else []
            lines += self.known(sorted(names))
        try:
            return tuple(dict.fromkeys(Oid(line) for line in lines if line != self.place.head))
        except ValueError as error:
            raise GitclaimError(
                f"can't read MERGE_HEAD: {error}", hint="git merge --abort, then merge again"
            ) from error

    def note(self, file: str, claims: Iterable[ClaimId]) -> None:
        """Name the claims in the `Claim:` trailers of a commit message that is being made, each once.

        Args:
            file: the file git keeps the message in, absolute.
            claims: the claims.
        """
        trailers = [word for claim in claims for word in ("--trailer", f"Claim: {claim}")]
        if trailers:
            # --no-divider: three dashes in a message divide nothing, for `git commit` and for who reads it later.
            options = ("--in-place", "--no-divider", "--where=end", "--if-exists=addIfDifferent", "--if-missing=add")
            self.git.run(*_TRAILERS, "interpret-trailers", *options, *trailers, file)
            with open(file, "rb+") as message:
                written = message.read()
                # In an empty message: what is then written on the first line is a paragraph of its own.
                if written.startswith(b"\nClaim: "):
                    message.seek(0)
                    message.write(b"\n" + written)

    def outgoing(self, updates: Sequence[Update], remote: "Remote", *, ask: bool = False) -> list[Change]:
        """The commits a push would give a remote that it does not have, each with what it touches.

        For its default branch those are new that this branch does not have: what waits on another, or is there for
        review, was judged when it came there, and others may have claimed its paths since.

        Args:
            updates: what is pushed.
            remote: where to.
            ask: whether the remote is asked what it has, beside what is known here.
        """
        tracked, shallow, counts = self._tracked(remote.alike), self._shallow(), remote.counts
        main = [update for update in updates if update.ref == remote.default]
        before = self.known([*_old(main), *(oid for oid, ref in tracked if ref == remote.default)])
        # Where nothing is known of the branch, it goes by all that is known of the remote.
        found = self._new(main, [*before, *self.known(shallow)]) if before else []
        rest = [update for update in updates if update not in main or not before]
        if not rest:
            return found
        theirs = self.known([*_old(updates), *(oid for oid, ref in tracked if counts(ref)), *shallow])
        if ask or not theirs:
            # Pushed to a URL, or for the first time: only the remote itself can tell what it has.
            done = self.git.call("ls-remote", "--quiet", "--heads", "--tags", "--end-of-options", remote.name)
            listed = questions.remote_refs(done)
            theirs += self.known([oid for oid, ref in listed if counts(ref.removesuffix("^{}"))])
        return _each(found, self._new(rest, theirs))

    def lacking(self, update: Update, default: str | None) -> list[Change]:
        """The commits a ref does not have yet and would get, each with what it touches.

        Args:
            update: what is to become of the ref.
            default: a ref here whose commits are left out, as they came from there; None for none.
        """
        there = [*_old([update]), *([default] if default else []), *self._shallow()]
        return self._new([update], self.known(there))

    def arriving(
        self, updates: Sequence[Update], counts: Callable[[str], bool], default: str
    ) -> tuple[list[Change], list[Oid]]:
        """The commits a push brings to this repository, each with what it touches; and the default branch before it.

        For the default branch those are new that it does not have, for others those that no ref has that counts.

        Args:
            updates: what is pushed to branches and tags.
            counts: whether what a ref has counts as known.
            default: the default branch, in full.
        """
        listed = self.git.run("for-each-ref", "--format=%(objectname) %(refname)").text.split("\n")[:-1]
        rows = [(oid, ref) for oid, _, ref in (line.partition(" ") for line in listed)]
        before = self.known([oid for oid, ref in rows if ref == default])
        main = [update for update in updates if update.ref == default]
        rest = [update for update in updates if update.ref != default]
        there = self.known([oid for oid, ref in rows if counts(ref)]) if rest else []
        return _each(self._new(main, before), self._new(rest, there)), before

    def _new(self, updates: Iterable[Update], there: Iterable[Oid]) -> list[Change]:
        """What these updates bring that those commits do not lead to."""
        new = self.known([update.new for update in updates if update.new])
        return self._listed([*new, *(f"^{oid}" for oid in there)])

    def reach(self, tips: Iterable[Oid], there: Iterable[Oid]) -> set[Oid]:
        """The commits that lead up to these, as far as they are here, without those that were there before."""
        known = self.known(list(tips))
        if not known:
            return set()
        question = "".join(f"{revision}\n" for revision in (*known, *(f"^{oid}" for oid in there)))
        return set(map(Oid, self.git.run("rev-list", "--stdin", stdin=question.encode()).text.split()))

    def withdrawn(self, updates: Sequence[Update]) -> list[Change]:
        """The commits a forced push takes off a ref, each with what of it the ref then has otherwise."""
        found = []
        for update in updates:
            old, new = (self.known([oid] if oid else []) for oid in (update.old, update.new))
            gone = self._listed([*old, f"^{new[0]}"]) if old and new else []
            if gone:
                differs = set(_split(self.git.run("diff-tree", "--name-only", *_COMPARED, old[0], new[0]).out))
                kept = ((one, tuple(path for path in one.paths if path in differs)) for one in gone)
                found += [one._replace(paths=paths, doubtful=(), withdrawn=True) for one, paths in kept if paths]
        return found

    def deleted(self, updates: Sequence[Update], counts: Callable[[str], bool]) -> list[Change]:
        """The commits that go with branches which are deleted, and that no other branch has.

        Args:
            updates: what is pushed.
            counts: whether what a ref has stays known.
        """
        gone = {update.ref: update.old for update in updates if update.old and not update.new and _is_branch(update)}
        if not gone:
            return []
        listed = self.git.run("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads").text.split("\n")[:-1]
        rows = (line.partition(" ") for line in listed)
        left = [oid for oid, _, ref in rows if ref not in gone and counts(ref)]
        left += [update.new for update in updates if update.new and _is_branch(update) and counts(update.ref)]
        lost = self._listed([*self.known(list(gone.values())), *(f"^{oid}" for oid in self.known(left))])
        return [change._replace(doubtful=(), withdrawn=True) for change in lost if change.paths]

    def _tracked(self, remotes: Iterable[str]) -> list[tuple[str, str]]:
        """What the tracking refs of these remotes point at, and what the remotes call those branches."""
        found = []
        names = self.git.run("remote").text.split("\n")[:-1]
        for remote in remotes:
            start = f"refs/remotes/{remote}/"
            others = tuple(f"refs/remotes/{name}/" for name in names if name.startswith(f"{remote}/"))
            lines = self.git.run("for-each-ref", "--format=%(objectname) %(refname)", start).text.split("\n")[:-1]
            for oid, _, ref in (line.partition(" ") for line in lines):
                # Below `refs/remotes/a/` may also lie what the remote `a/b` has.
                if not ref.startswith(others):
                    found.append((oid, f"refs/heads/{ref.removeprefix(start)}"))
        return found

    def commit(self, name: str) -> Oid | None:
        """The commit somebody names; None where there is none."""
        done = self.git.run(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", codes=(0, 1, 128)
        )
        return Oid(done.text.strip()) if done.code == 0 else None

    def is_above(self, old: Oid, new: str) -> bool:
        """Whether a branch at the old commit may simply go on to the new one."""
        return self.git.run("merge-base", "--is-ancestor", old, new, codes=(0, 1)).code == 0

    def checked_out(self, ref: str) -> str | None:
        """The work tree in which that branch is checked out, if it is in one."""
        where = ""
        for field in self.git.run("worktree", "list", "--porcelain", "-z").text.split("\0"):
            key, _, value = field.partition(" ")
            where = value if key == "worktree" else where
            if key == "branch" and value == ref:
                return where
        return None

    def between(self, revisions: str) -> list[Change]:
        """The commits of a range like `A..B`, each with what it touches.

        Raises:
            GitclaimError: it names none.
        """
        done = self.git.run("rev-parse", "--revs-only", "--end-of-options", revisions, codes=(0, 128))
        revs = done.text.split()
        ends = list(dict.fromkeys(rev.removeprefix("^") for rev in revs))
        if done.code or not revs or len(self.known(ends)) != len(ends):
            raise GitclaimError(
                f"no range of commits: {printable(revisions)}", hint="write it like origin/main..HEAD; is it fetched?"
            )
        return self._listed([*revs, *(f"^{oid}" for oid in self.known(self._shallow()))])

    def dropped(self, change: Change, paths: Iterable[str]) -> set[str]:
        """See `Work.dropped`."""
        asked = sorted(set(paths) & set(change.doubtful))
        if not asked:
            return set()
        result = change.commit or self._written()
        return _Merge(self, result, change.parents, asked).dropped()

    def undone(self, change: Change, paths: Iterable[str]) -> set[str]:
        """See `Work.undone`."""
        asked, head = sorted(paths), self.place.head
        if not asked or change.parents != (head,):
            return set()
        published = self.git.run("for-each-ref", "--count=1", f"--contains={head}", "--format=1", "refs/remotes/")
        parent = self.git.run("rev-parse", "--verify", "--quiet", f"{head}^", codes=(0, 1)).text.strip()
        if published.out:
            return set()
        left: set[str] = set()
        for portion in _portions(asked):
            specs = ["--", *(f":(top,literal){path}" for path in portion)]
            left.update(self._index_against(parent or self.place.empty_tree, specs))
        return set(asked) - left

    def leave_word(self, process: str) -> None:
        """Tell `prepare-commit-msg` that nothing of this session's is touched, so that it need not look.

        Args:
            process: the git that makes the commit; the word is for nobody else.
        """
        index = self._env.get("GIT_INDEX_FILE", "")
        directory = os.path.dirname(index)
        # An index of somebody's own may lie anywhere.
        if directory == self.place.git_dir and process.isdigit():
            with suppress(OSError), open(os.path.join(directory, NOTHING), "w", encoding="ascii") as file:
                file.write(f"{process}\n")

    def matching(self, changes: Iterable[Change], patterns: Iterable[str]) -> set[str]:
        """See `Work.matching`: git itself says what matches its patterns. One it can't read matches nothing."""
        # A claim may be written by hand; a pattern in it must not keep everybody from committing.
        asked = [pattern for pattern in patterns if not _leads_out(pattern)]
        specs = list(map(questions.pathspec, asked))
        listed = list(changes)
        found: set[str] = set()
        for portion in _portions(specs if listed else []):
            found |= self._readable(listed, portion)
        return found

    def _readable(self, changes: Sequence[Change], specs: Sequence[str]) -> set[str]:
        """What matches those of the pathspecs that git can read."""
        try:
            return self._matching(changes, specs)
        except GitError as error:
            if error.done.code != _FATAL:
                raise
        if len(specs) == 1:
            return set()
        # Asked for by itself, each tells whether it can be read; together again, as some exclude what others match.
        good = [spec for spec in specs if self._reads(changes, spec)]
        return self._matching(changes, good) if good else set()

    def _reads(self, changes: Sequence[Change], spec: str) -> bool:
        try:
            self._matching(changes, [spec])
        except GitError:
            return False
        return True

    def _matching(self, changes: Sequence[Change], specs: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for parent in {parent for change in changes if not change.commit for parent in self._sides(change)}:
            found.update(self._index_against(parent, ["--", *specs]))
        commits = [change for change in changes if change.commit]
        for change in self._compared(commits, ["--", *specs]) if commits else []:
            found.update(change.paths, change.doubtful)
        return found

    def _sides(self, change: Change) -> Sequence[str]:
        return change.parents or [self.place.empty_tree]

    def entries(self, tree: str, paths: Sequence[str]) -> dict[str, str]:
        """Mode and object at each of the paths in a tree; those that are not there are left out."""
        wanted, found = set(paths), {}
        for portion in _portions(paths):
            done = self.git.run("ls-tree", "-z", "--full-tree", tree, "--", *portion)
            entries = [entry.partition("\t") for entry in _split(done.out)]
            found.update({path: what for what, _, path in entries if path in wanted})
        return found

    def _index_against(self, parent: str, specs: Sequence[str]) -> list[str]:
        # What was added with --intent-to-add is in the index, and in no commit.
        options = ("--cached", "--ita-invisible-in-index", "--name-only", *_COMPARED)
        # What a monitor knows of the work tree is not asked for, and takes its time.
        done = self.git.run("-c", "core.fsmonitor=false", "diff-index", *options, parent, *specs, env=self._env)
        return _split(done.out)

    def _written(self) -> Oid:
        """The tree of the index."""
        if self._tree is None:
            self._tree = Oid(self.git.run("write-tree", env=self._env).text.strip())
        return self._tree

    def _specs(self) -> list[str]:
        return (
            ["--", ".", *(questions.pathspec(pattern, exclude=True) for pattern in self._exempt)]
            if self._exempt
            else []
        )

    def _listed(self, revisions: Sequence[str]) -> list[Change]:
        """The commits reachable from revisions, those marked with `^` and what they reach left out."""
        if all(revision.startswith("^") for revision in revisions):
            return []
        question = "".join(f"{revision}\n" for revision in revisions).encode()
        options = ("--stdin", "--no-commit-header", "--encoding=UTF-8", f"--format={_FORMAT}")
        done = self.git.run(*_TRAILERS, "rev-list", *options, stdin=question)
        found = [_parsed(line) for line in done.text.split("\n")[:-1]]
        return self._compared(found, self._specs())

    def _compared(self, changes: Sequence[Change], specs: Sequence[str]) -> list[Change]:
        """The changes with what they touch, from one comparison with each parent."""
        pairs = [(change, parent) for change in changes for parent in change.parents or (None,)]
        # With one parent named, git takes the commit for one that has no other (git-diff-tree(1), "--stdin").
        question = "".join(
            f"{change.commit} {parent}\n" if parent else f"{change.commit}\n" for change, parent in pairs
        )
        options = ("--stdin", "--root", "--always", "--raw", *_COMPARED)
        out = iter(_split(self.git.run("diff-tree", *options, *specs, stdin=question.encode()).out))
        # Raw: the name of a commit stands by itself, and what begins with a colon comes before a path. With names
        # alone, a file that is named like a commit would pass for one.
        sides: list[list[str]] = []
        heads: list[str] = []
        for word in out:
            if not word.startswith(":"):
                heads.append(word)
                sides.append([])
            elif sides:
                sides[-1].append(next(out))
        if heads != [change.commit for change, _ in pairs]:
            raise GitclaimError("git diff-tree answered something else than it was asked")
        answers = iter(sides)
        return [_merged(change, [next(answers) for _ in change.parents or (None,)]) for change in changes]

    def known(self, names: Sequence[str]) -> list[Oid]:
        """The commits behind those names that are here, tags followed; what is none is left out."""
        asked = list(dict.fromkeys(names))
        if not asked:
            return []
        question = "".join(f"{name}^{{commit}}\n" for name in asked).encode()
        answers = self.git.run("cat-file", "--batch-check=%(objectname)", stdin=question).text.split("\n")[:-1]
        return [Oid(answer) for answer in answers if " " not in answer]

    def _shallow(self) -> list[str]:
        """Where history ends in a shallow clone: what lies there came from a remote, with all that is missing here."""
        try:
            return _words(self.place.common_dir, "shallow")
        except FileNotFoundError:
            return []


class _Merge(NamedTuple):
    """One merge, looked at closely at a few paths.

    Args:
        touched: asks git.
        result: the merge, a commit or a tree.
        parents: what it merges.
        paths: where it is looked at.
    """

    touched: Touched
    result: Oid
    parents: tuple[Oid, ...]
    paths: Sequence[str]

    def dropped(self) -> set[str]:
        here = self.touched.entries(self.result, self.paths)
        sides = {parent: self.touched.entries(parent, self.paths) for parent in self.parents}
        lost: dict[tuple[Oid, Oid], set[str]] = {}
        found = set()
        for path in self.paths:
            winners = [parent for parent in self.parents if sides[parent].get(path) == here.get(path)]
            losers = [parent for parent in self.parents if parent not in winners]
            for pair in product(winners, losers):
                if pair not in lost:
                    lost[pair] = self._lost(*pair, sides[pair[1]], here)
            # What one of the winning sides contains is not lost.
            if any(all(path in lost[winner, loser] for winner in winners) for loser in losers):
                found.add(path)
        return found

    def _lost(self, winner: Oid, loser: Oid, theirs: Mapping[str, str], here: Mapping[str, str]) -> set[str]:
        """Where having a path as the winner has it would throw away what the loser did to it."""
        git = self.touched.git
        bases = git.run("merge-base", "--all", winner, loser, codes=(0, 1)).text.split()
        before = [self.touched.entries(base, self.paths) for base in bases] or [{}]
        changed = [path for path in self.paths if any(base.get(path) != theirs.get(path) for base in before)]
        if not changed:
            return set()
        done = git.run(
            *("merge-tree", "--write-tree", "--allow-unrelated-histories", "-z", "--name-only", "--no-messages"),
            *(winner, loser),
            codes=(0, 1, 128, 129),
        )
        answer = _split(done.out)
        # Before git 2.38 there is no such merge-tree: going by names alone then, the side's work counts as dropped.
        if done.code not in {0, 1} or not answer:
            return set(changed)
        merged, conflicts = self.touched.entries(answer[0], changed), set(answer[1:])
        return {path for path in changed if path in conflicts or merged.get(path) != here.get(path)}


def _old(updates: Iterable[Update]) -> list[Oid]:
    return [update.old for update in updates if update.old]


def _is_branch(update: Update) -> bool:
    return update.ref.startswith("refs/heads/")


def _each(*several: Iterable[Change]) -> list[Change]:
    """The changes of several lists, each commit once."""
    return list({change.commit: change for listed in several for change in listed}.values())


def _merged(change: Change, sides: Sequence[Sequence[str]]) -> Change:
    """The change with what it touches, from the paths in which it differs from each parent."""
    if len(sides) == 1:
        return change._replace(paths=tuple(sides[0]))
    everywhere = set(sides[0]).intersection(*sides[1:])
    somewhere = set().union(*sides)
    return change._replace(paths=tuple(sorted(everywhere)), doubtful=tuple(sorted(somewhere - everywhere)))


def _parsed(line: str) -> Change:
    """A line of `git rev-list` in our format.

    Raises:
        GitclaimError: it is not in that format.
    """
    parts = line.split("\0")
    try:
        commit, parents, date, claims = parts
        return Change(
            (),
            commit=Oid(commit),
            parents=tuple(map(Oid, parents.split())),
            at=_moment(date),
            claims=frozenset(claim_ids(claims)),
        )
    except ValueError as error:
        raise GitclaimError(
            f"git rev-list answered something else than it was asked: {printable(line)[:100]}"
        ) from error


def _moment(seconds: str) -> datetime:
    """A commit's date, or the nearest one there is: git keeps commits whose dates are nonsense."""
    try:
        return datetime.fromtimestamp(int(seconds or 0), UTC)
    except (ValueError, OverflowError, OSError):
        return _LAST


def claim_ids(trailers: str) -> Iterable[ClaimId]:
    """The claims that trailers name, between commas."""
    for text in trailers.split(","):
        try:
            yield ClaimId(text.strip())
        except ValueError:
            # Somebody's own use of the word.
            continue


def _leads_out(pattern: str) -> bool:
    """Whether a pattern can match nothing in the repository, and would only make git stop."""
    return "\0" in pattern or len(pattern) > _LONGEST or pattern.startswith("/") or ".." in pattern.split("/")


def _portions(words: Iterable[str]) -> Iterator[list[str]]:
    """The words in as many portions as it takes for each to fit on a command line."""
    portion: list[str] = []
    size = 0
    for word in words:
        if portion and size + len(word) > _ROOM:
            yield portion
            portion, size = [], 0
        portion.append(word)
        size += len(word)
    if portion:
        yield portion


def _words(directory: str, name: str) -> list[str]:
    """What stands in a file of git's that lists objects."""
    with open(os.path.join(directory, name), encoding="ascii") as file:
        return file.read().split()


def _split(out: bytes) -> list[str]:
    return out.decode("utf-8", "surrogateescape").split("\0")[:-1]
