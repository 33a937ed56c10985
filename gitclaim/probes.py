"""Looks at a clone's surroundings for the doctor: git's version, who can read our files."""

import os
import re
import shlex
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from gitclaim import git as questions
from gitclaim import hookfiles
from gitclaim.git import Git, Place
from gitclaim.githook import HOOKS, SERVER_HOOKS
from gitclaim.health import Facts
from gitclaim.names import printable
from gitclaim.settings import Settings
from gitclaim.signing import KEY
from gitclaim.state import State


def facts(  # noqa: PLR0913 - what it looks at
    git: Git, place: Place, state: State, settings: Settings, keys: Iterable[str], *, python: str
) -> Facts:
    """What there is to know about a clone without asking its registry.

    Args:
        git: asks the clone.
        place: where it lies.
        state: the clone's own files.
        settings: what people configured.
        keys: the keys of git's configuration.
        python: the interpreter that hooks of ours would name.
    """
    version = questions.version(git)
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    remotes = {
        key.removeprefix("remote.").removesuffix(".url") for key in keys if re.fullmatch(r"remote\..+\.url", key)
    }
    hooks = hookfiles.find(git, place)
    names = HOOKS if place.top else SERVER_HOOKS
    branches = None if place.top else questions.branches(git)
    return Facts(
        git=printable(version),
        git_suffices=numbers >= questions.MINIMUM,
        registry=printable(settings.target.url),
        chosen=settings.source,
        embedded=settings.target.embedded,
        remotes=tuple(sorted(remotes)),
        note=printable(settings.target.note),
        exposed=tuple(_exposed(state)),
        hooks=(hooks, hookfiles.states(hooks, python, names)),
        bare=branches is not None,
        headless=printable(branches.default or "no branch") if branches and branches.headless else "",
    )


def _exposed(state: State) -> Iterator[tuple[str, str]]:
    """What must be its owner's alone and is not: the key signs claims, and the verdicts are believed."""
    for path, mode in ((state.path(), 0o700), (state.path(KEY), 0o600), (state.path("verdicts"), 0o700)):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        yield from _problems(path, status, mode)


def _problems(path: Path, status: os.stat_result, mode: int) -> Iterator[tuple[str, str]]:
    name = printable(str(path))
    quoted = shlex.quote(str(path))
    if stat.S_ISLNK(status.st_mode):
        yield f"{name} is a symbolic link", f"rm {quoted}"
    elif status.st_uid != os.geteuid():
        yield f"{name} belongs to another user", f"chown {os.geteuid()} {quoted}"
    elif stat.S_IMODE(status.st_mode) & ~mode:
        yield f"{name} has mode {stat.S_IMODE(status.st_mode):o}", f"chmod {mode:o} {quoted}"
