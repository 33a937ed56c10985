"""What the bench runs in: gitclaim as users have it installed, and registries of any size."""

import hashlib
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from gitclaim.claim import Claim, format_claim, whole_seconds
from gitclaim.names import ClaimId, Session
from gitclaim.resources import Kind, Resource
from tests.bench.measure import Command
from tests.kit.raw import push_argv
from tests.kit.repos import ROOT, Repo, make_bare, make_clone, make_repo, run

SESSION: Final = "bench"
_EMPTY_TREE: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_COMMIT: Final = 1
"""The type of a commit in a pack (gitformat-pack(5))."""


@dataclass(frozen=True, slots=True)
class Program:
    """gitclaim, and the interpreter that runs it."""

    python: Path
    argv: tuple[str | Path, ...]
    env: Mapping[str, str]


def installed(where: Path) -> Program:
    """gitclaim as pip installs it, compiled, with pygit2 beside it for the one line that measures its import."""
    source = where / "source"
    source.mkdir(parents=True)
    # A copy: building leaves files behind, and others may be editing the checkout.
    for name in ("gitclaim", "hooks"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    (source / "README.md").write_text("A copy for the bench.\n", encoding="utf-8")
    venv = where / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    python = venv / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", source, "pygit2"], check=True
    )
    subprocess.run([python, "-m", "compileall", "-q", venv / "lib"], check=True)
    return Program(python, (venv / "bin" / "gitclaim",), {})


def from_checkout() -> Program:
    """gitclaim as the tests run it: quick to have, slower to start."""
    python = Path(sys.executable)
    return Program(python, (python, "-m", "gitclaim"), {"PYTHONPATH": str(ROOT)})


@dataclass(frozen=True, slots=True)
class World:
    """Where a bench puts its repositories, and how it names processes.

    Args:
        root: a directory of its own.
        program: gitclaim.
    """

    root: Path
    program: Program

    def embedded(self, name: str) -> Repo:
        """A repository without remotes: its own registry."""
        repo = make_repo(self.root / name, session=SESSION)
        repo.git("update-ref", "refs/heads/main", repo.empty_commit("start"))
        return repo

    def bare(self, name: str) -> Repo:
        """A remote."""
        return make_bare(self.root / f"{name}.git")

    def clone(self, url: str, name: str) -> Repo:
        """A clone whose registry is that remote, synced once."""
        repo = make_clone(url, self.root / name, session=SESSION)
        self.setup(repo, "list")
        return repo

    def claim(self, repo: Repo, *words: str, session: str = SESSION, codes: Collection[int] = (0,)) -> Command:
        """A process of gitclaim."""
        env = {**self.program.env, "GITCLAIM_SESSION": session}
        return Command([*self.program.argv, *words], repo.path, env, codes)

    def setup(self, repo: Repo, *words: str, session: str = SESSION) -> None:
        """Run gitclaim, untimed."""
        command = self.claim(repo, *words, session=session)
        run(*command.argv, cwd=repo.path, env={**os.environ, **command.env})

    def fill(self, repo: Repo, count: int) -> None:
        """Track as many files as that, outside of what anybody claims."""
        self._stage(repo, count, "first")
        repo.git("commit", "--quiet", "--no-verify", "--allow-empty", "--message", "fill")

    def commit(self, repo: Repo, count: int, text: str, *, hooks: bool = True) -> Command:
        """A commit of as many changed files."""
        self._stage(repo, count, text)
        off = [] if hooks else ["-c", "core.hooksPath=/dev/null"]
        env = {**self.program.env, "GITCLAIM_SESSION": SESSION}
        return Command(["git", *off, "commit", "--quiet", "--message", "x"], repo.path, env)

    def pushed(self, repo: Repo, count: int, text: str) -> Command:
        """A push of as many new commits, each of which changes a file that nobody claimed."""
        self._import(repo, [(f"work/file_{number % 10}.py", f"{text} {number}") for number in range(count)])
        return Command(["git", "push", "--quiet", "origin", "main"], repo.path, self.program.env)

    def landed(self, repo: Repo, name: str) -> Command:
        """Landing one commit that touches what this session has just claimed."""
        self.setup(repo, "take", name)
        self._import(repo, [(name, name)])
        return self.claim(repo, "land")

    def _import(self, repo: Repo, files: Iterable[tuple[str, str]]) -> None:
        """Commit each of these files by itself, by one process; the work tree stays as it is."""
        stream = []
        for name, text in files:
            stream.append("commit refs/heads/main\ncommitter Bench <bench@example.org> now\ndata 1\nx")
            stream.append("" if len(stream) > 1 else "from refs/heads/main^0")
            stream.append(f"M 100644 inline {name}\ndata {len(text)}\n{text}")
        lines = "\n".join(line for line in stream if line)
        repo.git("fast-import", "--quiet", "--date-format=now", input=f"{lines}\n")

    def hook(self, repo: Repo, name: str, count: int, text: str) -> Command:
        """One hook by itself, with as many changed files staged."""
        self._stage(repo, count, text)
        env = {**self.program.env, "GITCLAIM_SESSION": SESSION}
        return Command([repo.path / ".git" / "hooks" / name], repo.path, env)

    def _stage(self, repo: Repo, count: int, text: str) -> None:
        """Change that many files, ten to a directory four levels deep, and stage them; the work tree stays empty."""
        blob = repo.git("hash-object", "-w", "--stdin", input=text)
        names = (f"work/area_{number // 1000}/part_{number // 10 % 100}/file_{number}.py" for number in range(count))
        repo.git("update-index", "--index-info", input="".join(f"100644 {blob}\t{name}\n" for name in names))

    def python(self, code: str) -> Command:
        """The interpreter gitclaim runs on, with other code."""
        return Command([self.program.python, "-c", code], self.root, self.program.env)

    def push(self, repo: Repo, url: str, name: str) -> Command:
        """The reference: a raw push of one new ref under a lease; its commit is made beforehand."""
        argv = push_argv(url, repo.empty_commit(name), {f"refs/raw/{name}": ""}, atomic=False)
        return Command(["git", *argv], repo.path)


def stock(registry: Repo, count: int, *, expired: int = 0, packed: bool = True) -> None:
    """Fill a registry with claims that others took: `count` live ones, and as many expired as asked for.

    Args:
        registry: the repository their refs stand in.
        count: live claims.
        expired: expired claims.
        packed: whether the registry looks as after `git gc`, else as after that many pushes.
    """
    now = whole_seconds(datetime.now(UTC))
    dates = [now - timedelta(minutes=5)] * count + [now - timedelta(days=1)] * expired
    commits = [_commit(number, taken) for number, taken in enumerate(dates)]
    pack = _pack(body for _, body in commits)
    command = ["index-pack", "--stdin"] if packed else ["unpack-objects", "-q"]
    subprocess.run(["git", *command], cwd=registry.path, input=pack, check=True, stdout=subprocess.DEVNULL)
    lines = [f"create {ref} {_name(body)}" for ref, body in commits]
    registry.git("update-ref", "--stdin", input="\n".join([*lines, ""]))
    settle(registry, packed=packed)


def settle(repo: Repo, *, packed: bool) -> None:
    """Bring a repository's refs into the form that `git gc` leaves, or leave them as they were written."""
    if packed:
        repo.git("pack-refs", "--all")


def _commit(number: int, taken: datetime) -> tuple[str, bytes]:
    """A claim's ref and its commit, of the size and form that a signed one has; the signature is a made-up one."""
    claim = Claim(
        id=ClaimId.made(int(taken.timestamp() * 1000), number.to_bytes(10)),
        session=Session(f"session-{number % 97:02d}"),
        resources=(Resource(Kind.PATH, f"src/module_{number // 100:03d}/file_{number % 100:02d}.py"),),
        taken=taken,
        expires=taken + timedelta(minutes=60),
        purpose="Add pagination to the users endpoint",
        branch="feature/pagination",
    )
    person = f"Test <test@example.org> {int(taken.timestamp())} +0000"
    armour = ["-----BEGIN SSH SIGNATURE-----", *["U1NIU0lH" * 8 + "AAAAMw"] * 4, "-----END SSH SIGNATURE-----"]
    header = [f"tree {_EMPTY_TREE}", f"author {person}", f"committer {person}", "gpgsig " + "\n ".join(armour)]
    return claim.refs[0], ("\n".join(header) + "\n\n" + format_claim(claim)).encode()


def _name(commit: bytes) -> str:
    return hashlib.sha1(b"commit %d\0" % len(commit) + commit).hexdigest()


def _pack(commits: Iterable[bytes]) -> bytes:
    """A pack with these commits (gitformat-pack(5)): thousands of objects by one process."""
    entries = [_entry(commit) for commit in commits]
    pack = b"".join([struct.pack(">4sII", b"PACK", 2, len(entries)), *entries])
    return pack + hashlib.sha1(pack).digest()


def _entry(commit: bytes) -> bytes:
    size = len(commit)
    head = bytearray([_COMMIT << 4 | size & 0xF])
    size >>= 4
    while size:
        head[-1] |= 0x80
        head.append(size & 0x7F)
        size >>= 7
    return bytes(head) + zlib.compress(commit)
