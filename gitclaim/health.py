"""The words of a diagnosis: what was found out about a clone, and what each check says."""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from gitclaim.githook import HookPlace, HookState


class Health(Enum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


class Check(NamedTuple):
    """What one check says.

    Args:
        name: what was checked, one word.
        health: how it came out.
        message: what was found, one printable line.
        mend: what to do about it; empty when nothing has to be done.
    """

    name: str
    health: Health
    message: str
    mend: str = ""


class Facts(NamedTuple):
    """What there is to know about a clone without asking its registry.

    Args:
        git: the git program's version.
        git_suffices: whether that is new enough.
        registry: the registry's address, printable.
        chosen: where that choice was made, for people.
        embedded: whether the registry is the repository itself.
        remotes: the names of the clone's remotes.
        note: what is odd about the choice, empty when nothing is.
        hooks: where git looks for hooks, and what there is at the place of each that belongs there.
        bare: whether it is a bare repository, which others push to.
        headless: the branch that HEAD names there, where that is missing and others are not; else empty.
        exposed: files of ours that others can read or write, each with the command that mends it.
    """

    git: str
    git_suffices: bool
    registry: str
    chosen: str
    embedded: bool
    remotes: tuple[str, ...]
    note: str
    hooks: tuple[HookPlace, Mapping[str, HookState]]
    bare: bool
    headless: str
    exposed: tuple[tuple[str, str], ...]
