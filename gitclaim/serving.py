"""Opens a repository that receives a push, as its server sees it: nothing is written into it."""

from typing import Final, NamedTuple, Self

from gitclaim import git as questions
from gitclaim.identity import Identity
from gitclaim.ledger import NoLedger
from gitclaim.mirror import EMBEDDED
from gitclaim.names import NOBODY
from gitclaim.policy import Policy
from gitclaim.refstore.local import LocalStore
from gitclaim.registry import Registry
from gitclaim.settings import FILE, Settings, Target, read_served, read_trust
from gitclaim.state import State
from gitclaim.touched import Touched
from gitclaim.trust import Trust
from gitclaim.workspace import Surroundings, Workspace, found_around, open_git

_DEFAULT: Final = "the server's default branch"


class Server(NamedTuple):
    """A repository that receives a push.

    Args:
        workspace: the repository, opened for who only looks.
    """

    workspace: Workspace

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
        git = git._replace(env={**git.env, **questions.quarantine(around.environ)})
        settings = read_served(config, questions.file_text(git, f"HEAD:{FILE}"), _DEFAULT)
        state, identity = State(scratch), Identity(NOBODY, "a server")
        return cls(Workspace(around, place, config, settings, git, state, identity))

    @property
    def policy(self) -> Policy:
        """What was decided about work."""
        return self.workspace.settings.policy

    def policy_at(self, revision: str) -> Policy:
        """What would be decided about work once the default branch has that revision.

        Raises:
            GitclaimError: it makes no sense.
        """
        text = questions.file_text(self.workspace.git, f"{revision}:{FILE}")
        return read_served(self.workspace.config, text, f"the new commit {revision[:12]}").policy

    def touched(self) -> Touched:
        """Asks git what is touched."""
        return self.workspace.touched()

    def trust(self, revision: str = "HEAD") -> Trust:
        """What was decided about claims on the default branch, or would be once it has that revision.

        Raises:
            GitclaimError: it makes no sense.
        """
        git, config = self.workspace.git, self.workspace.config
        source = _DEFAULT if revision == "HEAD" else f"the new commit {revision[:12]}"
        text = questions.file_text(git, f"{revision}:{FILE}")
        return read_trust(config, text, lambda name: questions.file_text(git, f"{revision}:{name}"), source)

    def registry(self, trust: Trust) -> Registry:
        """The registry in this repository, before the push."""
        workspace = self.workspace
        registry = workspace.registry_of(workspace.settings.target, LocalStore(workspace.git), lambda: trust)
        return registry._replace(ledger=NoLedger())

    def default_ref(self) -> str:
        """The branch that HEAD names, whether it exists yet or not."""
        return self.workspace.git.run("symbolic-ref", "--quiet", "HEAD", codes=(0, 1)).text.strip()
