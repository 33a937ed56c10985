"""What people configure: read as they meant it, or refused with the place and the way out."""

import os
from pathlib import Path

import pytest

from gitclaim.errors import GitclaimError
from gitclaim.settings import Target, parse_file, read_settings, target_of
from tests.kit.repos import Repo


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# a\n\nregsitry: origin\n", "line 3: unknown key: regsitry; did you mean registry?"),
        (
            "owner: me\n",
            (
                "line 1: unknown key: owner; known keys: budget, exempt, fresh, guard, keys, maintainers, "
                "max-ttl, offline, registry, session-variables, signers, timeout, trust, ttl, unclaimed, whole"
            ),
        ),
        ("ttl: 1h\nttl: 2h\n", "line 2: ttl stands there twice"),
        ("ttl: 5x\n", "line 1: ttl: not a length of time: '5x'"),
        ("\n\nttl: 31d\n", "line 3: ttl: a lease of 31d is too long"),
        ("ttl: [1h]\n", "line 1: ttl: one value is needed"),
        ("ttl:\n", "line 1: ttl: one value is needed"),
        ("timeout: soon\n", "line 1: timeout: not a number of seconds: 'soon'"),
        ("timeout: inf\n", "line 1: timeout: not a number of seconds: 'inf'"),
        ("timeout: nan\n", "line 1: timeout: not a number of seconds: 'nan'"),
        ("timeout: 0\n", "line 1: timeout: not a number of seconds: '0'"),
        ("registry: ext::sh -c id\n", "line 1: registry: may not name a remote helper: ext::sh -c id"),
        ("registry: EXT::x\n", "line 1: registry: may not name a remote helper: EXT::x"),
        ("registry: ::x\n", "line 1: registry: may not name a remote helper: ::x"),
        ("session-variables: [A, 'B C']\n", "line 1: session-variables: not the name of an environment variable: B C"),
        ("session-variables: {A: B}\n", "line 1: session-variables is neither a text nor a list of texts"),
        ("- ttl\n", "line 1: not a mapping"),
        ("ttl\n", "line 1: not a mapping"),
        ("[ttl]: 1h\n", "line 1: unknown key: a list or a mapping"),
        ("ttl: [1h\n", "line 2: expected ',' or ']', but got '<stream end>'"),
        ("ttl: 1h\nregistry: 'x\n", "line 3: found unexpected end of stream"),
        ("ttl: \x07\n", ": not YAML"),
        ("ttl: !!python/object/apply:os.system [id]\n", "line 1: ttl: one value is needed"),
        ("a\u202eb: 1\n", "line 1: unknown key: a\\u202eb"),
        ("[" * 9999, " is nested too deeply"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line(text: str, message: str) -> None:
    """What is wrong, where, and what was probably meant."""
    with pytest.raises(GitclaimError) as caught:
        parse_file(text)
    told = f"{caught.value.message}; {caught.value.hint}"
    assert told.startswith(f".gitclaim.yaml {message}" if message[0] not in " :" else f".gitclaim.yaml{message}")


def test_the_file_says_what_it_says() -> None:
    """Every key, in the ways YAML lets people write it; nothing is no mistake."""
    text = "registry: upstream\nttl: 2h # long\ntimeout: 5s\nsession-variables:\n  - A\n  - B_2\n"
    assert parse_file(text) == {
        "registry": ["upstream"],
        "ttl": ["2h"],
        "timeout": ["5s"],
        "session-variables": ["A", "B_2"],
    }
    assert parse_file("session-variables: A") == {"session-variables": ["A"]}
    assert parse_file("") == parse_file("# nothing\n") == {}


def test_git_s_configuration_wins(tmp_path: Path) -> None:
    """git config, then the file, then origin, then the repository itself."""
    (tmp_path / ".gitclaim.yaml").write_text("registry: up\nttl: 2h\ntimeout: 7\n")
    config = {"remote.up.url": ["/up"], "remote.origin.url": ["/origin"]}
    settings = read_settings(config, str(tmp_path))
    assert (settings.target, settings.source) == (Target("up", "/up"), ".gitclaim.yaml")
    assert (settings.ttl.total_seconds(), settings.timeout) == (7200, 7)
    config |= {"gitclaim.registry": ["a", "origin"], "gitclaim.ttl": ["3h"], "gitclaim.timeout": ["0.5"]}
    settings = read_settings(config, str(tmp_path))
    assert (settings.target, settings.source) == (Target("origin", "/origin"), "git config gitclaim.registry")
    assert (settings.ttl.total_seconds(), settings.timeout) == (10800, 0.5)
    assert read_settings({"remote.origin.url": ["/o"]}, None).source == "the remote origin"
    assert read_settings({}, None).target.embedded


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("ttl", "5x", "git config gitclaim.ttl: not a length of time: '5x'"),
        ("timeout", "x", "git config gitclaim.timeout: not a number of seconds: 'x'"),
        ("registry", "nope", "there is no remote named 'nope'"),
        ("regsitry", "origin", "git config gitclaim.regsitry means nothing"),
        ("time-out", "1", "git config gitclaim.time-out means nothing"),
    ],
)
def test_a_mistake_in_git_s_configuration_is_told(key: str, value: str, message: str) -> None:
    """The key is named; what is nearly one of ours is no other key."""
    with pytest.raises(GitclaimError) as caught:
        read_settings({f"gitclaim.{key}": [value]}, None)
    assert caught.value.message == message
    assert caught.value.hint


def test_keys_of_a_later_version_are_left_alone() -> None:
    """What resembles none of ours may be another version's."""
    assert read_settings({"gitclaim.colour-of-the-sky": ["blue"]}, None).target.embedded


@pytest.mark.parametrize(
    ("config", "target"),
    [
        ({"url": ["/a"]}, Target("r", "/a")),
        ({"url": ["."]}, Target(".", ".")),
        ({"url": ["https://me:secret@host/x.git"]}, Target("r", "https://me@host/x.git")),
        ({"url": ["https://token@host/x.git"]}, Target("r", "https://token@host/x.git")),
        ({"url": ["host:a@b:c/x"]}, Target("r", "host:a@b:c/x")),
    ],
)
def test_a_remote_is_known_by_its_address(config: dict[str, list[str]], target: Target) -> None:
    """Without the password that may stand in it: the address is shown, and kept beside the mirror."""
    assert target_of("r", {f"remote.r.{key}": value for key, value in config.items()}) == target


@pytest.mark.parametrize(
    ("config", "url"),
    [
        ({"remote.r.url": ["/a"], "remote.r.pushurl": ["/b", "/c"]}, "/b"),
        ({"remote.r.url": ["/a", "/b"]}, "/a"),
        ({"remote.r.url": ["/a"], "remote.r.mirror": ["true"]}, "/a"),
        ({"remote.r.url": ["https://h/x"], "url.ssh://h/.pushinsteadof": ["https://h/"]}, "ssh://h/x"),
        (
            {
                "remote.r.url": ["https://h/x"],
                "url.1:.pushinsteadof": ["https://"],
                "url.2:.pushinsteadof": ["https://h"],
            },
            "2:/x",
        ),
    ],
)
def test_claims_are_read_where_they_are_written(config: dict[str, list[str]], url: str) -> None:
    """A remote that fetches from one place and pushes to others is used by the address it pushes to, with a note."""
    target = target_of("r", config)
    assert (target.name, target.url) == (url, url)
    assert url in target.note


def test_an_address_needs_no_remote() -> None:
    """URLs and paths are taken as they are; a bare word is a remote's name, so a typo is told."""
    assert target_of("https://u:p@h/x", {}) == Target("https://u:p@h/x", "https://u@h/x")
    assert target_of("../x", {}).name == "../x"
    assert target_of(".", {"remote...url": ["/x"]}).embedded
    with pytest.raises(GitclaimError, match="no remote named 'x'"):
        target_of("x", {})


@pytest.mark.parametrize("kind", ["device", "pipe", "directory", "large", "latin", "unreadable"])
def test_whatever_lies_at_the_file_s_name_is_an_error(tmp_path: Path, kind: str) -> None:
    """The file comes with the tree: a link to a device, a pipe, a giant neither hang nor fill the memory."""
    file = tmp_path / ".gitclaim.yaml"
    match kind:
        case "device":
            file.symlink_to("/dev/zero")
        case "pipe":
            os.mkfifo(file)
        case "directory":
            file.mkdir()
        case "large":
            file.write_bytes(b"#" * (2 << 20))
        case "latin":
            file.write_bytes(b"registry: caf\xe9\n")
        case _:
            file.symlink_to(file)
    with pytest.raises(GitclaimError, match=r"\.gitclaim\.yaml"):
        read_settings({}, str(tmp_path))


def test_a_command_tells_the_mistake(alice: Repo) -> None:
    """Exit code 1, the line, the hint."""
    (alice.path / ".gitclaim.yaml").write_text("ttl: 1h\nregistri: origin\n")
    told = alice.claim("list", code=1)
    assert told.stderr == "error: .gitclaim.yaml line 2: unknown key: registri\nhint: did you mean registry?\n"


def test_a_password_is_never_shown(alice: Repo) -> None:
    """Not by init, not by an error, and not kept beside the mirror."""
    alice.git("remote", "set-url", "origin", "https://me:hunter2@localhost:1/x.git")
    for line in ("init", "take a --json", "list", "doctor"):
        ran = alice.claim(*line.split(), code=None)
        assert ran.code in {1, 4}
        assert "hunter2" not in ran.stdout + ran.stderr
    state = alice.path / ".git/gitclaim"
    assert not [path for path in state.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]


@pytest.mark.parametrize(
    "registry", ["./evil", "sub/../evil", "file://{top}/evil", "file://{top}/%65vil", "FILE://localhost{top}/evil"]
)
def test_the_file_may_not_name_a_registry_that_comes_with_the_tree(tmp_path: Path, registry: str) -> None:
    """git runs the hooks of a repository on disk it pushes to: whoever fetched the tree would run them."""
    (tmp_path / "evil").mkdir()
    (tmp_path / ".gitclaim.yaml").write_text(f"registry: {registry.format(top=tmp_path)}\n")
    with pytest.raises(GitclaimError, match="may not lie in the work tree"):
        read_settings({}, str(tmp_path))


def test_a_registry_beside_the_tree_is_fine(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "r.git").mkdir()
    (tmp_path / "tree" / ".gitclaim.yaml").write_text("registry: ../r.git\n")
    assert read_settings({}, str(tmp_path / "tree")).wished == "../r.git"


@pytest.mark.parametrize("text", ['exempt: ["a\\0b"]', 'registry: "/a\\ud800"', 'guard: ["\\0"]'])
def test_what_no_program_can_be_told_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(GitclaimError, match="line 1"):
        parse_file(f"{text}\n")
