"""`gitclaim uninstall`."""

from typing import Any

import click

from gitclaim.cli.door import Answer, Door, answers, example
from gitclaim.cli.hooked import hook_names, hook_options, hook_place, written_json, written_lines
from gitclaim.names import printable


@click.command("uninstall", epilog=example("gitclaim uninstall"))
@hook_options
@click.option("--shared", is_flag=True, help="Look where core.hooksPath leads, though other repositories look there.")
@answers
def command(*, door: Door, shared: bool, server: bool, **chosen: Any) -> Answer:  # noqa: ANN401 - one flag per hook
    """Take gitclaim's hooks away, and bring back what was there before.

    Claims, keys and settings stay as they are. Hooks that are not gitclaim's are left alone.
    """
    workspace = door.open()
    place = hook_place(workspace, shared=shared)
    names = hook_names(chosen, server=server)
    written = workspace.uninstall_hooks(place, names)
    lines = [*written_lines(written, door.style()), f"in {printable(str(place.directory))}"] if written else []
    if place.shadowed:
        # From before the configuration led git elsewhere; they would run again if it stopped doing so.
        also = workspace.uninstall_hooks(place._replace(directory=place.usual), names)
        lines += [*written_lines(also, door.style()), f"in {printable(str(place.usual))}"] if also else []
        written = [*written, *also]
    if not written:
        text = f"no hook of gitclaim's in {printable(str(place.directory))}"
        return Answer("nothing", written_json(place, written, None), text)
    return Answer("uninstalled", written_json(place, written, None), "\n".join(lines))
