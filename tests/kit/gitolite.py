"""A git host that knows who pushes: Debian's gitolite, with a home and an sshd of its own."""

import contextlib
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from tests.kit.repos import Repo, make_clone, run
from tests.kit.sealed import sealed_env
from tests.kit.ssh import Ssh
from tests.kit.transport import program
from tests.kit.transports import absent

ADMIN: Final = "admin"

ANY_REF: Final = r"$REF_OR_FILENAME_PATT = qr(^[0-9a-zA-Z][^\x00-\x1f\x7f]*$);"
"""For `configure`: gitolite takes every ref that git takes, not only letters, digits and `-._@/+,`."""

_REQUIRED: Final = os.environ.get("GITCLAIM_REQUIRE_TRANSPORTS") == "1"  # read before a test is sealed


class Gitolite:
    """A gitolite below `root` while the block lasts, run by whoever runs the tests; it knows `users` and ADMIN.

    It is what `gitolite setup` makes. Whatever else a test needs is asked as an administrator asks it: by a
    push to the admin repository (`create`) or in `~/.gitolite.rc` (`configure`).
    """

    def __init__(self, root: Path, users: Sequence[str] = ("alice", "bob")) -> None:
        self.home = root / "gitolite"
        self._users = users
        self._sshd = _Sshd(self.home, (ADMIN, *users))
        self._admin = Repo(root / "gitolite-admin")

    @staticmethod
    def available() -> bool:
        """Tell if gitolite, and the ssh it is reached by, are installed."""
        return _Sshd(Path(), ()).available() is None

    def __enter__(self) -> Self:
        try:
            self._sshd.start(self.home)
            env = {**sealed_env(self.home), **self.env(ADMIN)}
            self._admin = make_clone(self.url("gitolite-admin"), self._admin.path, session=ADMIN, env=env)
        except BaseException:
            self._sshd.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._sshd.stop()

    def create(self, repo: str, *rules: str) -> Repo:
        """Make a repository with one commit on `main`, and return the bare one on the server's disk.

        A rule is a line of gitolite's, such as `RW+ = alice`; without any, every user but ADMIN has RW+.
        """
        lines = [f"repo {repo}", *(rules or (f"RW+ = {' '.join(self._users)}",))]
        with (self._admin.path / "conf" / "gitolite.conf").open("a", encoding="utf-8") as conf:
            conf.write("\n" + "\n    ".join(lines) + "\n")
        self._admin.git("commit", "--quiet", "--all", "--message", repo)
        self._admin.git("push", "--quiet", "origin", "HEAD")
        bare = Repo(self.path(repo), env=sealed_env(self.home))
        bare.git("symbolic-ref", "HEAD", "refs/heads/main")
        bare.git("update-ref", "refs/heads/main", bare.empty_commit("start"))
        return bare

    def configure(self, perl: str) -> None:
        """Add to `~/.gitolite.rc`, which every connection reads anew; hooks need `setup` after it."""
        with (self.home / ".gitolite.rc").open("a", encoding="utf-8") as rc:
            rc.write(f"\n{perl}\n1;\n")  # Perl demands that a file it reads ends in something true

    def setup(self) -> None:
        """Run `gitolite setup`, as after a change on the server's disk: it links the hooks again."""
        _gitolite("setup", home=self.home)

    def url(self, repo: str) -> str:
        """Return a repository's address, the same for every user: the key tells who comes."""
        return self._sshd.url(Path("/", repo))

    def path(self, repo: str) -> Path:
        """Return the bare repository's directory on the server's disk."""
        return self.home / "repositories" / f"{repo}.git"

    def env(self, user: str) -> Mapping[str, str]:
        """Return what git needs in its environment to come as this user."""
        return self._sshd.env_of(user)


@contextlib.contextmanager
def serving_gitolite(root: Path) -> Iterator[Gitolite]:
    """Run a gitolite while the block lasts; skip the test where that is impossible."""
    if reason := _Sshd(root, ()).available():
        absent(reason, required=_REQUIRED)
    with Gitolite(root) as gitolite:
        yield gitolite


class _Sshd(Ssh):
    """The sshd before gitolite's door: who comes with which key, and what that starts, is gitolite's to say.

    All log in as the user who runs the tests. sshd sets HOME to what /etc/passwd says about that user, and
    gitolite would look there for all it has; but what `SetEnv` says comes later and wins. So the forced
    commands that gitolite writes into `authorized_keys` serve as they are, and the base class does the rest.
    """

    name = "gitolite"

    def __init__(self, home: Path, users: Sequence[str]) -> None:
        super().__init__()
        self._home = home
        self._users = users

    def available(self) -> str | None:
        return super().available() or (None if program("gitolite") else f"{self.name}: not installed")

    def env_of(self, user: str) -> Mapping[str, str]:
        env = self.env()
        ssh, *words = shlex.split(env["GIT_SSH_COMMAND"])
        # ssh tries the keys in the order of its options; the base class' key comes last and opens nothing here.
        return {**env, "GIT_SSH_COMMAND": shlex.join([ssh, f"-oIdentityFile={self._key(user)}", *words])}

    def _serve(self, env: dict[str, str]) -> None:
        env = sealed_env(self._home)
        # Of the admin repository's branches gitolite heeds `master` alone, whatever git calls the first one.
        run("git", "config", "--global", "init.defaultBranch", "master", cwd=self._home, env=env)
        # The first `setup` takes up the keys that it finds here; each one later would cost a push.
        keydir = self._home / ".gitolite" / "keydir"
        for directory in (keydir, keydir.with_name("logs"), self._key("")):
            directory.mkdir(parents=True)
        for user in self._users:
            key = self._key(user)
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", user, "-f", key, cwd=self._state, env=env)
            (keydir / f"{user}.pub").write_bytes(key.with_suffix(".pub").read_bytes())
        _gitolite("setup", "-pk", keydir / f"{ADMIN}.pub", home=self._home)
        super()._serve(env)

    def _write_config(self, sshd: str, env: Mapping[str, str]) -> Path:
        config = super()._write_config(sshd, env)
        line = f"AuthorizedKeysFile {self._home / '.ssh' / 'authorized_keys'}\n"
        config.write_text(line + config.read_text(encoding="utf-8"), encoding="utf-8")  # the first of two counts
        return config

    def _key(self, user: str) -> Path:
        return self._state / "users" / user


def _gitolite(*args: str | Path, home: Path) -> None:
    run(program("gitolite") or "gitolite", *args, cwd=home, env=sealed_env(home))
