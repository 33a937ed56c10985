"""What people configure: git's configuration and `.gitclaim.yaml`."""

import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Final, NamedTuple, TypeVar

from gitclaim.claim import check_lease
from gitclaim.clock import parse_duration
from gitclaim.errors import GitclaimError
from gitclaim.mirror import EMBEDDED
from gitclaim.names import printable
from gitclaim.policy import Offline, Policy, Unclaimed
from gitclaim.trust import Trust, TrustMode, Whole, fingerprint

FILE: Final = ".gitclaim.yaml"

_Value = TypeVar("_Value")
_Word = TypeVar("_Word", Unclaimed, Offline, TrustMode, Whole)

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# git's remote helpers, `name::address`: `ext::` runs a program, and a file in the tree may not choose one.
_HELPER: Final = re.compile(r"[A-Za-z0-9+.-]*::")
_SECRET: Final = re.compile(r"(?<=://)([^/@:]*):[^/@]*(?=@)")
# No argument of a program can have these.
_UNSAYABLE: Final = re.compile("[\0\ud800-\udfff]")
_MEGABYTE: Final = 1 << 20
_TTL: Final = timedelta(minutes=60)
_TIMEOUT: Final = 30.0
_PATIENCE: Final = 30.0
"""Seconds a push may take to be judged on a server."""
FILE_LIMIT: Final = 1 << 16
"""Bytes a `.gitclaim.yaml` may have: a parser takes its time."""
SIGNERS_LIMIT: Final = 1 << 20
"""Bytes an allowed-signers file may have."""


class Target(NamedTuple):
    """A registry as git is told of it.

    Args:
        name: what git calls it, a remote's name or a URL; `.` for the repository itself.
        url: its address without a password, which tells one registry from another.
        note: why git isn't told the remote's name, empty when it is.
    """

    name: str
    url: str
    note: str = ""

    @property
    def embedded(self) -> bool:
        """Whether it is the repository itself."""
        return self.name == EMBEDDED


class Settings(NamedTuple):
    """Everything configured, checked.

    Args:
        target: the registry.
        wished: how it was named.
        source: where that choice was made, for people.
        ttl: how long a lease runs.
        timeout: seconds a call to the registry may take; on a server, seconds a push may take to be judged.
        session_variables: environment variables that name a session, in order.
        policy: what hooks and checks go by.
    """

    target: Target
    wished: str
    source: str
    ttl: timedelta = _TTL
    timeout: float = _TIMEOUT
    session_variables: tuple[str, ...] = ()
    policy: Policy = Policy()


def read_settings(config: Mapping[str, list[str]], top: str | None) -> Settings:
    """The settings of a repository.

    Args:
        config: git's configuration.
        top: the root of the work tree, where `.gitclaim.yaml` may lie.

    Raises:
        GitclaimError: one of them makes no sense; says which and where.
    """
    file = _read_file(os.path.join(top, FILE)) if top else {}
    _check_spelling(config)
    wished = config.get("gitclaim.registry", [None])[-1]
    if wished is not None:
        source = "git config gitclaim.registry"
    elif "registry" in file:
        wished, source = file["registry"][0], FILE
        _check_outside(wished, top or "")
    elif "remote.origin.url" in config:
        wished, source = "origin", "the remote origin"
    else:
        wished, source = EMBEDDED, "no remote: the repository itself"
    return Settings(
        target=target_of(wished, config),
        wished=wished,
        source=source,
        ttl=_chosen(config, file, "ttl", _lease, _TTL),
        timeout=_chosen(config, file, "timeout", _seconds, _TIMEOUT),
        session_variables=tuple(file.get("session-variables", [])),
        policy=_policy(config, file),
    )


def _check_outside(wished: str, top: str) -> None:
    """Refuse a registry that comes with the tree: git runs the hooks of a repository on disk it pushes to.

    Raises:
        GitclaimError: the registry a file in the tree names lies in that tree.
    """
    # Imported late: most repositories name no registry in the file.
    from urllib.parse import unquote  # noqa: PLC0415

    plain = re.sub(r"^file:/{2}(localhost)?", "", wished, flags=re.IGNORECASE)
    path = os.path.realpath(os.path.join(top, plain if plain == wished else unquote(plain)))
    real = os.path.realpath(top)
    if wished != EMBEDDED and os.path.lexists(path) and os.path.commonpath([path, real]) == real:
        raise GitclaimError(
            f"{FILE}: the registry may not lie in the work tree: {printable(wished)}",
            hint="set it yourself if you trust it: git config gitclaim.registry",
        )


def read_served(config: Mapping[str, list[str]], text: str | None, source: str) -> Settings:
    """The settings a server goes by: those of its default branch, and its own registry.

    Args:
        config: git's configuration.
        text: the text of `.gitclaim.yaml` on that branch, None where there is none.
        source: what the branch is called, for people.

    Raises:
        GitclaimError: something makes no sense; says what and where.
    """
    _check_spelling(config)
    file = read_decided(text, source)
    # Not from the file: what it says of a budget is meant for the clients' hooks.
    patience = _chosen(config, {}, "budget", _seconds, _PATIENCE)
    return Settings(Target(EMBEDDED, EMBEDDED), EMBEDDED, source, timeout=patience, policy=_policy(config, file))


def read_decided(text: str | None, source: str) -> dict[str, list[str]]:
    """Everything that a `.gitclaim.yaml` says.

    Args:
        text: its text, None where there is none.
        source: what the branch it is on is called, for people.

    Raises:
        GitclaimError: it makes no sense.
    """
    try:
        return parse_file(text) if text is not None else {}
    except GitclaimError as error:
        raise GitclaimError(f"on {source}: {error.message}", hint=error.hint) from error


def read_trust(
    config: Mapping[str, list[str]], text: str | None, file: Callable[[str], str | None], source: str
) -> Trust:
    """What was decided about claims, from the default branch; what git's own configuration says comes first.

    Args:
        config: git's configuration.
        text: the text of `.gitclaim.yaml` there, None where there is none.
        file: reads another file of that branch; None where there is none.
        source: what the branch is called, for people.

    Raises:
        GitclaimError: something makes no sense; says what and where.
    """
    told = read_decided(text, source)
    usual = Trust()
    keys = [*told.get("keys", []), *config.get("gitclaim.trustedkey", [])]
    signers = told.get("signers", [None])[0]
    listed = None if signers is None else file(signers)
    if signers is not None and listed is None:
        raise GitclaimError(
            f"on {source}: {FILE} names the allowed signers in {printable(signers)}, and there is no such file",
            hint="commit it there, or take the line out",
        )
    return Trust(
        mode=_chosen(config, told, "trust", _trust_mode, usual.mode),
        keys=frozenset(map(_key, keys)),
        maintainers=frozenset(map(_key, told.get("maintainers", []))),
        signers=listed,
        max_ttl=_chosen(config, told, "max-ttl", _lease, usual.max_ttl),
        whole=_chosen(config, told, "whole", _whole, usual.whole),
        source=source,
    )


def _chosen(
    config: Mapping[str, list[str]],
    file: Mapping[str, list[str]],
    key: str,
    parse: Callable[[str], _Value],
    default: _Value,
) -> _Value:
    """A setting: from git's configuration, else from the file, else as usual."""
    told = _from(config, key, parse)
    if told is not None:
        return told
    return parse(file[key][0]) if key in file else default


def _policy(config: Mapping[str, list[str]], file: Mapping[str, list[str]]) -> Policy:
    usual = Policy()
    return Policy(
        unclaimed=_chosen(config, file, "unclaimed", _unclaimed, usual.unclaimed),
        offline=_chosen(config, file, "offline", _offline, usual.offline),
        fresh=_chosen(config, file, "fresh", _freshness, usual.fresh),
        budget=_chosen(config, file, "budget", _seconds, usual.budget),
        exempt=tuple(file.get("exempt", usual.exempt)),
        guard=tuple(file.get("guard", usual.guard)),
    )


def target_of(wished: str, config: Mapping[str, list[str]]) -> Target:
    """The registry somebody named: a remote, a URL or a path, or `.`.

    Raises:
        GitclaimError: there is no such remote.
    """
    urls = config.get(f"remote.{wished}.url", [])
    if EMBEDDED in (wished, *urls[:1]):
        return Target(EMBEDDED, EMBEDDED)
    if not urls:
        if "/" in wished or ":" in wished:
            return Target(wished, _public(wished))
        raise GitclaimError(
            f"there is no remote named {printable(wished)!r}",
            hint="gitclaim init --registry NAME-OR-URL sets the registry; a dot is the repository itself",
        )
    pushed = config.get(f"remote.{wished}.pushurl", []) or _pushed_instead(urls[0], config)
    mirror = config.get(f"remote.{wished}.mirror", ["false"])[-1] == "true"
    if len(urls) > 1 or pushed or mirror:
        # Claims are read where they are written: by name git would fetch from one place and push to others, and a
        # mirror remote takes no refspecs.
        url = (pushed or urls)[0]
        shown = _public(url)
        return Target(url, shown, note=f"the remote {wished} fetches and pushes differently; claims live at {shown}")
    return Target(wished, _public(urls[0]))


def _public(url: str) -> str:
    """The address without the password some people keep in it."""
    return _SECRET.sub(r"\1", url)


def _pushed_instead(url: str, config: Mapping[str, list[str]]) -> list[str]:
    """Where git pushes what it fetches from this address, if `pushInsteadOf` says so; the longest match wins."""
    found: dict[str, str] = {}
    for key, starts in config.items():
        if key.startswith("url.") and key.endswith(".pushinsteadof"):
            base = key.removeprefix("url.").removesuffix(".pushinsteadof")
            found.update({start: base for start in starts if url.startswith(start)})
    start = max(found, key=len, default=None)
    return [] if start is None else [found[start] + url[len(start) :]]


def _check_spelling(config: Mapping[str, list[str]]) -> None:
    """Refuse a key of git's configuration that is nearly one of ours: with a typo it would be passed over silently.

    Raises:
        GitclaimError: there is one.
    """
    for key in config:
        word = key.removeprefix("gitclaim.")
        if word != key and word in _LISTS:
            message = f"git config {printable(key)} means nothing"
            raise GitclaimError(message, hint=f"{word} is a list: it stands in {FILE}")
        if word != key and word not in _CONFIG_KEYS and (meant := _nearest(word, _CONFIG_KEYS)):
            raise GitclaimError(
                f"git config {printable(key)} means nothing", hint=f"did you mean gitclaim.{meant}? unset the other one"
            )


def _nearest(word: str, known: Iterable[str]) -> str | None:
    # Imported late: only who made a typo needs it.
    from difflib import get_close_matches  # noqa: PLC0415

    return next(iter(get_close_matches(word, known, n=1, cutoff=0.75)), None)


def _from(config: Mapping[str, list[str]], key: str, parse: Callable[[str], _Value]) -> _Value | None:
    text = config.get(f"gitclaim.{key}", [None])[-1]
    try:
        return None if text is None else parse(text)
    except GitclaimError as error:
        raise GitclaimError(f"git config gitclaim.{key}: {error.message}", hint=error.hint) from error


def _read_file(path: str) -> dict[str, list[str]]:
    try:
        # Not blocking, and looked at once it is open: the file comes with the tree, and a link in it may lead to a
        # pipe or a device.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise GitclaimError(f"{FILE} is no regular file", hint="remove it, or write settings into it")
            data = file.read(_MEGABYTE + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise GitclaimError(f"can't read {FILE}: {printable(str(error))}") from error
    if len(data) > _MEGABYTE:
        raise GitclaimError(f"{FILE} is larger than a megabyte", hint="it holds settings only")
    try:
        return parse_file(data.decode())
    except UnicodeDecodeError as error:
        raise GitclaimError(f"{FILE} is not UTF-8: {printable(str(error))}") from error


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
    except RecursionError as error:
        raise GitclaimError(f"{FILE} is nested too deeply", hint="it holds settings only") from error
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise GitclaimError(f"{FILE} line 1: not a mapping", hint="write one `key: value` a line")
    found: dict[str, list[str]] = {}
    for key_node, value_node in root.value:
        line = key_node.start_mark.line + 1
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "a list or a mapping"
        if key not in _KEYS:
            meant = _nearest(key, _KEYS)
            hint = f"did you mean {meant}?" if meant else f"known keys: {', '.join(sorted(_KEYS))}"
            raise GitclaimError(f"{FILE} line {line}: unknown key: {printable(key)[:100]}", hint=hint)
        if key in found:
            raise GitclaimError(f"{FILE} line {line}: {key} stands there twice")
        listed = isinstance(value_node, yaml.SequenceNode)
        nodes = value_node.value if listed else [value_node]
        if not all(isinstance(node, yaml.ScalarNode) for node in nodes):
            raise GitclaimError(f"{FILE} line {line}: {key} is neither a text nor a list of texts")
        found[key] = [str(node.value) for node in nodes]
        try:
            _check(key, found[key], listed=listed)
        except GitclaimError as error:
            raise GitclaimError(f"{FILE} line {line}: {key}: {error.message}", hint=error.hint) from error
    return found


def _check(key: str, values: list[str], *, listed: bool) -> None:
    if any(_UNSAYABLE.search(value) for value in values):
        raise GitclaimError("has a character no program can be told")
    if key in _LISTS:
        for value in values:
            _LISTS[key](value)
    elif listed or not values[0]:
        raise GitclaimError("one value is needed")
    else:
        _TEXTS[key](values[0])


def _trusted(text: str) -> str:
    if _HELPER.match(text):
        raise GitclaimError(
            f"may not name a remote helper: {printable(text)}",
            hint="set it yourself if you trust it: git config gitclaim.registry",
        )
    return text


def _variable(text: str) -> str:
    if not _VARIABLE.fullmatch(text):
        raise GitclaimError(f"not the name of an environment variable: {printable(text)[:100]}")
    return text


def _lease(text: str) -> timedelta:
    length = parse_duration(text)
    check_lease(length)
    return length


def _seconds(text: str) -> float:
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 3600:  # noqa: PLR2004 - an hour
        raise GitclaimError(f"not a number of seconds: {printable(text)[:100]!r}", hint="write a number from 1 to 3600")
    return seconds


def _freshness(text: str) -> timedelta:
    # Zero is an answer here: ask every time.
    return timedelta(0) if text in {"0", "0s"} else parse_duration(f"{text}s" if text.isdecimal() else text)


def _unclaimed(text: str) -> Unclaimed:
    return _one_of(Unclaimed, text)


def _offline(text: str) -> Offline:
    return _one_of(Offline, text)


def _trust_mode(text: str) -> TrustMode:
    return _one_of(TrustMode, text)


def _whole(text: str) -> Whole:
    return _one_of(Whole, text)


def _key(text: str) -> str:
    try:
        return fingerprint(text)
    except ValueError as error:
        raise GitclaimError(
            f"{error}: {printable(text)[:100]!r}",
            hint="write SHA256:..., an openpgp fingerprint, or the line of a public ssh key",
        ) from None


def _tracked_file(text: str) -> str:
    if text.startswith(("/", "-", ":")) or not text or ".." in text.split("/") or "\n" in text:
        raise GitclaimError(
            f"no path from the repository's root: {printable(text)[:100]!r}", hint="write it like .allowed_signers"
        )
    return text


def _one_of(kind: type[_Word], text: str) -> _Word:
    try:
        return kind(text)
    except ValueError:
        raise GitclaimError(
            f"means nothing: {printable(text)[:100]!r}", hint=f"one of: {', '.join(word.value for word in kind)}"
        ) from None


def _pattern(text: str) -> str:
    if not text or text.startswith((":", "/")) or ".." in text.split("/"):
        raise GitclaimError(
            f"no pattern from the repository's root: {printable(text)[:100]!r}",
            hint='write it like "**/package-lock.json"',
        )
    return text


def _ref_pattern(text: str) -> str:
    if not text or " " in text:
        raise GitclaimError(
            f"no pattern of refs: {printable(text)[:100]!r}", hint='write it like "main" or "release/*"'
        )
    return text


_TEXTS: Final[Mapping[str, Callable[[str], object]]] = {
    "registry": _trusted,
    "ttl": _lease,
    "timeout": _seconds,
    "unclaimed": _unclaimed,
    "offline": _offline,
    "fresh": _freshness,
    "budget": _seconds,
    "trust": _trust_mode,
    "signers": _tracked_file,
    "max-ttl": _lease,
    "whole": _whole,
}
_LISTS: Final[Mapping[str, Callable[[str], object]]] = {
    "session-variables": _variable,
    "exempt": _pattern,
    "guard": _ref_pattern,
    "keys": _key,
    "maintainers": _key,
}
_KEYS: Final = frozenset({*_TEXTS, *_LISTS})
_CONFIG_KEYS: Final = frozenset({*_TEXTS, "signing", "trustedkey"} - {"signers"})
