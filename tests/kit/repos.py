"""Builders of real repositories, and the test-side hand on one of them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
"""The checkout under test: `python -m gitclaim` finds the package here, installed or not."""

PATIENCE: Final = 60.0
"""Seconds after which a process of a test is hung, not slow."""


class UnexpectedExitError(AssertionError):
    """A process ended with another code than the test expected; the message shows all it said."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What one process left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - the tests index into it; a type here would be a cast at each use
        """Standard output as the one JSON object that `--json` promises."""
        return json.loads(self.stdout)


def run(
    *argv: str | Path,
    cwd: Path,
    env: Mapping[str, str],
    code: int | None = 0,
    input: str | None = None,  # noqa: A002 - the name subprocess uses
    timeout: float = PATIENCE,
) -> Ran:
    """Run a program to its end; `code=None` accepts every exit code."""
    done = subprocess.run(
        [os.fspath(word) for word in argv],
        cwd=cwd,
        env=dict(env),
        input=input or "",
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=timeout,
        check=False,
    )
    ran = Ran(done.returncode, done.stdout, done.stderr)
    if code is not None and ran.code != code:
        words = " ".join(os.fspath(word) for word in argv)
        raise UnexpectedExitError(f"{words}: exit {ran.code}, not {code}\n{ran.stdout}\n{ran.stderr}")
    return ran


@dataclass(frozen=True, slots=True)
class Repo:
    """A repository on disk, seen from outside: git and gitclaim run in it as real processes.

    `env` is added to the process' (sealed) environment for every command, which is how a transport's ssh key
    or a broken transport reaches git.
    """

    path: Path
    session: str = "tester"
    env: Mapping[str, str] = field(default_factory=dict)

    def try_git(
        self,
        *args: str | Path,
        input: str | None = None,  # noqa: A002
        env: Mapping[str, str] | None = None,
        timeout: float = PATIENCE,
    ) -> Ran:
        """Run git and return what it said, whatever the exit code."""
        env = self._environ(env)
        return run("git", *args, cwd=self.path, env=env, code=None, input=input, timeout=timeout)

    def git(
        self,
        *args: str | Path,
        check: bool = True,
        input: str | None = None,  # noqa: A002
        env: Mapping[str, str] | None = None,
    ) -> str:
        """Run git and return its standard output without the last newline."""
        code = 0 if check else None
        ran = run("git", *args, cwd=self.path, env=self._environ(env), code=code, input=input)
        return ran.stdout.rstrip("\n")

    def claim(
        self,
        *args: str | Path,
        session: str | None = None,
        code: int | None = 0,
        input: str | None = None,  # noqa: A002
        env: Mapping[str, str] | None = None,
        timeout: float = PATIENCE,
    ) -> Ran:
        """Run `gitclaim` as this session, in a real process; `code` is the exit code the test expects."""
        environ = self._environ({"GITCLAIM_SESSION": session or self.session, "PYTHONPATH": str(ROOT), **(env or {})})
        argv = (sys.executable, "-m", "gitclaim", *args)
        return run(*argv, cwd=self.path, env=environ, code=code, input=input, timeout=timeout)

    def commit_file(self, name: str, content: str = "", message: str | None = None) -> str:
        """Write and commit one file; returns the id of the commit."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
        self.git("add", "--", name)
        self.git("commit", "--quiet", "--message", message or f"add {name}")
        return self.git("rev-parse", "HEAD")

    def empty_commit(self, words: str) -> str:
        """Write a commit over the empty tree, as a claim is one; returns its id.

        Equal words within one second make the same object, which two pushes can then both "win".
        """
        tree = self.git("hash-object", "-t", "tree", "-w", "--stdin")
        return self.git("commit-tree", tree, "-m", words)

    def refs(self, prefix: str = "refs/claims") -> dict[str, str]:
        """Every ref below `prefix`, with the object it points at."""
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)", prefix).splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def _environ(self, extra: Mapping[str, str] | None) -> dict[str, str]:
        return {**os.environ, **self.env, **(extra or {})}


@dataclass(frozen=True, slots=True)
class Clones:
    """Two clones of one bare remote: the smallest world in which two sessions can collide."""

    alice: Repo
    bob: Repo
    remote: Repo
    url: str


def make_repo(path: Path, *, session: str = "tester") -> Repo:
    """Make an empty repository with a working tree."""
    path.mkdir(parents=True)
    repo = Repo(path, session=session)
    repo.git("init", "--quiet")
    return repo


def make_bare(path: Path) -> Repo:
    """Make a bare repository with one commit on `main`, for clones of it to start like any project's."""
    path.mkdir(parents=True)
    bare = Repo(path)
    bare.git("init", "--quiet", "--bare")
    bare.git("update-ref", "refs/heads/main", bare.empty_commit("start"))
    return bare


def make_clone(url: str, path: Path, *, session: str, env: Mapping[str, str] | None = None) -> Repo:
    """Clone `url` for one session."""
    path.parent.mkdir(parents=True, exist_ok=True)
    extra = dict(env or {})
    run("git", "clone", "--quiet", url, path, cwd=path.parent, env={**os.environ, **extra})
    return Repo(path, session=session, env=extra)


def make_clones(root: Path, remote: Repo, url: str, env: Mapping[str, str] | None = None) -> Clones:
    """Make the clones of `alice` and `bob` below `root`, both over `url`."""
    alice, bob = (make_clone(url, root / name, session=name, env=env) for name in ("alice", "bob"))
    return Clones(alice, bob, remote, url)
