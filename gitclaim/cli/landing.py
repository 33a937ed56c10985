"""How a landing looks: as JSON (docs/commands.md), and as text for people."""

from typing import Any, Final, NamedTuple

from gitclaim.change import Change
from gitclaim.cli.door import Answer
from gitclaim.cli.present import Style, argument, fence_json, fence_text, holding_json
from gitclaim.cli.ruling import Where, blocked_lines, ruling_json, unclaimed_line, way_lines, ways_out
from gitclaim.enforcing import Ruling
from gitclaim.errors import Exit
from gitclaim.land import Errand, Fenced, Landed, Orphan, reason
from gitclaim.names import Oid, printable
from gitclaim.policy import Unclaimed
from gitclaim.registry import Registry
from gitclaim.resources import Kind, Resource
from gitclaim.verdict import Blocked
from gitclaim.workspace import Workspace

_SHOWN: Final = 5


class Scene(NamedTuple):
    """What is landing where.

    Args:
        workspace: the repository.
        registry: its registry.
        errand: what is to land.
        style: how text looks.
        keep: whether claims are renewed instead of given up.
        changes: the commits the registry does not have.
        unclaimed: the paths among what they touch that nobody claimed.
    """

    workspace: Workspace
    registry: Registry
    errand: Errand
    style: Style
    keep: bool = False
    changes: tuple[Change, ...] = ()
    unclaimed: tuple[str, ...] = ()


def landed_answer(scene: Scene, landed: Landed, word: str) -> Answer:
    """It landed, or would.

    Args:
        scene: what is landing where.
        landed: what became of the claims.
        word: `landed` or `would land`.
    """
    commits = [change for change in scene.changes if not change.withdrawn]
    paths = {path for change in commits for path in change.paths}
    warned = scene.workspace.settings.policy.unclaimed in {Unclaimed.WARN, Unclaimed.TAKE}
    lines = [unclaimed_line(scene.unclaimed)] if scene.unclaimed and warned else []
    many = f"{len(commits)} {'commit' if len(commits) == 1 else 'commits'}"
    touched = f"{len(paths)} {'path' if len(paths) == 1 else 'paths'}"
    ref = printable(scene.errand.ref.removeprefix("refs/heads/"))
    lines.append(f"{scene.style.paint(f'{word}:', fg='green')} {many} on {ref}, which touch {touched}")
    lines += [f"  released  {holding.claim.title}" for holding in landed.released]
    lines += [f"  renewed   {holding.claim.title}" for holding in landed.renewed]
    fields = {
        **_fields(scene),
        "released": list(map(holding_json, landed.released)),
        "renewed": list(map(holding_json, landed.renewed)),
        "unclaimed": list(map(printable, scene.unclaimed)),
    }
    return Answer("landed" if word == "landed" else "ready", fields, "\n".join(lines))


def nothing_answer(scene: Scene) -> Answer:
    """There is nothing to do."""
    ref = printable(scene.errand.ref.removeprefix("refs/heads/"))
    text = f"nothing to land: {ref} is there already; gitclaim release --merged gives up claims whose work is done"
    return Answer("nothing", _fields(scene), text)


def moved_answer(scene: Scene, current: Oid | None) -> Answer:
    """The branch went on without this work."""
    ref = printable(scene.errand.ref.removeprefix("refs/heads/"))
    where = f"is at {current[:12]}, which this work does not contain" if current else "is gone"
    lines = [f"moved: {ref} {where}; nothing landed, and nothing was released"]
    lines.append(f"  next    {scene.workspace.tracking(scene.errand.ref)}")
    return Answer("moved", {**_fields(scene), "old": current}, "\n".join(lines), Exit.FIXABLE)


def blocked_answer(scene: Scene, ruling: Ruling) -> Answer:
    """Another session holds what the work touches, or the policy asks for a claim."""
    ways = ways_out(ruling.verdict, scene.style, Where.LANDING) if isinstance(ruling.verdict, Blocked) else []
    text = "\n".join([*blocked_lines(ruling, scene.style), *way_lines(ways)])
    return Answer("denied", {**_fields(scene), **ruling_json(ruling, ways)}, text, Exit.DENIED)


def fenced_answer(scene: Scene, fenced: Fenced, ruling: Ruling | None = None) -> Answer:
    """A claim the work was done under is gone.

    Args:
        scene: what is landing where.
        fenced: what is gone.
        ruling: the verdict on the work, where another session holds what it touches.
    """
    known = {fence.claim.id for fence in fenced.fences}
    lines = [fence_text(fence, scene.style) for fence in fenced.fences]
    others = [one for one in fenced.orphans if known.isdisjoint(one.claims)]
    lines += [_orphan_line(one, scene.registry, scene.style) for one in others]
    lost = [resource for fence in fenced.fences for resource in fence.claim.resources]
    lost += [Resource(Kind.PATH, path) for path in sorted({path for one in others for path in one.paths})]
    named = " ".join(dict.fromkeys(argument(resource, scene.style) for resource in lost[:_SHOWN]))
    lines.append("nothing landed, and nothing was released")
    lines.append(f"  next    gitclaim take {named}   # once it is free: see what others did, then land again")
    fields = {
        **_fields(scene),
        **(ruling_json(ruling) if ruling else {}),
        "reason": reason(fenced),
        "fenced": list(map(fence_json, fenced.fences)),
        "orphans": list(map(_orphan_json, fenced.orphans)),
    }
    return Answer("fenced", fields, "\n".join(lines), Exit.FENCED)


def _fields(scene: Scene) -> dict[str, Any]:
    commits = [change.commit for change in scene.changes if change.commit and not change.withdrawn]
    return {"ref": scene.errand.ref, "old": scene.errand.old, "new": scene.errand.new, "commits": commits}


def _orphan_json(orphan: Orphan) -> dict[str, Any]:
    return {"commit": orphan.commit, "claims": list(orphan.claims), "paths": list(map(printable, orphan.paths))}


def _orphan_line(orphan: Orphan, registry: Registry, style: Style) -> str:
    word = style.paint("fenced:", fg="red")
    made = f"{word} commit {orphan.commit[:12]} was made under the claim {orphan.claims[0]}, which"
    broken, released = registry.broken(orphan.claims[0]), registry.released(orphan.claims[0])
    if broken:
        return f"{made} was broken by {broken.by}: {printable(broken.reason)}"
    return f"{made} was released by {released.by}" if released else f"{made} stands no longer"
