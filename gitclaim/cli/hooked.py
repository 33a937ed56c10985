"""What `install` and `uninstall` have in common: which hooks are meant, where git looks for them, what was done."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import click

from gitclaim.cli.present import Style
from gitclaim.errors import GitclaimError, UsageError
from gitclaim.githook import BEFORE, HOOKS, SERVER_HOOKS, HookPlace, Manager, Written
from gitclaim.names import printable
from gitclaim.workspace import Workspace

_COLOURS: Final = {"unchanged": None, "left": "yellow"}


def hook_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """One flag for each hook of a clone, and one for those of a server."""
    function = click.option("--server", is_flag=True, help="In a repository that others push to: pre-receive.")(
        function
    )
    for name in reversed(HOOKS):
        function = click.option(f"--{name}", is_flag=True, help=f"Only this hook: {name}.")(function)
    return function


def hook_names(chosen: Mapping[str, bool], *, server: bool) -> list[str]:
    """The hooks that are meant: those that were named, else all.

    Raises:
        UsageError: hooks of a clone and those of a server are not the same repository's.
    """
    named = [name for name in HOOKS if chosen[name.replace("-", "_")]]
    if named and server:
        raise UsageError(f"a server has no {named[0]} hook", hint="gitclaim install --server")
    return list(SERVER_HOOKS) if server else named or list(HOOKS)


def hook_place(workspace: Workspace, *, shared: bool) -> HookPlace:
    """Where git looks for hooks.

    Raises:
        GitclaimError: other repositories look there too, and nobody said that this is meant.
    """
    place = workspace.hook_place()
    if not place.own and not shared and not place.off:
        where = printable(str(place.directory))
        raise GitclaimError(
            f"core.hooksPath ({place.scope} configuration) leads to {where}, and not for this repository alone",
            hint=f"{place.way_back}, for hooks of its own; --shared writes to {where}",
        )
    return place


def written_json(place: HookPlace, written: Iterable[Written], manager: Manager | None) -> dict[str, Any]:
    """What was done, in JSON."""
    return {
        "directory": printable(str(place.directory)),
        "hooks": [{"name": one.name, "done": one.done, "chained": one.chained} for one in written],
        "manager": manager,
    }


def written_lines(written: Iterable[Written], style: Style) -> list[str]:
    """What was done, for people."""
    lines = []
    for one in written:
        done = style.paint(f"{one.done}:", fg=_COLOURS.get(one.done, "green"))
        after = ", after the hook that was there before" if one.chained and one.done not in {"restored", "left"} else ""
        left = (
            f": not gitclaim's any more; what was there before is kept as {one.name}{BEFORE}"
            if one.done == "left"
            else ""
        )
        lines.append(f"{done} {one.name}{after}{left}")
    return lines
