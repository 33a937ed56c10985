"""What gitclaim stands on, without gitclaim: one raw push that sets refs under leases."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.kit.repos import Repo

ABSENT = ""


@dataclass(frozen=True, slots=True)
class Push:
    """A push that has ended, and how far git says that it came."""

    code: int
    stdout: str
    stderr: str
    entered: tuple[str, ...]
    """The regions of category `transport_push` that were entered: `get_refs_list`, `push_refs`."""


def push_argv(url: str, new: str | None, expected: Mapping[str, str], *, atomic: bool = True) -> list[str]:
    """Return the words of a push that sets every ref to `new` (None deletes) if each is as expected."""
    flags = ["--porcelain", "--no-verify", *(["--atomic"] if atomic else [])]
    leases = [f"--force-with-lease={ref}:{old}" for ref, old in expected.items()]
    return ["push", *flags, *leases, url, *(f"{new or ''}:{ref}" for ref in expected)]


def push(
    repo: Repo,
    url: str,
    new: str | None,
    expected: Mapping[str, str],
    env: Mapping[str, str] | None = None,
) -> Push:
    """Push all refs or none, and report what git printed and traced."""
    with tempfile.NamedTemporaryFile(prefix="trace2-") as trace:
        ran = repo.try_git(*push_argv(url, new, expected), env={**(env or {}), "GIT_TRACE2_EVENT": trace.name})
        return Push(ran.code, ran.stdout, ran.stderr, entered_regions(Path(trace.name)))


def entered_regions(trace: Path) -> tuple[str, ...]:
    """Read which parts of a push were begun; git's children write other categories into the same file."""
    events = map(json.loads, trace.read_text(encoding="utf-8").splitlines())
    return tuple(
        event["label"]
        for event in events
        if event["event"] == "region_enter" and event.get("category") == "transport_push"
    )
