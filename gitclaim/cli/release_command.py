"""`gitclaim release`."""

import click

from gitclaim.cli.door import Answer, Door, answers, example, resource_arguments
from gitclaim.cli.kept import kept_answer
from gitclaim.errors import GitclaimError, UsageError
from gitclaim.holding import own_claims, release, release_whole
from gitclaim.registry import Holding, Registry
from gitclaim.workspace import Workspace


@click.command("release", epilog=example("gitclaim release src/api"))
@resource_arguments(required=False)
@click.option("--all", "everything", is_flag=True, help="Give up every claim of this session.")
@click.option("--merged", is_flag=True, help="Give up the claims whose work is in the default branch.")
@answers
def command(*, door: Door, resources: tuple[str, ...], everything: bool, merged: bool) -> Answer:
    """Give up claims of this session.

    Naming one RESOURCE of a claim on several gives up that one and keeps the others.
    """
    if bool(resources) + everything + merged != 1:
        hint = "gitclaim release RESOURCE..., gitclaim release --all, or gitclaim release --merged"
        raise UsageError("say what to release", hint=hint)
    workspace = door.open()
    asked = list(map(workspace.resource, resources))
    registry, style = workspace.registry(signing=True), door.style()
    if merged:
        holdings = _merged(workspace, registry)
        if not holdings:
            return Answer("nothing", {"claims": [], "fenced": []}, "no claim's work is in the default branch")
        kept = release_whole(registry, holdings)
    else:
        kept = release(registry, asked)
    names = {resource.ref for resource in asked}
    lines = []
    for holding in kept.holdings:
        # A holding that still lists none of what was named is what is left of a larger claim.
        left = bool(names) and not names & set(holding.claim.refs)
        lines.append(f"{style.paint('kept:' if left else 'released:', fg='green')} {holding.claim.title}")
    return kept_answer(kept, "released", lines, style)


def _merged(workspace: Workspace, registry: Registry) -> list[Holding]:
    """This session's claims whose work is in the default branch, as it is now.

    Raises:
        GitclaimError: nobody knows which branch that is.
    """
    registry.store.sync()
    holdings = own_claims(registry)
    branch = workspace.default_branch(fetch=bool(holdings))
    if branch is None:
        raise GitclaimError(
            "which branch is the default one is not known here", hint="git remote set-head origin --auto asks for it"
        )
    landed = {holding.claim.id: registry.landed(holding.oid) for holding in holdings}
    since = min((holding.claim.taken for holding in holdings), default=registry.clock.now())
    merged = workspace.merged(landed, since, branch)
    return [holding for holding in holdings if holding.claim.id in merged]
