"""A server with its wall and a claim on it, and somebody who can push and wants what is claimed."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from tests.kit.attacker import Attacker, fields, make_key, server_python, signing_with, wall
from tests.kit.repos import Ran, Repo, make_bare, make_clones

SRC: Final = "refs/claims/path/src"
TASK: Final = "refs/claims/task/7"
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
HELD_BY_ALICE: Final = "alice holds src, task:7 until"


@dataclass(frozen=True, slots=True)
class Scene:
    """A server with its wall: alice holds `src` and `task:7`, and renewed that once; mallory can push, and wants it."""

    alice: Repo
    mallory: Attacker
    remote: Repo
    root: Path
    python: Path

    @property
    def attacked(self) -> Repo:
        """Where mallory works."""
        return self.mallory.repo

    @property
    def held(self) -> str:
        """The object of alice's claim, which mallory has fetched."""
        return self.attacked.git("rev-parse", "refs/seen/path/src")

    @property
    def older(self) -> str:
        """The step of alice's claim before that."""
        return self.attacked.git("rev-parse", "refs/seen/path/src^")

    @property
    def id(self) -> str:
        """The id of alice's claim."""
        return fields(self.attacked, self.held)["Claim"]

    @property
    def holder(self) -> Attacker:
        """Alice, with a hand of her own."""
        return Attacker(self.alice, self.alice.path / ".git" / "gitclaim" / "key")

    @property
    def maintainer(self) -> Attacker:
        """Carol, who is listed as a maintainer, in mallory's clone."""
        return Attacker(self.attacked, self.root / "keys" / "carol")

    def plain(self) -> None:
        """From now on the server is a plain host."""
        (self.remote.path / "hooks" / "pre-receive").unlink()

    def decide(self, text: str, **files: str) -> None:
        """What stands on the default branch from now on, as a maintainer pushed it."""
        for name, content in {".gitclaim.yaml": text, **files}.items():
            (self.alice.path / name).write_text(content, encoding="utf-8")
            self.alice.git("add", "--force", name)
        self.alice.git("commit", "--quiet", "--no-verify", "-m", "decide", env=signing_with(self.maintainer.key))
        self.alice.git("push", "--quiet", "origin", "HEAD:refs/heads/main")


def build(root: Path, where: Path) -> None:
    """Make the scene there, with the server's interpreter elsewhere."""
    remote = make_bare(root / "remote.git")
    clones = make_clones(root, remote, remote.path.as_uri())
    alice, bob = clones.alice, clones.bob
    for name in ("src/a", "docs/b"):
        alice.commit_file(name, f"{name}\n" * 10)
    carol = Attacker(alice, make_key(root / "keys", "carol"))
    alice.commit_file(".gitclaim.yaml", f"maintainers: ['{carol.public}']\nmax-ttl: 8h\n")
    alice.git("push", "--quiet", "origin", "main")
    make_key(root / "keys", "mallory")
    wall(remote, server_python(where))
    alice.claim("take", "src", "task:7")
    alice.claim("renew")
    bob.git("pull", "--quiet")
    bob.claim("list")
    bob.git("fetch", "--quiet", "origin", "refs/claims/*:refs/seen/*")


def copied(built: Path, python: Path, root: Path) -> Scene:
    """The scene that was built there, elsewhere."""
    shutil.copytree(built, root, symlinks=True, dirs_exist_ok=True)
    for name in ("alice", "bob"):
        for file in ("config", "gitclaim/mirror.json"):
            path = root / name / ".git" / file
            path.write_text(path.read_text().replace(str(built.with_name("draft")), str(root)))
    mallory = Attacker(Repo(root / "bob", "mallory"), root / "keys" / "mallory")
    return Scene(Repo(root / "alice", "alice"), mallory, Repo(root / "remote.git"), root, python)


def refused(scene: Scene, attack: Callable[[], Ran], *words: str) -> None:
    """The push is refused with these words, and nothing has changed."""
    before = scene.remote.refs("refs")
    ran = attack()
    said = " ".join(ran.stderr.replace("remote:", " ").split())
    assert ran.code != 0, said
    for word in words:
        assert word in said, said
    assert scene.remote.refs("refs") == before


def refused_push(scene: Scene, refs: Mapping[str, str | None], *words: str) -> None:
    """Mallory's push is refused with these words, and nothing has changed."""
    refused(scene, lambda: scene.mallory.push(refs), *words)


def accepted(ran: Ran) -> None:
    """The push was let in."""
    assert ran.code == 0, ran.stderr


def commit(repo: Repo, name: str = "src/a", content: str = "mallory\n", words: str = "work") -> str:
    """A commit on the branch that is checked out, past every hook of the clone."""
    target = repo.path / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)
    repo.git("add", "--", name)
    repo.git("commit", "--quiet", "--no-verify", "-m", words)
    return repo.git("rev-parse", "HEAD")


def lines(scene: Scene, *words: str) -> list[str]:
    """What serve-hook says is refused, asked by hand."""
    text = "".join(f"{word}\n" for word in words)
    ran = scene.remote.claim("serve-hook", "--json", input=text, code=None)
    assert ran.code in {0, 1}, ran.stderr
    return [one["message"] for one in ran.json["refusals"]]


def held_by_alice(scene: Scene, refs: Mapping[str, str | None], *options: str) -> None:
    """Mallory's push is refused because alice holds what it touches."""
    refused(scene, lambda: scene.mallory.push(refs, *options), "held by alice until", "gitclaim land")
