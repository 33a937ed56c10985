"""Opens a repository and chooses the implementations: the one place that does."""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from shlex import quote
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from gitclaim import git as questions
from gitclaim.claim import Claim
from gitclaim.clock import Clock
from gitclaim.errors import GitclaimError, UnreachableError, UsageError
from gitclaim.git import Git, Place
from gitclaim.identity import Identity, MadeName, identify
from gitclaim.ledger import FileLedger
from gitclaim.mirror import EMBEDDED, Mirror, Stamp, read_stamp, write_stamp
from gitclaim.names import ClaimId, Oid, RefName, is_ref_name, printable
from gitclaim.objects import GitObjects
from gitclaim.record import RECORDS
from gitclaim.refstore.contract import ABSENT, RefStore, Swap, is_work
from gitclaim.refstore.listed import ListedStore
from gitclaim.refstore.local import LocalStore
from gitclaim.refstore.remote import RemoteStore
from gitclaim.registry import Holding, Registry, Standing
from gitclaim.resources import CLAIMS, PATTERNS, Resource
from gitclaim.settings import (
    FILE,
    FILE_LIMIT,
    SIGNERS_LIMIT,
    Settings,
    Target,
    read_settings,
    read_trust,
    target_of,
)
from gitclaim.signing import signer_for
from gitclaim.state import State
from gitclaim.touched import Remote, Touched
from gitclaim.trust import Trust, fingerprint
from gitclaim.verifying import GitVerifier
from gitclaim.worktree import WorkTree

if TYPE_CHECKING:
    from gitclaim.githook import HookPlace, Written
    from gitclaim.health import Facts

_URL: Final = re.compile(r"remote\..+\.url").fullmatch


class Surroundings(NamedTuple):
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


class Workspace(NamedTuple):
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
    def open(cls, around: Surroundings, *, hurried: bool = False) -> Self:
        """The repository around the current directory.

        Args:
            around: what the command was started in.
            hurried: whether the registry is asked within the budget of a hook.

        Raises:
            GitclaimError: there is none, git is missing, or a setting makes no sense.
        """
        place, config = found_around(around)
        settings = read_settings(config, _root(place))
        if hurried:
            settings = settings._replace(timeout=min(settings.timeout, settings.policy.budget))
        state = State(os.path.join(place.common_dir, "gitclaim"))
        return cls(
            around=around,
            place=place,
            config=config,
            settings=settings,
            git=open_git(around, place, config, settings),
            state=state,
            identity=identify(around.session, around.environ, settings.session_variables, _made(around, place, config)),
        )

    def registry(self, *, signing: bool = False) -> Registry:
        """The registry, as this session sees it.

        Args:
            signing: whether something will be signed, so that it matters for sure whose signatures count.

        Raises:
            GitclaimError: switching to it would drop live claims of the repository's own.
        """
        target = self.settings.target
        trust = self._reading_trust() if signing else self.trust
        self._settle_mirror(target)
        return self.registry_of(target, self._store(target), trust)

    def embedded(self) -> Registry:
        """The registry inside the repository itself, whatever is configured."""
        return self.registry_of(Target(EMBEDDED, EMBEDDED), LocalStore(self.git))

    def beside_mirror(self) -> Registry:
        """The registry, seen without touching the clone's own refs."""
        target = self.settings.target
        if target.embedded:
            return self.embedded()
        return self.registry_of(target, ListedStore(self.git, self.state, target=target.name, name=target.url))

    def facts(self, python: str) -> "Facts":
        """What there is to know about this clone without asking its registry.

        Args:
            python: the interpreter that runs gitclaim, and that hooks would name.
        """
        # Imported late: only doctor asks.
        from gitclaim import probes  # noqa: PLC0415

        return probes.facts(self.git, self.place, self.state, self.settings, self.config, python=python)

    def touched(self, index: str | None = None) -> Touched:
        """Asks git what is touched here.

        Args:
            index: the index git handed to a hook, as it wrote it; None for the work tree's own.
        """
        path = None if index is None else os.path.join(self.around.cwd, index)
        return Touched(self.git, self.place, path, self.settings.policy.exempt)

    def alike(self, remote: str) -> list[str]:
        """The remotes that show what is known where this one's claims stand: itself, the registry, those at its URL.

        Args:
            remote: a remote's name, or a URL.
        """
        urls = {key.removeprefix("remote.").removesuffix(".url"): at for key, at in self.config.items() if _URL(key)}
        target = self.settings.target.name
        wanted = {remote, target, *urls.get(remote, [])[:1], *urls.get(target, [])[:1]}
        return sorted(name for name, at in urls.items() if name in wanted or at[0] in wanted)

    def default_branch(self, *, fetch: bool = False) -> str | None:
        """The ref of the branch whose decisions count: the registry's default branch, as this clone knows it.

        Args:
            fetch: whether it is brought up to date first.

        Raises:
            UnreachableError: it can't be.
        """
        target = self.settings.target
        if fetch and f"remote.{target.name}.url" in self.config:
            # Into the remote's own tracking refs, as the user set them up.
            done = self.git.call("fetch", "--quiet", "--no-write-fetch-head", "--end-of-options", target.name)
            if done.code:
                raise UnreachableError(f"can't fetch from {printable(target.url)}: {printable(done.complaint)}")
        wanted = self._default_names()
        listed = self.git.run("for-each-ref", "--format=%(refname)", *wanted).text.split("\n")
        return next((ref for ref in wanted if ref == "HEAD" or ref in listed), None)

    def remote(self, name: str, counts: Callable[[str], bool]) -> Remote:
        """What is known here of a remote that work goes to.

        Args:
            name: its name, or a URL.
            counts: whether what a ref of it has counts as known.
        """
        return Remote(name, self.alike(name), counts, self.default_target())

    def default_target(self) -> str | None:
        """The default branch as the registry calls it, like `refs/heads/main`, as far as this clone knows."""
        ref = self.default_branch()
        if ref is None:
            return None
        named = self.git.run("symbolic-ref", "--quiet", ref, codes=(0, 1)).text.strip() or ref
        starts = map(_tracking, self.alike(self.settings.target.name))
        start = next((one for one in starts if named.startswith(one)), "")
        return f"refs/heads/{named.removeprefix(start)}" if start else named

    def _default_names(self) -> list[str]:
        """The refs that may be the registry's default branch here, the likeliest first."""
        target = self.settings.target
        if target.embedded and self.place.top is None:
            return ["HEAD"]
        # git clone notes the remote's choice as its HEAD; where that was not done, git's own default names are tried.
        names = [*self.config.get("init.defaultbranch", [])[-1:], "main", "master"]
        starts = list(map(_tracking, self.alike(target.name))) or [_tracking("origin")]
        wanted = [f"{start}{name}" for start in starts for name in ("HEAD", *names)]
        if target.embedded:
            wanted = [f"refs/heads/{name}" for name in names]
        return list(filter(is_ref_name, dict.fromkeys(wanted)))

    def trust(self) -> Trust:
        """What the repository's people decided about claims: on the default branch, whatever is checked out here.

        Raises:
            GitclaimError: it makes no sense.
        """
        return self._decided(self.default_branch())

    def _reading_trust(self) -> Callable[[], Trust]:
        """Begin to read what was decided, beside what takes longer: most repositories have decided nothing."""
        wanted = self._default_names()
        asked = "".join(f"{ref}^{{commit}}\n{ref}:{FILE}\n" for ref in wanted).encode("utf-8", "surrogateescape")
        started = self.git.start("cat-file", "--batch-check=%(objecttype)", stdin=asked)

        def trust() -> Trust:
            answers = started.finish().text.split("\n")
            found = zip(wanted, answers[::2], answers[1::2], strict=False)
            branch, file = next(((ref, file) for ref, kind, file in found if kind == "commit"), (None, ""))
            if file == "blob":
                return self._decided(branch)
            return read_trust(self.config, None, lambda _: None, printable(branch or "no branch"))

        return trust

    def _decided(self, branch: str | None) -> Trust:
        def file(name: str) -> str | None:
            most = FILE_LIMIT if name == FILE else SIGNERS_LIMIT
            return questions.file_text(self.git, f"{branch}:{name}", most=most) if branch else None

        return read_trust(self.config, file(FILE), file, printable(branch or "no branch"))

    def landing_place(self, branch: str, to: str | None) -> RefName:
        """The registry's ref that a branch lands on.

        Args:
            branch: the branch, short.
            to: what the caller named, short or in full; None for what the branch is pulled from, or its own name.

        Raises:
            UsageError: that is no ref for work.
            GitclaimError: the work goes to another place than its claims: no transaction can hold both.
        """
        target = self.settings.target
        named = [*self.config.get(f"branch.{branch}.pushremote", []), *self.config.get("remote.pushdefault", [])]
        upstream = self.config.get(f"branch.{branch}.remote", [None])[-1]
        remote = next(iter([*named, *([upstream] if upstream else [])]), None)
        if remote and remote != EMBEDDED and not target.embedded and remote not in self.alike(target.name):
            raise GitclaimError(
                f"{printable(branch)} goes to {printable(remote)}, and claims are kept at {printable(target.url)}: "
                "one push can't move both",
                hint=f"gitclaim init --registry {printable(remote)} keeps claims with the work; or git push, then "
                "gitclaim release",
            )
        merge = self.config.get(f"branch.{branch}.merge", [f"refs/heads/{branch}"])[-1]
        wanted = (merge if remote == upstream else f"refs/heads/{branch}") if to is None else to
        full = wanted if wanted.startswith("refs/") else f"refs/heads/{wanted}"
        try:
            ref = RefName(full)
        except ValueError:
            raise UsageError(f"no branch can have that name: {printable(wanted)[:100]}") from None
        if not full.startswith(("refs/heads/", "refs/tags/")) and not is_work(ref):
            raise UsageError(f"{printable(full)} is a ref of claims", hint="gitclaim land --to BRANCH")
        return ref

    def tracking(self, ref: str) -> str:
        """The commands that put work on top of what a ref of the registry's has by now."""
        name = ref.removeprefix("refs/heads/")
        if self.settings.target.embedded:
            return f"git rebase {quote(name)}, then gitclaim land again"
        remote = self.settings.target.name
        plain = f"remote.{remote}.url" in self.config
        onto = f"{remote}/{name}" if plain else "FETCH_HEAD"
        return f"git fetch {quote(remote)} {quote(name)} && git rebase {quote(onto)}, then gitclaim land again"

    def trusted_keys(self) -> list[str]:
        """The keys this clone was told to trust beyond what was decided for all."""
        return [key for text in self.config.get("gitclaim.trustedkey", []) if (key := fingerprint(text))]

    def trust_key(self, key: str) -> None:
        """Trust a key in this clone."""
        self.git.run("config", "--local", "--add", "gitclaim.trustedKey", key)

    def distrust_key(self, text: str) -> None:
        """Trust a key no longer, given as it was written."""
        self.git.run("config", "--local", "--fixed-value", "--unset-all", "gitclaim.trustedKey", text, codes=(0, 5))

    def merged(self, claims: Mapping[ClaimId, Sequence[Oid]], since: datetime, branch: str) -> set[ClaimId]:
        """Those of the claims whose work is in a branch; see `merged.merged`."""
        # Imported late: only `release --merged` asks.
        from gitclaim.merged import merged  # noqa: PLC0415

        return merged(self.touched(), claims, since, branch)

    def resource(self, text: str) -> Resource:
        """The resource a person named.

        Raises:
            UsageError: the text names nothing that can be claimed here.
        """
        return WorkTree(self.git, self.place).resource(text)

    def pattern(self, text: str) -> str:
        """A pattern of git's, written in the current directory, as it reads in the repository's root.

        Raises:
            UsageError: it leads out of the repository, or has magic that can't be told from here.
        """
        return WorkTree(self.git, self.place).pattern(text)

    def matches(self, patterns: Iterable[str]) -> list[Resource]:
        """The tracked files that match these patterns, which are relative to the root.

        Raises:
            UsageError: a pattern matches nothing.
        """
        return WorkTree(self.git, self.place).matches(patterns)

    def hook_place(self) -> "HookPlace":
        """Where git looks for hooks here."""
        # Imported late, as in what follows: hooks are installed once.
        from gitclaim import hookfiles  # noqa: PLC0415

        return hookfiles.find(self.git, self.place)

    def install_hooks(self, place: "HookPlace", names: Iterable[str], python: str) -> "list[Written]":
        """Put our texts there; see `hookfiles.install`."""
        from gitclaim import hookfiles  # noqa: PLC0415

        return hookfiles.install(place, names, python)

    def uninstall_hooks(self, place: "HookPlace", names: Iterable[str]) -> "list[Written]":
        """Take them away again; see `hookfiles.uninstall`."""
        from gitclaim import hookfiles  # noqa: PLC0415

        return hookfiles.uninstall(place, names)

    def configure_registry(self) -> None:
        """Note the registry in the repository's own git configuration."""
        self.git.run("config", "--local", "gitclaim.registry", self.settings.wished)

    def pointed_at(self, wished: str) -> Self:
        """This workspace with another registry; a path is one from the current directory.

        Raises:
            GitclaimError: there is no such remote.
        """
        if wished.startswith(("./", "../")):
            wished = os.path.normpath(os.path.join(self.around.cwd, wished))
        target = target_of(wished, self.config)
        return self._replace(settings=self.settings._replace(target=target, wished=wished, source="--registry"))

    def stranded(self) -> list[Holding]:
        """The live claims of the repository itself that a switch to the configured registry would drop.

        Raises:
            GitclaimError: one is in a format that can't be read here, so nothing can be said about it.
        """
        stamp = read_stamp(self.state)
        if self.settings.target.embedded or (stamp and stamp.registry != EMBEDDED):
            return []
        found = self.embedded().look_all()
        for one in found:
            if one.standing is Standing.NEWER:
                raise GitclaimError(
                    f"{printable(one.ref)} in the repository itself: {one.note}",
                    hint="only a gitclaim that reads it can move it to another registry",
                )
        live = {one.oid: one.claim for one in found if one.claim and one.standing is Standing.LIVE}
        return self._missing_there([Holding(claim, oid) for oid, claim in live.items()])

    def adopt_mirror(self) -> None:
        """Make the clone's `refs/claims/*` the mirror of the configured registry, whatever they were before."""
        target = self.settings.target
        with self.state.lock("sync.lock", self.git.timeout * 2):
            stamp = read_stamp(self.state)
            if stamp and stamp.registry == target.url:
                return
            if stamp and stamp.registry != EMBEDDED:
                # Another registry's mirror: shown as this one's, it would claim and deny what is not so.
                mirror = LocalStore(self.git)
                mirror.swap_each(
                    [Swap(ref, oid, ABSENT) for ref, oid in mirror.below([CLAIMS, PATTERNS, *RECORDS]).items()]
                )
            write_stamp(self.state, Stamp(target.url))

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

    def tidy(self) -> None:
        """Remove what killed processes left in the clone's own files, and verdicts on claims that are long gone."""
        now = self.around.clock.now()
        for start in ("push.", "."):
            self.state.prune(now, timedelta(hours=1), start=start)
        self.state.prune(now, timedelta(hours=1), "verdicts", start=".")
        # No lease is longer than 30 days; a claim that was renewed has another object, and another verdict.
        self.state.prune(now, timedelta(days=60), "verdicts")

    def registry_of(self, target: Target, store: RefStore, trust: Callable[[], Trust] | None = None) -> Registry:
        """The registry that is kept in that store, as this session sees it."""
        signer = signer_for(self.config, self.state, self.git.env)
        verifier = GitVerifier(self.git, self.state, self.config, trust or self.trust)
        return Registry(
            name=target.url,
            session=self.identity.session,
            store=store,
            objects=GitObjects(self.git, self.place, signer, self._person(), verifier.signed),
            verifier=verifier,
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
        if stamp.registry == target.url if stamp else target.embedded:
            return
        stranded = self.stranded()
        if stranded:
            names = ", ".join(_short(holding.claim) for holding in stranded[:3])
            raise GitclaimError(
                f"the registry is now {printable(target.url)}, but live claims stand in the repository itself: {names}",
                hint="gitclaim init moves them there; or release them first with the registry set to a dot",
            )
        self.adopt_mirror()

    def _missing_there(self, holdings: list[Holding]) -> list[Holding]:
        """Those that do not stand in the configured registry as they are: `git clone --mirror` copies claims too."""
        there = self.beside_mirror().store
        if holdings:
            with suppress(UnreachableError):
                there.sync()
        return [one for one in holdings if there.exact(one.claim.refs) != dict.fromkeys(one.claim.refs, one.oid)]

    def _person(self) -> tuple[str, str]:
        environ, config = self.around.environ, self.config
        names = [environ.get("GIT_COMMITTER_NAME"), *_last(config, "committer.name", "user.name")]
        mails = [environ.get("GIT_COMMITTER_EMAIL"), *_last(config, "committer.email", "user.email")]
        return next(filter(None, names), self.identity.session), next(filter(None, mails), "gitclaim@localhost")


def found_around(around: Surroundings) -> tuple[Place, dict[str, list[str]]]:
    """Where the repository around the current directory lies, and git's configuration there.

    Raises:
        GitclaimError: there is none, or git is missing.
    """
    try:
        finding = questions.discover(around.cwd, around.environ)
        configuring = questions.start_config(around.cwd, around.environ)
    except FileNotFoundError as error:
        raise GitclaimError("git is not installed", hint="gitclaim asks the git program, 2.34 or newer") from error
    return questions.placed(finding.finish()), questions.configured(configuring.finish())


def _root(place: Place) -> str | None:
    """Where `.gitclaim.yaml` lies: the root of the work tree, also where git was only told of the git directory."""
    top = place.top
    if top and os.path.lexists(os.path.join(top, FILE)):
        return top
    ordinary = place.git_dir == place.common_dir and os.path.basename(place.common_dir) == ".git"
    return os.path.dirname(place.common_dir) if ordinary else top


def _tracking(remote: str) -> str:
    """Where a remote's branches are tracked."""
    return f"refs/remotes/{remote}/"


def _short(claim: Claim) -> str:
    return f"{claim.title} ({claim.session})"


def _last(config: Mapping[str, list[str]], *keys: str) -> list[str | None]:
    return [config[key][-1] if key in config else None for key in keys]


def open_git(around: Surroundings, place: Place, config: Mapping[str, list[str]], settings: Settings) -> Git:
    """The git program on a repository, in our environment."""
    env = questions.clean_environment(around.environ, interactive=around.interactive)
    if not around.interactive:
        env.update(questions.ssh_without_prompts(around.environ, *_last(config, "core.sshcommand")))
    env["GIT_DIR"] = place.git_dir
    if place.top:
        env["GIT_WORK_TREE"] = place.top
    return Git(env, place.top or place.git_dir, settings.timeout, foreground=around.interactive)


def _made(around: Surroundings, place: Place, config: Mapping[str, list[str]]) -> MadeName:
    users = [around.environ.get("USER"), *_last(config, "user.name")]
    return MadeName(State(os.path.join(place.git_dir, "gitclaim")), next(filter(None, users), ""), around.nonce)
