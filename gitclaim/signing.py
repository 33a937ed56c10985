"""Signatures: the user's own git signing set-up, or a key made for the clone; verdicts, remembered by object."""

import os
import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from gitclaim import process
from gitclaim.errors import GitclaimError
from gitclaim.git import Git
from gitclaim.names import Oid, printable
from gitclaim.refstore.contract import Signature, Verdict
from gitclaim.state import State

if TYPE_CHECKING:
    from pathlib import Path

_TRIES: Final = 8
_BROKEN_PIPE: Final = -signal.SIGPIPE

KEY: Final = "key"
"""The file of the key made for a clone, in the clone's own files."""


class Signer(Protocol):
    """How commits are signed."""

    def options(self) -> tuple[str, ...]:
        """The `git -c` options under which `git commit-tree -S` signs."""

    def sign(self, data: bytes) -> str | None:
        """The signature over a commit that gitclaim makes itself because git can't; None where git can."""

    @property
    def mend(self) -> str:
        """What to do when signing fails."""


class OwnSigner:
    """The user's own git signing set-up: ssh, openpgp or x509, with the programs and agents configured there."""

    def options(self) -> tuple[str, ...]:
        """See `Signer.options`."""
        return ()

    def sign(self, data: bytes) -> str | None:  # noqa: ARG002 - the protocol's signature
        """See `Signer.sign`: the user's own keys are for the user's own programs."""
        return None

    @property
    def mend(self) -> str:
        """See `Signer.mend`."""
        return "mend git's signing set-up, or sign with a key of this clone: git config gitclaim.signing clone"


class CloneSigner:
    """A key made for the clone at its first use; git signs with it by `ssh-keygen`, or gitclaim where there is none.

    Args:
        state: the clone's own files.
        env: the environment `ssh-keygen` runs in.
    """

    def __init__(self, state: State, env: Mapping[str, str]) -> None:
        self._state = state
        self._env = env

    def options(self) -> tuple[str, ...]:
        """See `Signer.options`.

        Raises:
            GitclaimError: there is no key and none can be made.
        """
        key = self._state.at(KEY)
        if not os.path.exists(key):
            self._make(self._state.path(KEY))
        # The program is named too: a user's gpg.ssh.program may need their own agent.
        return (
            *("-c", "gpg.format=ssh", "-c", "gpg.ssh.program=ssh-keygen"),
            *("-c", f"user.signingKey={key}"),
        )

    def sign(self, data: bytes) -> str | None:
        """See `Signer.sign`."""
        # Imported late: it is looked for only after git could not sign.
        from shutil import which  # noqa: PLC0415

        if which("ssh-keygen", path=self._env.get("PATH")):
            return None
        from gitclaim import sshsig  # noqa: PLC0415

        return sshsig.sign(self._state.read(KEY) or "", data)

    @property
    def mend(self) -> str:
        """See `Signer.mend`."""
        key = printable(self._state.at(KEY))
        return f"it signs with ssh-keygen and the clone's own key, {key}: remove that file to get a new one"

    def _make(self, key: "Path") -> None:
        self._state.make()
        draft = key.with_name(f".{KEY}.{os.getpid()}")
        # In a directory nobody else can enter, under a name of our own, then linked: whoever comes second keeps the
        # first one's key, and nobody ever sees half of one.
        with suppress(FileNotFoundError):
            draft.unlink()
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "gitclaim", "-f", str(draft)]
        try:
            done = process.run(argv, env=self._env, timeout=30)
        except FileNotFoundError:
            from gitclaim import sshsig  # noqa: PLC0415 - only where OpenSSH is missing

            private, line = sshsig.make_key()
            self._state.write(private, draft.name)
            self._state.write(line, f"{draft.name}.pub")
        else:
            if done.code:
                raise GitclaimError(f"can't make a signing key: {printable(done.complaint)}")
        public = draft.with_name(f"{draft.name}.pub")
        try:
            # The public half first: it can be made again from the private one, not the other way round.
            os.link(draft, key)
            public.replace(key.with_name(f"{KEY}.pub"))
        except FileExistsError:
            public.unlink()
        finally:
            draft.unlink()


def signer_for(config: Mapping[str, list[str]], state: State, env: Mapping[str, str]) -> Signer:
    """The user's own set-up when there is one, else a key of the clone.

    Args:
        config: git's configuration.
        state: the clone's own files.
        env: the environment programs run in.

    Raises:
        GitclaimError: `gitclaim.signing` is neither `auto` nor `clone`.
    """
    wish = config.get("gitclaim.signing", ["auto"])[-1]
    if wish not in {"auto", "clone"}:
        raise GitclaimError(f"gitclaim.signing is {printable(wish)!r}", hint="set it to auto or clone")
    signs = config.get("commit.gpgsign", ["false"])[-1].lower() in {"true", "yes", "on", "1"}
    own = "user.signingkey" in config or "gpg.ssh.defaultkeycommand" in config or signs
    return OwnSigner() if own and wish == "auto" else CloneSigner(state, env)


class GitVerifier:
    """Verdicts by the git program.

    Args:
        git: asks the repository.
        state: the clone's own files, where verdicts are remembered.
        config: git's configuration.
    """

    def __init__(self, git: Git, state: State, config: Mapping[str, list[str]]) -> None:
        self._git = git
        self._state = state
        self._config = config

    def remembered(self, oids: Iterable[Oid]) -> dict[Oid, Verdict]:
        """See `Verifier.remembered`."""
        found = {}
        known = set(self._state.names("verdicts"))
        for oid in (oid for oid in oids if oid in known):
            word, _, key = (self._state.read("verdicts", oid) or "").strip().partition(" ")
            if word in {Signature.GOOD.value, Signature.BAD.value}:
                found[oid] = Verdict(Signature(word), key)
        return found

    def verify(self, oids: Iterable[Oid]) -> dict[Oid, Verdict]:
        """See `Verifier.verify`."""
        asked = list(dict.fromkeys(oids))
        verdicts = self.remembered(asked)
        missing = [oid for oid in asked if oid not in verdicts]
        fresh = self._ask(missing) if missing else {}
        for oid, verdict in fresh.items():
            # What could not be told today may be told tomorrow, with another keyring or program.
            if verdict.signature is not Signature.UNKNOWN:
                self._state.write(f"{verdict.signature.value} {verdict.key}\n", "verdicts", oid)
        return {**verdicts, **fresh}

    def _ask(self, oids: list[Oid]) -> dict[Oid, Verdict]:
        # Without an allowed-signers file git refuses to look at an ssh signature at all; with an empty one it checks
        # the signature and says "U", good by a key nobody vouched for.
        signers = () if "gpg.ssh.allowedsignersfile" in self._config else ("-c", "gpg.ssh.allowedSignersFile=/dev/null")
        answers: dict[str, tuple[str, str]] = {}
        left, tries = oids, _TRIES
        while left and tries:
            done = self._git.call(
                *signers,
                *("log", "--stdin", "--no-walk=unsorted", "--no-show-signature", "--no-patch", "--format=%H %G? %GF"),
                stdin="".join(f"{oid}\n" for oid in left).encode(),
            )
            before = len(answers)
            for line in done.text.splitlines():
                name, letter, key = (*line.split(" "), "")[:3]
                answers[name] = (letter, key)
            # A signature that is none makes ssh-keygen end before it has read what git hands it, and git die of that
            # (SIGPIPE; measured, 2.39: one in seven): it is asked again, from that commit on.
            left = [oid for oid in left if oid not in answers] if done.code == _BROKEN_PIPE else []
            tries = _TRIES if len(answers) > before else tries - 1
        found = {oid: self._verdict(oid, *answers.get(oid, ("E", ""))) for oid in oids}
        if Signature.BAD in {verdict.signature for verdict in found.values()} and not self._ssh_works():
            # A missing or broken ssh-keygen reads as "B" (measured, git 2.39): that is no proof of forgery.
            return {
                oid: Verdict(Signature.UNKNOWN) if verdict.signature is Signature.BAD else verdict
                for oid, verdict in found.items()
            }
        return found

    def _verdict(self, oid: Oid, letter: str, key: str) -> Verdict:
        """The letters of `%G?` (git-log(1)): how the signature itself stands, whoever vouches for the key."""
        match letter:
            case "G" | "U" | "X" | "Y":
                return Verdict(Signature.GOOD, key)
            case "B" | "R":
                return Verdict(Signature.BAD, key)
            case "N" if not self._signed(oid):
                return Verdict(Signature.BAD)
            case _:
                return Verdict(Signature.UNKNOWN, key)

    def _signed(self, oid: Oid) -> bool:
        header = self._git.run("cat-file", "commit", oid).out.partition(b"\n\n")[0]
        return any(line.startswith(b"gpgsig") for line in header.splitlines())

    def _ssh_works(self) -> bool:
        program = self._config.get("gpg.ssh.program", ["ssh-keygen"])[-1]
        self._state.write(_CONTROL_SIGNATURE, "control.sig")
        argv = [program, "-Y", "check-novalidate", "-n", "git", "-s", str(self._state.path("control.sig"))]
        try:
            return process.run(argv, env=self._git.env, stdin=_CONTROL, timeout=self._git.timeout).code == 0
        except OSError:
            return False


# A signature known to be good, by a key that was thrown away: the control of our verification.
_CONTROL: Final = b"gitclaim"
_CONTROL_SIGNATURE: Final = """\
-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAg08tH8vHCDZaFO8M53jZ3xV0wlo
6NgIpUwAAtSyPY+jEAAAADZ2l0AAAAAAAAAAZzaGE1MTIAAABTAAAAC3NzaC1lZDI1NTE5
AAAAQPrJs0vz0f2JmXyglOS6IDFRWnMFIaEij1mL41wofr2rO8s7D7GmcqvIceXFRCahru
Og/ZYbnzVsA2SNpOoP1gI=
-----END SSH SIGNATURE-----
"""
