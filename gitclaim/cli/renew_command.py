"""`gitclaim renew`."""

from datetime import timedelta

import click

from gitclaim.cli.door import Answer, Door, answers, duration_option, example, resource_arguments
from gitclaim.cli.kept import kept_answer
from gitclaim.cli.present import held_text
from gitclaim.holding import renew


@click.command("renew", epilog=example("gitclaim renew src/api --ttl 2h"))
@resource_arguments(required=False)
@duration_option("--ttl", "How long the lease runs from now (default 60m).")
@answers
def command(*, door: Door, resources: tuple[str, ...], ttl: timedelta | None) -> Answer:
    """Renew the lease of this session's claims.

    Of those on RESOURCE, or of all. A lease that ran out can be renewed until somebody takes over; after that the
    answer is 5, fenced.
    """
    workspace = door.open()
    asked = list(map(workspace.resource, resources))
    kept = renew(workspace.registry(signing=True), asked, ttl or workspace.settings.ttl)
    style = door.style()
    lines = [held_text(holding, style, "renewed:") for holding in kept.holdings]
    return kept_answer(kept, "renewed", lines, style)
