"""Signing: the user's own git signing set-up, or a key made for the clone."""

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from gitclaim import process
from gitclaim.errors import GitclaimError
from gitclaim.names import printable
from gitclaim.state import State

if TYPE_CHECKING:
    from pathlib import Path

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
