"""The words of hooks: which there are, what there is at a hook's place, and who else puts something there."""

from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

HOOKS: Final = ("pre-commit", "pre-merge-commit", "prepare-commit-msg", "commit-msg", "pre-push")
"""The hooks that are installed, by git's names for them."""


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
    """

    directory: Path
    scope: str
    usual: Path
    tracked: bool
    misplaced: Path | None
    shadowed: bool
    manager: Manager | None

    @property
    def own(self) -> bool:
        """Whether what is written there is for this repository alone."""
        return self.scope in {"", "local", "worktree"}


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
