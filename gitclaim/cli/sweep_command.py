"""`gitclaim sweep`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import click

from gitclaim.cli.door import Answer, Door, answers, duration_option, example
from gitclaim.cli.output import error_text
from gitclaim.cli.present import Style, found_json
from gitclaim.errors import GitclaimError
from gitclaim.names import printable
from gitclaim.registry import Found
from gitclaim.sweep import MALFORMED_AFTER, Swept, malformed, sweep
from gitclaim.workspace import Workspace


@click.command("sweep", epilog=example("gitclaim sweep --dry-run"))
@click.option("--dry-run", is_flag=True, help="Only show what would go, and why.")
@duration_option("--every", "Sweep again and again, with that pause between.")
@duration_option("--malformed-after", "How long what is no claim is left alone (default 10m).")
@answers
def command(
    *, door: Door, dry_run: bool, every: timedelta | None, malformed_after: timedelta | None
) -> Answer | Iterator[Answer]:
    """Remove expired and void claims from the registry.

    Each goes by its exact id, so a claim renewed in the last moment stays. Safe beside other sweeps, from cron and
    from CI.
    """
    sweeping = _Sweeping(door, door.open(), dry_run=dry_run, malformed_after=malformed_after or MALFORMED_AFTER)
    return sweeping.once() if every is None else sweeping.again_and_again(every)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sweeping:
    door: Door = field(kw_only=False)
    workspace: Workspace = field(kw_only=False)
    dry_run: bool
    malformed_after: timedelta

    def once(self) -> Answer:
        registry = self.workspace.registry()
        registry.store.sync()
        first_seen = self.workspace.first_seen(found.ref for found in malformed(registry))
        swept = sweep(registry, first_seen=first_seen, malformed_after=self.malformed_after, dry_run=self.dry_run)
        if not self.dry_run:
            self.workspace.tidy()
        fields = {
            "removed": [found_json(one) for one in swept.removed],
            "kept": [found_json(one) for one in swept.kept],
            "young": [found_json(one) for one in swept.young],
            "records": swept.records,
            "dry_run": self.dry_run,
        }
        return Answer("swept", fields, _text(swept, self.door.style(), dry_run=self.dry_run))

    def again_and_again(self, every: timedelta) -> Iterator[Answer]:
        yield self.once()
        while True:
            self.door.clock.sleep(every.total_seconds())
            try:
                answer = self.once()
            except GitclaimError as error:
                # What runs for days outlives a network that is gone for an hour, and tells both.
                click.echo(error_text(error), err=True)
            else:
                yield answer


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
    return f"{ref} ({style.end(found.claim)}, held by {found.claim.session})"
