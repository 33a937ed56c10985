"""The files git runs as hooks: where git looks for them, which of them are ours, and what was there before."""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from typing import Final

from gitclaim.errors import GitclaimError
from gitclaim.git import Git, Place
from gitclaim.githook import HOOKS, HookPlace, HookState, Manager, Written
from gitclaim.names import printable

BEFORE: Final = ".before-gitclaim"
"""What the name of a hook that was there before ends in, and with `.legacy`, what pre-commit calls ours."""
LEGACY: Final = ".legacy"

_OURS: Final = re.compile(rb"\A#!/bin/sh\n# gitclaim hook, text ([0-9]+)\.")
_PYTHON: Final = re.compile(r"^python=.*$", re.MULTILINE)


_MANAGERS: Final = ((Manager.PRE_COMMIT, b"hook-impl"), (Manager.LEFTHOOK, b"lefthook"), (Manager.HUSKY, b"husky"))


def find(git: Git, place: Place) -> HookPlace:
    """Where git looks for hooks here.

    Raises:
        GitclaimError: git does not say.
    """
    lines = git.run("rev-parse", "--path-format=absolute", "--git-path", "hooks").text.split("\n")
    asked = git.run("config", "--show-scope", "--null", "--get", "core.hooksPath", codes=(0, 1))
    scope = asked.text.split("\0")[0] if asked.code == 0 else ""
    directory = Path(lines[0])
    top = Path(place.top) if place.top else None
    common = Path(place.common_dir)
    tracked = top is not None and directory.is_relative_to(top) and not directory.is_relative_to(common)
    private = Path(place.git_dir, "hooks")
    return HookPlace(
        directory=directory,
        scope=scope,
        usual=common / "hooks",
        tracked=tracked,
        misplaced=private if place.git_dir != place.common_dir and _any_ours(private) else None,
        shadowed=directory != common / "hooks" and _any_ours(common / "hooks"),
        manager=_manager(directory),
    )


def states(place: HookPlace, python: str) -> dict[str, HookState]:
    """What there is at the place of each hook.

    Args:
        place: where git looks for hooks.
        python: the interpreter that texts name.
    """
    return {name: _state(place.directory / name, _wanted(place, name, python)) for name in HOOKS}


def install(place: HookPlace, names: Iterable[str], python: str) -> list[Written]:
    """Put our texts where git looks; a hook that is there already is kept beside ours and runs first.

    Raises:
        GitclaimError: a file can't be written, or two hooks that were there before are in each other's way.
    """
    with _telling(place.directory):
        place.directory.mkdir(parents=True, exist_ok=True)
    return [_install(place, name, _wanted(place, name, python)) for name in names]


def uninstall(place: HookPlace, names: Iterable[str]) -> list[Written]:
    """Take our texts away and bring back what was there before, byte for byte.

    Raises:
        GitclaimError: a file can't be removed.
    """
    return [one for name in names if (one := _uninstall(place.directory, name))]


def text(name: str, python: str) -> str:
    """The text of a hook of ours, for that interpreter; without one it looks for `gitclaim-hook` when it runs."""
    here = Path(__file__).resolve().parent
    # In the wheel the texts lie in the package, in a checkout at the top.
    places = (here / "hooks" / "texts" / name, here.parent / "hooks" / name)
    found = next(path for path in places if path.is_file()).read_text(encoding="utf-8")
    return _PYTHON.sub(lambda _: f"python={quote(python)}", found, count=1) if python else found


def _wanted(place: HookPlace, name: str, python: str) -> str:
    """The text for a place: where others get it too, it names no interpreter of this machine."""
    return text(name, "" if place.tracked else python)


def _manager(directory: Path) -> Manager | None:
    """Who else manages the hooks in a directory, if anybody does."""
    if ".husky" in directory.parts[-2:]:
        return Manager.HUSKY
    for name in HOOKS:
        data = _read(directory / name) or b""
        for manager, mark in _MANAGERS:
            if mark in data and not _OURS.match(data):
                return manager
    return None


def _install(place: HookPlace, name: str, wanted: str) -> Written:
    path, before = place.directory / name, place.directory / f"{name}{BEFORE}"
    state = _state(path, wanted)
    with _telling(path):
        if state is HookState.FOREIGN:
            if os.path.lexists(before):
                raise GitclaimError(
                    f"{printable(str(path))} is not gitclaim's, and {before.name} is there already",
                    hint=f"decide which of the two is to run, and remove {quote(str(before))} or rename it",
                )
            path.rename(before)
        if state is not HookState.CURRENT:
            _write(path, wanted)
    done = {HookState.CURRENT: "unchanged", HookState.OLDER: "upgraded", HookState.DISABLED: "upgraded"}.get(
        state, "installed"
    )
    return Written(name, done, chained=os.path.lexists(before))


def _uninstall(directory: Path, name: str) -> Written | None:
    path, before = directory / name, directory / f"{name}{BEFORE}"
    legacy = directory / f"{name}{LEGACY}"
    with _telling(path):
        if _ours(legacy):
            legacy.unlink()
            return Written(name, "removed")
        if not _ours(path):
            return Written(name, "left", chained=True) if os.path.lexists(before) else None
        if os.path.lexists(before):
            before.replace(path)
            return Written(name, "restored", chained=True)
        path.unlink()
        return Written(name, "removed")


def _state(path: Path, wanted: str) -> HookState:
    data = _read(path)
    if data is None:
        return HookState.FOREIGN if os.path.lexists(path) else HookState.MISSING
    if not _OURS.match(data):
        return HookState.FOREIGN
    if data != wanted.encode("utf-8", "surrogateescape"):
        return HookState.OLDER
    return HookState.CURRENT if os.access(path, os.X_OK) else HookState.DISABLED


def _any_ours(directory: Path) -> bool:
    return any(_ours(directory / name) for name in HOOKS)


def _ours(path: Path) -> bool:
    return bool(_OURS.match(_read(path) or b""))


def _read(path: Path) -> bytes | None:
    """The file's bytes; None where there is none, or where a hook is something else."""
    with suppress(OSError):
        if stat.S_ISREG(path.stat().st_mode):
            return path.read_bytes()
    return None


def _write(path: Path, wanted: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(wanted.encode("utf-8", "surrogateescape"))
        draft.chmod(0o755)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Turn what the system says about a file into a line of ours."""
    try:
        yield
    except OSError as error:
        raise GitclaimError(
            f"can't write {printable(str(path))}: {error.strerror}", hint="give yourself access to it"
        ) from error
