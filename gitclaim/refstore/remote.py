"""The ref store of a remote registry: `git push --porcelain --atomic` with a lease on every ref."""

import json
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple

from gitclaim import git as questions
from gitclaim.errors import UnreachableError
from gitclaim.git import Git
from gitclaim.mirror import Mirror
from gitclaim.names import Oid, RefName, printable
from gitclaim.process import Completed
from gitclaim.refstore.contract import (
    ABSENT,
    Outcome,
    Refused,
    Swap,
    Swapped,
    Unknown,
    failure,
    is_work,
    neighbourhood,
)
from gitclaim.refstore.local import LocalStore
from gitclaim.refstore.locks import directory_of, remove_abandoned
from gitclaim.resources import touches
from gitclaim.state import State

# transport.c, print_ok_ref_status and print_ref_status: flag, source:destination, summary, perhaps (reason).
_LINE: Final = re.compile(r"([ +\-*!=])\t([^\t:]*):([^\t:]+)\t(.+)")
_DONE_FLAGS: Final = frozenset(" +-*")
_LOST_REPORT: Final = "[remote failure]"
_PATIENCE: Final = 3600.0
"""Seconds that pushing work may take."""

# send-pack.c since git 2.2; the one thing git says in prose only. Where the sentence should change, the push counts
# as Unknown and is looked into by re-reading: slower, not wrong.
_NO_ATOMIC: Final = b"the receiving end does not support --atomic push"


class Report(NamedTuple):
    """What a push said of each ref: its flag and its summary."""

    flags: Mapping[str, tuple[str, str]]


class RemoteStore:
    """A remote registry, seen through the clone's mirror.

    Args:
        git: asks the clone.
        state: the clone's own files.
        mirror: brings the mirror up to date.
        target: what git calls the registry, a remote's name or a URL.
    """

    def __init__(self, git: Git, state: State, mirror: Mirror, *, target: str) -> None:
        self._git = git
        self._state = state
        self._mirror = mirror
        self._target = target
        self._view = LocalStore(git)

    def swap(self, swaps: Sequence[Swap]) -> Outcome:
        """See `RefStore.swap`: one push, one connection when it succeeds."""
        if not swaps:
            return Swapped()
        outcome = self._swap(swaps)
        if isinstance(outcome, Refused) and not outcome.final and self._remove_abandoned():
            return self._swap(swaps)
        return outcome

    def _swap(self, swaps: Sequence[Swap]) -> Outcome:
        # A single ref is atomic by itself, and a server without the capability refuses the flag.
        done, sent = self._push(swaps, atomic=len(swaps) > 1)
        if _NO_ATOMIC in done.err:
            return Refused(
                "the registry can't change several refs at once (it does not support atomic pushes)", final=True
            )
        outcome = judged(swaps, done, sent=sent)
        if isinstance(outcome, Swapped):
            self._follow(swaps)
        return self._explained(swaps, done) if outcome is None else outcome

    def swap_each(self, swaps: Sequence[Swap]) -> Mapping[RefName, Outcome]:
        """See `RefStore.swap_each`: one push, whose refs git reports one by one."""
        if not swaps:
            return {}
        outcomes = self._swap_each(swaps)
        refused = [swap for swap in swaps if isinstance(outcomes[swap.ref], Refused)]
        if refused and self._remove_abandoned():
            outcomes |= self._swap_each(refused)
        return outcomes

    def _swap_each(self, swaps: Sequence[Swap]) -> dict[RefName, Outcome]:
        done, sent = self._push(swaps, atomic=False)
        outcomes = {swap.ref: judged([swap], done, sent=sent) for swap in swaps}
        self._follow([swap for swap in swaps if isinstance(outcomes[swap.ref], Swapped)])
        lost = [swap for swap in swaps if outcomes[swap.ref] is None]
        return {ref: outcome for ref, outcome in outcomes.items() if outcome} | self._each_explained(lost, done)

    def sync(self) -> None:
        """See `RefStore.sync`."""
        self._mirror.sync()

    def exact(self, refs: Iterable[RefName]) -> dict[RefName, Oid]:
        """See `RefStore.exact`."""
        return self._view.exact(refs)

    def below(self, refs: Iterable[RefName]) -> dict[RefName, Oid]:
        """See `RefStore.below`."""
        return self._view.below(refs)

    def ask(self, refs: Iterable[RefName]) -> dict[RefName, Oid]:
        """See `RefStore.ask`: one connection."""
        asked = set(refs)
        done = self._git.call("ls-remote", "--quiet", "--end-of-options", self._target, *sorted(asked))
        if done.code:
            raise UnreachableError(f"can't read the registry: {complaint(done)}")
        # What ls-remote is given matches the tail of a name too.
        return {RefName(ref): Oid(oid) for oid, ref in questions.remote_refs(done) if ref in asked}

    def age(self, now: datetime) -> float | None:
        """See `RefStore.age`."""
        return self._mirror.age(now)

    def _explained(self, swaps: Sequence[Swap], done: Completed) -> Outcome:
        """Why swaps that go together did not happen: what the registry shows now."""
        try:
            self.sync()
            current = self._current(swaps)
        except UnreachableError as error:
            return Unknown(error.message)
        return failure(swaps, current, complaint(done))

    def _current(self, swaps: Sequence[Swap]) -> dict[RefName, Oid]:
        """What stands at, above and below the refs asked for, after a sync."""
        work = [swap.ref for swap in swaps if is_work(swap.ref)]
        seen = neighbourhood(self, [swap.ref for swap in swaps if not is_work(swap.ref)])
        return {**seen, **self.ask(work)} if work else seen

    def _each_explained(self, swaps: Sequence[Swap], done: Completed) -> dict[RefName, Outcome]:
        """Why each of these swaps did not happen, from one look."""
        if not swaps:
            return {}
        try:
            self.sync()
        except UnreachableError as error:
            # Others of this push may have happened: an exception would forget them.
            return {swap.ref: Unknown(error.message) for swap in swaps}
        seen = neighbourhood(self, [swap.ref for swap in swaps])
        outcomes: dict[RefName, Outcome] = {}
        for swap in swaps:
            around = {ref: oid for ref, oid in seen.items() if touches(ref, swap.ref)}
            outcomes[swap.ref] = failure([swap], around, complaint(done))
        return outcomes

    def _remove_abandoned(self) -> bool:
        """Remove locks that a killed git left in the registry, where it is a directory; else its server's people do."""
        directory = directory_of(self._git, self._target)
        return directory is not None and remove_abandoned(directory)

    def _push(self, swaps: Sequence[Swap], *, atomic: bool) -> tuple[Completed, bool]:
        """How the push ended, and whether anything can have reached the registry."""
        self._state.make()
        trace = self._state.at(f"push.{os.getpid()}.{time.monotonic_ns()}")
        try:
            # Work may be large, and other people's hooks slow.
            patient = self._git._replace(timeout=max(self._git.timeout, _PATIENCE))
            git = patient if any(is_work(swap.ref) for swap in swaps) else self._git
            done = git.call(*push_arguments(self._target, swaps, atomic=atomic), env={"GIT_TRACE2_EVENT": trace})
            return done, was_sent(trace)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(trace)

    def _follow(self, done: Sequence[Swap]) -> None:
        # A branch of ours is not the registry's; what git knows of that one, git itself keeps.
        swaps = [swap for swap in done if not is_work(swap.ref)]
        # The mirror is a cache: where a sync is under way it may be ahead of us or behind, and the next sync mends it.
        if not swaps or isinstance(self._view.swap(swaps), Swapped):
            return
        view = neighbourhood(self._view, [swap.ref for swap in swaps])
        # The registry has just taken our refs, so nothing stands above or below them there any more.
        taken = {swap.ref for swap in swaps if swap.new is not ABSENT}
        stale = [ref for ref in view.keys() - taken if any(touches(ref, other) for other in taken)]
        self._view.swap_each([Swap(ref, view[ref], ABSENT) for ref in stale])
        moves = [(swap.ref, view.get(swap.ref, ABSENT), swap.new) for swap in swaps]
        self._view.swap_each([Swap(ref, seen, new) for ref, seen, new in moves if seen != new])


def push_arguments(target: str, swaps: Sequence[Swap], *, atomic: bool) -> list[str]:
    """The git arguments of one push of compare-and-swaps.

    Never a `+` refspec or `--force`: git then ignores the lease (measured). An empty lease means "must not exist".

    Raises:
        ValueError: there are no swaps. git would push the user's branch instead.
    """
    if not swaps:
        raise ValueError("a push of nothing")
    leases = []
    refspecs = []
    for swap in swaps:
        leases.append(f"--force-with-lease={swap.ref}:{'' if swap.expected is ABSENT else swap.expected}")
        refspecs.append(f"{'' if swap.new is ABSENT else swap.new}:{swap.ref}")
    return [
        # A negotiation is a connection of its own, and claims have nothing to negotiate.
        *("-c", "push.negotiate=false"),
        *("push", "--porcelain", *(["--atomic"] if atomic else [])),
        # --no-verify: our push inside a pre-push hook would start pre-push again. Work is pushed with all hooks, in
        # which git-lfs for one uploads files.
        *([] if any(is_work(swap.ref) for swap in swaps) else ["--no-verify"]),
        *("--no-follow-tags", "--recurse-submodules=no", "--no-progress", *leases),
        *("--end-of-options", target, *refspecs),
    ]


def parse_report(text: str) -> Report:
    """What `git push --porcelain` said of each ref.

    Raises:
        ValueError: a line is none that git is known to print. A skipped line would be a claim wrongly believed held.
    """
    flags = {}
    for line in text.split("\n"):
        if line in {"", "Done"} or line.startswith("To "):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"unknown line from git push: {printable(line)}")
        flags[match[3]] = (match[1], match[4])
    return Report(flags)


def judged(swaps: Sequence[Swap], done: Completed, *, sent: bool) -> Outcome | None:
    """What a push proves by itself; None when the refs have to be read to tell.

    Args:
        swaps: what was asked for.
        done: how git ended.
        sent: whether anything can have reached the registry.

    Raises:
        UnreachableError: nothing was sent.
    """
    # What a pre-push hook prints comes first, on the same output.
    hooked = any(is_work(swap.ref) for swap in swaps)
    said = "".join(("\n" + done.text).rpartition("\nTo ")[1:]) if hooked else done.text
    try:
        report = parse_report(said)
    except ValueError as error:
        return Unknown(str(error))
    lines = [report.flags.get(swap.ref) for swap in swaps]
    # Over http a lost answer ends with 1 and "Done" and no line for the ref, like success without work (measured).
    if None in lines or any(line[1].startswith(_LOST_REPORT) for line in lines if line):
        # git itself would not. Where the registry has a branch `refs/heads/refs/claims/...`, git takes that for the
        # destination, and our lease for one on it; where it has a tag as well, it takes neither (remote.c).
        if done.code == 1 and (not sent or any(led_astray(swap.ref, report) for swap in swaps)):
            return None
        if not sent:
            raise UnreachableError(
                f"the registry can't be reached: {complaint(done)}",
                hint="nothing was written; check the network and your access, then try again",
            )
        return Unknown(complaint(done))
    flags = {line[0] for line in lines if line}
    # "=": the ref has the new value already. No swap of ours expects that, so it was lost, though git says 0.
    if not flags <= _DONE_FLAGS:
        return None
    # 1: other refs of the same push were rejected. With any other end the report may not be the registry's.
    return Swapped() if done.code in {0, 1} else Unknown(complaint(done))


def led_astray(ref: RefName, report: Report) -> bool:
    """Whether git reports on another ref that ends like this one, and not on this one."""
    return ref not in report.flags and any(name.endswith(f"/{ref}") for name in report.flags)


def was_sent(trace: str) -> bool:
    """Whether a push may have sent its commands, from git's trace2 events.

    git enters the region `get_refs_list`, in which it connects and reads the registry's refs, before `push_refs`, in
    which it sends (transport.c, transport_push). Only a trace that shows the first without the second proves that
    nothing was sent; this held over file, ssh, http and git daemon, for dead hosts, missing repositories, cuts
    and kills (measured).
    """
    entered = set()
    try:
        with open(trace, "rb") as file:
            events = list(map(json.loads, file))
        for event in events:
            if event.get("event") == "region_enter" and event.get("category") == "transport_push":
                entered.add(event.get("label"))
    except (OSError, ValueError):
        return True
    return entered != {"get_refs_list"}


def complaint(done: Completed) -> str:
    """What went wrong with a push, in one printable line; what the server said, if it said something."""
    if done.code is None:
        return "it did not answer in time"
    lines = done.err.decode("utf-8", "replace").splitlines()
    told = [line.removeprefix("remote: ").strip() for line in lines if line.startswith("remote: ")]
    return printable("; ".join(filter(None, told)) or done.complaint)
