"""`gitclaim show`."""

from shlex import quote

import click

from gitclaim.claim import show_time
from gitclaim.cli.door import Answer, Door, answers, example
from gitclaim.cli.mirrored import offline_option, viewed
from gitclaim.cli.present import Style, found_json, grouped
from gitclaim.errors import GitclaimError
from gitclaim.names import ClaimId, is_printable, printable
from gitclaim.registry import Found, Registry, in_the_way
from gitclaim.workspace import Workspace


@click.command("show", epilog=example("gitclaim show src/api"))
@click.argument("name", metavar="RESOURCE|ID")
@offline_option
@answers
def command(*, door: Door, name: str, offline: bool) -> Answer:
    """Show everything about claims.

    Those at, above or below RESOURCE, or the one with that ID.
    """
    workspace = door.open()
    registry = workspace.registry()
    age, note = viewed(registry, door.style(), offline=offline)
    found = registry.judged(_found(workspace, registry, name))
    if not found:
        raise GitclaimError(f"nobody holds {printable(name)}", hint="gitclaim list shows what is claimed")
    style = door.style()
    texts = ["\n".join(_lines(group, style)) for group in grouped(found)]
    fields = {"claims": [found_json(group[0]) for group in grouped(found)], "age": age}
    return Answer("shown", fields, "\n\n".join([*texts, *([note] if note else [])]))


def _found(workspace: Workspace, registry: Registry, name: str) -> list[Found]:
    try:
        wanted = ClaimId(name)
    except ValueError:
        resource = workspace.resource(name)
        return in_the_way(registry.look([resource.ref]), resource)
    return [one for one in registry.look_all() if one.claim and one.claim.id == wanted]


def _lines(group: list[Found], style: Style) -> list[str]:
    first = group[0]
    claim = first.claim
    if claim is None:
        return [f"{printable(first.ref)}: {first.standing.name}: {first.note}", f"  object     {first.oid}"]
    verdict = first.verdict
    signature = f"{verdict.signature.value}{f' ({verdict.key})' if verdict.key else ''}" if verdict else "not checked"
    rows = [
        ("session", str(claim.session)),
        ("standing", f"{first.standing.value}{f': {first.note}' if first.note else ''}"),
        *(("resource", resource.text) for resource in claim.resources),
        *(("pattern", printable(pattern)) for pattern in claim.patterns),
        *(("for", line) for line in claim.purpose.split("\n") if line),
        ("taken", f"{show_time(claim.taken)}"),
        ("expires", show_time(claim.expires) + (f" ({style.end_label}: {style.end(claim)})" if style.terminal else "")),
        ("branch", printable(claim.branch or "")),
        ("base", claim.base or ""),
        ("signature", signature),
        ("object", first.oid),
        ("history", f"git log {quote(first.ref)}" if is_printable(first.ref) else ""),
    ]
    return [style.paint(f"claim {claim.id}", bold=True), *(f"  {name:<10} {value}" for name, value in rows if value)]
