"""`gitclaim check`."""

from typing import Any, NamedTuple

import click

from gitclaim.cli.door import Answer, Door, answers, example, resource_arguments
from gitclaim.cli.mirrored import offline_option, viewed
from gitclaim.cli.present import Style, blocker_json, blocker_lines, holding_json
from gitclaim.cli.ruling import Where, blocked_lines, ruling_json, ruling_notes, unclaimed_line, way_lines, ways_out
from gitclaim.enforcing import Ruling, broken_claims, judge
from gitclaim.errors import Exit, GitclaimError, UsageError
from gitclaim.policy import Unclaimed
from gitclaim.protocol import Request, Situation, situation
from gitclaim.registry import Holding, Registry
from gitclaim.resources import Resource
from gitclaim.verdict import Blocked
from gitclaim.workspace import Workspace


class _Checked(NamedTuple):
    resource: Resource
    seen: Situation

    @property
    def state(self) -> str:
        """`held` by another, `mine`, or `free`."""
        if self.seen.blockers:
            return "held"
        return "mine" if self.seen.covering else "free"


@click.command("check", epilog=example("gitclaim check src/api/users.py"))
@resource_arguments(required=False)
@click.option("--staged", is_flag=True, help="Check the commit that is being made, as pre-commit does.")
@click.option("--range", "revisions", metavar="A..B", help="Check the commits of a range, for CI (docs/hooks.md).")
@offline_option
@answers
def command(*, door: Door, resources: tuple[str, ...], staged: bool, revisions: str | None, offline: bool) -> Answer:
    """Tell whether another session holds what is touched.

    The exit code is 3 if so, 0 if not. A commit of a range is blocked by a claim that stands now, and by one that stood
    when it was committed, unless a Claim: trailer says that it is the holder's own work.
    """
    if bool(resources) + staged + (revisions is not None) != 1:
        hint = "one of: gitclaim check RESOURCE..., gitclaim check --staged, gitclaim check --range A..B"
        raise UsageError("say what to check, and one thing only", hint=hint)
    workspace = door.open()
    registry = workspace.registry()
    if not resources:
        return _changes(door, workspace, registry, revisions, offline=offline)
    age, note = viewed(registry, door.style(), offline=offline)
    checked = _checked(workspace, registry, list(map(workspace.resource, resources)))
    style = door.style()
    lines = [_line(one, style) for one in checked]
    held = any(one.state == "held" for one in checked)
    fields = {"resources": [_json(one) for one in checked], "age": age}
    text = "\n".join([*lines, *([note] if note else [])])
    return Answer("blocked" if held else "clear", fields, text, Exit.DENIED if held else Exit.DONE)


def _changes(door: Door, workspace: Workspace, registry: Registry, revisions: str | None, *, offline: bool) -> Answer:
    """Check what is staged, or the commits of a range."""
    if revisions is None and workspace.place.top is None:
        raise GitclaimError(
            "nothing is staged in a bare repository", hint="gitclaim check --range A..B looks at commits"
        )
    touched = workspace.touched(door.environ.get("GIT_INDEX_FILE"))
    if revisions is None:
        changes = [touched.staged(touched.merging(door.environ, automatic=True))]
    else:
        changes = touched.between(revisions)
    style = door.style()
    age, note = viewed(registry, style, offline=offline)
    policy = workspace.settings.policy
    given = judge(registry, changes, touched, policy, past=revisions is not None)
    ruling = Ruling(given, age, broken=broken_claims(registry, given))
    lines = ruling_notes(ruling, style)
    fields = {"commits": [change.commit for change in changes if change.commit]}
    if isinstance(ruling.verdict, Blocked):
        ways = ways_out(ruling.verdict, style, Where.COMMIT if revisions is None else Where.RANGE)
        lines += [*blocked_lines(ruling, style), *way_lines(ways)]
        lines += [note] if note else []
        return Answer("blocked", {**fields, **ruling_json(ruling, ways)}, "\n".join(lines), Exit.DENIED)
    if ruling.verdict.unclaimed and policy.unclaimed is not Unclaimed.ALLOW:
        lines.append(unclaimed_line(ruling.verdict.unclaimed))
    paths = {path for change in changes for path in change.paths}
    lines.append(f"{style.paint('clear:', fg='green')} {len(paths)} paths touched, none held by another session")
    return Answer("clear", {**fields, **ruling_json(ruling)}, "\n".join([*lines, *([note] if note else [])]))


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
