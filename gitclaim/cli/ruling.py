"""How a ruling looks: as JSON (docs/commands.md), and as text for people, with every way out."""

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import Enum
from shlex import quote
from typing import Any, Final

from gitclaim.change import Change
from gitclaim.claim import Claim
from gitclaim.cli.present import Style, argument, as_text, blocker_lines, claim_json
from gitclaim.clock import show_duration
from gitclaim.enforcing import Ruling
from gitclaim.errors import Reason
from gitclaim.names import printable
from gitclaim.protocol import Blocker
from gitclaim.registry import relation
from gitclaim.resources import Kind, Resource
from gitclaim.verdict import Allowed, Block, Blocked, path_ref

_SHOWN: Final = 5
_GLOBS: Final = re.compile(r"[*?\[\\]")
# Other signs after `:/` are magic of git's pathspecs, or will be (gitglossary(7), "pathspec").
_PLAIN: Final = re.compile(r"[A-Za-z0-9.]")


class Where(Enum):
    """Where something was stopped."""

    COMMIT = "commit"
    PUSH = "push"
    RANGE = "range"
    LANDING = "landing"


_ROUND: Final = {
    Where.COMMIT: "git commit --no-verify   # goes round this hook; pre-push, CI and a server's hook look again",
    Where.PUSH: "git push --no-verify   # goes round this hook; CI and a server's hook look again",
}
_AGAIN: Final = {
    Where.COMMIT: "--staged",
    Where.PUSH: "--range A..B",
    Where.RANGE: "--range A..B",
    Where.LANDING: "--range A..B",
}


def ruling_json(ruling: Ruling, ways: Iterable[str] = ()) -> dict[str, Any]:
    """A ruling in JSON, for the fields of an answer."""
    verdict = ruling.verdict
    allowed = verdict if isinstance(verdict, Allowed) else Allowed()
    return {
        "blocks": list(map(_block_json, verdict.blocks)) if isinstance(verdict, Blocked) else [],
        "own": [holding.claim.id for holding in verdict.own],
        "unclaimed": list(map(as_text, allowed.unclaimed)),
        "lost": list(map(_lost_json, allowed.lost)),
        "ways": list(ways),
        "age": ruling.age,
        "offline": ruling.offline.message if ruling.offline else None,
    }


def blocked_lines(ruling: Ruling, style: Style) -> list[str]:
    """What is in the way, commit by commit and claim by claim."""
    blocks = ruling.verdict.blocks if isinstance(ruling.verdict, Blocked) else ()
    lost = {block.lost.id: block.lost for block in blocks if block.lost and block.found}.values()
    told = (_lost(claim, ruling, style) for claim in lost)
    lines = [f"{style.paint(f'{reason.lower()}:', fg='red')} {text}" for reason, text in told]
    changes: dict[Change, list[Block]] = {}
    for block in blocks:
        changes.setdefault(block.change, []).append(block)
    for change, touched in changes.items():
        lines += [f"commit {change.commit[:12]}:"] if change.commit else []
        lines += blocker_lines(_blockers(touched), style, "blocked:")
        lines += [_without_line(block, ruling, style) for block in touched if not block.found]
    return lines


def ways_out(verdict: Blocked, style: Style, where: Where) -> list[str]:
    """The commands that lead on: waiting, asking, breaking, doing the rest without, going round the hook."""
    claims = list({one.found.oid: one.found.claim for one in verdict.blocks if one.found and one.found.claim}.values())
    paths = list(dict.fromkeys(block.path for block in verdict.blocks))
    few = paths if len(paths) <= _SHOWN else []
    ways = []
    if claims:
        minutes = int((max(claim.lapses() for claim in claims) - style.now).total_seconds()) // 60 + 1
        whom = ", ".join(sorted({claim.session for claim in claims})[:_SHOWN])
        firsts = " ".join(argument(claim.resources[0], style) for claim in claims[:_SHOWN])
        ways.append(f"gitclaim take {_taken(verdict, few, style)} --wait {max(minutes, 1)}m   # wait until it is free")
        ways.append(f"# ask {whom} to release it, or to hand it over with gitclaim give")
        ways.append(f"gitclaim break {firsts} --reason TEXT   # if its holder is gone for good")
    else:
        ways.append(f"gitclaim take {_taken(verdict, few, style)}   # claim it, then try again")
    ways += _without([block.change for block in verdict.blocks], few)
    if where in _ROUND:
        ways.append(_ROUND[where])
    return ways if few else [*ways, f"gitclaim check {_AGAIN[where]} --json   # names all {len(paths)} paths"]


def way_lines(ways: Sequence[str]) -> list[str]:
    """The ways out below what is in the way."""
    labels = ["  ways out", *(" " * len("  ways out") for _ in ways[1:])]
    return [f"{label}  {way}" for label, way in zip(labels, ways, strict=True)]


def ruling_notes(ruling: Ruling, style: Style) -> list[str]:
    """What else there is to know: lost claims, an old view."""
    lines = []
    for claim in ruling.verdict.lost if isinstance(ruling.verdict, Allowed) else ():
        again = " ".join(argument(resource, style) for resource in claim.resources[:_SHOWN])
        reason, text = _lost(claim, ruling, style)
        lines.append(f"note: {reason}: {text}; nobody else has it: gitclaim take {again}")
    if ruling.offline:
        age = "which was never seen" if ruling.age is None else f"{show_duration(timedelta(seconds=ruling.age))} old"
        lines.append(f"note: {Reason.OFFLINE}: {ruling.offline.message}; went by the mirror, {age}")
    return lines


def unclaimed_line(paths: Sequence[str]) -> str:
    """The warning about paths nobody claimed."""
    shown = ", ".join(map(printable, paths[:_SHOWN]))
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"warning: nobody claimed {shown}{more}; gitclaim take claims it"


def _blockers(blocks: Iterable[Block]) -> list[Blocker]:
    return [
        Blocker(Resource(Kind.PATH, block.path), relation(block.found, path_ref(block.path)), block.found)
        for block in blocks
        if block.found
    ]


def _without_line(block: Block, ruling: Ruling, style: Style) -> str:
    verb = style.paint("blocked:", fg="red")
    if block.lost:
        return f"{verb} {printable(block.path)}: {': '.join(_lost(block.lost, ruling, style))}"
    return f"{verb} nobody claimed {printable(block.path)}, and the policy is `unclaimed: deny`"


def _lost(claim: Claim, ruling: Ruling, style: Style) -> tuple[Reason, str]:
    """What became of a claim of this session's, as far as it is known."""
    broken = ruling.broken.get(claim.id)
    what = f"this session's claim on {claim.title}"
    if broken:
        why = broken.reason.replace("\n", " ")
        return Reason.FENCED, f"{what} was broken by {broken.by}: {why}"
    if claim.expires <= style.now:
        return Reason.EXPIRED, f"{what} ended {style.ago(claim.expires)}"
    return Reason.FENCED, f"{what} is gone"


def _taken(verdict: Blocked, paths: Sequence[str], style: Style) -> str:
    """What to wait for: the paths; for a path that only matches a pattern, what that claim holds."""
    named = []
    for path in paths:
        found = next((one.found for one in verdict.blocks if one.path == path), None)
        by_pattern = found and found.claim and found.ref not in {one.ref for one in found.claim.resources}
        resource = found.claim.resources[0] if found and found.claim and by_pattern else Resource(Kind.PATH, path)
        named.append(argument(resource, style))
    return " ".join(dict.fromkeys(named)) or "PATH..."


def _without(changes: Sequence[Change], paths: Sequence[str]) -> list[str]:
    """The command that does the rest without these paths."""
    # git names the newest commit first; a rebase has to begin before the oldest.
    change = changes[-1]
    specs = " ".join(map(_spec, paths)) or "PATH..."
    if change.commit:
        start = f"{change.commit[:12]}^" if change.parents else "--root"
        merges = " --rebase-merges" if any(len(one.parents) > 1 for one in changes) else ""
        return [
            f"git rebase -i{merges} {start}   # on its branch, mark it `edit`, then:",
            f"  git restore --source=HEAD^ --staged --worktree {specs} && git commit --amend && git rebase --continue",
        ]
    if len(change.parents) > 1:
        return ["git merge --abort   # leave the merge for later"]
    if change.parents:
        return [f"git restore --staged {specs}   # commit the rest without it"]
    return [f"git rm --cached -r {specs}   # commit the rest without it"]


def _spec(path: str) -> str:
    """The path as a pathspec of git's, from any directory of the work tree and by the letter."""
    if printable(path) != path:
        return "PATH"
    plain = _PLAIN.match(path) and not _GLOBS.search(path)
    return quote(f":/{path}" if plain else f":(top,literal){path}")


def _block_json(block: Block) -> dict[str, Any]:
    found = block.found
    return {
        "path": as_text(block.path),
        "reason": block.reason,
        "commit": block.change.commit,
        "claim": claim_json(found.claim, found.oid) if found and found.claim else None,
        "ref": found.ref if found else None,
        "lost": _lost_json(block.lost) if block.lost else None,
    }


def _lost_json(claim: Claim) -> dict[str, Any]:
    return {"id": claim.id, "resources": [resource.spec for resource in claim.resources]}
