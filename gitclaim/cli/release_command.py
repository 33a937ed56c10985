"""`gitclaim release`."""

import click

from gitclaim.cli.door import Answer, Door, answers, example, resource_arguments
from gitclaim.cli.kept import kept_answer
from gitclaim.errors import UsageError
from gitclaim.holding import release


@click.command("release", epilog=example("gitclaim release src/api"))
@resource_arguments(required=False)
@click.option("--all", "everything", is_flag=True, help="Give up every claim of this session.")
@answers
def command(*, door: Door, resources: tuple[str, ...], everything: bool) -> Answer:
    """Give up claims of this session.

    Naming one RESOURCE of a claim on several gives up that one and keeps the others.
    """
    if bool(resources) == everything:
        raise UsageError("say what to release", hint="gitclaim release RESOURCE..., or gitclaim release --all")
    workspace = door.open()
    asked = list(map(workspace.resource, resources))
    kept = release(workspace.registry(), asked)
    style = door.style()
    names = {resource.ref for resource in asked}
    lines = []
    for holding in kept.holdings:
        # A holding that still lists none of what was named is what is left of a larger claim.
        left = bool(names) and not names & set(holding.claim.refs)
        lines.append(f"{style.paint('kept:' if left else 'released:', fg='green')} {holding.claim.title}")
    return kept_answer(kept, "released", lines, style)
