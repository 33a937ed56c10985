"""The hook `pre-receive`: a server's wall. What is not understood is refused; nothing is written."""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from gitclaim.admission import Refusal, admit, is_ours
from gitclaim.change import Branches, Update
from gitclaim.deciding import Decision, Turn, confirm
from gitclaim.errors import Exit, GitclaimError
from gitclaim.hooks.door import Hook, pushed
from gitclaim.names import printable
from gitclaim.policy import Unclaimed
from gitclaim.registry import Registry
from gitclaim.resources import CLAIMS, PATTERNS
from gitclaim.serving import Server
from gitclaim.wall import Push, guard
from gitclaim.workspace import Surroundings

_SHOWN: Final = 10
_CERTIFIED: Final = frozenset({"G", "U"})
_TRIES: Final = 10


def pre_receive(hook: Hook, lines: bytes) -> int:
    """Refuse a push that changes others' claims, or work on what they hold.

    Args:
        hook: what git started.
        lines: what git says is pushed, `<old oid> <new oid> <ref>` each (githooks(5)).
    """
    refusals = judged(hook, lines)
    hook.say(refusal_lines(refusals))
    return Exit.FIXABLE if refusals else Exit.DONE


def judged(hook: Hook, lines: bytes) -> list[Refusal]:
    """What speaks against a push.

    Raises:
        GitclaimError: it can't be judged.
    """
    updates = list(parsed(lines.decode("utf-8", "surrogateescape")))
    with _scratch(hook) as scratch:
        around = Surroundings(hook.cwd, hook.environ, interactive=False, clock=hook.clock, nonce=hook.nonce)
        server = Server.open(around, scratch)
        with _patience(server.patience):
            return _judged(server, updates, hook.environ) if updates else []


def refusal_lines(refusals: Sequence[Refusal]) -> list[str]:
    """What whoever pushed is told."""
    lines = []
    for one in refusals[:_SHOWN]:
        lines.append(f"gitclaim: refused: {printable(one.ref)}: {one.message}")
        lines += [f"  hint: {one.hint}"] if one.hint else []
    if len(refusals) > _SHOWN:
        lines.append(f"gitclaim: and {len(refusals) - _SHOWN} more")
    return lines


def parsed(text: str) -> Iterator[Update]:
    """What git tells a pre-receive hook.

    Raises:
        GitclaimError: a line is not as git writes it.
    """

    def read(line: str) -> tuple[str, str, str]:
        old, new, ref = line.split(" ", 2)
        return ref, new, old

    return pushed("pre-receive", text, read)


def _judged(server: Server, updates: Sequence[Update], environ: Mapping[str, str]) -> list[Refusal]:
    decision = server.decision()
    trust, policy = decision.trust, decision.policy
    registry = server.registry(trust)
    refusals = admit(registry, [update for update in updates if is_ours(update.ref)], trust, server.matches)
    # One that breaks the rules of claims is not looked at any further: it would only take time.
    if refusals:
        return refusals
    branches = server.branches()
    said = Said(decision, _certified(server, updates, environ), branches.default)
    refusals = [*_aliases(branches, updates), *_headless(branches, updates)]
    refusals = refusals or list(_decisions(server, registry, updates, said))
    work = [update for update in updates if _is_work(update.ref) and policy.guards(update.ref)]
    return refusals or (_settled(server, registry, updates, work, said) if work else [])


def _settled(
    server: Server, registry: Registry, updates: Sequence[Update], work: Sequence[Update], said: "Said"
) -> list[Refusal]:
    """The judgement on work, by the claims that stand when it is done: git compares those of the push alone again."""
    policy, touched = said.decision.policy, server.touched()

    def counts(ref: str) -> bool:
        return _is_work(ref) and policy.guards(ref)

    before = registry.store.below([CLAIMS, PATTERNS])
    if not before and policy.unclaimed is not Unclaimed.DENY:
        return []
    changes, there = touched.arriving(work, counts, said.default)
    changes += [*touched.withdrawn(work), *touched.deleted(work, counts)]
    push = Push(updates, changes, said.certified, lambda tips: touched.reach(tips, there))
    for _ in range(_TRIES):
        refusals = guard(registry, push, touched, policy)
        now = registry.store.below([CLAIMS, PATTERNS])
        # What is gone keeps nobody out.
        if refusals or now.items() <= before.items():
            return refusals
        before = now
    return [Refusal(work[0].ref, "claims change here all the time, so it can't be judged", "push again")]


class Said(NamedTuple):
    """What was said before the push, and with it.

    Args:
        decision: what was decided.
        certified: the key that certified the push, empty if none did.
        default: the default branch.
    """

    decision: Decision
    certified: str
    default: str


def _is_work(ref: str) -> bool:
    """Whether a ref has work: claims have none, and the trees of notes are no files."""
    return not is_ours(ref) and not ref.startswith("refs/notes/")


def _aliases(branches: Branches, updates: Sequence[Update]) -> Iterator[Refusal]:
    """What goes to another name of a branch: what is said of one name must not pass for the other."""
    for update in updates:
        if named := branches.aliases.get(update.ref):
            yield Refusal(update.ref, f"it is another name of {printable(named)} here", f"push to {printable(named)}")


def _headless(branches: Branches, updates: Sequence[Update]) -> list[Refusal]:
    """Where nobody can tell what is decided, or could after this push."""
    made = {update.ref for update in updates if update.new and update.ref.startswith("refs/heads/")}
    if not branches.headless and (branches.there or not made or branches.default in made):
        return []
    return [
        Refusal(
            updates[0].ref,
            f"HEAD names {printable(branches.default) or 'no branch'} here, and that is not there: nobody can tell "
            "what is decided",
            "who runs this server: git symbolic-ref HEAD refs/heads/BRANCH; or, in an empty repository, push it first",
        )
    ]


def _decisions(server: Server, registry: Registry, updates: Sequence[Update], said: Said) -> Iterator[Refusal]:
    """What is wrong with what would be decided from then on; nonsense would keep everybody from mending it."""
    for update in updates:
        if update.ref != said.default:
            continue
        if update.new is None:
            yield Refusal(update.ref, "it is the default branch: without it nothing is decided here")
            continue
        try:
            then = server.decision(update.new)
            by_tip = not then.same_as(said.decision) and server.decides(update.new, after=update.old)
        except GitclaimError as error:
            yield Refusal(update.ref, error.message, error.hint or "")
            continue
        yield from confirm(registry, updates, Turn(update.ref, update.new, said.decision, then, by_tip), said.certified)


def _certified(server: Server, updates: Sequence[Update], environ: Mapping[str, str]) -> str:
    """The key that certified the push, if one did and it was for this push (git-receive-pack(1)).

    Not where git takes the nonce for an old one (`SLOP`): that may have any age, where a server keeps nothing between
    requests. And not for what the certificate does not name: git takes commands before it along (measured, 2.39).
    """
    good = environ.get("GIT_PUSH_CERT_STATUS") in _CERTIFIED and environ.get("GIT_PUSH_CERT_NONCE_STATUS") == "OK"
    if not good:
        return ""
    _, _, commands = server.certificate(environ).partition("\n\n")
    named = list(parsed(commands.partition("-----BEGIN ")[0]))
    return environ.get("GIT_PUSH_CERT_KEY", "") if sorted(map(repr, named)) == sorted(map(repr, updates)) else ""


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """End what takes longer: whoever pushes decides how much there is to look at.

    Raises:
        GitclaimError: it took longer.
    """

    def over(_signal: int, _frame: object) -> None:
        raise GitclaimError(
            f"it could not be judged within {seconds:g} seconds",
            hint="push less at a time; who runs this server: git config gitclaim.budget SECONDS",
        )

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _scratch(hook: Hook) -> Iterator[str]:
    """A name for files that are gone afterwards, outside of the repository."""
    base = hook.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - below it nobody else can enter
    path = os.path.join(base, f"gitclaim-{hook.nonce(16).hex()}")
    try:
        yield path
    finally:
        if os.path.isdir(path):
            # Imported late: most pushes verify nothing.
            from shutil import rmtree  # noqa: PLC0415

            rmtree(path, ignore_errors=True)
