"""The hook `pre-receive`: a server's wall. What is not understood is refused; nothing is written."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from gitclaim.admission import Refusal, admit, is_ours
from gitclaim.change import Update
from gitclaim.deciding import Decision, Turn, confirm
from gitclaim.errors import Exit, GitclaimError
from gitclaim.hooks.door import Hook
from gitclaim.names import Oid, printable
from gitclaim.registry import Registry
from gitclaim.serving import Server
from gitclaim.wall import Push, guard
from gitclaim.workspace import Surroundings

_SHOWN: Final = 10
_CERTIFIED: Final = frozenset({"G", "U"})
_FRESH: Final = frozenset({"OK", "SLOP"})


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
        return _judged(Server.open(around, scratch), updates, hook.environ)


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
    for line in text.split("\n"):
        if not line:
            continue
        try:
            old, new, ref = line.split(" ", 2)
            yield Update(ref, _oid(new), _oid(old))
        except ValueError as error:
            raise GitclaimError(f"not a line for a pre-receive hook: {printable(line)[:200]}") from error


def _judged(server: Server, updates: Sequence[Update], environ: Mapping[str, str]) -> list[Refusal]:
    if not updates:
        return []
    trust = server.trust()
    registry = server.registry(trust)
    refusals = admit(registry, [update for update in updates if is_ours(update.ref)], trust)
    # One that breaks the rules of claims is not looked at any further: it would only take time.
    if refusals:
        return refusals
    certified = _certified(environ)
    refusals = list(_decisions(server, registry, updates, Decision(trust, server.policy), certified))
    policy = server.policy
    work = [update for update in updates if _is_work(update.ref) and policy.guards(update.ref)]
    if refusals or not work:
        return refusals
    touched = server.touched()
    changes, there = touched.arriving(work, lambda ref: _is_work(ref) and policy.guards(ref))
    changes += touched.withdrawn(work)
    push = Push(updates, changes, certified, lambda tips: touched.reach(tips, there))
    return guard(registry, push, touched, policy)


def _is_work(ref: str) -> bool:
    """Whether a ref has work: claims have none, and the trees of notes are no files."""
    return not is_ours(ref) and not ref.startswith("refs/notes/")


def _decisions(
    server: Server, registry: Registry, updates: Sequence[Update], now: Decision, certified: str
) -> Iterator[Refusal]:
    """What is wrong with what would be decided from then on; nonsense would keep everybody from mending it."""
    default = server.default_ref()
    for update in updates:
        if update.ref == default and update.new:
            try:
                then = Decision(server.trust(update.new), server.policy_at(update.new))
            except GitclaimError as error:
                yield Refusal(update.ref, error.message, error.hint or "")
            else:
                yield from confirm(registry, updates, Turn(default, update.new, now, then), certified)


def _certified(environ: Mapping[str, str]) -> str:
    """The key that certified the push, if one did and it was for this push (git-receive-pack(1))."""
    good = environ.get("GIT_PUSH_CERT_STATUS") in _CERTIFIED and environ.get("GIT_PUSH_CERT_NONCE_STATUS") in _FRESH
    return environ.get("GIT_PUSH_CERT_KEY", "") if good else ""


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


def _oid(text: str) -> Oid | None:
    return Oid(text) if text.strip("0") else None
