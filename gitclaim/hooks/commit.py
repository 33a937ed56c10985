"""The hooks of a commit: `pre-commit`, `pre-merge-commit` and `prepare-commit-msg`."""

import os
from collections.abc import Sequence
from typing import Final

from gitclaim.change import Change
from gitclaim.enforcing import Ruling, enforce, falls_under
from gitclaim.errors import Exit, UnreachableError
from gitclaim.hooks.door import Hook, refused
from gitclaim.policy import Offline, Unclaimed
from gitclaim.registry import Registry
from gitclaim.resources import Kind, Resource
from gitclaim.verdict import Allowed, Block, Blocked
from gitclaim.workspace import Workspace

_PROCESS: Final = "GITCLAIM_GIT"
"""The variable in which the hook's text says which git started it."""


def pre_commit(hook: Hook, *, automatic: bool = False) -> int:
    """Stop a commit that touches what another session's live claim holds.

    Args:
        hook: what git started.
        automatic: whether git may be merging by itself.
    """
    workspace = hook.open()
    policy = workspace.settings.policy
    touched = workspace.touched(hook.environ.get("GIT_INDEX_FILE"))
    change = touched.staged(touched.merging(hook.environ, automatic=automatic))
    if not change.paths and not change.doubtful:
        touched.leave_word(hook.environ.get(_PROCESS, ""))
        return Exit.DONE
    registry = workspace.registry()
    ruling = enforce(registry, [change], touched, policy, sync=False)
    match ruling:
        case Ruling(Allowed(lost=(), unclaimed=unclaimed, own=own), offline=None) if (
            not unclaimed or policy.unclaimed is Unclaimed.ALLOW
        ):
            if not own and not change.doubtful:
                touched.leave_word(hook.environ.get(_PROCESS, ""))
            return Exit.DONE
        case _:
            return _say(hook, workspace, registry, change, ruling)


def prepare_commit_msg(hook: Hook, file: str) -> int:
    """Name the claims a commit falls under in its message; --no-verify does not keep git from running this.

    Args:
        hook: what git started.
        file: the file that holds the message, as git names it.
    """
    workspace = hook.open()
    touched = workspace.touched(hook.environ.get("GIT_INDEX_FILE"))
    change = touched.staged(touched.merging(hook.environ, automatic=True))
    if change.paths or change.doubtful:
        touched.note(os.path.join(hook.cwd, file), falls_under(workspace.registry(), change, touched))
    return Exit.DONE


def _say(hook: Hook, workspace: Workspace, registry: Registry, change: Change, ruling: Ruling) -> int:
    # Imported late: most commits have nothing in their way.
    from gitclaim.cli.ruling import ruling_notes, unclaimed_line  # noqa: PLC0415

    hook.say(ruling_notes(ruling, hook.style()))
    if isinstance(ruling.verdict, Blocked):
        return refused(hook, ruling)
    unclaimed = ruling.verdict.unclaimed
    policy = workspace.settings.policy
    if unclaimed and policy.unclaimed is Unclaimed.WARN:
        hook.say([unclaimed_line(unclaimed)])
    if unclaimed and policy.unclaimed is Unclaimed.TAKE:
        return _take(hook, workspace, registry, change, unclaimed)
    return Exit.DONE


def _take(hook: Hook, workspace: Workspace, registry: Registry, change: Change, paths: Sequence[str]) -> int:
    """Claim what nobody claimed, all or nothing."""
    from gitclaim.cli.present import held_text  # noqa: PLC0415 - only this policy needs it
    from gitclaim.protocol import Denied, Request, take  # noqa: PLC0415

    request = Request(
        tuple(Resource(Kind.PATH, path) for path in paths),
        workspace.settings.ttl,
        purpose="a commit, by the policy `unclaimed: take`",
        branch=workspace.place.branch,
        base=workspace.place.head,
    )
    try:
        outcome = take(registry, request)
    except UnreachableError as error:
        if workspace.settings.policy.offline is Offline.DENY:
            raise
        hook.say([f"note: {error.message}; these paths stay unclaimed"])
        return Exit.DONE
    style = hook.style()
    if isinstance(outcome, Denied):
        # Somebody was faster; the view that allowed it was within the policy's freshness.
        blocks = tuple(Block(one.resource.name, one.reason, one.found, change) for one in outcome.blockers)
        return refused(hook, Ruling(Blocked(blocks)))
    hook.say([f"gitclaim: {held_text(outcome.holdings[0], style, 'took')}"])
    return Exit.DONE
