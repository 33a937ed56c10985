"""Verdicts on signatures by the git program, remembered by object."""

import os
import signal
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from gitclaim import process
from gitclaim.git import Git
from gitclaim.names import Oid
from gitclaim.refstore.contract import Signature, Verdict
from gitclaim.state import State
from gitclaim.trust import Trust, TrustMode

_TRIES: Final = 8
_SHA256: Final = 64
_BROKEN_PIPE: Final = -signal.SIGPIPE


class _Note(NamedTuple):
    """What is remembered of a signature, whatever the policy.

    Args:
        signature: how it stands by itself.
        key: the fingerprint of the key that made it.
        vouched: whether git vouches for that key, by these allowed signers: `+` or `-` and their digest; empty where
            that was not asked or can change unseen, as an openpgp keyring can.
    """

    signature: Signature
    key: str = ""
    vouched: str = ""


class GitVerifier:
    """Verdicts by the git program.

    Args:
        git: asks the repository.
        state: the clone's own files, where verdicts are remembered.
        config: git's configuration.
        trust: reads what was decided about keys; asked once, and only where there is a signature to judge.
    """

    def __init__(
        self, git: Git, state: State, config: Mapping[str, list[str]], trust: Callable[[], Trust] = Trust
    ) -> None:
        self._git = git
        self._state = state
        self._config = config
        self._reader = trust
        self._decided: Trust | None = None

    def remembered(self, oids: Iterable[Oid]) -> dict[Oid, Verdict]:
        """See `Verifier.remembered`."""
        known = set(self._state.names("verdicts"))
        noted = {oid: _noted(self._state.read("verdicts", oid) or "") for oid in oids if oid in known}
        return {oid: verdict for oid, note in noted.items() if note and (verdict := self._verdict(note))}

    def verify(self, oids: Iterable[Oid]) -> dict[Oid, Verdict]:
        """See `Verifier.verify`."""
        asked = list(dict.fromkeys(oids))
        verdicts = self.remembered(asked)
        missing = [oid for oid in asked if oid not in verdicts]
        for oid, note in (self._ask(missing) if missing else {}).items():
            # What could not be told today may be told tomorrow, with another keyring or program.
            if note.signature is not Signature.UNKNOWN:
                self._remember(oid, note)
            verdicts[oid] = self._verdict(note) or self._unvouched(oid, note)
        return verdicts

    def signed(self, oid: Oid, key: str) -> None:
        """Take note of what this clone has just signed itself.

        Args:
            oid: the object.
            key: the fingerprint of the key.
        """
        self._remember(oid, _Note(Signature.GOOD, key))

    @property
    def selective(self) -> bool:
        """See `Verifier.selective`."""
        return self._trust.mode is not TrustMode.ANY

    @property
    def _trust(self) -> Trust:
        if self._decided is None:
            self._decided = self._reader()
        return self._decided

    def _remember(self, oid: Oid, note: _Note) -> None:
        self._state.write(f"{note.signature.value} {note.key} {note.vouched}".rstrip() + "\n", "verdicts", oid)

    def _verdict(self, note: _Note) -> Verdict | None:
        """The verdict by the policy; None where it takes git to tell."""
        if note.signature is Signature.UNKNOWN:
            return None
        verdict = Verdict(note.signature, note.key, ssh=_is_ssh_key(note.key))
        if note.signature is Signature.BAD or self._trust.mode is TrustMode.ANY:
            return verdict
        if self._trust.mode is TrustMode.KNOWN:
            return verdict._replace(trusted=self._trust.trusts(note.key, vouched=False))
        if note.vouched[1:] != self._digest():
            return None
        return verdict._replace(trusted=self._trust.trusts(note.key, vouched=note.vouched.startswith("+")))

    def _unvouched(self, oid: Oid, note: _Note) -> Verdict:
        """The verdict where git can't vouch: a missing key counts for nothing, a missing program proves nothing."""
        if note.signature is Signature.GOOD:
            trusted = self._trust.trusts(note.key, vouched=note.vouched == "+")
            return Verdict(note.signature, note.key, trusted, _is_ssh_key(note.key))
        ssh = self._is_ssh(oid)
        counts = self._trust.mode is TrustMode.ANY or ssh is True or not self._openpgp_works()
        return Verdict(note.signature, note.key, counts, ssh)

    def _digest(self) -> str:
        """What tells one set of allowed and revoked signers from another."""
        # Imported late: only where git has to vouch for keys.
        from hashlib import sha256  # noqa: PLC0415

        digest = sha256((self._trust.signers or "").encode("utf-8", "surrogateescape"))
        names = ["gpg.ssh.revocationfile", *([] if self._trust.signers is not None else ["gpg.ssh.allowedsignersfile"])]
        for name in names:
            path = self._config.get(name, [""])[-1]
            if path.startswith("~/"):
                path = self._git.env.get("HOME", "") + path.removeprefix("~")
            with suppress(OSError), open(os.path.join(self._git.cwd, path), "rb") as file:
                digest.update(b"\0" + file.read())
        return digest.hexdigest()[:16]

    def _options(self) -> tuple[str, ...]:
        # Without an allowed-signers file git refuses to look at an ssh signature at all; with an empty one it checks
        # the signature and says "U", good by a key nobody vouched for.
        if self._trust.mode is TrustMode.ALLOWED_SIGNERS and self._trust.signers is not None:
            self._state.write(self._trust.signers, "signers")
            return ("-c", f"gpg.ssh.allowedSignersFile={self._state.at('signers')}")
        known = "gpg.ssh.allowedsignersfile" in self._config
        return () if known else ("-c", "gpg.ssh.allowedSignersFile=/dev/null")

    def _ask(self, oids: list[Oid]) -> dict[Oid, _Note]:
        options = self._options()
        answers: dict[str, tuple[str, str]] = {}
        left, tries = oids, _TRIES
        while left and tries:
            done = self._git.call(
                *options,
                *("log", "--stdin", "--no-walk=unsorted", "--no-show-signature", "--no-patch"),
                "--format=%H %G? %GF %GP",
                stdin="".join(f"{oid}\n" for oid in left).encode(),
            )
            before = len(answers)
            for line in done.text.splitlines():
                name, letter, key, primary = (*line.split(" "), "", "")[:4]
                answers[name] = (letter, primary or key)
            # A signature that is none makes ssh-keygen end before it has read what git hands it, and git die of that
            # (SIGPIPE; measured, 2.39: one in seven): it is asked again, from that commit on.
            left = [oid for oid in left if oid not in answers] if done.code == _BROKEN_PIPE else []
            tries = _TRIES if len(answers) > before else tries - 1
        found = {oid: self._note(oid, *answers.get(oid, ("E", ""))) for oid in oids}
        if Signature.BAD in {note.signature for note in found.values()} and not self._ssh_works():
            # A missing or broken ssh-keygen reads as "B" (measured, git 2.39): that is no proof of forgery.
            return {
                oid: _Note(Signature.UNKNOWN) if note.signature is Signature.BAD else note
                for oid, note in found.items()
            }
        return found

    def _note(self, oid: Oid, letter: str, key: str) -> _Note:
        """The letters of `%G?` (git-log(1)): how the signature itself stands, and whether git vouches for the key."""
        match letter:
            case "G" | "U" | "X" | "Y":
                return _Note(Signature.GOOD, key, self._vouching(key, good=letter == "G"))
            case "B" | "R":
                return _Note(Signature.BAD, key)
            case "N" if not self._signed(oid):
                return _Note(Signature.BAD)
            case _:
                return _Note(Signature.UNKNOWN, key)

    def _vouching(self, key: str, *, good: bool) -> str:
        if self._trust.mode is not TrustMode.ALLOWED_SIGNERS:
            return ""
        # A keyring changes, and its trust database with it, in ways that nothing here shows.
        return ("+" if good else "-") + (self._digest() if key.startswith("SHA256:") else "")

    def _signed(self, oid: Oid) -> bool:
        return any(line.startswith(b"gpgsig") for line in self._header(oid))

    def _is_ssh(self, oid: Oid) -> bool | None:
        # git reads one header, and tells by its first line which program to ask; others may say anything.
        name = b"gpgsig-sha256 " if len(oid) == _SHA256 else b"gpgsig "
        first = next((line for line in self._header(oid) if line.startswith(name)), b"")
        return first.startswith(name + b"-----BEGIN SSH SIGNATURE-----") if first else None

    def _header(self, oid: Oid) -> list[bytes]:
        # What is no commit has none; git says so, and fails.
        done = self._git.run("cat-file", "commit", oid, codes=(0, 128))
        return done.out.partition(b"\n\n")[0].splitlines()

    def _openpgp_works(self) -> bool:
        program = self._config.get("gpg.openpgp.program", self._config.get("gpg.program", ["gpg"]))[-1]
        try:
            return process.run([program, "--version"], env=self._git.env, timeout=self._git.timeout).code == 0
        except OSError:
            return False

    def _ssh_works(self) -> bool:
        program = self._config.get("gpg.ssh.program", ["ssh-keygen"])[-1]
        self._state.write(_CONTROL_SIGNATURE, "control.sig")
        argv = [program, "-Y", "check-novalidate", "-n", "git", "-s", str(self._state.path("control.sig"))]
        try:
            return process.run(argv, env=self._git.env, stdin=_CONTROL, timeout=self._git.timeout).code == 0
        except OSError:
            return False


def _is_ssh_key(key: str) -> bool | None:
    """Whether a fingerprint is that of an ssh key."""
    return key.startswith("SHA256:") if key else None


def _noted(text: str) -> _Note | None:
    """What was remembered; None where that is damaged."""
    word, key, vouched = (*text.rstrip("\n").split(" "), "", "")[:3]
    return _Note(Signature(word), key, vouched) if word in {Signature.GOOD.value, Signature.BAD.value} else None


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
