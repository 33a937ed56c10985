"""`gitclaim install` and `uninstall`: hooks where git looks, with what was there before, in real repositories."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from tests.kit.repos import ROOT, Clones, Ran, Repo, make_bare, make_clone, make_repo, run
from tests.kit.sized import few

HOOKS: Final = ("pre-commit", "pre-merge-commit", "prepare-commit-msg", "commit-msg", "pre-push")
SERVER: Final = "pre-receive"
BEFORE: Final = ".before-gitclaim"
MARK: Final = "# gitclaim hook, text 1."

CONFIG: Final = """\
repos:
- repo: local
  hooks:
  - id: framework
    name: framework
    entry: sh -c 'echo framework >>"$LOG"' --
    language: system
    always_run: true
    pass_filenames: false
    stages: [pre-commit, pre-push]
"""
"""A configuration of pre-commit with one hook, which needs no environment."""

LEFTHOOK: Final = """\
#!/bin/sh
if [ "$LEFTHOOK" = "0" ]; then exit 0; fi
call_lefthook()
{
  echo lefthook >>"$LOG"
}
call_lefthook run "pre-commit" "$@"
"""

# What husky 9 writes: git runs .husky/_/NAME, that runs .husky/_/h, and that runs .husky/NAME.
HUSKY_SHIM: Final = '#!/usr/bin/env sh\n. "$(dirname "$0")/h"\n'
HUSKY_H: Final = """\
#!/usr/bin/env sh
n=$(basename "$0")
s=$(dirname "$(dirname "$0")")/$n
[ ! -f "$s" ] && exit 0
sh -e "$s" "$@"
c=$?
exit $c
"""


@pytest.fixture(autouse=True)
def _package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hooks' interpreter finds the package here, installed or not."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where hooks of the tests write that they ran."""
    path = tmp_path / "log"
    path.touch()
    monkeypatch.setenv("LOG", str(path))
    return path


def seated(repo: Repo) -> Repo:
    """The repository with git itself, and so its hooks, started by the session; they look at the registry each time."""
    repo.git("config", "gitclaim.fresh", "0")
    return replace(repo, env={**repo.env, "GITCLAIM_SESSION": repo.session})


def hook(path: Path, text: str, mode: int = 0o755) -> Path:
    """Write a hook of somebody's own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def hooks_of(repo: Repo) -> Path:
    """The directory of an ordinary clone's hooks."""
    return repo.path / ".git/hooks"


def commit(repo: Repo, name: str, *args: str) -> Ran:
    """Try to commit a change of one file."""
    with (repo.path / name).open("a", encoding="utf-8") as file:
        file.write("more\n")
    repo.git("add", "--", name)
    return repo.try_git("commit", "--quiet", "--message", f"change {name}", *args)


def assert_guarded(repo: Repo, holder: Repo) -> None:
    """Git asks gitclaim before it commits there: what the holder claimed is blocked, the rest is not."""
    holder.claim("take", "held")
    blocked = commit(repo, "held")
    assert blocked.code == 1, blocked
    assert f"blocked: held is held by {holder.session}" in blocked.stderr
    repo.git("reset", "--quiet")
    assert commit(repo, "free") == Ran(0, "", "")


def snapshot(directory: Path) -> dict[str, tuple[int, str, bytes]]:
    """Everything in a directory: mode, where a link leads, content."""
    found = {}
    for path in sorted(directory.iterdir()):
        link = str(path.readlink()) if path.is_symlink() else ""
        found[path.name] = (path.lstat().st_mode, link, path.read_bytes() if path.is_file() else b"")
    return found


def one_line_and_a_hint(ran: Ran) -> tuple[str, str]:
    """The error and the way out, which is all that was said."""
    assert "Traceback" not in ran.stderr
    message, hint = ran.stderr.splitlines()
    assert message.startswith("error: ")
    assert hint.startswith("hint: ")
    return message.removeprefix("error: "), hint.removeprefix("hint: ")


# Where git looks.


def test_in_a_clone_git_asks_before_it_commits_and_pushes(clones: Clones) -> None:
    """A foreign claim stops the commit, with the ways out; and the push of a commit made around the hook."""
    alice, bob = seated(clones.alice), clones.bob
    said = alice.claim("install")
    directory = hooks_of(alice)
    assert said.stdout == "".join(f"installed: {name}\n" for name in HOOKS) + f"in {directory}\n"
    assert {name: (directory / name).stat().st_mode & 0o777 for name in HOOKS} == dict.fromkeys(HOOKS, 0o755)
    assert_guarded(alice, bob)
    assert commit(alice, "held", "--no-verify").code == 0
    pushed = alice.try_git("push", "--quiet", "origin", "HEAD")
    assert pushed.code == 1
    assert "blocked: held is held by bob" in pushed.stderr
    bob.claim("release", "held")
    assert alice.try_git("push", "--quiet", "origin", "HEAD").code == 0


def test_linked_work_trees_share_the_hooks_of_their_clone(clones: Clones, tmp_path: Path) -> None:
    """Installed from one, they lie where git looks for all, and stop commits in each."""
    alice = seated(clones.alice)
    alice.git("worktree", "add", "--quiet", tmp_path / "linked")
    linked = replace(alice, path=tmp_path / "linked")
    said = linked.claim("install", "--json").json
    assert said["directory"] == str(hooks_of(alice))
    assert not list((alice.path / ".git/worktrees/linked").glob("hooks*"))
    assert_guarded(linked, clones.bob)
    assert commit(alice, "held").code == 1
    linked.claim("uninstall")
    assert not [name for name in HOOKS if (hooks_of(alice) / name).exists()]


def test_work_trees_of_a_bare_repository_have_their_hooks_in_it(clones: Clones, tmp_path: Path) -> None:
    """The layout with no work tree of its own; in the bare repository itself there is nothing to commit."""
    run("git", "clone", "--quiet", "--bare", clones.url, tmp_path / "bare.git", cwd=tmp_path, env=os.environ)
    bare = Repo(tmp_path / "bare.git")
    bare.git("worktree", "add", "--quiet", tmp_path / "tree", "main")
    tree = seated(Repo(tmp_path / "tree", session="alice"))
    assert tree.claim("install", "--json").json["directory"] == str(bare.path / "hooks")
    assert_guarded(tree, clones.bob)
    message, hint = one_line_and_a_hint(bare.claim("install", code=1))
    assert message == "a bare repository has no commits of its own"
    assert hint == "gitclaim install --server has it judge what is pushed to it; else install in a clone or work tree"


@pytest.mark.parametrize("start", [".", "sub"])
def test_a_relative_hooks_path_counts_from_the_root_and_names_no_interpreter(
    clones: Clones, tmp_path: Path, start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies in the work tree is everybody's: the hook looks for gitclaim-hook on the search path."""
    alice = seated(clones.alice)
    alice.git("config", "core.hooksPath", "tools/hooks")
    (alice.path / "sub").mkdir()
    said = replace(alice, path=alice.path / start).claim("install")
    directory = alice.path / "tools/hooks"
    assert said.stdout.splitlines()[-2:] == [
        f"in {directory}",
        "note: that is part of the work tree; the hooks find gitclaim-hook on the search path",
    ]
    assert "\npython=\n" in (directory / "pre-commit").read_text()
    on_the_path(tmp_path / "bin", monkeypatch)
    assert_guarded(alice, clones.bob)


def test_an_absolute_hooks_path_of_the_repository_is_used(clones: Clones, tmp_path: Path) -> None:
    """Outside of the work tree the hooks name this interpreter."""
    alice = seated(clones.alice)
    alice.git("config", "core.hooksPath", str(tmp_path / "my hooks"))
    alice.claim("install")
    assert f"\npython={sys.executable}\n" in (tmp_path / "my hooks/pre-commit").read_text()
    assert not (hooks_of(alice) / "pre-commit").exists()
    assert_guarded(alice, clones.bob)


def test_hooks_of_all_repositories_are_written_only_if_that_is_said(clones: Clones, tmp_path: Path) -> None:
    """A global core.hooksPath is refused with both ways out; `--shared` writes there."""
    alice = seated(clones.alice)
    directory = tmp_path / "everybody's"
    alice.git("config", "--global", "core.hooksPath", str(directory))
    for command in ("install", "uninstall"):
        message, hint = one_line_and_a_hint(alice.claim(command, code=1))
        expected = f"core.hooksPath (global configuration) leads to {directory}, and not for this repository alone"
        assert message == expected
        assert hint == (
            f"git config --local core.hooksPath {hooks_of(alice)}, for hooks of its own; --shared writes to {directory}"
        )
        error = alice.claim(command, "--json", code=1).json
        assert (error["outcome"], error["message"], error["hint"]) == ("error", message, hint)
    assert not directory.exists()
    alice.claim("install", "--shared")
    assert_guarded(alice, clones.bob)
    alice.claim("uninstall", "--shared")
    assert list(directory.iterdir()) == []
    alice.git("config", "--local", "core.hooksPath", str(hooks_of(alice)))
    alice.claim("install")
    assert commit(alice, "held").code == 1
    one_command = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": str(tmp_path)}
    _, hint = one_line_and_a_hint(alice.claim("install", code=1, env=one_command))
    assert hint.startswith("leave core.hooksPath out of git -c and GIT_CONFIG_KEY_*, for hooks of its own;")


@pytest.mark.parametrize("scope", ["local", "global"])
@pytest.mark.parametrize("nowhere", ["/dev/null", ""])
def test_hooks_that_are_turned_off_are_not_installed(alice: Repo, nowhere: str, scope: str) -> None:
    """Many turn hooks off like this; then git would never run ours."""
    alice.git("config", f"--{scope}", "core.hooksPath", nowhere)
    message, hint = one_line_and_a_hint(alice.claim("install", code=1))
    assert message == f"core.hooksPath ({scope} configuration) turns git's hooks off"
    back = {"local": "--unset-all core.hooksPath", "global": f"core.hooksPath {hooks_of(alice)}"}[scope]
    assert hint == f"git config --local {back}, which turns them on here"
    assert alice.claim("uninstall").stdout == "no hook of gitclaim's in /dev/null\n"


def test_a_directory_that_cannot_be_written_is_told(alice: Repo) -> None:
    """A file lies in its place."""
    shutil.rmtree(hooks_of(alice), ignore_errors=True)
    hooks_of(alice).write_text("")
    message, _ = one_line_and_a_hint(alice.claim("install", code=1))
    assert message == f"can't write {hooks_of(alice)}: File exists"


# What was there before.


RECORD: Final = """#!/bin/sh
{ echo "before ${0##*/}:"; printf '<%s>' "$@"; cat; echo .; } >>"$LOG"
"""


def test_a_hook_that_was_there_runs_first_with_the_same_arguments_and_input(
    clones: Clones, log: Path, tmp_path: Path
) -> None:
    """Git's own words reach it, and what comes after; byte by byte."""
    alice = seated(clones.alice)
    for name in HOOKS:
        hook(hooks_of(alice) / name, RECORD)
    said = alice.claim("install").stdout.splitlines()
    assert said[:-1] == [f"installed: {name}, after the hook that was there before" for name in HOOKS]
    ours = hook(tmp_path / "ours", '#!/bin/sh\nshift 5\n{ echo "ours:"; printf "<%s>" "$@"; cat; echo .; } >>"$LOG"\n')
    for name in HOOKS[:3] + HOOKS[4:]:
        path = hooks_of(alice) / name
        path.write_text(re.sub(r"^python=.*$", f"python={ours}", path.read_text(), count=1, flags=re.MULTILINE))
    assert commit(alice, "a").code == 0
    file = ".git/COMMIT_EDITMSG"
    assert log.read_text().split(".\n") == [
        f"before pre-commit{BEFORE}:\n<>",
        "ours:\n<pre-commit>",
        f"before prepare-commit-msg{BEFORE}:\n<{file}><message>",
        f"ours:\n<prepare-commit-msg><{file}><message>",
        f"before commit-msg{BEFORE}:\n<{file}>",
        "",
    ]
    log.write_text("")
    head, old = alice.git("rev-parse", "HEAD"), alice.git("rev-parse", "origin/main")
    alice.git("push", "--quiet", "origin", "HEAD:main", "HEAD:refs/heads/other")
    told = f"HEAD {head} refs/heads/main {old}\nHEAD {head} refs/heads/other {'0' * 40}\n"
    url = alice.git("remote", "get-url", "origin")
    assert log.read_text().split(".\n") == [
        f"before pre-push{BEFORE}:\n<origin><{url}>{told}",
        f"ours:\n<pre-push><origin><{url}>{told}",
        "",
    ]


@pytest.mark.parametrize("told", [b"", b"a", b"a\n", b"a\n\n\n", b"\n", b" a \\n %s \xff $x\n\t\n"])
def test_standard_input_is_handed_on_byte_by_byte(alice: Repo, log: Path, told: bytes) -> None:
    """Also the line breaks at its end, none, and what no text is."""
    hook(hooks_of(alice) / "pre-push", '#!/bin/sh\ncat >>"$LOG"\n')
    alice.claim("install", "--pre-push")
    path = hooks_of(alice) / "pre-push"
    path.write_text(path.read_text().replace(sys.executable, str(hook(log.parent / "ours", '#!/bin/sh\ncat >>"$LOG"'))))
    subprocess.run([path, "origin", "url"], cwd=alice.path, input=told, check=True)
    assert log.read_bytes() == told * 2


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_that_was_there_stops_git_with_its_own_code(alice: Repo, log: Path, name: str) -> None:
    """Then ours is not asked."""
    hook(hooks_of(alice) / name, "#!/bin/sh\necho no >&2\nexit 7\n")
    alice.claim("install")
    path = hooks_of(alice) / name
    path.write_text(
        path.read_text().replace(sys.executable, str(hook(log.parent / "ours", '#!/bin/sh\ntouch "$LOG2"')))
    )
    message = log.parent / "message"
    message.write_text("# words\n")
    ran = run(path, message, cwd=alice.path, env={**os.environ, "LOG2": str(log.parent / "ran")}, code=7)
    assert ran.stderr == "no\n"
    assert not (log.parent / "ran").exists()
    assert message.read_text() == "# words\n"


def test_a_hook_that_was_not_executable_stays_so(clones: Clones, log: Path) -> None:
    """Git passed over it, and still does; nobody is told that it runs."""
    alice = seated(clones.alice)
    hook(hooks_of(alice) / "pre-commit", '#!/bin/sh\necho x >"$LOG"\nexit 1\n', 0o644)
    written = alice.claim("install", "--json").json["hooks"]
    assert written[0] == {"name": "pre-commit", "done": "installed", "chained": False}
    assert_guarded(alice, clones.bob)
    assert log.read_text() == ""


# Who else manages hooks.


def framework(repo: Repo, *args: str) -> None:
    """Run pre-commit itself."""
    pytest.importorskip("pre_commit", reason="pre-commit is not installed")
    run(sys.executable, "-m", "pre_commit", *args, cwd=repo.path, env=os.environ)


@pytest.mark.parametrize("first", few(["pre-commit", "gitclaim", "both"], 1))
def test_pre_commit_and_gitclaim_both_run_once_whoever_came_first(clones: Clones, log: Path, first: str) -> None:
    """So does what was there before both; and each goes without the others."""
    alice = seated(clones.alice)
    (alice.path / ".pre-commit-config.yaml").write_text(CONFIG)
    alice.git("add", ".pre-commit-config.yaml")
    own = hook(hooks_of(alice) / "pre-commit", '#!/bin/sh\necho own >>"$LOG"\n')
    before = snapshot(hooks_of(alice))
    types = ("--hook-type", "pre-commit", "--hook-type", "pre-push")
    if first != "gitclaim":
        framework(alice, "install", *types)
    alice.claim("install")
    if first != "pre-commit":
        framework(alice, "install", *types)
    assert {one["done"] for one in alice.claim("install", "--json").json["hooks"]} == {"unchanged"}

    def ran() -> list[str]:
        words = log.read_text().split()
        log.write_text("")
        return words

    clones.bob.claim("take", "held")
    assert commit(alice, "free").code == 0
    assert ran() == ["own", "framework"]
    blocked = commit(alice, "held")
    assert blocked.code == 1
    assert blocked.stderr.count("blocked: held is held by bob") == 1
    assert ran() == ["own", "framework"]
    assert commit(alice, "held", "--no-verify").code == 0
    pushed = alice.try_git("push", "--quiet", "origin", "HEAD")
    assert pushed.code == 1
    assert pushed.stderr.count("blocked: held is held by bob") == 1
    assert ran() == ["framework"]
    alice.claim("uninstall")
    assert commit(alice, "held").code == 0
    assert ran() == ["own", "framework"]
    framework(alice, "uninstall", *types)
    assert snapshot(hooks_of(alice)) == before
    assert own.exists()


def test_what_pre_commit_leaves_when_it_goes_is_ours_and_goes_too(clones: Clones, log: Path) -> None:
    """`pre-commit uninstall` brings ours back to git's own place."""
    alice = seated(clones.alice)
    (alice.path / ".pre-commit-config.yaml").write_text(CONFIG)
    before = snapshot(hooks_of(alice))
    framework(alice, "install")
    noted = alice.claim("install").stdout.splitlines()[-1]
    assert noted.startswith("note: pre-commit's hooks run after these;")
    framework(alice, "uninstall")
    assert_guarded(alice, clones.bob)
    assert log.read_text() == ""
    alice.claim("uninstall")
    assert snapshot(hooks_of(alice)) == before


def test_lefthook_runs_first_and_may_put_its_hook_back(clones: Clones, log: Path) -> None:
    """It renames ours to `.old`; after `gitclaim install` both run again, once."""
    alice = seated(clones.alice)
    path = hook(hooks_of(alice) / "pre-commit", LEFTHOOK)
    before = snapshot(hooks_of(alice))
    said = alice.claim("install", "--json").json
    assert said["manager"] == "lefthook"
    path.rename(path.with_name("pre-commit.old"))
    hook(path, LEFTHOOK)
    assert "note: lefthook's hooks run first" in alice.claim("install").stdout
    assert not path.with_name("pre-commit.old").exists()
    assert_guarded(alice, clones.bob)
    assert log.read_text().split() == ["lefthook", "lefthook"]
    alice.claim("uninstall")
    assert snapshot(hooks_of(alice)) == before


def husky(repo: Repo) -> None:
    """Set a repository up as `husky init` does."""
    for name in ("pre-commit", "pre-merge-commit", "prepare-commit-msg", "commit-msg", "pre-push"):
        hook(repo.path / ".husky/_" / name, HUSKY_SHIM)
    hook(repo.path / ".husky/_/h", HUSKY_H)
    repo.git("config", "core.hooksPath", ".husky/_")


def test_husky_is_left_alone_and_asks_gitclaim_by_a_line_of_its_own(
    clones: Clones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It overwrites its directory whenever it likes; the hint is a line that works."""
    alice = seated(clones.alice)
    husky(alice)
    before = snapshot(alice.path / ".husky/_")
    message, hint = one_line_and_a_hint(alice.claim("install", code=1))
    assert message == f"husky manages the hooks in {alice.path}/.husky/_, and would overwrite them"
    assert snapshot(alice.path / ".husky/_") == before
    line = hint.partition(" with the line: ")[2]
    assert line == 'gitclaim-hook "${0##*/}" "$@"'
    for name in ("pre-commit", "pre-merge-commit", "prepare-commit-msg", "pre-push"):
        assert name in hint
        hook(alice.path / ".husky" / name, f"echo linted\n{line}\n")
    on_the_path(tmp_path / "bin", monkeypatch)
    clones.bob.claim("take", "held")
    blocked = commit(alice, "held")
    assert blocked.code == 1
    assert "blocked: held is held by bob" in blocked.stderr
    assert commit(alice, "held", "--no-verify").code == 0
    assert "blocked: held is held by bob" in alice.try_git("push", "--quiet", "origin", "HEAD").stderr


def test_a_hook_that_only_speaks_of_a_manager_is_nobodys(alice: Repo) -> None:
    """Words in a comment are no mark."""
    hook(hooks_of(alice) / "pre-commit", "#!/bin/sh\n# was husky once, then lefthook, then pre-commit's hook-impl\n")
    assert alice.claim("install", "--json").json["manager"] is None


# Again, and away.


def test_installing_again_changes_nothing(alice: Repo) -> None:
    """The same files, to the byte and the time."""
    hook(hooks_of(alice) / "pre-push", "#!/bin/sh\n")
    alice.claim("install")
    before = snapshot(hooks_of(alice))
    inodes = {path.name: path.stat().st_ino for path in hooks_of(alice).iterdir()}
    said = alice.claim("install").stdout.splitlines()
    assert said[0] == "unchanged: pre-commit"
    assert said[-2] == "unchanged: pre-push, after the hook that was there before"
    assert snapshot(hooks_of(alice)) == before
    assert {path.name: path.stat().st_ino for path in hooks_of(alice).iterdir()} == inodes


@pytest.mark.parametrize("mode", [0o755, 0o644])
@pytest.mark.parametrize("number", ["0", "1", "99"])
def test_another_text_of_ours_is_upgraded_in_place(clones: Clones, mode: int, number: str) -> None:
    """Whatever its number, and also where it was not executable; what it runs first stays."""
    alice = seated(clones.alice)
    first = hook(hooks_of(alice) / "pre-commit", "#!/bin/sh\n# own\n").read_bytes()
    alice.claim("install")
    path = hook(hooks_of(alice) / "pre-commit", f"#!/bin/sh\n# gitclaim hook, text {number}. Long ago.\nexit 9\n", mode)
    written = alice.claim("install", "--json").json["hooks"]
    assert written[0] == {"name": "pre-commit", "done": "upgraded", "chained": True}
    assert path.with_name(f"pre-commit{BEFORE}").read_bytes() == first
    assert_guarded(alice, clones.bob)


def test_a_text_of_ours_that_is_not_executable_is_made_so(clones: Clones) -> None:
    """Git passes over it with a hint that many have turned off."""
    alice = seated(clones.alice)
    alice.claim("install")
    (hooks_of(alice) / "pre-commit").chmod(0o644)
    assert alice.claim("install").stdout.startswith("upgraded: pre-commit\nunchanged: pre-merge-commit\n")
    assert_guarded(alice, clones.bob)


def test_uninstall_brings_back_what_was_there_to_the_byte(alice: Repo) -> None:
    """Modes, bytes that are no text, links, links that lead nowhere, and what is no file."""
    directory = hooks_of(alice)
    hook(directory / "pre-commit", "#!/bin/sh\n", 0o750)
    (directory / "prepare-commit-msg").write_bytes(b"\x7fELF\xff\r\n\x00")
    hook(directory / "elsewhere", "#!/bin/sh\nexit 0\n")
    (directory / "commit-msg").symlink_to("elsewhere")
    (directory / "pre-push").symlink_to("nowhere")
    (directory / "pre-merge-commit").mkdir()
    before = snapshot(directory)
    for _ in range(2):
        alice.claim("install")
    assert commit(alice, "a").code == 0
    said = alice.claim("uninstall")
    assert said.stdout.splitlines() == [*(f"restored: {name}" for name in HOOKS), f"in {directory}"]
    assert snapshot(directory) == before
    assert alice.claim("uninstall").stdout == f"no hook of gitclaim's in {directory}\n"
    assert snapshot(directory) == before


def test_two_hooks_that_were_there_are_left_for_a_person_to_decide(alice: Repo) -> None:
    """Ours was replaced since; nothing is overwritten, and both commands say so."""
    path = hook(hooks_of(alice) / "pre-commit", "#!/bin/sh\n# first\n")
    alice.claim("install")
    hook(path, "#!/bin/sh\n# second\n")
    before = snapshot(hooks_of(alice))
    message, hint = one_line_and_a_hint(alice.claim("install", code=1))
    assert message == f"{path} is not gitclaim's, and pre-commit{BEFORE} is there already"
    assert hint == f"decide which of the two is to run, and remove {path}{BEFORE} or rename it"
    assert snapshot(hooks_of(alice)) == before
    said = alice.claim("uninstall", "--pre-commit")
    assert said.stdout.splitlines()[0] == (
        f"left: pre-commit: not gitclaim's any more; what was there before is kept as pre-commit{BEFORE}"
    )
    assert snapshot(hooks_of(alice)) == before


def test_what_was_there_comes_back_though_ours_is_gone(alice: Repo) -> None:
    """Somebody followed a hint to `rm` ours."""
    path = hook(hooks_of(alice) / "pre-commit", "#!/bin/sh\n# own\n")
    before = snapshot(hooks_of(alice))
    alice.claim("install", "--pre-commit")
    path.unlink()
    assert alice.claim("uninstall").stdout.splitlines()[0] == "restored: pre-commit"
    assert snapshot(hooks_of(alice)) == before


def test_hooks_that_git_was_led_past_go_too(alice: Repo) -> None:
    """They would run again as soon as core.hooksPath is unset."""
    before = snapshot(hooks_of(alice))
    alice.claim("install", "--pre-push")
    elsewhere = alice.path.parent / "elsewhere"
    alice.git("config", "core.hooksPath", str(elsewhere))
    alice.claim("install", "--pre-commit")
    said = alice.claim("uninstall").stdout
    assert said == f"removed: pre-commit\nin {elsewhere}\nremoved: pre-push\nin {hooks_of(alice)}\n"
    assert snapshot(hooks_of(alice)) == before
    assert list(elsewhere.iterdir()) == []
    assert alice.claim("uninstall").stdout == f"no hook of gitclaim's in {elsewhere}\n"


def test_foreign_hooks_are_left_alone_by_uninstall(alice: Repo) -> None:
    """Ours are told by their second line, not by what they mention."""
    hook(hooks_of(alice) / "pre-commit", f"#!/bin/sh\n# not a\n{MARK}\n")
    before = snapshot(hooks_of(alice))
    assert alice.claim("uninstall", "--json").json["outcome"] == "nothing"
    assert snapshot(hooks_of(alice)) == before


def test_hooks_are_chosen_one_by_one(clones: Clones) -> None:
    """`--pre-push` alone leaves commits to those who make them."""
    alice = seated(clones.alice)
    assert alice.claim("install", "--pre-push").stdout == f"installed: pre-push\nin {hooks_of(alice)}\n"
    clones.bob.claim("take", "held")
    assert commit(alice, "held").code == 0
    assert alice.try_git("push", "--quiet", "origin", "HEAD").code == 1
    alice.claim("install", "--pre-commit", "--commit-msg")
    assert alice.claim("uninstall", "--pre-push").stdout == f"removed: pre-push\nin {hooks_of(alice)}\n"
    assert [name for name in HOOKS if (hooks_of(alice) / name).exists()] == ["pre-commit", "commit-msg"]


def test_both_commands_answer_in_json(alice: Repo) -> None:
    """One object, with what became of each hook."""
    directory = str(hooks_of(alice))
    hook(hooks_of(alice) / "pre-commit", "#!/bin/sh\n")

    def answer(command: str, *args: str) -> dict[str, Any]:
        ran = alice.claim(command, "--json", *args)
        assert ran.stderr == ""
        said: dict[str, Any] = json.loads(ran.stdout)
        assert list(said) == ["schema", "command", "outcome", "directory", "hooks", "manager"]
        assert (said["schema"], said["command"], said["directory"]) == ("gitclaim/1", command, directory)
        assert said["manager"] is None
        return said

    said = answer("install", "--pre-commit", "--pre-push")
    assert said["outcome"] == "installed"
    assert said["hooks"] == [
        {"name": "pre-commit", "done": "installed", "chained": True},
        {"name": "pre-push", "done": "installed", "chained": False},
    ]
    said = answer("uninstall")
    assert said["outcome"] == "uninstalled"
    assert said["hooks"] == [
        {"name": "pre-commit", "done": "restored", "chained": True},
        {"name": "pre-push", "done": "removed", "chained": False},
    ]
    said = answer("uninstall")
    assert (said["outcome"], said["hooks"]) == ("nothing", [])


# What the hooks run.


def on_the_path(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a `gitclaim-hook` on the search path, as installing the package does."""
    hook(directory / "gitclaim-hook", f'#!/bin/sh\nexec "{sys.executable}" -P -m gitclaim.hooks.entry "$@"\n')
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")


def bare_python(path: Path) -> Path:
    """An interpreter that has no packages of its own."""
    venv.create(path, with_pip=False, symlinks=True)
    return path / "bin/python"


def install_with(python: Path, repo: Repo) -> None:
    """Run `gitclaim install` under another interpreter, which then stands in the hooks."""
    path = os.pathsep.join((str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    run(python, "-m", "gitclaim", "install", cwd=repo.path, env={**os.environ, "PYTHONPATH": path})
    assert str(python) in (repo.path / ".git/hooks/pre-commit").read_text()


def deny(repo: Repo, how: str) -> None:
    """Set the policy `offline: deny`."""
    if how == "config":
        repo.git("config", "gitclaim.offline", "deny")
    else:
        text = {"file": "offline: deny\n", "quoted": "ttl: 1h\noffline:  'deny' # ours\r\n"}[how]
        (repo.path / ".gitclaim.yaml").write_text(text, newline="")


@pytest.mark.parametrize("policy", ["allow", "config", "file", "quoted"])
@pytest.mark.parametrize("gone", ["interpreter", "package", "broken"])
def test_a_gitclaim_that_is_gone_is_told_in_a_line_and_the_policy_decides(
    clones: Clones, tmp_path: Path, gone: str, policy: str
) -> None:
    """`offline: deny` stops commits and pushes that nobody looked at; else they go on."""
    alice = seated(clones.alice)
    if policy == "allow":
        alice.git("config", "gitclaim.offline", "allow")
    else:
        deny(alice, policy)
    python = bare_python(tmp_path / "my venv")
    install_with(python, alice)
    if gone == "interpreter":
        python.unlink()
    elif gone == "broken":
        python.unlink()
        hook(python, "#!/no/such/interpreter\n")
    denied = policy != "allow"
    alice = replace(alice, env={**alice.env, "PYTHONPATH": ""})
    so = "the policy 'offline: deny' stops this" if denied else "nothing was checked"
    line = "gitclaim {}: gitclaim is gone from {}, so {}; hint: install it again and run gitclaim install, or rm '{}'"

    def lines(ran: Ran) -> list[str]:
        return [one for one in ran.stderr.splitlines() if one.startswith("gitclaim ")]

    committed = commit(alice, "a")
    assert committed.code == (1 if denied else 0)
    expected = [line.format("pre-commit", python, so, ".git/hooks/pre-commit")]
    if not denied:
        told = line.format("prepare-commit-msg", python, "the message names no claims", ".git/hooks/prepare-commit-msg")
        expected.append(told)
    assert lines(committed) == expected
    if gone != "broken":
        assert committed.stderr.splitlines() == expected
    pushed = alice.try_git("push", "--quiet", "origin", "HEAD")
    assert pushed.code == (1 if denied else 0)
    assert lines(pushed) == [line.format("pre-push", python, so, ".git/hooks/pre-push")]


def test_an_interpreter_that_is_gone_gives_way_to_the_search_path(
    clones: Clones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another gitclaim that is installed does as well."""
    alice = seated(clones.alice)
    python = bare_python(tmp_path / "venv")
    install_with(python, alice)
    python.unlink()
    on_the_path(tmp_path / "bin", monkeypatch)
    assert_guarded(alice, clones.bob)


def test_an_interpreter_and_a_repository_may_have_any_name(tmp_path: Path) -> None:
    """Spaces, quotes, dollars and letters of the world."""
    remote = make_bare(tmp_path / "remote.git")
    alice = seated(make_clone(str(remote.path), tmp_path / 'it\'s a "Größe" $HOME `日本`', session="alice"))
    bob = make_clone(str(remote.path), tmp_path / "bob", session="bob")
    python = bare_python(tmp_path / "my 'own' $venv")
    path = os.pathsep.join((str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    hook(hooks_of(alice) / "pre-commit", "#!/bin/sh\necho before >&2\n")
    run(python, "-m", "gitclaim", "install", cwd=alice.path, env={**os.environ, "PYTHONPATH": path})
    alice = replace(alice, env={**alice.env, "PYTHONPATH": path})
    bob.claim("take", "held")
    blocked = commit(alice, "held")
    assert blocked.code == 1
    assert blocked.stderr.startswith("before\n")
    assert "blocked: held is held by bob" in blocked.stderr
    alice.git("worktree", "add", "--quiet", "-b", "linked", tmp_path / "a 'linked' one")
    linked = replace(alice, path=tmp_path / "a 'linked' one")
    assert commit(linked, "held").code == 1


def test_modules_in_the_repository_are_not_imported(clones: Clones, tmp_path: Path) -> None:
    """A repository may hold a gitclaim.py, a json.py and a re.py: other people's code."""
    alice = seated(clones.alice)
    alice.claim("install")
    trap = f"open({str(tmp_path / 'sprung')!r}, 'w')\nraise SystemExit('sprung')\n"
    for name in ("gitclaim", "json", "re", "os", "sys", "encodings", "sitecustomize", "usercustomize", "click", "yaml"):
        (alice.path / f"{name}.py").write_text(trap)
    assert_guarded(alice, clones.bob)
    alice.git("push", "--quiet", "origin", "HEAD")
    assert not (tmp_path / "sprung").exists()


def test_a_hook_says_what_is_wrong_without_a_traceback(clones: Clones) -> None:
    """A setting that makes no sense, for one; and where nobody can listen, it goes on."""
    alice = seated(clones.alice)
    alice.claim("install")
    (alice.path / ".gitclaim.yaml").write_text("offlin: deny\n")
    ran = commit(alice, "a")
    assert ran.code == 1
    assert ran.stderr == (
        "gitclaim pre-commit: .gitclaim.yaml line 1: unknown key: offlin\nhint: did you mean offline?\n"
    )
    (alice.path / ".gitclaim.yaml").write_text("unclaimed: warn\n")
    for mute in ("2>&-", ">&- 2>&-", "<&- >&- 2>&-"):
        run("sh", "-c", f".git/hooks/pre-commit {mute}", cwd=alice.path, env={**os.environ, **alice.env})


# What commit-msg looks after.


def edited(repo: Repo, words: str, *args: str) -> Ran:
    """Commit with an editor that puts these words at the start of the message."""
    typed = repo.path.parent / "words"
    typed.write_text(words, encoding="utf-8")
    script = f'#!/bin/sh\ncat "{typed}" "$1" >"{typed}.all" && cp "{typed}.all" "$1"\n'
    editor = hook(repo.path.parent / "editor", script)
    with (repo.path / "mine").open("a", encoding="utf-8") as file:
        file.write("more\n")
    repo.git("add", "mine")
    return repo.try_git("commit", "--quiet", *args, env={"GIT_EDITOR": str(editor)})


def test_a_message_nobody_wrote_stops_the_commit_though_it_names_a_claim(alice: Repo) -> None:
    """As it would without gitclaim; with words it goes on, and the claim is named."""
    alice = seated(alice)
    alice.claim("install")
    claim = alice.claim("take", "mine", "--json").json["claim"]["id"]
    for args in ((), ("--verbose",), ("--cleanup=scissors",)):
        empty = edited(alice, "", *args)
        assert (empty.code, empty.stderr) == (1, "Aborting commit due to empty commit message.\n"), args
    assert alice.try_git("commit", "--quiet", "--message", "").code == 1
    assert edited(alice, "words\n").code == 0
    assert alice.git("log", "-1", "--format=%B") == f"words\n\nClaim: {claim}"


def test_a_template_nobody_filled_in_stops_the_commit(alice: Repo) -> None:
    """Git tells by the bytes, and to it a message that names a claim is another one."""
    alice = seated(alice)
    alice.claim("install")
    alice.claim("take", "mine")
    alice.commit_file("template", "why:\n\n# say it here\nwhat:\n")
    alice.git("config", "commit.template", "template")
    assert edited(alice, "").code == 1
    assert edited(alice, "words\n").code == 0


KEPT: Final[dict[str, tuple[tuple[str, str] | None, str, tuple[str, ...]]]] = {
    "no editor": (None, "", ("--message", "#42 mend it", "--no-edit")),
    "another character": (("core.commentChar", ";"), "#42 mend it\n", ()),
    "a character git chooses": (("core.commentChar", "auto"), "", ("--message", "#42 mend it", "--edit")),
    "all is kept": (("commit.cleanup", "whitespace"), "#42 mend it\n", ()),
}


@pytest.mark.parametrize("how", KEPT)
def test_words_that_begin_like_a_comment_are_words_where_git_keeps_them(alice: Repo, how: str) -> None:
    """`#42` is how many name an issue."""
    alice = seated(alice)
    alice.claim("install")
    claim = alice.claim("take", "mine", "--json").json["claim"]["id"]
    setting, words, args = KEPT[how]
    if setting:
        alice.git("config", *setting)
    assert edited(alice, words, *args).code == 0
    body = alice.git("log", "-1", "--format=%B")
    assert body.startswith("#42 mend it\n")
    assert f"Claim: {claim}" in body


# The texts.


def test_the_texts_are_one_text_but_for_what_each_hook_is_handed() -> None:
    """The same start; and what stops commits and what stops pushes differs in standard input alone."""
    texts = {name: (ROOT / "hooks" / name).read_text() for name in HOOKS}
    assert sorted(path.name for path in (ROOT / "hooks").iterdir()) == sorted((*HOOKS, SERVER))
    assert texts["pre-merge-commit"] == texts["pre-commit"].replace("name=pre-commit", "name=pre-merge-commit")
    start, _, rest = texts["pre-commit"].partition("# A word that an earlier git left")
    texts["pre-commit"] = start + rest.partition("prepare-commit-msg will have too\n")[2]
    push = texts["pre-push"].replace("input=$(cat && echo .)\n", "").replace('printf %s "${input%.}" | ', "")
    assert push == texts["pre-commit"].replace("name=pre-commit", "name=pre-push")
    body = texts["pre-commit"].partition("policy=")[0]
    start, _, rest = texts["prepare-commit-msg"].partition("# What pre-commit of the same git left")
    texts["prepare-commit-msg"] = start + rest.partition("\nfi\n")[2]
    assert texts["prepare-commit-msg"].startswith(body.replace("name=pre-commit", "name=prepare-commit-msg"))
    chain = body.partition('if [ -x "$python" ]')[0].replace("name=pre-commit", "name=commit-msg")
    assert texts["commit-msg"].startswith(chain.replace("python=\n", ""))
    texts[SERVER] = (ROOT / "hooks" / SERVER).read_text()
    calls = {name: texts[name].partition(" -c '")[2].partition('\' "$name"')[0] for name in ("pre-commit", SERVER)}
    assert "entry import main" in calls[SERVER]
    assert calls[SERVER] == calls["pre-commit"]
    assert all(text.startswith(f"#!/bin/sh\n{MARK}") for text in texts.values())


@pytest.mark.parametrize("name", [*HOOKS, SERVER])
def test_a_text_is_plain_shell(name: str) -> None:
    """Read by whatever /bin/sh is."""
    path = ROOT / "hooks" / name
    assert os.access(path, os.X_OK)
    shells = [found for shell in ("dash", "bash", "busybox") if (found := shutil.which(shell))] or ["/bin/sh"]
    for shell in shells:
        options = ["sh", "-n"] if shell.endswith("busybox") else ["-n"]
        run(shell, *options, path, cwd=ROOT, env=os.environ)
    if checker := shutil.which("shellcheck"):
        run(checker, "--shell=sh", "--severity=warning", path, cwd=ROOT, env=os.environ)


def test_the_wheel_and_the_source_distribution_hold_the_texts(tmp_path: Path) -> None:
    """Installed from the wheel, `gitclaim install` finds them in the package."""
    build = pytest.importorskip("hatchling.build", reason="hatchling is not installed")
    here = Path.cwd()
    try:
        os.chdir(ROOT)
        wheel, source = tmp_path / build.build_wheel(str(tmp_path)), tmp_path / build.build_sdist(str(tmp_path))
    finally:
        os.chdir(here)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    with tarfile.open(source) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    for name in (*HOOKS, SERVER):
        text = (ROOT / "hooks" / name).read_bytes()
        assert (tmp_path / "installed/gitclaim/hooks/texts" / name).read_bytes() == text
        assert f"hooks/{name}" in names
    repo = make_repo(tmp_path / "repo")
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    run(sys.executable, "-P", "-m", "gitclaim", "install", cwd=repo.path, env=env)
    assert f"\npython={sys.executable}\n" in (hooks_of(repo) / "pre-push").read_text()
