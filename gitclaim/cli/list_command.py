"""`gitclaim list`."""

from collections.abc import Iterable

import click

from gitclaim.cli.door import Answer, Door, answers, example, resource_arguments
from gitclaim.cli.mirrored import offline_option, viewed
from gitclaim.cli.present import found_json, grouped
from gitclaim.cli.table import table
from gitclaim.registry import Found, Standing, in_the_way
from gitclaim.resources import Kind, Resource

_DEAD = frozenset({Standing.EXPIRED, Standing.VOID})


@click.command("list", epilog=example("gitclaim list --kind task"))
@resource_arguments(required=False)
@click.option("--mine", is_flag=True, help="Only claims of this session.")
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]), help="Only claims on that kind of resource.")
@click.option("--expired", is_flag=True, help="Also what died and was not swept yet.")
@click.option("--verify", is_flag=True, help="Check every signature, not only those already known.")
@offline_option
@answers
def command(
    *,
    door: Door,
    resources: tuple[str, ...],
    mine: bool,
    kind: str | None,
    expired: bool,
    verify: bool,
    offline: bool,
) -> Answer:
    """Show who holds what.

    All claims, or those at, above or below RESOURCE.
    """
    workspace = door.open()
    registry = workspace.registry()
    asked = list(map(workspace.resource, resources))
    age, note = viewed(registry, door.style(), offline=offline)
    found = _selected(registry.look_all(), asked)
    found = registry.judged(found) if verify else registry.recalled(found)
    if mine:
        found = [one for one in found if one.claim and one.claim.session == registry.session]
    if kind:
        found = [one for one in found if one.ref.startswith(f"refs/claims/{kind}/") or one.ref == f"refs/claims/{kind}"]
    if not expired:
        found = [one for one in found if one.standing not in _DEAD]
    # Of thousands of claims only what is shown is formatted.
    if door.as_json:
        return Answer("listed", {"claims": [found_json(group[0]) for group in grouped(found)], "age": age}, "")
    lines = (
        [table(found, door.style())]
        if found
        else ["nothing is claimed" if not (asked or mine or kind) else "no such claim"]
    )
    return Answer("listed", {}, "\n".join([*lines, *([note] if note else [])]))


def _selected(found: Iterable[Found], asked: list[Resource]) -> list[Found]:
    listed = list(found)
    if not asked:
        return listed
    chosen = {one.oid for resource in asked for one in in_the_way(listed, resource)}
    return [one for one in listed if one.oid in chosen]
