"""How a ruling looks: as JSON (docs/commands.md), and as text for people, with every way out."""

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from shlex import quote
from typing import Any, Final

from gitclaim.change import Change
from gitclaim.claim import Claim
from gitclaim.cli.present import Style, argument, blocker_lines, claim_json
from gitclaim.clock import show_duration
from gitclaim.enforcing import Ruling
from gitclaim.errors import Reason
from gitclaim.names import printable
from gitclaim.protocol import Blocker
from gitclaim.resources import Kind, Resource
from gitclaim.verdict import Allowed, Block, Blocked

_SHOWN: Final = 5
_GLOBS: Final = re.compile(r"[*?\[\\]")


def ruling_json(ruling: Ruling, ways: Iterable[str] = ()) -> dict[str, Any]:
    """A ruling in JSON, for the fields of an answer."""
    verdict = ruling.verdict
    allowed = verdict if isinstance(verdict, Allowed) else Allowed()
    return {
        "blocks": list(map(_block_json, verdict.blocks)) if isinstance(verdict, Blocked) else [],
        "own": [holding.claim.id for holding in verdict.own],
        "unclaimed": list(map(_text, allowed.unclaimed)),
        "lost": list(map(_lost_json, allowed.lost)),
        "ways": list(ways),
        "age": ruling.age,
        "offline": ruling.offline.message if ruling.offline else None,
    }


def blocked_lines(verdict: Blocked, style: Style) -> list[str]:
    """What is in the way, commit by commit and claim by claim."""
    lines = [
        f"{style.paint('fenced:', fg='red')} this session lost its claim on {claim.title}: its lease ended "
        f"{style.ago(claim.expires)}, or somebody took it over"
        for claim in {block.lost.id: block.lost for block in verdict.blocks if block.lost and block.found}.values()
    ]
    changes: dict[Change, list[Block]] = {}
    for block in verdict.blocks:
        changes.setdefault(block.change, []).append(block)
    for change, blocks in changes.items():
        lines += [f"commit {change.commit[:12]}:"] if change.commit else []
        lines += blocker_lines(_blockers(blocks), style, "blocked:")
        lines += [_without_line(block, style) for block in blocks if not block.found]
    return lines


def ways_out(verdict: Blocked, style: Style) -> list[str]:
    """The commands that lead on: waiting, asking, breaking, doing the rest without, going round the hook."""
    claims = list({one.found.oid: one.found.claim for one in verdict.blocks if one.found and one.found.claim}.values())
    paths = list(dict.fromkeys(block.path for block in verdict.blocks))
    few = paths if len(paths) <= _SHOWN else []
    listed = " ".join(argument(Resource(Kind.PATH, path)) for path in few) or "PATH..."
    ways = []
    if claims:
        minutes = int((max(claim.lapses() for claim in claims) - style.now).total_seconds()) // 60 + 1
        whom = ", ".join(sorted({claim.session for claim in claims})[:_SHOWN])
        ways.append(f"gitclaim take {listed} --wait {max(minutes, 1)}m   # wait until it is free")
        ways.append(f"ask {whom} to release it, or to hand it over with gitclaim give")
        ways.append(
            f"gitclaim break {argument(claims[0].resources[0])} --reason TEXT   # if its holder is gone for good"
        )
    else:
        ways.append(f"gitclaim take {listed}   # claim it, then try again")
    return [*ways, *_without(verdict.blocks[0].change, few)]


def way_lines(ways: Sequence[str]) -> list[str]:
    """The ways out below what is in the way."""
    labels = ["  ways out", *(" " * len("  ways out") for _ in ways[1:])]
    return [f"{label}  {way}" for label, way in zip(labels, ways, strict=True)]


def ruling_notes(ruling: Ruling, style: Style) -> list[str]:
    """What else there is to know: lost claims, an old view."""
    lines = []
    for claim in ruling.verdict.lost if isinstance(ruling.verdict, Allowed) else ():
        again = " ".join(map(argument, claim.resources[:_SHOWN]))
        lines.append(
            f"note: {Reason.EXPIRED}: this session's claim on {claim.title} ended {style.ago(claim.expires)}; "
            f"nobody else has it: gitclaim take {again}"
        )
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
        Blocker(Resource(Kind.PATH, block.path), block.reason or Reason.HELD, block.found)
        for block in blocks
        if block.found
    ]


def _without_line(block: Block, style: Style) -> str:
    verb = style.paint("blocked:", fg="red")
    if block.lost:
        ended = style.ago(block.lost.expires)
        return f"{verb} {printable(block.path)}: {Reason.EXPIRED}, this session's claim on it ended {ended}"
    return f"{verb} nobody claimed {printable(block.path)}, and the policy is `unclaimed: deny`"


def _without(change: Change, paths: Sequence[str]) -> list[str]:
    """The commands that do the rest without these paths, and those that go round the hook."""
    if change.commit:
        return [
            f"git rebase -i {change.commit[:12]}^   # take it out of that commit, and push the rest",
            "git push --no-verify   # goes round this hook; CI and a server's hook look again",
        ]
    specs = " ".join(map(_spec, paths)) or "PATH..."
    if len(change.parents) > 1:
        rest = "git merge --abort   # leave the merge for later"
    elif change.parents:
        rest = f"git restore --staged {specs}   # commit the rest without it"
    else:
        rest = f"git rm --cached -r {specs}   # commit the rest without it"
    return [rest, "git commit --no-verify   # goes round this hook; pre-push, CI and a server's hook look again"]


def _spec(path: str) -> str:
    """The path as a pathspec of git's, from any directory of the work tree and by the letter."""
    return quote(f":(top,literal){path}" if _GLOBS.search(path) else f":/{path}") if printable(path) == path else "PATH"


def _block_json(block: Block) -> dict[str, Any]:
    found = block.found
    return {
        "path": _text(block.path),
        "reason": block.reason,
        "commit": block.change.commit,
        "claim": claim_json(found.claim, found.oid) if found and found.claim else None,
        "ref": found.ref if found else None,
        "lost": _lost_json(block.lost) if block.lost else None,
    }


def _lost_json(claim: Claim) -> dict[str, Any]:
    return {"id": claim.id, "resources": [resource.spec for resource in claim.resources]}


def _text(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
