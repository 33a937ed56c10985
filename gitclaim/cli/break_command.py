"""`gitclaim break`."""

import click

from gitclaim.breaking import break_claims
from gitclaim.cli.door import Answer, Door, answers, example, resource_arguments
from gitclaim.cli.present import found_json
from gitclaim.names import printable


@click.command("break", epilog=example('gitclaim break src/api --reason "its session was shut down"'))
@resource_arguments(required=True)
@click.option("--reason", metavar="TEXT", required=True, help="Why; its holder will read it.")
@answers
def command(*, door: Door, resources: tuple[str, ...], reason: str) -> Answer:
    """Remove another's live claim, and record who did it and why.

    This is for people: ask the holder first. The holder's next renew, release or push is told.
    """
    workspace = door.open()
    removed = break_claims(workspace.registry(), list(map(workspace.resource, resources)), reason)
    style = door.style()
    lines = []
    for found in removed.found:
        whose = f"{found.claim.session}'s claim on {found.claim.title}" if found.claim else printable(found.ref)
        lines.append(f"{style.paint('broken:', fg='yellow')} {whose}")
    fields = {"broken": [found_json(found) for found in removed.found], "reason": removed.reason}
    return Answer("broken", fields, "\n".join(lines))
