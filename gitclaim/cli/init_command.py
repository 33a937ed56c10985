"""`gitclaim init`."""

import click

from gitclaim.cli.door import Answer, Door, answers, example
from gitclaim.cli.present import claim_json, holding_json
from gitclaim.errors import Exit
from gitclaim.moving import Moved, move
from gitclaim.names import printable
from gitclaim.workspace import Workspace


@click.command("init", epilog=example("gitclaim init --registry origin"))
@click.option(
    "--registry", "wished", metavar="REGISTRY", help="A remote's name, a URL, or . for the repository itself."
)
@answers
def command(*, door: Door, wished: str | None) -> Answer:
    """Set up this clone, or choose another registry.

    Live claims of the repository itself are moved to the new registry; none is dropped.

    Nothing has to be set up where the remote origin is the registry: every command works right after git clone.
    """
    workspace = door.open()
    if wished is not None:
        workspace = workspace.pointed_at(wished)
    # Asked before anything is changed: a registry that can't be reached is not switched to.
    workspace.beside_mirror().store.sync()
    moved = _move(workspace)
    if not moved.lost:
        if wished is not None:
            workspace.configure_registry()
        workspace.adopt_mirror()
        workspace.registry().store.sync()
    target = workspace.settings.target
    name = "the repository itself" if target.embedded else printable(target.url)
    lines = [f"registry: {name} (from {workspace.settings.source})", f"session:  {workspace.identity.session}"]
    lines += [f"note: {printable(target.note)}"] if target.note else []
    lines += [f"moved: {holding.claim.title} ({holding.claim.session})" for holding in moved.holdings]
    lines += [f"not moved: {holding.claim.title} ({holding.claim.session}): taken there" for holding in moved.lost]
    fields = {
        "registry": printable(target.url),
        "source": workspace.settings.source,
        "session": workspace.identity.session,
        "moved": [holding_json(holding) for holding in moved.holdings],
        "not_moved": [claim_json(holding.claim, holding.oid) for holding in moved.lost],
    }
    if moved.lost:
        lines.append("nothing was switched: release those claims first, or wait until they expire")
        return Answer("denied", fields, "\n".join(lines), Exit.DENIED)
    return Answer("ready", fields, "\n".join(lines))


def _move(workspace: Workspace) -> Moved:
    stranded = workspace.stranded()
    return move(stranded, workspace.beside_mirror()) if stranded else Moved((), ())
