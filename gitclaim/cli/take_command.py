"""`gitclaim take`."""

from datetime import timedelta

import click

from gitclaim.claim import purpose_text
from gitclaim.cli.door import Answer, Door, answers, duration_option, example, resource_arguments
from gitclaim.cli.present import Style, argument, blocker_json, blocker_lines, found_json, held_text, holding_json
from gitclaim.cli.progress import Progress
from gitclaim.clock import show_duration
from gitclaim.errors import Exit, UsageError
from gitclaim.names import printable
from gitclaim.protocol import Denied, Request, TakeOutcome, take, wait_and_take
from gitclaim.registry import Standing
from gitclaim.workspace import Workspace


@click.command("take", epilog=example('gitclaim take src/api task:42 --for "Add pagination"'))
@resource_arguments(required=False)
@click.option("--for", "purpose", metavar="TEXT", default="", help="What the work is, for those who are denied.")
@duration_option("--ttl", "How long the lease runs (default 60m); extends claims already held.")
@click.option("--glob", "globs", metavar="PATTERN", multiple=True, help="Claim the tracked files a pattern matches.")
@click.option("--widen", is_flag=True, help="Give up narrower claims of this session for the wider one.")
@duration_option("--wait", "When denied, wait that long for it to come free.")
@answers
def command(
    *,
    door: Door,
    resources: tuple[str, ...],
    purpose: str,
    ttl: timedelta | None,
    globs: tuple[str, ...],
    widen: bool,
    wait: timedelta | None,
) -> Answer:
    """Claim everything the work needs, or nothing.

    A RESOURCE is a path (src/api, or . for the whole repository), task:ID, topic:WORDS or lane:NAME. Exactly one of
    several sessions that race for overlapping resources gets them; the others exit with 3 and are told who holds what.
    """
    if not resources and not globs:
        raise UsageError("nothing to take", hint="name a path, task:ID, topic:WORDS or lane:NAME, or use --glob")
    workspace = door.open()
    patterns = tuple(map(workspace.pattern, globs))
    request = Request(
        resources=(*map(workspace.resource, resources), *workspace.matches(patterns)),
        ttl=ttl or workspace.settings.ttl,
        extend=ttl is not None,
        purpose=purpose_text(purpose),
        branch=workspace.place.branch,
        base=workspace.place.head,
        patterns=patterns,
        widen=widen,
    )
    registry = workspace.registry(signing=True)
    if wait is None:
        outcome = take(registry, request)
    else:
        with Progress() as progress:
            outcome = wait_and_take(registry, request, wait=wait, waiting=progress.show)
    return _answer(outcome, workspace, door.style(), globs=bool(globs))


def _answer(outcome: TakeOutcome, workspace: Workspace, style: Style, *, globs: bool) -> Answer:
    if isinstance(outcome, Denied):
        return _denied(outcome, style)
    verb = "held:" if outcome.new else "held already:"
    lines = [
        held_text(holding, style, verb if number == 0 else "held:") for number, holding in enumerate(outcome.holdings)
    ]
    lines += [_removed_line(one.standing, one.claim.session if one.claim else "") for one in outcome.removed]
    if globs and outcome.new:
        lines.append("note: only files that exist were claimed; to keep others from adding files, claim the directory")
    fields = {
        "claim": holding_json(outcome.holdings[0]),
        "claims": [holding_json(holding) for holding in outcome.holdings],
        "new": outcome.new,
        "removed": [found_json(one) for one in outcome.removed],
        "registry": printable(workspace.settings.target.url),
    }
    return Answer("held", fields, "\n".join(lines))


def _denied(outcome: Denied, style: Style) -> Answer:
    lines = blocker_lines(outcome.blockers, style, "denied:")
    if outcome.given_up:
        names = ", ".join(resource.text for resource in outcome.given_up)
        lines.append(f"lost: {names} was given up to widen, and could not be taken back")
    lines += _ways_out(outcome, style)
    fields = {
        "blockers": [blocker_json(blocker) for blocker in outcome.blockers],
        "given_up": [resource.spec for resource in outcome.given_up],
    }
    return Answer("denied", fields, "\n".join(lines), Exit.DENIED)


def _ways_out(outcome: Denied, style: Style) -> list[str]:
    claims = [blocker.found.claim for blocker in outcome.blockers if blocker.found.claim]
    ways = []
    if claims:
        # A minute more than the grace: what is told in minutes is cut.
        left = max(claim.lapses() for claim in claims) - style.now + timedelta(minutes=1)
        wait = show_duration(left).replace(" ", "")
        ways.append((f"add --wait {wait}", "wait for it"))
    ways.append(("gitclaim list", "see what else is taken, and take something else"))
    if claims:
        first = argument(claims[0].resources[0], style)
        ways.append((f'gitclaim break {first} --reason "..."', "remove it, if its holder is gone"))
    if any(blocker.found.standing is Standing.MALFORMED for blocker in outcome.blockers):
        ways.append(("gitclaim sweep", "remove what is no claim, after ten minutes"))
    width = max(len(way) for way, _ in ways)
    return [f"  {'next' if number == 0 else '':<8}{way:<{width}}  {why}" for number, (way, why) in enumerate(ways)]


def _removed_line(standing: Standing, session: str) -> str:
    of = f" claim of {session}" if session else ""
    return f"note: the {standing.value}{of} that stood in the way was removed"
