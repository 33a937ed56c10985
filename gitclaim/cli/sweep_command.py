"""`gitclaim sweep`."""

from datetime import timedelta

import click

from gitclaim.cli.door import Answer, Door, answers, example
from gitclaim.cli.present import Style, found_json
from gitclaim.clock import parse_duration
from gitclaim.errors import UnreachableError
from gitclaim.names import printable
from gitclaim.registry import Found
from gitclaim.sweep import MALFORMED_AFTER, Swept, malformed, sweep
from gitclaim.workspace import Workspace


@click.command("sweep", epilog=example("gitclaim sweep --dry-run"))
@click.option("--dry-run", is_flag=True, help="Only show what would go, and why.")
@click.option("--every", type=parse_duration, help="Sweep again and again, with that pause between.")
@click.option(
    "--malformed-after",
    type=parse_duration,
    help="How long what is no claim is left alone (default 10m).",
)
@answers
def command(*, door: Door, dry_run: bool, every: timedelta | None, malformed_after: timedelta | None) -> Answer:
    """Remove expired and void claims from the registry, each by its exact id.

    A claim renewed in the last moment stays. Safe beside other sweeps, from cron, from CI.
    """
    workspace = door.open()
    after = malformed_after or MALFORMED_AFTER
    answer = _swept(workspace, door.style(), dry_run=dry_run, malformed_after=after)
    while every is not None:
        click.echo(answer.text)
        door.clock.sleep(every.total_seconds())
        try:
            answer = _swept(workspace, door.style(), dry_run=dry_run, malformed_after=after)
        except UnreachableError as error:
            # One that runs for days outlives a network that is gone for an hour.
            click.echo(f"error: {error.message}", err=True)
    return answer


def _swept(workspace: Workspace, style: Style, *, dry_run: bool, malformed_after: timedelta) -> Answer:
    registry = workspace.registry()
    registry.store.sync()
    first_seen = workspace.first_seen(found.ref for found in malformed(registry))
    swept = sweep(registry, first_seen=first_seen, malformed_after=malformed_after, dry_run=dry_run)
    fields = {
        "removed": [found_json(one) for one in swept.removed],
        "kept": [found_json(one) for one in swept.kept],
        "young": [found_json(one) for one in swept.young],
        "records": swept.records,
        "dry_run": dry_run,
    }
    return Answer("swept", fields, _text(swept, style, dry_run=dry_run))


def _text(swept: Swept, style: Style, *, dry_run: bool) -> str:
    verb = "would remove" if dry_run else "removed"
    lines = [f"{verb}: {_evidence(one, style)}" for one in swept.removed]
    lines += [f"kept: {_evidence(one, style)}; it changed meanwhile" for one in swept.kept]
    lines += [f"left alone for now: {_evidence(one, style)}" for one in swept.young]
    return "\n".join(lines or ["nothing to sweep"])


def _evidence(found: Found, style: Style) -> str:
    ref = printable(found.ref)
    if found.claim is None or found.note:
        return f"{ref} ({found.standing.value}: {found.note})"
    return f"{ref} ({found.standing.value}: {found.claim.session}, {style.left(found.claim)})"
