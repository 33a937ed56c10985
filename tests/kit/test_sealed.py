"""The sealed environment keeps the machine out."""

import os
from pathlib import Path

import pytest

from tests.kit.repos import Clones, make_repo
from tests.kit.sealed import sealed_env


def test_home_is_the_tests_own(home: Path) -> None:
    assert Path.home() == home
    assert Path("~").expanduser() == home
    assert Path(os.environ["GIT_CONFIG_GLOBAL"]).is_relative_to(home)


def test_nothing_git_or_gitclaim_listen_to_is_inherited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = ("GIT_DIR", "GIT_INDEX_FILE", "GITCLAIM_SESSION", "SSH_AUTH_SOCK", "PYTHONDONTWRITEBYTECODE")
    for name in foreign:
        monkeypatch.setenv(name, "foreign")

    assert not set(foreign) & sealed_env(tmp_path).keys()


def test_a_commit_needs_no_set_up(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo")
    repo.commit_file("src/a.py", "a = 1\n")
    assert repo.git("log", "--format=%an <%ae> %D") == "Test <test@example.org> HEAD -> main"


def test_two_clones_start_alike(clones: Clones) -> None:
    heads = {repo.git("rev-parse", "main") for repo in (clones.alice, clones.bob, clones.remote)}
    assert len(heads) == 1
