"""Ref stores over the kit's repositories, as `workspace` would make them."""

import os
from collections.abc import Mapping
from pathlib import Path

from gitclaim.clock import SystemClock
from gitclaim.git import Git, clean_environment
from gitclaim.mirror import Mirror
from gitclaim.names import Oid, RefName
from gitclaim.refstore.local import LocalStore
from gitclaim.refstore.remote import RemoteStore
from gitclaim.state import State
from tests.kit.repos import Repo

PATH = "refs/claims/path"


def git_in(repo: Repo, *, timeout: float = 30.0, env: Mapping[str, str] | None = None) -> Git:
    """The git program in a repository, in gitclaim's environment."""
    environ = clean_environment({**os.environ, **repo.env, **(env or {})}, interactive=False)
    return Git(environ, str(repo.path), timeout)


def state_in(repo: Repo) -> State:
    """The clone's own files, shared by its linked work trees."""
    return State(Path(repo.git("rev-parse", "--path-format=absolute", "--git-common-dir")) / "gitclaim")


def mirror_in(repo: Repo, url: str, *, timeout: float = 30.0, env: Mapping[str, str] | None = None) -> Mirror:
    """The mirror of the registry at `url`."""
    return Mirror(git_in(repo, timeout=timeout, env=env), state_in(repo), SystemClock(), target=url, registry=url)


def remote_store(repo: Repo, url: str, *, timeout: float = 30.0, env: Mapping[str, str] | None = None) -> RemoteStore:
    """One clone's store over the registry at `url`."""
    git = git_in(repo, timeout=timeout, env=env)
    return RemoteStore(git, state_in(repo), mirror_in(repo, url, timeout=timeout, env=env), target=url)


def local_store(repo: Repo) -> LocalStore:
    """The store over the repository itself."""
    return LocalStore(git_in(repo))


def commit(repo: Repo, words: str) -> Oid:
    """An object of the repository that a ref can point at."""
    return Oid(repo.empty_commit(words))


def commits(repo: Repo, count: int) -> tuple[Oid, ...]:
    """As many objects, none following another, made by one process."""
    stream = [
        f"commit refs/made/{number}\nmark :{number + 1}\n"
        f"committer A <a@b> {number} +0000\ndata 0\nget-mark :{number + 1}\n"
        for number in range(count)
    ]
    return tuple(map(Oid, repo.git("fast-import", "--quiet", "--force", input="".join(stream)).split()))


def ref(name: str) -> RefName:
    """The ref of a path."""
    return RefName(f"{PATH}/{name}")
