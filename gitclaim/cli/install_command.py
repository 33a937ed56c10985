"""`gitclaim install`."""

import sys
from typing import Any, Final

import click

from gitclaim.cli.door import Answer, Door, answers, example
from gitclaim.cli.hooked import hook_names, hook_options, hook_place, written_json, written_lines
from gitclaim.errors import GitclaimError
from gitclaim.githook import HUSKY_WAY, Manager
from gitclaim.names import printable
from gitclaim.serving import Server

_NOTES: Final = {
    Manager.PRE_COMMIT: "note: pre-commit's hooks run after these; or name these in .pre-commit-config.yaml instead",
    Manager.LEFTHOOK: "note: lefthook's hooks run first; `lefthook install` puts them in these ones' place: then run "
    "gitclaim install again, or name `gitclaim-hook pre-commit` in lefthook.yml instead",
}


@click.command("install", epilog=example("gitclaim install"))
@hook_options
@click.option("--shared", is_flag=True, help="Write where core.hooksPath leads, though other repositories look there.")
@answers
def command(*, door: Door, shared: bool, server: bool, **chosen: Any) -> Answer:  # noqa: ANN401 - one flag per hook
    """Have git ask gitclaim before every commit and push.

    Hooks that are there already are kept and run first. Without an option all hooks of a clone are installed. Running
    it again upgrades what is older. With --server a repository that others push to refuses what breaks claims
    (docs/server.md).
    """
    workspace = door.open()
    if workspace.place.top is None and not server:
        raise GitclaimError(
            "a bare repository has no commits of its own",
            hint="gitclaim install --server has it judge what is pushed to it; else install in a clone or work tree",
        )
    if server:
        # Said now, and not at the next push: with settings that make no sense it lets nothing in.
        _check_server(Server.open(workspace.around, ""))
    place = hook_place(workspace, shared=shared)
    if place.off:
        raise GitclaimError(
            f"core.hooksPath ({place.scope} configuration) turns git's hooks off",
            hint=f"{place.way_back}, which turns them on here",
        )
    manager = place.manager
    if manager is Manager.HUSKY and not server:
        raise GitclaimError(
            f"husky manages the hooks in {printable(str(place.directory))}, and would overwrite them",
            hint=HUSKY_WAY,
        )
    # What one of them writes, the other takes for nothing where nobody wrote more.
    chosen["commit_msg"] = chosen["commit_msg"] or chosen["prepare_commit_msg"]
    names = hook_names(chosen, server=server)
    written = workspace.install_hooks(place, names, sys.executable)
    lines = [*written_lines(written, door.style()), f"in {printable(str(place.directory))}"]
    if place.tracked:
        lines.append("note: that is part of the work tree; the hooks find gitclaim-hook on the search path")
    if manager in _NOTES:
        lines.append(_NOTES[manager])
    return Answer("installed", written_json(place, written, manager), "\n".join(lines))


def _check_server(server: Server) -> None:
    """Make sure that something will be let in.

    Raises:
        GitclaimError: nothing would.
    """
    server.decision()
    branches = server.branches()
    if branches.headless:
        raise GitclaimError(
            f"HEAD names {printable(branches.default) or 'no branch'}, and that is not there: nothing would be let in",
            hint="git symbolic-ref HEAD refs/heads/BRANCH",
        )
