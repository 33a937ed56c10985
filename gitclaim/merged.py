"""Whose work is in a branch, as git sees it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from gitclaim.names import ClaimId, Oid
from gitclaim.touched import Touched, claim_ids


def merged(touched: Touched, claims: Mapping[ClaimId, Sequence[Oid]], since: datetime, branch: str) -> set[ClaimId]:
    """Those of the claims whose work is in a branch.

    It is, if the branch has a commit that names the claim, or one that was landed under it, and no branch of this
    clone has work under it that this one lacks, be it as another commit or as a part of a larger one.

    Args:
        touched: asks git.
        claims: each with the commits that were landed under it.
        since: when the first of the claims was taken.
        branch: the branch, in full.
    """
    known = set(touched.known([oid for landed in claims.values() for oid in landed]))
    # A branch is long, and a commit with a wrong date only looks as if it had not arrived.
    there = _naming(touched, claims, f"--since={since.isoformat()}", branch)
    elsewhere = _naming(touched, claims, "--branches", "HEAD", f"^{branch}")
    found = set()
    for claim, landed in claims.items():
        arrived = claim in there or any(oid in known and touched.is_above(oid, branch) for oid in landed)
        if arrived and _same(touched, elsewhere.get(claim, []), branch):
            found.add(claim)
    return found


def _naming(touched: Touched, claims: Iterable[ClaimId], *revisions: str) -> dict[ClaimId, list[Oid]]:
    """The commits of those revisions that name each claim, the youngest first."""
    asked = set(claims)
    # A merge that makes one commit of several quotes their messages: the line need not be a trailer any more.
    grep = f"^[[:space:]]*Claim: ?({'|'.join(sorted(asked))})"
    options = ("--topo-order", "--extended-regexp", f"--grep={grep}", "--format=%H%n%B%x00")
    done = touched.git.run("log", "--no-show-signature", "--no-patch", *options, *revisions, "--")
    found: dict[ClaimId, list[Oid]] = {}
    for entry in done.text.split("\0")[:-1]:
        commit, *lines = entry.strip("\n").split("\n")
        for claim in claim_ids(",".join(line.partition("Claim:")[2] for line in lines)):
            if claim in asked:
                found.setdefault(claim, []).append(Oid(commit))
    return found


def _same(touched: Touched, commits: Sequence[Oid], branch: str) -> bool:
    """Whether a branch has everything as these commits left it, the youngest first."""
    if not commits:
        return True
    paths = sorted({path for commit in commits for one in touched.between(f"{commit}^!") for path in one.paths})
    return touched.entries(commits[0], paths) == touched.entries(branch, paths)
