"""The answer of the commands that work on this session's own claims."""

from collections.abc import Sequence

from gitclaim.cli.door import Answer
from gitclaim.cli.present import Style, fence_json, fence_text, holding_json
from gitclaim.errors import Exit
from gitclaim.holding import Kept


def kept_answer(kept: Kept, outcome: str, lines: Sequence[str], style: Style) -> Answer:
    """The answer: `outcome`, or `fenced` with exit code 5 where a claim was lost before; `nothing` without claims.

    Args:
        kept: what became of the claims.
        outcome: the word for success.
        lines: the text about those it worked for.
        style: how text looks.
    """
    fields = {
        "claims": [holding_json(holding) for holding in kept.holdings],
        "fenced": [fence_json(fence) for fence in kept.fenced],
    }
    if kept.fenced:
        lost = [fence_text(fence, style) for fence in kept.fenced]
        lost.append("  next    do not push that work as it is: gitclaim take takes the claim anew, if it is free")
        return Answer("fenced", fields, "\n".join([*lines, *lost]), Exit.FENCED)
    if not kept.holdings:
        return Answer("nothing", fields, "this session holds no claims")
    return Answer(outcome, fields, "\n".join(lines))
