"""Opens a repository that receives a push, as its server sees it: nothing is written into it."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Self

from gitclaim import git as questions
from gitclaim.change import Branches
from gitclaim.deciding import Decision
from gitclaim.errors import GitclaimError
from gitclaim.identity import Identity
from gitclaim.ledger import NoLedger
from gitclaim.mirror import EMBEDDED
from gitclaim.names import NOBODY, Oid
from gitclaim.refstore.local import LocalStore
from gitclaim.registry import Registry
from gitclaim.settings import (
    FILE,
    FILE_LIMIT,
    SIGNERS_LIMIT,
    Settings,
    Target,
    read_decided,
    read_served,
    read_trust,
)
from gitclaim.state import State
from gitclaim.touched import Touched
from gitclaim.trust import Trust
from gitclaim.workspace import Surroundings, Workspace, found_around, open_git

_LONGEST: Final = 4096
"""Characters of a pattern: a hundred of them fit on a command line."""
_DEFAULT: Final = "the server's default branch"
_MOST: Final = 1 << 28
"""Bytes of one answer of git's that are read: strangers decide how long it is."""


class Server(NamedTuple):
    """A repository that receives a push.

    Args:
        workspace: the repository, opened for who only looks.
        text: what `.gitclaim.yaml` says on its default branch, None where there is none.
    """

    workspace: Workspace
    text: str | None

    @classmethod
    def open(cls, around: Surroundings, scratch: str) -> Self:
        """The repository git started a hook in.

        Args:
            around: what the hook was started in.
            scratch: where files may be kept for a moment, outside of it.

        Raises:
            GitclaimError: there is none, git is missing, or a setting makes no sense.
        """
        place, config = found_around(around)
        # Whatever a work tree beside it has is not what others pushed.
        place = place._replace(top=None)
        git = open_git(around, place, config, Settings(Target(EMBEDDED, EMBEDDED), EMBEDDED, _DEFAULT))
        # What is pushed lies apart from what is there until the hook lets it in.
        git = git._replace(env={**git.env, **questions.quarantine(around.environ)}, most=_MOST)
        text = questions.file_text(git, f"HEAD:{FILE}", most=FILE_LIMIT)
        settings = read_served(config, text, _DEFAULT)
        state, identity = State(scratch), Identity(NOBODY, "a server")
        return cls(Workspace(around, place, config, settings, git, state, identity), text)

    @property
    def patience(self) -> float:
        """Seconds a push may take to be judged."""
        return self.workspace.settings.timeout

    def decision(self, revision: str = "HEAD") -> Decision:
        """What is decided on the default branch, or would be once it has that revision.

        Raises:
            GitclaimError: it makes no sense.
        """
        git, config = self.workspace.git, self.workspace.config
        here = revision == "HEAD"
        source = _DEFAULT if here else f"the new commit {revision[:12]}"

        def signers(name: str) -> str | None:
            return questions.file_text(git, f"{revision}:{name}", most=SIGNERS_LIMIT)

        text = self.text if here else questions.file_text(git, f"{revision}:{FILE}", most=FILE_LIMIT)
        trust, policy = read_trust(config, text, signers, source), read_served(config, text, source).policy
        return Decision(trust, policy, read_decided(text, source))

    def decides(self, tip: Oid, *, after: Oid | None) -> bool:
        """Whether a commit makes the decision that holds there itself, and follows that commit."""
        touched = self.touched()
        if after and not touched.is_above(after, tip):
            return False
        before = touched.commit(f"{tip}^")
        return before is None or not self.decision(before).same_as(self.decision(tip))

    def touched(self) -> Touched:
        """Asks git what is touched."""
        return self.workspace.touched()

    def registry(self, trust: Trust) -> Registry:
        """The registry in this repository, before the push."""
        workspace = self.workspace
        registry = workspace.registry_of(workspace.settings.target, LocalStore(workspace.git), lambda: trust)
        return registry._replace(ledger=NoLedger())

    def branches(self) -> Branches:
        """The branches there are."""
        return questions.branches(self.workspace.git)

    def certificate(self, environ: Mapping[str, str]) -> str:
        """The certificate of the push, empty if it has none (git-receive-pack(1), "GIT_PUSH_CERT")."""
        name = environ.get("GIT_PUSH_CERT", "")
        return self.workspace.git.run("cat-file", "blob", Oid(name)).text if name.strip("0") else ""

    def matches(self, paths: Sequence[str], patterns: Sequence[str]) -> set[str]:
        """Those of the paths that match the patterns.

        Args:
            paths: names of files, which need not exist.
            patterns: pathspecs, as claims have them.

        Raises:
            GitclaimError: git can't read one of them.
        """
        if any("\0" in pattern or len(pattern) > _LONGEST for pattern in patterns):
            raise GitclaimError("a pattern that git can't read")
        git, state, oid = self.workspace.git, self.workspace.state, self.workspace.place.empty_tree
        state.make()
        env = {"GIT_INDEX_FILE": state.at("made-up")}
        # Nobody looks for what an index names.
        listed = "".join(f"100644 {oid}\t{path}\0" for path in paths)
        git.run("update-index", "-z", "--index-info", stdin=listed.encode(), env=env)
        done = git.run("ls-files", "-z", "--", *map(questions.pathspec, patterns), env=env)
        return {path for path in done.text.split("\0") if path}
