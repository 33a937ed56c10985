"""Verdicts on signatures by the git program, remembered by object."""

import signal
from collections.abc import Iterable, Mapping
from typing import Final

from gitclaim import process
from gitclaim.git import Git
from gitclaim.names import Oid
from gitclaim.refstore.contract import Signature, Verdict
from gitclaim.state import State

_TRIES: Final = 8
_BROKEN_PIPE: Final = -signal.SIGPIPE


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
