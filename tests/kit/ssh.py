"""ssh to a real sshd with throw-away keys."""

import os
import pwd
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.kit.processes import LOOPBACK
from tests.kit.repos import run
from tests.kit.transport import Transport, program

_HOST: Final = "gitclaim-test"  # the host key's name, so that a proxy's other port is still the same host
_PASSED_ON: Final = ("HOME", "PATH", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "LC_ALL")


class Ssh(Transport):
    """An sshd run by whoever runs the tests, root or not, who is also the user that logs in."""

    name = "ssh"
    programs = ("ssh", "sshd", "ssh-keygen")

    def url(self, repo: Path) -> str:
        user = pwd.getpwuid(os.getuid()).pw_name
        return f"ssh://{user}@{LOOPBACK}:{self._port}{repo}"

    def env(self) -> Mapping[str, str]:
        options = {
            "IdentityFile": str(self._state / "client"),
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": str(self._state / "known_hosts"),
            "HostKeyAlias": _HOST,
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
            "KexAlgorithms": "curve25519-sha256",  # saves a quarter: 55 of 220 ms with OpenSSH 9.2
        }
        words = [f"-o{name}={value}" for name, value in options.items()]
        return {"GIT_SSH_COMMAND": shlex.join(["ssh", "-F", "/dev/null", *words]), "GIT_SSH_VARIANT": "ssh"}

    def _serve(self, env: dict[str, str]) -> None:
        for key in ("host", "client"):
            words = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._state / key)
            run(*words, cwd=self._state, env=env)
        host_key = (self._state / "host.pub").read_text(encoding="utf-8")
        (self._state / "known_hosts").write_text(f"{_HOST} {host_key}", encoding="utf-8")
        if os.getuid() == 0:
            # Compiled in: root's sshd shuts its unprivileged part in there, and Debian makes it at boot only.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        # The absolute name, because sshd starts itself again for each connection.
        sshd = program("sshd") or "sshd"
        config = self._write_config(sshd, env)
        self._listen(lambda port: (sshd, "-D", "-e", "-f", config, "-p", str(port)), env)

    def _write_config(self, sshd: str, env: Mapping[str, str]) -> Path:
        # bash reads the rc files of the real home when sshd starts it, unless it believes to be nested
        # (SHLVL): they are slow, and not ours. Every other shell is led to the sealed home.
        session = {name: env[name] for name in _PASSED_ON} | {"SHLVL": "2"}
        lines = [
            f"ListenAddress {LOOPBACK}",
            f"HostKey {self._state / 'host'}",
            f"AuthorizedKeysFile {self._state / 'client.pub'}",
            "AuthenticationMethods publickey",
            "PermitRootLogin yes",
            "UsePAM no",
            "StrictModes no",
            "UseDNS no",
            "PidFile none",
            "PrintMotd no",
            "PrintLastLog no",
            "PermitUserRC no",
            "MaxStartups 1000",  # the default drops connections at random when 32 sessions race
            "SetEnv " + " ".join(f'{name}="{value}"' for name, value in session.items()),
        ]
        config = self._state / "sshd_config"
        # OpenSSH 9.8 and later punishes an address whose connections end early, as our probes and cuts do;
        # older ones do not know the word.
        for extra in (["PerSourcePenalties no"], []):
            config.write_text("\n".join([*lines, *extra, ""]), encoding="utf-8")
            if run(sshd, "-t", "-f", config, cwd=self._state, env=env, code=None).code == 0:
                break
        return config
