"""`gitclaim install`."""

import sys
from typing import Any, Final

import click

from gitclaim.cli.door import Answer, Door, answers, example
from gitclaim.cli.hooked import hook_options, hook_place, written_json, written_lines
from gitclaim.errors import GitclaimError
from gitclaim.githook import HOOKS, HUSKY_WAY, Manager
from gitclaim.names import printable

_NOTES: Final = {
    Manager.PRE_COMMIT: "note: pre-commit's hooks run after these; or name these in .pre-commit-config.yaml instead",
    Manager.LEFTHOOK: "note: lefthook's hooks run first; `lefthook install` puts them in these ones' place: then run "
    "gitclaim install again, or name `gitclaim-hook pre-commit` in lefthook.yml instead",
}


@click.command("install", epilog=example("gitclaim install"))
@hook_options
@click.option("--shared", is_flag=True, help="Write where core.hooksPath leads, though other repositories look there.")
@answers
def command(*, door: Door, shared: bool, **chosen: Any) -> Answer:  # noqa: ANN401 - one flag per hook
    """Have git ask gitclaim before every commit and push.

    Hooks that are there already are kept and run first. Without an option all hooks are installed. Running it again
    upgrades what is older.
    """
    workspace = door.open()
    if workspace.place.top is None:
        raise GitclaimError("a bare repository has no commits of its own", hint="install in a clone or a work tree")
    place = hook_place(workspace, shared=shared)
    if place.off:
        raise GitclaimError(
            f"core.hooksPath ({place.scope} configuration) turns git's hooks off",
            hint=f"{place.way_back}, which turns them on here",
        )
    manager = place.manager
    if manager is Manager.HUSKY:
        raise GitclaimError(
            f"husky manages the hooks in {printable(str(place.directory))}, and would overwrite them",
            hint=HUSKY_WAY,
        )
    # What one of them writes, the other takes for nothing where nobody wrote more.
    chosen["commit_msg"] = chosen["commit_msg"] or chosen["prepare_commit_msg"]
    names = [name for name in HOOKS if chosen[name.replace("-", "_")]] or list(HOOKS)
    written = workspace.install_hooks(place, names, sys.executable)
    lines = [*written_lines(written, door.style()), f"in {printable(str(place.directory))}"]
    if place.tracked:
        lines.append("note: that is part of the work tree; the hooks find gitclaim-hook on the search path")
    if manager in _NOTES:
        lines.append(_NOTES[manager])
    return Answer("installed", written_json(place, written, manager), "\n".join(lines))
