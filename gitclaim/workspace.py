"""Opens a repository and chooses the implementations: the one place that does."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from gitclaim import git as questions
from gitclaim import probes
from gitclaim.claim import Claim
from gitclaim.clock import Clock
from gitclaim.errors import GitclaimError, UsageError
from gitclaim.git import Git, Place
from gitclaim.health import Facts
from gitclaim.ledger import FileLedger
from gitclaim.mirror import EMBEDDED, Mirror, Stamp, read_stamp, write_stamp
from gitclaim.names import RefName, Session, printable
from gitclaim.objects import GitObjects
from gitclaim.refstore.contract import RefStore
from gitclaim.refstore.listed import ListedStore
from gitclaim.refstore.local import LocalStore
from gitclaim.refstore.remote import RemoteStore
from gitclaim.registry import Holding, Registry, Standing
from gitclaim.resources import Kind, Resource, parse_argument
from gitclaim.settings import Settings, Target, read_settings, target_of
from gitclaim.signing import GitVerifier, signer_for
from gitclaim.state import State

_SESSION_VARIABLE: Final = "GITCLAIM_SESSION"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a command was started in; a door reads it once and passes it on.

    Args:
        cwd: the current directory, absolute.
        environ: the environment.
        interactive: whether a person at a terminal can answer a prompt.
        clock: the time.
        nonce: fresh random bytes, as many as asked for.
        session: the session named on the command line, if any.
    """

    cwd: str
    environ: Mapping[str, str]
    interactive: bool
    clock: Clock
    nonce: Callable[[int], bytes]
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are.

    Args:
        session: the session.
        source: where its name came from, for people.
    """

    session: Session
    source: str


@dataclass(frozen=True, slots=True)
class Workspace:
    """An open repository: everything chosen, nothing asked of the registry yet.

    Args:
        around: what the command was started in.
        place: where the repository lies.
        config: git's configuration.
        settings: what people configured.
        git: asks the repository.
        state: the clone's own files.
        identity: who we are.
    """

    around: Surroundings
    place: Place
    config: Mapping[str, list[str]]
    settings: Settings
    git: Git
    state: State
    identity: Identity

    @classmethod
    def open(cls, around: Surroundings) -> Self:
        """The repository around the current directory.

        Raises:
            GitclaimError: there is none, git is missing, or a setting makes no sense.
        """
        try:
            finding = questions.discover(around.cwd, around.environ)
            configuring = questions.start_config(around.cwd, around.environ)
        except FileNotFoundError as error:
            raise GitclaimError("git is not installed", hint="gitclaim asks the git program, 2.34 or newer") from error
        place, config = questions.placed(finding.finish()), questions.configured(configuring.finish())
        settings = read_settings(config, place.top)
        state = State(Path(place.common_dir) / "gitclaim")
        return cls(
            around=around,
            place=place,
            config=config,
            settings=settings,
            git=_git(around, place, config, settings),
            state=state,
            identity=_identity(around, place, config, settings),
        )

    def registry(self) -> Registry:
        """The registry, as this session sees it.

        Raises:
            GitclaimError: switching to it would drop live claims of the repository's own.
        """
        target = self.settings.target
        self._settle_mirror(target)
        return self._registry(target, self._store(target))

    def embedded(self) -> Registry:
        """The registry inside the repository itself, whatever is configured."""
        return self._registry(Target(EMBEDDED, EMBEDDED), LocalStore(self.git))

    def beside_mirror(self) -> Registry:
        """The registry, seen without touching the clone's own refs."""
        target = self.settings.target
        if target.embedded:
            return self.embedded()
        return self._registry(target, ListedStore(self.git, self.state, target=target.name))

    def facts(self) -> Facts:
        """What there is to know about this clone without asking its registry."""
        return probes.facts(self.git, self.state, self.settings, self.config)

    def resource(self, text: str) -> Resource:
        """The resource a person named.

        Raises:
            UsageError: the text names nothing that can be claimed here.
        """
        tops = tuple(dict.fromkeys([self.place.top, os.path.realpath(self.place.top)])) if self.place.top else ()
        resource = parse_argument(text, prefix=self.place.prefix, tops=tops, is_path=self._is_path)
        if resource.kind is Kind.PATH:
            self._check_links(resource)
        return resource

    def matches(self, patterns: Iterable[str]) -> list[Resource]:
        """The tracked files that match these patterns of git's, relative to the current directory.

        Raises:
            UsageError: a pattern matches nothing.
        """
        top = self.place.top
        if top is None:
            raise UsageError("a bare repository has no files to match", hint="name the paths")
        where = os.path.join(top, self.place.prefix)  # noqa: PTH118 - "" must stay the root
        found: dict[str, None] = {}
        for pattern in patterns:
            spec = pattern if pattern.startswith(":") else f":(glob){pattern}"
            listed = questions.tracked(self.git, [spec], top=where)
            if not listed:
                raise UsageError(
                    f"no tracked file matches {printable(pattern)}",
                    hint="claim the directory: that excludes files which do not exist yet",
                )
            found.update(dict.fromkeys(listed))
        return [Resource(Kind.PATH, path) for path in found]

    def configure(self, key: str, value: str) -> None:
        """Set one value of the repository's own git configuration."""
        self.git.run("config", "--local", key, value)

    def pointed_at(self, wished: str) -> Self:
        """This workspace with another registry.

        Raises:
            GitclaimError: there is no such remote.
        """
        target = target_of(wished, self.config)
        return replace(self, settings=replace(self.settings, target=target, source="--registry"))

    def stranded(self) -> list[Holding]:
        """The live claims of the repository itself that a switch to the configured registry would drop."""
        stamp = read_stamp(self.state)
        if self.settings.target.embedded or (stamp and stamp.registry != EMBEDDED):
            return []
        found = self.embedded().look_all()
        live = {one.oid: one.claim for one in found if one.claim and one.standing is Standing.LIVE}
        return [Holding(claim, oid) for oid, claim in live.items()]

    def adopt_mirror(self) -> None:
        """Note that the clone's `refs/claims/*` are the mirror of the configured registry from now on."""
        write_stamp(self.state, Stamp(self.settings.target.url))

    def first_seen(self, refs: Iterable[RefName]) -> dict[RefName, datetime]:
        """When each of these refs was first asked about in this clone; those not asked about are forgotten."""
        now = self.around.clock.now()
        known: dict[str, str] = {}
        with suppress(ValueError, TypeError):
            known = dict(json.loads(self.state.read("seen.json") or "{}"))
        seen = {}
        for ref in refs:
            with suppress(KeyError, ValueError, TypeError):
                seen[ref] = datetime.fromisoformat(known[ref]).astimezone(UTC)
            seen.setdefault(ref, now)
        noted = {ref: date.isoformat() for ref, date in seen.items()}
        if noted != known:
            self.state.write(json.dumps(noted), "seen.json")
        return seen

    def _registry(self, target: Target, store: RefStore) -> Registry:
        signer = signer_for(self.config, self.state, self.git.env)
        return Registry(
            name=target.url,
            session=self.identity.session,
            store=store,
            objects=GitObjects(self.git, self.place, signer, self._person()),
            verifier=GitVerifier(self.git, self.state, self.config),
            ledger=FileLedger(self.state, self.identity.session),
            clock=self.around.clock,
            nonce=lambda: self.around.nonce(10),
            jitter=lambda: int.from_bytes(self.around.nonce(4)) / (1 << 32),
        )

    def _store(self, target: Target) -> RefStore:
        if target.embedded:
            return LocalStore(self.git)
        mirror = Mirror(self.git, self.state, self.around.clock, target=target.name, registry=target.url)
        return RemoteStore(self.git, self.state, mirror, target=target.name)

    def _settle_mirror(self, target: Target) -> None:
        stamp = read_stamp(self.state)
        if stamp and stamp.registry == target.url:
            return
        stranded = self.stranded()
        if stranded:
            names = ", ".join(_short(holding.claim) for holding in stranded[:3])
            raise GitclaimError(
                f"the registry is now {printable(target.url)}, but live claims stand in the repository itself: {names}",
                hint="gitclaim init moves them there; or release them first with the registry set to a dot",
            )
        if stamp or not target.embedded:
            write_stamp(self.state, Stamp(target.url))

    def _person(self) -> tuple[str, str]:
        environ, config = self.around.environ, self.config
        names = [environ.get("GIT_COMMITTER_NAME"), *_last(config, "committer.name", "user.name")]
        mails = [environ.get("GIT_COMMITTER_EMAIL"), *_last(config, "committer.email", "user.email")]
        return next(filter(None, names), self.identity.session), next(filter(None, mails), "gitclaim@localhost")

    def _is_path(self, path: str) -> bool:
        top = self.place.top
        if top is None:
            return False
        return os.path.lexists(os.path.join(top, path)) or bool(  # noqa: PTH118 - bytes that are not UTF-8
            questions.tracked(self.git, [f":(literal){path}"], top=top)
        )

    def _check_links(self, resource: Resource) -> None:
        """Refuse: git tracks nothing behind a symbolic link: a claim there would protect nothing.

        Raises:
            UsageError: the path leads through one.
        """
        top = self.place.top
        parts = resource.name.split("/")[:-1]
        for end in range(1, len(parts) + 1):
            upper = "/".join(parts[:end])
            if top and os.path.islink(os.path.join(top, upper)):  # noqa: PTH114, PTH118
                raise UsageError(
                    f"{resource.text} lies behind the symbolic link {printable(upper)}",
                    hint="claim the path the link leads to",
                )


def _short(claim: Claim) -> str:
    return f"{claim.title} ({claim.session})"


def _last(config: Mapping[str, list[str]], *keys: str) -> list[str | None]:
    return [config[key][-1] if key in config else None for key in keys]


def _git(around: Surroundings, place: Place, config: Mapping[str, list[str]], settings: Settings) -> Git:
    env = questions.clean_environment(around.environ, interactive=around.interactive)
    if not around.interactive:
        env.update(questions.ssh_without_prompts(around.environ, *_last(config, "core.sshcommand")))
    env["GIT_DIR"] = place.git_dir
    if place.top:
        env["GIT_WORK_TREE"] = place.top
    return Git(env, place.top or place.git_dir, settings.timeout, foreground=around.interactive)


def _identity(around: Surroundings, place: Place, config: Mapping[str, list[str]], settings: Settings) -> Identity:
    if around.session is not None:
        return Identity(Session(around.session), "--session")
    for variable in (_SESSION_VARIABLE, *settings.session_variables):
        if around.environ.get(variable):
            return Identity(Session(around.environ[variable]), variable)
    state = State(Path(place.git_dir) / "gitclaim")
    name = (state.read("session") or "").strip()
    if not name:
        user = around.environ.get("USER") or next(filter(None, _last(config, "user.name")), None) or "session"
        plain = "".join(char if char.isascii() and char.isalnum() else "-" for char in user.lower()).strip("-")
        made = f"{plain[:20].strip('-') or 'session'}-{around.nonce(2).hex()}"
        name = state.write_first(f"{made}\n", "session").strip()
    return Identity(Session(name), "made for this work tree")
