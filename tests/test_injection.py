"""Everything that comes from a claim, a ref or a name is data: never a command, an option, a path or a format."""

import hashlib
import os
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from gitclaim.resources import Kind, Resource
from tests.kit.garbage import UNSAFE, claim_message, push, raw_commit
from tests.kit.repos import Ran, Repo, make_bare, make_clone, run
from tests.kit.sized import few
from tests.test_push import hooked

CANARY: Final = "canary"
"""What every attack would make, wherever it is run."""

WORDS: Final = (
    f"--upload-pack=touch {CANARY}",
    f"-oProxyCommand=touch {CANARY}",
    f"$(touch {CANARY})",
    f"`touch {CANARY}`",
    f"'\";touch {CANARY};'",
    f"|touch {CANARY}|",
    "--exec=false",
    "-",
    "--",
    "%s%n%x00{0}{__class__}%(refname)$HOME~",
)
"""Whatever a shell, git, printf or Python's own formatting could take for its own."""

WEIRD: Final = ("esc\x1b]8;;http:x\x07y", "c1\x9b31m", "bidi\u202eexe", "line\nbreak: x", "raw\udcff", "tab\tbell\x07")
"""What a terminal could take for its own, and bytes that are not UTF-8."""

SESSIONS: Final = (
    f"$(touch${{IFS}}{CANARY})",
    f"`touch${{IFS}}{CANARY}`",
    "../../../../etc/passwd",
    "/etc/passwd",
    "%s%n{0}%(refname)",
    f"';touch${{IFS}}{CANARY};'",
    "..",
    "\U0001f680" * 128,
)

BIG: Final = "x" * 900_000
"""A claim with it is just small enough to be read."""


class World(NamedTuple):
    """A registry full of hostile claims, and a victim's clone of it.

    Args:
        root: where everything lies.
        alice: the victim's clone.
        mallory: the clone of who pushed all that.
        home: the home of both.
    """

    root: Path
    alice: Repo
    mallory: Repo
    home: Path


def hostile_claims() -> Iterator[tuple[Resource, Mapping[str, str]]]:
    """Claims in good form whose every field says something else to some program, and the resource each holds."""
    for number, word in enumerate(WORDS):
        kind = (Kind.TASK, Kind.TOPIC)[number % 2]
        fields = {"purpose": f"{word}\n\nClaim: {word}", "Branch": word, "Odd": word, "Replaces": word}
        name = f"task {word} {number}" if kind is Kind.TOPIC else word
        for resource in (Resource(Kind.PATH, word), Resource(kind, name)):
            yield resource, {**fields, "Session": SESSIONS[number % len(SESSIONS)]}
    for number, word in enumerate(WEIRD):
        quoted = Resource(Kind.PATH, word).spec.partition(":")[2]
        yield Resource(Kind.PATH, word), {"Branch": quoted, "Session": SESSIONS[number], "Needs": quoted}
    for number, name in enumerate(("Branch", "Odd")):
        yield Resource(Kind.PATH, f"big/{number}"), {name: BIG}


def patterned() -> Iterator[tuple[Resource, Mapping[str, str]]]:
    """Claims by patterns; git is asked which files match. What the first ones exclude is theirs alone."""
    for number, patterns in enumerate(
        (
            (":!*", ":(exclude)--x", ":(exclude,attr:x)y"),
            (f"--output={CANARY}", ":(glob)../../**", "/etc/*", "-z", ":(nonsense)x", "**/*.sql"),
        )
    ):
        # In one field: the trailers of one key stand below one another.
        fields = {"Pattern": "\nPattern: ".join(patterns), "Session": SESSIONS[0]}
        yield Resource(Kind.PATH, f"some{number}.sql"), fields


def malformed_claims() -> Iterator[tuple[str, bytes]]:
    """What is no claim though it looks like one, and the ref it is to stand at."""
    for number, word in enumerate(WEIRD):
        for key in ("Session", "Claim", "Taken", "Base", "Resource"):
            yield f"path/bad/{key}-{number}", claim_message("bad", **{key: word.replace("\n", "\r")})
    yield "path/bad/nul", claim_message("bad/nul", Branch=f"\0--upload-pack=touch {CANARY}")
    yield "path/bad/traverse", claim_message("bad", Resource="path:../../../../etc/passwd")
    yield "path/bad/id", claim_message("bad/id", Claim="../../../../etc/passwd")
    yield "path/bad/session", claim_message("bad/session", Session=f"--upload-pack=touch{CANARY}")
    yield "path/bad/big", claim_message("bad/big", Session=BIG)
    for number, word in enumerate(WORDS):
        yield f"path/bad/--word-{number}", word.encode()
        yield f"path/bad/format-{number}", claim_message("bad", Claim_Format=word)


def build(root: Path) -> None:
    """The world, with a relative address, so that copies of it are worlds of their own."""
    make_bare(root / "remote.git")
    for name in ("alice", "mallory"):
        make_clone((root / "remote.git").as_uri(), root / name, session=name).git(
            "remote", "set-url", "origin", "../remote.git"
        )
    mallory, alice = Repo(root / "mallory", "mallory"), Repo(root / "alice", "alice")
    alice.claim("take", "mine", "task:mine", "--for", "Ordinary work")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", root / "mallory/.git/key", cwd=root, env=os.environ)
    refs = {}
    claims = [*hostile_claims(), *patterned()]
    for number, (resource, fields) in enumerate(claims):
        identity = f"01M7YC401KXTB8VF507NG{number:05}"
        message = claim_message("x", **{"Resource": resource.spec, "Claim": identity, **fields})
        oid = signed(mallory, message.decode("utf-8", "surrogateescape"))
        refs[resource.ref.removeprefix("refs/claims/")] = oid
        if "Pattern" in fields:
            mallory.git("push", "--quiet", "origin", f"{oid}:refs/gitclaim/pattern/{identity}")
    refs |= {name: raw_commit(mallory, message) for name, message in malformed_claims()}
    refs["path/--upload-pack=x"] = refs["path/-ref"] = refs["path/\u9b31-\u00e9"] = next(iter(refs.values()))
    push(mallory, refs)


def signed(repo: Repo, message: str) -> str:
    """A commit over the empty tree, really signed, by an author of that kind."""
    tree = repo.git("hash-object", "-t", "tree", "-w", "--stdin")
    author = {"GIT_AUTHOR_NAME": f"\x1b]0;x\x07\u202e\x9b$(touch {CANARY})", "GIT_AUTHOR_EMAIL": f"`touch {CANARY}`"}
    key = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={repo.path / '.git/key'}")
    return repo.git(*key, "commit-tree", "-S", tree, "-F", "-", input=message, env=author)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the world is built, by the first test that needs it: the others get copies."""
    return tmp_path_factory.mktemp("world") / "built"


@pytest.fixture
def world(built: Path, tmp_path: Path, home: Path) -> World:
    """A world of the test's own, in a directory with a name as bad as the claims."""
    if not built.exists():
        draft = built.with_name("draft")
        build(draft)
        draft.rename(built)
    root = tmp_path / f"--upload-pack=$(touch {CANARY});\x1b[31m'\"\u202e"
    shutil.copytree(built, root, symlinks=True)
    return World(root, Repo(root / "alice", "alice"), Repo(root / "mallory", "mallory"), home)


def state_of(world: World, besides: Path | None) -> dict[str, str]:
    """Every file of the world that no command has any business with, and what is in it."""
    ours = ("gitclaim", "objects", "refs", "packed-refs")
    found = {}
    for base in (world.root.parent, world.home):
        for directory, names, files in os.walk(base):
            if besides and besides.name in names and besides.parent == Path(directory):
                names.remove(besides.name)
            if Path(directory).name in {".git", "remote.git"}:
                names[:] = [name for name in names if name not in ours]
            for name in files:
                path = Path(directory, name)
                if name not in ours:
                    content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
                    found[str(path)] = hashlib.sha1(content).hexdigest()
    return found


@contextmanager
def untouched(world: World, besides: Path | None = None) -> Iterator[None]:
    """Demand that what happens meanwhile changes no file but gitclaim's own, claims, and the objects they are."""
    before = state_of(world, besides)
    yield
    assert state_of(world, besides) == before
    assert canaries(world) == []


def canaries(world: World) -> list[Path]:
    """What attacks made, here or where the tests were started."""
    return [*world.root.parent.rglob(CANARY), *world.home.rglob(CANARY), *Path.cwd().glob(CANARY)]


def safe(ran: Ran) -> Ran:
    """The run, which ended as documented and printed nothing that a terminal obeys."""
    said = ran.stdout + ran.stderr
    assert ran.code in range(8), ran
    assert "Traceback" not in said, said
    assert "bug in gitclaim" not in said, said
    assert not UNSAFE.search(said), (UNSAFE.findall(said)[:9], said[:3000])
    return ran


HOSTILE: Final = tuple(hostile_claims())
SPECS: Final = tuple(resource.text if resource.name in WORDS else f"path:{resource.name}" for resource, _ in HOSTILE)
"""What the hostile claims hold, as it is named on a command line."""

LOOKING: Final = (
    "list",
    "list --expired --verify",
    "show .",
    "show -- task:--",
    "check",
    "session",
    "doctor",
    "init",
    "sweep --dry-run --malformed-after 1s",
)


@pytest.mark.parametrize("line", few(LOOKING, 4))
def test_commands_that_look_only_look(world: World, line: str) -> None:
    """As text and as JSON."""
    words = line.split()
    more = ["--", *SPECS] if line == "check" else []
    with untouched(world):
        if line not in {"session", "init"}:
            safe(world.alice.claim(*words, *more, code=None))
        said = safe(world.alice.claim(words[0], "--json", *words[1:], *more, code=None)).json
    assert said["command"] == words[0]
    if line.endswith("--verify"):
        live = [one for one in said["claims"] if (one["standing"], one["signature"]) == ("live", "good")]
        assert len(live) > len(WORDS) + len(WEIRD), "else this file would test nothing"


def test_taking_what_is_in_the_way_is_denied(world: World) -> None:
    """All at once, and one by one what looks most like an option; what stands beside it can be had."""
    with untouched(world):
        said = safe(world.alice.claim("take", "--json", "--", *SPECS, code=3)).json
        assert {one["reason"] for one in said["blockers"]} >= {"HELD"}
        for name in (f"path:{WORDS[0]}", f"path:{WEIRD[0]}", "big", "."):
            safe(world.alice.claim("take", "--", name, code=3))
        safe(world.alice.claim("take", "free", "lane:free", "--for", WORDS[2], code=0))


def test_what_is_held_among_it_can_be_kept_given_and_released(world: World) -> None:
    """And to a session with such a name."""
    with untouched(world):
        safe(world.alice.claim("give", "task:mine", "--to", SESSIONS[0], code=0))
        safe(world.alice.claim("renew", "--json", code=0))
        safe(world.alice.claim("release", "--all", code=0))
        for session in (SESSIONS[2], SESSIONS[7]):
            held = world.alice.claim("take", "lane:x", "--json", session=session)
            assert safe(held).json["claim"]["session"] == session
            assert session in safe(world.alice.claim("session", session=session, code=0)).stdout
            safe(world.alice.claim("release", "lane:x", session=session, code=0))


def test_a_victim_s_claim_that_is_broken_or_given_tells_why_safely(world: World) -> None:
    """By a session and for a reason that are commands."""
    alice, mallory = world.alice, world.mallory
    alice.claim("take", "free")
    with untouched(world):
        safe(mallory.claim("break", "mine", "--reason", WORDS[2], session=SESSIONS[0], code=0))
        safe(mallory.claim("take", "gift", "--for", WORDS[9], session=SESSIONS[4], code=0))
        safe(mallory.claim("give", "gift", "--to", "alice", session=SESSIONS[4], code=0))
        told = safe(alice.claim("renew", code=5)).stdout
        assert f"was broken by {SESSIONS[0]}: {WORDS[2]}" in told
        safe(alice.claim("show", "gift", code=0))
        safe(alice.claim("release", "--all", code=None))


def test_all_of_it_can_be_broken_and_swept(world: World) -> None:
    with untouched(world):
        for name in (f"path:{WORDS[0]}", "task:--", f"path:{WEIRD[4]}", "some1.sql"):
            safe(world.alice.claim("break", "--reason", WORDS[3], "--", name, code=0))
        safe(world.alice.claim("sweep", "--malformed-after", "1s", code=0))
        time.sleep(1.1)
        swept = safe(world.alice.claim("sweep", "--malformed-after", "1s", "--json", code=0)).json
    assert len(swept["removed"]) >= len(tuple(malformed_claims()))


FILES: Final = (*WORDS[:7], "-n", "new.sql", *WEIRD)


def test_hooks_stop_and_tell_and_do_nothing_else(world: World) -> None:
    """git itself in the victim's clone: commits and a push of files with such names, from a branch with such a name."""
    alice = hooked(world.alice)
    for name in FILES:
        Path(os.fsdecode(os.fsencode(alice.path) + b"/" + os.fsencode(name))).write_text("x")
    alice.git("symbolic-ref", "HEAD", "refs/heads/--upload-pack=x")
    alice.git("add", "--all")
    with untouched(world, alice.path):
        stopped = safe_hook(alice.try_git("commit", "-m", "all"))
        assert stopped.count("blocked: ") >= 5
        assert "blocked: new.sql matches " in stopped, "what is wrong with other patterns does not matter"
        pasted(world, stopped)
        alone = safe_hook(alice.try_git("commit", "-m", "one", "--", f":(top,literal){FILES[0]}"))
        assert "ways out" in alone
        pasted(world, alone)
        alice.git("commit", "--quiet", "--no-verify", "-m", "all")
        pasted(world, safe_hook(alice.try_git("push", "origin", "HEAD")))
        (alice.path / "mine").write_text("x")
        alice.git("add", "mine")
        alice.git("commit", "--quiet", "-m", "$(touch canary)\n\n%s{0}", "--", "mine")
        assert "Claim: " in alice.git("log", "-1", "--format=%B")


def safe_hook(ran: Ran) -> str:
    """What a hook said that stopped git."""
    assert ran.code == 1, ran
    return safe(ran).stderr


def pasted(world: World, said: str) -> None:
    """Run every command that was proposed, as somebody who pastes it: programs get names, and nothing else is run."""
    bin_ = world.root.parent / "bin"
    bin_.mkdir(exist_ok=True)
    for name in ("git", "gitclaim"):
        (bin_ / name).write_text(f'#!/bin/sh\nprintf "%s\\0" "$@" >>{shlex.quote(str(bin_ / "log"))}\n')
        (bin_ / name).chmod(0o755)
    (bin_ / "touch").symlink_to(shutil.which("touch") or "touch")
    lines = [line.removeprefix("  ways out").strip() for line in said.splitlines()]
    commands = [line for line in lines if line.startswith(("git ", "gitclaim ")) and "TEXT" not in line.split()[-1:]]
    assert commands
    for line in commands:
        run("/bin/sh", "-c", line, cwd=world.alice.path, env={"PATH": str(bin_)})
    words = (bin_ / "log").read_text().split("\0")
    assert not [word for word in words if word.startswith(("--upload-pack", "-oProxy", "--exec"))]
    shutil.rmtree(bin_)


ASKED: Final = {
    "take -- --foo": 0,
    "take --session=-x a": 2,
    "take --for=--foo -- ./-a": 0,
    "give --to=-x mine": 2,
    "show -- -mine": 1,
    "list -- --all": 0,
    "check -- -z": 0,
    "check --range=--output=canary": 1,
    "take --glob=-*": 2,
}


def test_what_a_user_names_is_a_name(world: World) -> None:
    """A dash in front, a line break, an escape: claimed as it is, or refused in a line."""
    alice = world.alice
    with untouched(world):
        for line, code in ASKED.items():
            safe(alice.claim(*line.split(), code=code))
        for name in ("a\nb", "\x1b[31m%s", "$(touch other)"):
            held = safe(alice.claim("take", f"path:{name}", "--json", code=0)).json["claim"]["resources"]
            assert held == [Resource(Kind.PATH, name).spec]
        for args in (("take", "task:a\nb"), ("\x1b[31m",), ("take", "--\x1b[31m")):
            safe(alice.claim(*args, code=2))


REGISTRIES: Final = (
    "--upload-pack=touch canary",
    "ext::sh -c touch% canary",
    "ssh://-oProxyCommand=touch canary/x",
    "file:///$(touch canary)\x1b[31m",
)


@pytest.mark.parametrize("where", ["file", "config", "remote", "url"])
def test_a_registry_is_an_address(world: World, where: str) -> None:
    """In .gitclaim.yaml, in git's configuration, as a remote's name or as its URL."""
    alice = world.alice
    for name in REGISTRIES if where != "remote" else REGISTRIES[:1]:
        if where == "file":
            (alice.path / ".gitclaim.yaml").write_text("registry: " + repr(name).replace("'", '"') + "\n")
        elif where == "config":
            alice.git("config", "gitclaim.registry", name)
        elif where == "remote":
            alice.git("config", f"remote.{name}.url", "../remote.git")
            alice.git("config", "gitclaim.registry", name)
        else:
            alice.git("config", "remote.origin.url", name)
        with untouched(world):
            ran = safe(alice.claim("take", "new", code=None))

        assert (ran.code == 0) == (where == "remote")


def test_a_branch_is_a_name(world: World) -> None:
    """A dash in front: git itself makes none, but checks one out that was pushed."""
    alice = world.alice
    alice.git("update-ref", "refs/heads/--upload-pack=touch", "HEAD")
    alice.git("symbolic-ref", "HEAD", "refs/heads/--upload-pack=touch")
    with untouched(world):
        claim = safe(alice.claim("take", "new", "--json", code=0)).json["claim"]
        assert claim["branch"] == "--upload-pack=touch"
        for line in ("show new", "renew", "check --range=HEAD..--upload-pack=touch"):
            safe(alice.claim(*line.split(), code=None))
