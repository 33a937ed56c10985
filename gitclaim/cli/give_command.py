"""`gitclaim give`."""

import click

from gitclaim.cli.door import Answer, Door, answers, example, resource_arguments
from gitclaim.cli.kept import kept_answer
from gitclaim.cli.present import held_text
from gitclaim.holding import give
from gitclaim.names import Session


@click.command("give", epilog=example("gitclaim give src/api --to bob-17c0"))
@resource_arguments(required=True)
@click.option("--to", "to", metavar="SESSION", required=True, help="Who is to hold them.")
@answers
def command(*, door: Door, resources: tuple[str, ...], to: str) -> Answer:
    """Hand claims of this session over to another.

    There is no moment in which they are free. A claim on several resources is given as a whole; the lease keeps its
    end.
    """
    receiver = Session(to)
    workspace = door.open()
    kept = give(workspace.registry(signing=True), list(map(workspace.resource, resources)), receiver)
    style = door.style()
    lines = [held_text(holding, style, f"given to {receiver}:") for holding in kept.holdings]
    return kept_answer(kept, "given", lines, style)
