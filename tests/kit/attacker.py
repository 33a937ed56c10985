"""A server with its wall, and who attacks it: somebody with a key, who makes objects, records and pushes by hand."""

import base64
import itertools
import os
import re
import stat
import subprocess
import sys
import venv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from gitclaim.claim import GRACE, parse_time, show_time
from tests.kit.garbage import claim_message, raw_object, written
from tests.kit.repos import PATIENCE, ROOT, Ran, Repo, run

NONE: Final = "0" * 40
"""What git writes for a ref that does not exist."""

_EMPTY_PACK: Final = b"PACK\0\0\0\2\0\0\0\0" + bytes.fromhex("029d08823bd8a8eab510ad6ac75c823cfd3ed31e")
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

_serials = itertools.count(1)


def server_python(where: Path) -> Path:
    """An interpreter that finds this checkout by itself, as a server's hook needs it; its directory is `where`."""
    python = where / "bin" / "python"
    if not python.exists():
        venv.create(where, symlinks=True)
        site = next(where.glob("lib/python*/site-packages"))
        paths = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]
        (site / "checkout.pth").write_text("\n".join([*paths, ""]), encoding="utf-8")
    return python


def wall(bare: Repo, python: Path) -> None:
    """Install the wall in a bare repository, as who runs the server does."""
    env = {**os.environ, **bare.env}
    run(python, "-m", "gitclaim", "install", "--server", cwd=bare.path, env=env)


def shift_wall(bare: Repo, python: Path, ahead: timedelta) -> None:
    """Have the wall run with a clock that is that far ahead."""
    script = (
        "from datetime import timedelta\n"
        "from gitclaim.clock import SystemClock\n"
        "real = SystemClock.now\n"
        f"SystemClock.now = lambda clock: real(clock) + timedelta(seconds={ahead.total_seconds()})\n"
    )
    altered_wall(bare, python, script)


def altered_wall(bare: Repo, python: Path, script: str) -> None:
    """Have the wall run after this."""
    hook = bare.path / "hooks" / "pre-receive"
    run_it = 'import sys\nfrom gitclaim.hooks.entry import main\nmain(["pre-receive"]) and sys.exit(1)\n'
    hook.write_text(f"#!{python}\n{script}{run_it}", encoding="utf-8")
    hook.chmod(0o755)


def listing(root: Path) -> dict[str, tuple[int, int, int]]:
    """Everything below a directory: kind and rights, size and time of change of each entry."""
    found = {}
    for path in [root, *root.rglob("*")]:
        about = path.lstat()
        found[str(path.relative_to(root))] = (about.st_mode, about.st_size, about.st_mtime_ns)
    return found


def new_id() -> str:
    """The id of a claim that nobody has yet."""
    number = next(_serials)
    return "01M7YC401KXTB8VF50" + "".join(_DIGITS[number >> shift & 31] for shift in range(35, -1, -5))


def moment(ahead: timedelta = timedelta()) -> str:
    """A time as claims write it, from now."""
    return (datetime.now(UTC) + ahead).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def message(*resources: str, **changed: str | None) -> bytes:
    """A claim's message: on these resources (`path:src`), with an id of its own unless told another."""
    lines = "\n".join(f"Resource: {resource}" for resource in resources)
    text = claim_message("x", **{"Claim": new_id(), **changed})
    return text.replace(b"Resource: path:x", lines.encode("utf-8", "surrogateescape"))


@dataclass(frozen=True, slots=True)
class Attacker:
    """A clone, and the ssh key that signs what is made there."""

    repo: Repo
    key: Path

    @property
    def public(self) -> str:
        """The public half of the key."""
        return self.key.with_name(f"{self.key.name}.pub").read_text(encoding="utf-8").strip()

    def claim(
        self, *resources: str, past: Iterable[str] = (), at: datetime | None = None, **changed: str | None
    ) -> str:
        """Store a claim, signed."""
        return self.commit(message(*resources, **changed), *past, at=at)

    def released(self, claim: str, *lands: str) -> str:
        """Store the record that the claim in this object was released, or landed these commits (`ref@oid`)."""
        said = fields(self.repo, claim)
        ends = [fields(self.repo, step)["Expires"] for step in self.repo.git("rev-list", claim).split()]
        until = show_time(max(map(parse_time, ends)) + GRACE)
        lines = [f"Released: {said['Claim']}", f"Object: {claim}", f"Session: {said['Session']}", f"Until: {until}"]
        text = "\n".join([f"{'land' if lands else 'release'} it", "", *lines, *(f"Lands: {one}" for one in lands), ""])
        return self.commit(text.encode(), claim)

    def broken(self, claim: str) -> str:
        """Store the record that the claim in this object was broken."""
        text = (
            f"break it\n\nbecause\n\nBroken: {fields(self.repo, claim)['Claim']}\nObject: {claim}\nSession: mallory\n"
        )
        return self.commit(text.encode(), claim)

    def commit(
        self, text: bytes, *parents: str, tree: str = "", at: datetime | None = None, signature: bytes | None = None
    ) -> str:
        """Store a commit over the empty tree, or another, signed now or with a signature that was made elsewhere."""
        bare = self.bare(text, *parents, tree=tree, at=at)
        signature = self.signature(bare) if signature is None else signature
        return raw_object(self.repo, "commit", with_signature(bare, signature) if signature else bare)

    def bare(self, text: bytes, *parents: str, tree: str = "", at: datetime | None = None) -> bytes:
        """A commit without a signature."""
        tree = tree or self.repo.git("hash-object", "-t", "tree", "-w", "--stdin")
        lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
        return "\n".join(lines).encode() + b"\n" + written(at) + b"\n\n" + text

    def signature(self, data: bytes) -> bytes:
        """The key's signature over these bytes."""
        argv = ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", str(self.key)]
        return subprocess.run(argv, input=data, capture_output=True, check=True, timeout=PATIENCE).stdout.strip()

    def push(self, refs: Mapping[str, str | None], *options: str) -> Ran:
        """Push objects to refs, None to delete: all or nothing, whatever stands there."""
        specs = [f"+{oid}:{ref}" if oid else f":{ref}" for ref, oid in refs.items()]
        return self.repo.try_git("push", "--quiet", "--no-verify", "--atomic", *options, "origin", *specs)

    def speak(self, remote: Repo, *commands: str) -> str:
        """Push `OLD NEW REF` each, as told here and not as it is; nothing but objects the server has. Its answer."""
        lines = [f"{commands[0]}\0report-status atomic", *commands[1:]]
        sent = b"".join(b"%04x%b" % (len(line.encode()) + 4, line.encode()) for line in lines) + b"0000"
        if any(command.split(" ")[1] != NONE for command in commands):
            sent += _EMPTY_PACK
        script = f"base64 -d | git receive-pack '{remote.path}'"
        encoded = base64.b64encode(sent).decode()
        return run(
            "sh", "-c", script, cwd=self.repo.path, env=self.repo._environ(None), input=encoded, code=None
        ).stdout


def fields(repo: Repo, oid: str) -> dict[str, str]:
    """The trailers of a commit; of those that stand there twice, the last."""
    lines = repo.git("cat-file", "commit", oid).splitlines()
    return dict(line.split(": ", 1) for line in lines if re.match(r"[A-Z][A-Za-z-]*: ", line))


def with_signature(bare: bytes, signature: bytes) -> bytes:
    """The commit with the header that carries a signature."""
    head, _, text = bare.partition(b"\n\n")
    return head + b"\ngpgsig " + signature.replace(b"\n", b"\n ") + b"\n\n" + text


def make_key(directory: Path, name: str) -> Path:
    """A new ssh key in that directory."""
    directory.mkdir(parents=True, exist_ok=True)
    key = directory / name
    argv = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key)
    run(*argv, cwd=directory, env=os.environ)
    return key


def signing_with(key: Path) -> dict[str, str]:
    """What makes git sign with that ssh key, in its environment."""
    values = {"gpg.format": "ssh", "user.signingKey": str(key), "commit.gpgSign": "true"}
    env = {"GIT_CONFIG_COUNT": str(len(values))}
    for number, (name, value) in enumerate(values.items()):
        env |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return env


def is_private(path: Path) -> bool:
    """Whether nobody but its owner may read a file or enter a directory."""
    return not stat.S_IMODE(path.stat().st_mode) & 0o077
