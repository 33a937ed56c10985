"""The words of hooks: which there are, what there is at a hook's place, and who else puts something there."""

from enum import StrEnum
from shlex import quote
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    # Every hook reads these words, and none needs pathlib for it: that takes 3 ms.
    from pathlib import Path

HOOKS: Final = ("pre-commit", "pre-merge-commit", "prepare-commit-msg", "commit-msg", "pre-push")
"""The hooks that are installed in a clone, by git's names for them."""

SERVER_HOOKS: Final = ("pre-receive",)
"""The hooks that are installed in a repository that others push to."""

BEFORE: Final = ".before-gitclaim"
"""What the name of a hook ends in that was there before ours, which runs it first."""

HUSKY_WAY: Final = (
    "end the files pre-commit, pre-merge-commit, prepare-commit-msg and pre-push in .husky with the line: "
    'gitclaim-hook "${0##*/}" "$@"'
)
"""How hooks that husky manages come to ask gitclaim."""


class HookState(StrEnum):
    """What there is at a hook's place."""

    MISSING = "missing"
    CURRENT = "current"
    OLDER = "older"
    DISABLED = "not executable"
    FOREIGN = "foreign"


class Manager(StrEnum):
    """Who else manages hooks."""

    HUSKY = "husky"
    LEFTHOOK = "lefthook"
    PRE_COMMIT = "pre-commit"


class HookPlace(NamedTuple):
    """Where git looks for hooks.

    Args:
        directory: the directory, absolute.
        scope: which configuration chose it (`local`, `global`, `system`, ...), empty where none did.
        usual: where git would look if none had.
        tracked: whether it lies in the work tree, so that others get what is written there.
        misplaced: a directory with hooks of ours into which git does not look.
        shadowed: whether hooks of ours lie in the usual place, and the configuration leads git elsewhere.
        manager: who else manages the hooks there, if anybody does.
        named: the hooks at which that manager was told to run gitclaim.
    """

    directory: "Path"
    scope: str
    usual: "Path"
    tracked: bool
    misplaced: "Path | None"
    shadowed: bool
    manager: Manager | None
    named: frozenset[str] = frozenset()

    @property
    def off(self) -> bool:
        """Whether the configuration leads git to where no hook can be, as /dev/null does."""
        return bool(self.scope) and self.directory.exists() and not self.directory.is_dir()

    @property
    def own(self) -> bool:
        """Whether what is written there is for this repository alone."""
        return self.scope in {"", "local", "worktree"}

    @property
    def way_back(self) -> str:
        """How git comes to look for hooks in the repository itself."""
        if self.scope in {"local", "worktree"}:
            return f"git config --{self.scope} --unset-all core.hooksPath"
        if self.scope == "command":
            return "leave core.hooksPath out of git -c and GIT_CONFIG_KEY_*"
        return f"git config --local core.hooksPath {quote(str(self.usual))}"


class Written(NamedTuple):
    """What became of one hook.

    Args:
        name: which.
        done: `installed`, `upgraded`, `unchanged`, `removed`, `restored` or `left`.
        chained: whether a hook that was there before runs first; for a removal, whether it was brought back.
    """

    name: str
    done: str
    chained: bool = False
