"""What the outputs are decides how the answer looks; what they refuse never becomes a traceback."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.processes import eventually
from tests.kit.repos import ROOT, Clones, Ran, Repo
from tests.kit.terminal import on_terminal

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def shell(repo: Repo, line: str, **env: str) -> Ran:
    """Run a line of bash in which `$gitclaim` is the program."""
    environ = {**os.environ, "GITCLAIM_SESSION": repo.session, "PYTHONPATH": str(ROOT)}
    environ |= {"gitclaim": f"{sys.executable} -m gitclaim", **env}
    done = subprocess.run(["bash", "-c", line], cwd=repo.path, env=environ, capture_output=True, text=True, check=False)
    return Ran(done.returncode, done.stdout, done.stderr)


def test_a_terminal_gets_colours_and_relative_times(alice: Repo) -> None:
    """A person reads how long it is; the hour is an hour, not 59 minutes."""
    screen = on_terminal(alice, "take", "a")
    assert screen.end() == 0
    assert re.match(r"\x1b\[32mheld:\x1b\[0m a for 1h, until " + TIME.pattern, screen.shown)
    screen = on_terminal(alice, "list")
    assert screen.end() == 0
    head, row = screen.shown.splitlines()
    assert head.startswith("\x1b[1mRESOURCE")
    assert head.endswith("LEFT\x1b[0m")
    assert re.search(r"\d+s ago +1h$", row)
    assert not TIME.search(screen.shown)


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_no_colours_gets_none(alice: Repo, env: dict[str, str]) -> None:
    """NO_COLOR and a dumb terminal: the text without escapes, times still for a person."""
    screen = on_terminal(alice, "take", "a", env=env)
    assert screen.end() == 0
    assert screen.shown.startswith("held: a for 1h, until ")
    screen = on_terminal(alice, "take", "foo:bar", env=env)
    assert screen.end() == 2
    assert "\x1b" not in screen.shown


def test_errors_are_coloured_on_a_terminal_only(alice: Repo) -> None:
    """Red for the error, cyan for the hint."""
    screen = on_terminal(alice, "take", "foo:bar")
    assert screen.end() == 2
    assert screen.shown.startswith("\x1b[31merror:\x1b[0m unknown kind")
    assert "\x1b[36mhint:\x1b[0m" in screen.shown
    assert "\x1b" not in alice.claim("take", "foo:bar", code=2).stderr


def test_a_pipe_gets_dates_and_no_colours(clones: Clones) -> None:
    """A script reads a date, which stays true."""
    clones.alice.claim("take", "a")
    for line in ("list", "show a", "check a"):
        text = clones.bob.claim(*line.split(), code=None).stdout
        assert "\x1b" not in text
        assert "ago" not in text
        assert len(TIME.findall(text)) == 2


def test_waiting_shows_for_whom_on_a_terminal(clones: Clones) -> None:
    """One line that is written over, never longer than the terminal is wide, and gone at the end; Ctrl-C ends it."""
    clones.alice.claim("take", f"src/{'long' * 20}/a")
    screen = on_terminal(clones.bob, "take", "src", "--wait", "10m", env={"COLUMNS": "60"})
    screen.until("waiting for alice (src/longlong")
    line = screen.shown.rpartition("\x1b[K")[2]
    assert len(line) == 59
    assert line.endswith("…")
    screen.type("\x03")
    assert screen.end() == 130
    assert screen.shown.rpartition("\x1b[K")[2] == "\x1b[31merror:\x1b[0m interrupted\r\n"


def test_waiting_is_silent_elsewhere(clones: Clones) -> None:
    """Off a terminal nothing is printed but the answer."""
    clones.alice.claim("take", "a")
    denied = clones.bob.claim("take", "a", "--wait", "1s", code=3)
    assert denied.stderr == ""
    assert denied.stdout.startswith("denied: a is held by alice\n")


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_an_interrupt_is_130(clones: Clones, as_json: list[str]) -> None:
    """SIGINT during a wait: one line, or the JSON of an error, and nothing is held."""
    clones.alice.claim("take", "a")
    environ = {**os.environ, "GITCLAIM_SESSION": "bob", "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "gitclaim", "take", "a", "--wait", "10m", *as_json]
    waiting = subprocess.Popen(
        argv, cwd=clones.bob.path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    eventually(lambda: clones.bob.refs() != {})
    waiting.send_signal(signal.SIGINT)
    out, err = waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    if as_json:
        assert err == ""
        assert '"message": "interrupted"' in out
        assert '"exit": 130' in out
    else:
        assert (out, err) == ("", "error: interrupted\n")


@pytest.mark.parametrize("line", ["list", "list --json", "--help", "take --help", "--version"])
def test_a_reader_that_had_enough_is_no_error(alice: Repo, line: str) -> None:
    """`gitclaim list | head -0` ends quietly with 0."""
    ran = shell(alice, f"$gitclaim {line} | head -0; exit ${{PIPESTATUS[0]}}")
    assert ran == Ran(0, "", "")


def test_a_broken_pipe_keeps_the_exit_code(clones: Clones) -> None:
    """What was denied is denied, whoever reads it."""
    clones.alice.claim("take", "a")
    assert shell(clones.bob, "$gitclaim take a | head -0; exit ${PIPESTATUS[0]}") == Ran(3, "", "")
    assert shell(clones.bob, "$gitclaim take foo:x --json | head -0; exit ${PIPESTATUS[0]}") == Ran(2, "", "")
    assert shell(clones.bob, "$gitclaim take foo:x 2>&1 >/dev/null | head -0; exit ${PIPESTATUS[0]}") == Ran(2, "", "")


@pytest.mark.parametrize("as_json", ["", " --json"])
def test_a_full_disk_is_told(alice: Repo, as_json: str) -> None:
    """The answer can't be written: exit code 1, one line that says so and what was done all the same."""
    ran = shell(alice, f"$gitclaim take a{as_json} >/dev/full")
    assert ran.code == 1
    assert ran.stderr == (
        "error: the answer can't be written: No space left on device; the command itself ended with 'held'\n"
    )
    assert shell(alice, f"$gitclaim take foo:x{as_json} >/dev/full 2>/dev/full") == Ran(2, "", "")
    helped = shell(alice, "$gitclaim --help >/dev/full")
    assert (helped.code, helped.stderr.count("\n")) == (1, 1)


def test_closed_outputs_are_no_bug(clones: Clones) -> None:
    """Started without standard output or error, a command does its work and tells by its exit code."""
    assert shell(clones.alice, "$gitclaim take a >&-") == Ran(0, "", "")
    assert shell(clones.bob, "$gitclaim take a --json >&- 2>&-") == Ran(3, "", "")
    assert shell(clones.bob, "$gitclaim take foo:x 2>&-") == Ran(2, "", "")
    assert shell(clones.bob, "$gitclaim list <&- >/dev/null") == Ran(0, "", "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_any_encoding_will_do(alice: Repo, encoding: str) -> None:
    """What the output's encoding lacks is escaped."""
    name = "日本/🎉"
    ran = shell(alice, f"$gitclaim take '{name}' && $gitclaim list && $gitclaim list --json", PYTHONIOENCODING=encoding)
    assert ran.code == 0, ran
    assert "\\u65e5\\u672c" in ran.stdout


def test_errors_about_the_place_are_json_too(alice: Repo, tmp_path: Path) -> None:
    """No repository, no directory, no git: exit code 1 and what to do, as text and as JSON."""
    outside = Repo(tmp_path)
    for ran, hint in (
        (outside.claim("list", code=1), "run gitclaim inside a git repository"),
        (shell(alice, "mkdir gone && cd gone && rmdir ../gone && $gitclaim list"), "cd somewhere else"),
        (shell(alice, "PATH=/nowhere; $gitclaim list"), "gitclaim asks the git program, 2.34 or newer"),
    ):
        assert (ran.code, ran.stderr.splitlines()[-1]) == (1, f"hint: {hint}")
    error = outside.claim("take", "a", "--json", code=1)
    assert (error.json["outcome"], error.json["command"], error.json["exit"]) == ("error", "take", 1)
    assert error.stderr == ""
    error = shell(alice, "PATH=/nowhere; $gitclaim take a --json")
    assert (error.code, error.json["message"]) == (1, "git is not installed")


def test_an_argument_that_looks_like_an_option_is_none(alice: Repo) -> None:
    """After `--` everything is a resource, `--json` too."""
    assert alice.claim("take", "--", "--json", "-x").stdout.startswith("held: --json, -x until ")
    assert alice.claim("check", "--", "--json").stdout == "mine: --json, by the claim on --json, -x\n"
    assert alice.claim("show", "--", "foo:--json", code=2).stdout == ""
