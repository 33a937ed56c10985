"""`gitclaim check`."""

from dataclasses import dataclass
from typing import Any

import click

from gitclaim.cli.door import Answer, Door, answers, example, resource_arguments
from gitclaim.cli.mirrored import offline_option, viewed
from gitclaim.cli.present import Style, blocker_json, blocker_lines, holding_json
from gitclaim.errors import Exit
from gitclaim.protocol import Request, Situation, situation
from gitclaim.registry import Holding, Registry
from gitclaim.resources import Resource
from gitclaim.workspace import Workspace


@dataclass(frozen=True, slots=True)
class _Checked:
    resource: Resource
    seen: Situation

    @property
    def state(self) -> str:
        """`held` by another, `mine`, or `free`."""
        if self.seen.blockers:
            return "held"
        return "mine" if self.seen.covering else "free"


@click.command("check", epilog=example("gitclaim check src/api/users.py"))
@resource_arguments(required=True)
@offline_option
@answers
def command(*, door: Door, resources: tuple[str, ...], offline: bool) -> Answer:
    """Tell whether another session holds what is about to be touched.

    The exit code is 3 if so, 0 if not.
    """
    workspace = door.open()
    registry = workspace.registry()
    age, note = viewed(registry, door.style(), offline=offline)
    checked = _checked(workspace, registry, list(map(workspace.resource, resources)))
    style = door.style()
    lines = [_line(one, style) for one in checked]
    held = any(one.state == "held" for one in checked)
    fields = {"resources": [_json(one) for one in checked], "age": age}
    text = "\n".join([*lines, *([note] if note else [])])
    return Answer("blocked" if held else "clear", fields, text, Exit.DENIED if held else Exit.DONE)


def _checked(workspace: Workspace, registry: Registry, asked: list[Resource]) -> list[_Checked]:
    found = registry.look([resource.ref for resource in asked])
    return [
        _Checked(resource, situation(found, Request((resource,), workspace.settings.ttl), registry))
        for resource in asked
    ]


def _line(one: _Checked, style: Style) -> str:
    if one.seen.blockers:
        return "\n".join(blocker_lines(one.seen.blockers, style, "blocked:"))
    if one.seen.covering and (claim := one.seen.covering[0].claim):
        return f"{style.paint('mine:', fg='green')} {one.resource.text}, by the claim on {claim.title}"
    return f"{style.paint('free:', fg='green')} {one.resource.text}"


def _json(one: _Checked) -> dict[str, Any]:
    covering = [Holding(found.claim, found.oid) for found in one.seen.covering if found.claim]
    return {
        "resource": one.resource.spec,
        "state": one.state,
        "claim": holding_json(covering[0]) if covering else None,
        "blockers": [blocker_json(blocker) for blocker in one.seen.blockers],
    }
