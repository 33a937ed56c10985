"""`gitclaim land`."""

import click

from gitclaim.change import Update
from gitclaim.cli.door import Answer, Door, answers, example
from gitclaim.cli.landing import Scene, blocked_answer, fenced_answer, landed_answer, moved_answer, nothing_answer
from gitclaim.enforcing import enforce
from gitclaim.errors import GitclaimError, UsageError
from gitclaim.land import Errand, Fenced, Landed, Moved, Ready, coverage, land, lost_claims, prepare
from gitclaim.names import Oid, RefName, printable
from gitclaim.registry import Registry
from gitclaim.verdict import Blocked
from gitclaim.workspace import Workspace


@click.command("land", epilog=example("gitclaim land --dry-run"))
@click.argument("branch", metavar="[BRANCH]", required=False)
@click.option("--to", metavar="REF", help="Where it goes; else where the branch is pulled from, or its own name.")
@click.option("--keep", is_flag=True, help="Renew the claims instead of giving them up.")
@click.option("--dry-run", is_flag=True, help="Say what would land, and push nothing.")
@click.option(
    "--force-with-lease", "lease", metavar="OID", help="Replace what is there, if it is that commit: after a rebase."
)
@answers
def command(*, door: Door, branch: str | None, to: str | None, keep: bool, dry_run: bool, lease: str | None) -> Answer:
    """Push the work and give up its claims in one step.

    The branch moves and the claims that the work falls under end in one transaction: the work lands only if every claim
    still stands as this session last wrote it. Without BRANCH the current one lands.
    """
    workspace = door.open()
    name = (branch or workspace.place.branch or "").removeprefix("refs/heads/")
    if not name:
        raise UsageError("no branch is checked out", hint="gitclaim land BRANCH")
    registry = workspace.registry(signing=True)
    registry.store.sync()
    errand = _errand(workspace, registry, name, workspace.landing_place(name, to))
    scene = Scene(workspace, registry, errand, door.style(), keep=keep)
    if errand.old == errand.new:
        return nothing_answer(scene)
    follows = _follows(workspace, errand, lease)
    return _landing(scene, name, follows=follows, forced=lease is not None, dry_run=dry_run)


def _landing(scene: Scene, branch: str, *, follows: bool, forced: bool, dry_run: bool) -> Answer:
    """Judge the work, make sure that its claims stand and that the ref may go there, and land it."""
    workspace, registry, errand = scene.workspace, scene.registry, scene.errand
    touched, policy = workspace.touched(), workspace.settings.policy
    update = Update(errand.ref, errand.new, errand.old)
    embedded = workspace.settings.target.embedded

    def counts(ref: str) -> bool:
        # In the repository itself, the branch that lands is there already, and is not to vouch for itself.
        return policy.guards(ref) and not (embedded and ref == f"refs/heads/{branch}")

    remote = workspace.remote(workspace.settings.target.name, counts)
    new = touched.outgoing([update], remote, ask=not embedded)
    # Claims are asserted for all that the ref gets, also for what the registry has on another branch.
    changes = touched.lacking(update, workspace.default_branch() if errand.ref != remote.default else None)
    scene = scene._replace(changes=tuple(changes))
    ruling = enforce(registry, [*new, *(touched.withdrawn([update]) if forced else [])], touched, policy, sync=False)
    if isinstance(ruling.verdict, Blocked):
        ready: Ready | Fenced = lost_claims(registry, ruling.verdict)
    else:
        scene = scene._replace(unclaimed=ruling.verdict.unclaimed)
        covered = ruling.verdict if changes == new else coverage(registry, changes, touched)
        ready = prepare(registry, changes, new, covered, branch)
    match ready:
        case Fenced() if ready.fences or ready.orphans:
            return fenced_answer(scene, ready, ruling if isinstance(ruling.verdict, Blocked) else None)
        # Only now: who rebases work whose claim is gone would learn of that too late.
        case _ if not follows:
            return moved_answer(scene, errand.old)
        case Fenced():
            return blocked_answer(scene, ruling)
        case Ready() if dry_run:
            return _would(scene, ready)
        case Ready():
            return _landed(scene, ready)


def _landed(scene: Scene, ready: Ready) -> Answer:
    """What came of landing."""
    keep = scene.workspace.settings.ttl if scene.keep else None
    outcome = land(scene.registry, scene.errand, ready.holdings, keep=keep)
    match outcome:
        case Fenced():
            return fenced_answer(scene, outcome)
        case Moved(current):
            return moved_answer(scene, current)
        case Landed():
            return landed_answer(scene, outcome, "landed")


def _errand(workspace: Workspace, registry: Registry, branch: str, ref: RefName) -> Errand:
    tip = workspace.touched().commit(f"refs/heads/{branch}")
    if tip is None:
        raise GitclaimError(f"there is no branch {printable(branch)}", hint="git branch lists them")
    return Errand(ref, registry.store.ask([ref]).get(ref), tip)


def _follows(workspace: Workspace, errand: Errand, lease: str | None) -> bool:
    """Whether the ref may go where the work is: on from where it is, or from the commit that may be replaced.

    Raises:
        GitclaimError: that commit is not what is there; or the ref is a branch whose files would not follow.
    """
    touched, old = workspace.touched(), errand.old
    if lease is not None:
        if old is None or _named(workspace, lease) != old:
            raise GitclaimError(
                f"{printable(errand.ref)} is at {old or 'no commit'}, and not at {printable(lease)}",
                hint="git fetch, look at what is there, and name that commit",
            )
        if not touched.commit(old):
            # Whose work would go can't be told.
            raise GitclaimError(f"{old}, which is to be replaced, is not here", hint="git fetch, and look at it")
    elif old and not (touched.commit(old) and touched.is_above(old, errand.new)):
        return False
    where = touched.checked_out(errand.ref) if workspace.settings.target.embedded else None
    if where:
        raise GitclaimError(
            f"{printable(errand.ref)} is checked out in {printable(where)}: its files would not follow",
            hint="there: git merge --ff-only, then gitclaim release",
        )
    return True


def _named(workspace: Workspace, lease: str) -> Oid | None:
    try:
        return Oid(lease)
    except ValueError:
        return workspace.touched().commit(lease)


def _would(scene: Scene, ready: Ready) -> Answer:
    """What landing would do."""
    imagined = Landed(renewed=ready.holdings) if scene.keep else Landed(released=ready.holdings)
    return landed_answer(scene, imagined, "would land")
