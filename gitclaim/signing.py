"""Signing: the user's own git signing set-up, or a key made for the clone."""

import os
import time
from collections.abc import Mapping
from typing import Final, Protocol

from gitclaim import process
from gitclaim.errors import GitclaimError
from gitclaim.names import printable
from gitclaim.state import State
from gitclaim.trust import fingerprint

KEY: Final = "key"
"""The file of the key made for a clone, in the clone's own files."""

_PUBLIC: Final = f"{KEY}.pub"
_FINGERPRINT: Final = f"{KEY}.fingerprint"
_OTHERS: Final = 0o077


class Signer(Protocol):
    """How commits are signed."""

    def options(self) -> tuple[str, ...]:
        """The `git -c` options under which `git commit-tree -S` signs."""

    def sign(self, data: bytes) -> str | None:
        """The signature over a commit that gitclaim makes itself because git can't; None where git can."""

    @property
    def key(self) -> str:
        """The fingerprint of the key it signs with; empty where only the signature will tell."""

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
    def key(self) -> str:
        """See `Signer.key`: which key git's set-up comes to, git itself decides."""
        return ""

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
        self._state.has(_PUBLIC)
        if not self._state.has(KEY):
            self._make()
        # The program is named too: a user's gpg.ssh.program may need their own agent.
        return (
            *("-c", "gpg.format=ssh", "-c", "gpg.ssh.program=ssh-keygen"),
            *("-c", f"user.signingKey={self._state.at(KEY)}"),
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
    def key(self) -> str:
        """See `Signer.key`."""
        public = (self._state.read(_PUBLIC) or "").strip()
        line, _, known = (self._state.read(_FINGERPRINT) or "").rstrip("\n").partition("\n")
        # Kept beside the key it is of: to load what it is computed with takes longer than all else here.
        if line != public or not known:
            try:
                known = fingerprint(public)
            except ValueError:
                return ""
            self._state.write(f"{public}\n{known}\n", _FINGERPRINT)
        return known

    @property
    def mend(self) -> str:
        """See `Signer.mend`."""
        key = printable(self._state.at(KEY))
        return f"it signs with ssh-keygen and the clone's own key, {key}: remove that file to get a new one"

    def _make(self) -> None:
        self._state.make()
        try:
            private, public = self._generated()
        except FileNotFoundError:
            from gitclaim import sshsig  # noqa: PLC0415 - only where OpenSSH is missing

            private, public = sshsig.make_key()
        # Whoever comes second keeps the first one's key. The private half comes first: the other one is for people.
        if self._state.write_first(private, KEY) == private:
            self._state.write(public, _PUBLIC)

    def _generated(self) -> tuple[str, str]:
        """The two halves of a key of ssh-keygen's.

        Raises:
            FileNotFoundError: there is no ssh-keygen.
            GitclaimError: it could not make one.
        """
        # In a directory nobody else can enter, under a name of our own: nobody ever sees half of a key.
        draft = f".{KEY}.{os.getpid()}.{time.monotonic_ns()}"
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "gitclaim", "-f", self._state.at(draft)]
        before = os.umask(_OTHERS)
        try:
            done = process.run(argv, env=self._env, timeout=30)
            private, public = self._state.read(draft), self._state.read(f"{draft}.pub")
        finally:
            os.umask(before)
            self._state.remove(draft)
            self._state.remove(f"{draft}.pub")
        if done.code != 0 or not private or not public:
            raise GitclaimError(
                f"can't make a signing key: {printable(done.complaint)}",
                hint="mend ssh-keygen, or have git sign with a key of yours: git config user.signingKey",
            )
        return private, public


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
