"""`gitclaim doctor`."""

import sys

import click

from gitclaim.cli.door import Answer, Door, answers, example
from gitclaim.cli.present import Style
from gitclaim.doctor import diagnose
from gitclaim.errors import Exit
from gitclaim.health import Check, Health

_LOOKS = {Health.OK: "green", Health.WARNING: "yellow", Health.FAILURE: "red"}


@click.command("doctor", epilog=example("gitclaim doctor"))
@click.option("--offline", is_flag=True, help="Don't ask the registry, and write nothing there.")
@answers
def command(*, door: Door, offline: bool) -> Answer:
    """Find out what keeps claims from working, and how to mend it.

    Takes and releases one claim under a name nobody else uses, to see that this clone can. Exits with 1 when something
    has to be mended.
    """
    workspace = door.open()
    checks = diagnose(workspace.facts(sys.executable), workspace.registry, workspace.beside_mirror(), offline=offline)
    style = door.style()
    failed = any(check.health is Health.FAILURE for check in checks)
    fields = {
        "checks": [
            {"name": check.name, "health": check.health.value, "message": check.message, "mend": check.mend or None}
            for check in checks
        ]
    }
    text = "\n".join(_line(check, style) for check in checks)
    return Answer("sick" if failed else "healthy", fields, text, Exit.FIXABLE if failed else Exit.DONE)


def _line(check: Check, style: Style) -> str:
    head = style.paint(f"{check.health.value:<8}", fg=_LOOKS[check.health])
    line = f"{head} {check.name:<9} {check.message}"
    return f"{line}\n{'':<19}mend: {check.mend}" if check.mend and check.health is not Health.OK else line
