"""What `install` and `uninstall` have in common: which hooks are meant, where git looks for them, what was done."""

from collections.abc import Callable, Iterable
from shlex import quote
from typing import Any, Final

import click

from gitclaim.cli.present import Style
from gitclaim.errors import GitclaimError
from gitclaim.githook import HOOKS, HookPlace, Manager, Written
from gitclaim.names import printable
from gitclaim.workspace import Workspace

_COLOURS: Final = {"unchanged": None, "left": "yellow"}


def hook_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """One flag for each hook."""
    for name in reversed(HOOKS):
        function = click.option(f"--{name}", is_flag=True, help=f"Only this hook: {name}.")(function)
    return function


def hook_place(workspace: Workspace, *, shared: bool) -> HookPlace:
    """Where git looks for hooks.

    Raises:
        GitclaimError: other repositories look there too, and nobody said that this is meant.
    """
    place = workspace.hook_place()
    if not place.own and not shared:
        own = quote(str(place.usual))
        raise GitclaimError(
            f"core.hooksPath ({place.scope} configuration) leads to {printable(str(place.directory))}, for all "
            "repositories",
            hint=f"git config --local core.hooksPath {own} gives this one hooks of its own; --shared writes there",
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
        left = ": not gitclaim's any more, but what was there before it is kept beside it" if one.done == "left" else ""
        lines.append(f"{done} {one.name}{after}{left}")
    return lines
