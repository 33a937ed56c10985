"""The hook `pre-push`: what a push would give the remote is looked at, commit by commit."""

from collections.abc import Iterator
from typing import Final

from gitclaim.change import Update
from gitclaim.enforcing import enforce
from gitclaim.errors import Exit
from gitclaim.hooks.door import Hook, pushed, refused
from gitclaim.policy import Unclaimed
from gitclaim.verdict import Blocked

# What is no work: claims themselves, and notes, whose trees are no files.
_NO_WORK: Final = ("refs/claims/", "refs/gitclaim/", "refs/notes/")


def pre_push(hook: Hook, remote: str, lines: bytes) -> int:
    """Stop a push of commits that touch what another session's live claim holds.

    Args:
        hook: what git started.
        remote: where it pushes to, a remote's name or a URL.
        lines: what git says it pushes, `<local ref> <local oid> <remote ref> <remote oid>` each (githooks(5)).
    """
    workspace = hook.open()
    policy = workspace.settings.policy
    told = list(parsed(lines.decode("utf-8", "surrogateescape")))
    # What a ref that is not guarded may have must not vouch for what is pushed to one that is.
    updates = [update for update in told if policy.guards(update.ref) and not update.ref.startswith(_NO_WORK)]
    if not any(update.new for update in updates):
        return Exit.DONE
    touched = workspace.touched()
    gone, there = touched.withdrawn(updates), workspace.remote(remote, policy.guards)
    changes = [*touched.outgoing(updates, there), *gone]
    if not changes:
        return Exit.DONE
    registry = workspace.registry()
    ruling = enforce(registry, changes, touched, policy, sync=True)
    if isinstance(ruling.verdict, Blocked) and not ruling.offline:
        # Tracking refs show what was fetched: what others landed since, or on a branch this clone does not follow,
        # is not this push's. Only the remote can tell.
        known = touched.outgoing(updates, there, ask=True)
        changes = [*known, *gone]
        ruling = enforce(registry, changes, touched, policy, sync=False)
    if isinstance(ruling.verdict, Blocked) or ruling.verdict.lost or ruling.offline:
        from gitclaim.cli.ruling import ruling_notes  # noqa: PLC0415 - most pushes have nothing in their way

        hook.say(ruling_notes(ruling, hook.style()))
    if isinstance(ruling.verdict, Blocked):
        return refused(hook, ruling)
    if ruling.verdict.unclaimed and policy.unclaimed is Unclaimed.WARN:
        from gitclaim.cli.ruling import unclaimed_line  # noqa: PLC0415

        hook.say([unclaimed_line(ruling.verdict.unclaimed)])
    return Exit.DONE


def parsed(text: str) -> Iterator[Update]:
    """What git tells a pre-push hook.

    Raises:
        GitclaimError: a line is not as git writes it.
    """

    def read(line: str) -> tuple[str, str, str]:
        # From the right: what stands first is what a person called it, `HEAD@{1 day ago}` for one.
        _, new, ref, old = line.rsplit(" ", 3)
        return ref, new, old

    return pushed("pre-push", text, read)
