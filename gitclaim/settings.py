"""What people configure: git's configuration and `.gitclaim.yaml`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from gitclaim.claim import check_lease
from gitclaim.clock import parse_duration
from gitclaim.errors import GitclaimError
from gitclaim.mirror import EMBEDDED
from gitclaim.names import printable

FILE: Final = ".gitclaim.yaml"
SIZE_LIMIT: Final = 1 << 20

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# git's remote helpers, `name::address`: `ext::` runs a program, and a file in the tree may not choose one.
_HELPER: Final = re.compile(r"[A-Za-z0-9+.-]*::")


@dataclass(frozen=True, slots=True)
class Target:
    """A registry as git is told of it.

    Args:
        name: what git calls it, a remote's name or a URL; `.` for the repository itself.
        url: its address, which tells one registry from another.
        note: why git isn't told the remote's name, empty when it is.
    """

    name: str
    url: str
    note: str = ""

    @property
    def embedded(self) -> bool:
        """Whether it is the repository itself."""
        return self.name == EMBEDDED


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything configured, checked.

    Args:
        target: the registry.
        source: where that choice was made, for people.
        ttl: how long a lease runs.
        timeout: seconds a call to the registry may take.
        session_variables: environment variables that name a session, in order.
    """

    target: Target
    source: str
    ttl: timedelta = timedelta(minutes=60)
    timeout: float = 30.0
    session_variables: tuple[str, ...] = ()


def read_settings(config: Mapping[str, list[str]], top: str | None) -> Settings:
    """The settings of a repository.

    Args:
        config: git's configuration.
        top: the root of the work tree, where `.gitclaim.yaml` may lie.

    Raises:
        GitclaimError: one of them makes no sense; says which and where.
    """
    file = _read_file(Path(top) / FILE) if top else {}
    wished = config.get("gitclaim.registry", [None])[-1]
    if wished is not None:
        source = "git config gitclaim.registry"
    elif "registry" in file:
        wished, source = file["registry"][0], FILE
        if _HELPER.match(wished):
            raise GitclaimError(
                f"{FILE}: registry may not name a remote helper: {printable(wished)}",
                hint="set it yourself if you trust it: git config gitclaim.registry",
            )
    elif "remote.origin.url" in config:
        wished, source = "origin", "the remote origin"
    else:
        wished, source = EMBEDDED, "no remote: the repository itself"
    ttl = config.get("gitclaim.ttl") or file.get("ttl") or ["60m"]
    return Settings(
        target=target_of(wished, config),
        source=source,
        ttl=_duration("ttl", ttl[-1]),
        timeout=_seconds((config.get("gitclaim.timeout") or file.get("timeout") or ["30"])[-1]),
        session_variables=tuple(file.get("session-variables", [])),
    )


def target_of(wished: str, config: Mapping[str, list[str]]) -> Target:
    """The registry somebody named: a remote, a URL or a path, or `.`.

    Raises:
        GitclaimError: there is no such remote.
    """
    if wished == EMBEDDED:
        return Target(EMBEDDED, EMBEDDED)
    urls = config.get(f"remote.{wished}.url", [])
    if not urls:
        if "/" in wished or ":" in wished:
            return Target(wished, wished)
        raise GitclaimError(
            f"there is no remote named {printable(wished)!r}",
            hint="gitclaim init --registry NAME-OR-URL sets the registry; a dot is the repository itself",
        )
    pushed = config.get(f"remote.{wished}.pushurl", [])
    mirror = config.get(f"remote.{wished}.mirror", ["false"])[-1] == "true"
    if len(urls) > 1 or pushed or mirror:
        # Claims are read where they are written: by name git would fetch from one place and push to others, and a
        # mirror remote takes no refspecs.
        url = (pushed or urls)[0]
        return Target(url, url, note=f"the remote {wished} fetches and pushes differently; claims live at {url}")
    return Target(wished, urls[0])


def _read_file(path: Path) -> dict[str, list[str]]:
    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise GitclaimError(f"{FILE} is larger than a megabyte", hint="it holds settings only")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise GitclaimError(f"can't read {FILE}: {printable(str(error))}") from error
    return parse_file(text)


def parse_file(text: str) -> dict[str, list[str]]:
    """The settings in the text of a `.gitclaim.yaml`, each checked.

    Raises:
        GitclaimError: the text is no YAML, or has a key or value that means nothing; names the line.
    """
    # Imported late: most repositories have no such file, and reading none costs nothing.
    import yaml  # noqa: PLC0415

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        problem = printable(str(getattr(error, "problem", "") or "not YAML"))
        raise GitclaimError(f"{FILE}{where}: {problem}") from error
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise GitclaimError(f"{FILE} line 1: not a mapping", hint="write one `key: value` a line")
    found: dict[str, list[str]] = {}
    for key_node, value_node in root.value:
        key = str(key_node.value)
        line = key_node.start_mark.line + 1
        if key not in _KEYS:
            raise GitclaimError(
                f"{FILE} line {line}: unknown key {printable(key)!r}", hint=f"known keys: {', '.join(sorted(_KEYS))}"
            )
        if key in found:
            raise GitclaimError(f"{FILE} line {line}: {key} stands there twice")
        listed = isinstance(value_node, yaml.SequenceNode)
        nodes = value_node.value if listed else [value_node]
        if not all(isinstance(node, yaml.ScalarNode) for node in nodes):
            raise GitclaimError(f"{FILE} line {line}: {key} is neither a text nor a list of texts")
        found[key] = [str(node.value) for node in nodes]
        try:
            _KEYS[key](found[key], listed)
        except (GitclaimError, ValueError) as error:
            raise GitclaimError(f"{FILE} line {line}: {key}: {error}", hint=getattr(error, "hint", None)) from error
    return found


def _one(values: list[str], listed: bool) -> str:  # noqa: FBT001 - how YAML had it
    if listed or not values or not values[0]:
        raise ValueError("one value is needed")
    return values[0]


def _check_variables(values: list[str], _listed: bool) -> None:  # noqa: FBT001 - how YAML had it
    for value in values:
        if not _VARIABLE.fullmatch(value):
            raise ValueError(f"not the name of an environment variable: {printable(value)!r}")


_KEYS: Final[Mapping[str, Callable[[list[str], bool], object]]] = {
    "registry": _one,
    "ttl": lambda values, listed: _duration("ttl", _one(values, listed)),
    "timeout": lambda values, listed: _seconds(_one(values, listed)),
    "session-variables": _check_variables,
}


def _duration(name: str, text: str) -> timedelta:
    try:
        length = parse_duration(text)
        check_lease(length)
    except GitclaimError as error:
        raise GitclaimError(f"{name}: {error.message}", hint=error.hint) from error
    return length


def _seconds(text: str) -> float:
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 3600:  # noqa: PLR2004 - an hour
        raise GitclaimError(
            f"timeout: not a number of seconds: {printable(text)!r}", hint="write a number from 1 to 3600"
        )
    return seconds
