"""Which session this is: each source in its turn, and one name however many ask for it at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitclaim.errors import UsageError
from gitclaim.identity import MadeName, identify
from gitclaim.state import State
from tests.kit.repos import ROOT, Repo


def made(root: Path, user: str = "") -> MadeName:
    return MadeName(State(root), user, os.urandom)


def test_the_sources_have_an_order(tmp_path: Path) -> None:
    """The option, the variable, the configured variables in their order, the work tree."""
    environ = {"GITCLAIM_SESSION": "one", "SECOND": "two", "THIRD": "three", "EMPTY": ""}
    variables = ("EMPTY", "SECOND", "THIRD")
    assert identify("zero", environ, variables, made(tmp_path)).session == "zero"
    assert identify(None, environ, variables, made(tmp_path)).source == "GITCLAIM_SESSION"
    del environ["GITCLAIM_SESSION"]
    told = identify(None, environ, variables, made(tmp_path))
    assert (told.session, told.source) == ("two", "SECOND")
    assert identify(None, {}, variables, made(tmp_path)).source == "made for this work tree"


@pytest.mark.parametrize(
    ("user", "start"), [("Alice", "alice-"), ("Ann B. Cee", "ann-b--cee-"), ("日本", "session-"), ("", "session-")]
)
def test_a_made_name_tells_whose_it_is_and_lasts(tmp_path: Path, user: str, start: str) -> None:
    """Made once, whatever the user is called later."""
    name = made(tmp_path, user).get()
    assert name.startswith(start)
    assert len(name) == len(start) + 4
    assert made(tmp_path, "other").get() == name


def test_a_bad_name_says_where_it_came_from(tmp_path: Path) -> None:
    """A name with spaces or controls is refused, with its source."""
    for told, environ in (("a b", {}), (None, {"GITCLAIM_SESSION": "a\x1bb"}), (None, {"X": "-x"})):
        with pytest.raises(UsageError) as caught:
            identify(told, environ, ("X",), made(tmp_path))
        assert caught.value.message.split(": ")[0] in {"--session", "GITCLAIM_SESSION", "X"}
        assert "\x1b" not in caught.value.message
    State(tmp_path).write("two words\n", "session")
    with pytest.raises(UsageError, match="session: not a session name: two words"):
        identify(None, {}, (), made(tmp_path))


def test_the_variables_of_the_file_name_a_session(alice: Repo) -> None:
    """`session-variables` in .gitclaim.yaml, after GITCLAIM_SESSION and --session."""
    (alice.path / ".gitclaim.yaml").write_text("session-variables: [AGENT_ID, CI_JOB]\n")
    env = {"GITCLAIM_SESSION": "", "CI_JOB": "job-7"}
    assert alice.claim("session", env=env).stdout == "job-7 (CI_JOB)\n"
    assert alice.claim("session", env={**env, "AGENT_ID": "a1"}).stdout == "a1 (AGENT_ID)\n"
    assert alice.claim("session", env={**env, "GITCLAIM_SESSION": "me"}).stdout == "me (GITCLAIM_SESSION)\n"
    assert alice.claim("session", "--session", "x", env=env).stdout == "x (--session)\n"


def test_eight_processes_at_once_are_one_session(alice: Repo) -> None:
    """The first name that is written is everybody's."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "gitclaim", "session"]
    running = [subprocess.Popen(argv, cwd=alice.path, env=env, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    names = {process.communicate(timeout=60)[0] for process in running}
    assert len(names) == 1
    assert all(process.returncode == 0 for process in running)
    assert sorted(path.name for path in (alice.path / ".git/gitclaim").iterdir()) == ["session"]
