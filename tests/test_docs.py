"""The documentation is true: its transcripts are run, every command and key in it exists, and none is missing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gitclaim.cli.app import COMMANDS, gitclaim
from gitclaim.errors import Exit, Reason
from gitclaim.settings import _KEYS
from tests.kit.repos import Clones

ROOT = Path(__file__).parent.parent
PROMPT = re.compile(r"(alice|bob)\$ (.+)")
CHANGING = [
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"--wait \w+ +"), "--wait LEFT "),
    (re.compile(r"\b[0-9a-f]{12}([0-9a-f]{28})?\b"), "OID"),
    (re.compile(r"Claim: \w{26}"), "Claim: ID"),
    (re.compile(r"^in /.*$", re.MULTILINE), "in DIRECTORY"),
    (re.compile(r"some refs to '.*'"), "some refs to 'REMOTE'"),
    (re.compile(r"\b(59m|1h)\b"), "1h"),
]


def plain(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, replacement in CHANGING:
        text = pattern.sub(replacement, text)
    return text.rstrip()


def transcript(path: Path) -> list[tuple[str, str, str]]:
    """Who types what and sees what, in the order of the file."""
    steps: list[tuple[str, str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.splitlines():
            match = PROMPT.fullmatch(line)
            if match:
                steps.append((match[1], match[2], ""))
            else:
                who, typed, seen = steps.pop()
                steps.append((who, typed, f"{seen}{line}\n"))
    return steps


@pytest.fixture
def shells(clones: Clones, tmp_path: Path) -> dict[str, tuple[Path, dict[str, str]]]:
    """Where each of the two types, and in which environment: `gitclaim` is on the path."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    program = bin_ / "gitclaim"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m gitclaim "$@"\n')
    program.chmod(0o755)
    found = {}
    for who, repo in (("alice", clones.alice), ("bob", clones.bob)):
        path = f"{bin_}:{os.environ['PATH']}"
        env = {**os.environ, **repo.env, "GITCLAIM_SESSION": who, "PATH": path, "PYTHONPATH": str(ROOT)}
        found[who] = (repo.path, env)
    return found


def test_the_readme_s_transcript_is_what_happens(shells: dict[str, tuple[Path, dict[str, str]]]) -> None:
    """Every line typed in the README prints what the README says, but for times."""
    steps = transcript(ROOT / "README.md")
    assert len(steps) >= 7
    background: dict[str, subprocess.Popen[str]] = {}
    status = {"alice": 0, "bob": 0}
    for who, typed, expected in steps:
        cwd, env = shells[who]
        if typed.endswith("&"):
            background[who] = subprocess.Popen(
                ["bash", "-c", typed.removesuffix("&")], cwd=cwd, env=env, stdout=subprocess.PIPE, text=True
            )
            continue
        if typed == "wait":
            seen = background.pop(who).communicate(timeout=60)[0]
        else:
            line = typed.replace("$?", str(status[who]))
            both = subprocess.STDOUT
            done = subprocess.run(
                ["bash", "-c", line], cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=both, text=True, check=False
            )
            status[who] = done.returncode
            seen = done.stdout
        assert plain(seen) == plain(expected), typed
    assert not background


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_an_example_and_a_section(name: str) -> None:
    """A command nobody documented does not exist for its users."""
    context = gitclaim.make_context("gitclaim", ["session"], resilient_parsing=True)
    command = gitclaim.get_command(context, name)
    assert command is not None
    assert command.help
    assert (command.epilog or "").startswith(f"Example:  gitclaim {name}")
    section = (ROOT / "docs/commands.md").read_text(encoding="utf-8").partition(f"\n## {name}\n")[2]
    section = section.partition("\n## ")[0]
    assert section.startswith(f"\n`gitclaim {name}")
    for param in command.params:
        for option in param.opts:
            if option.startswith("--") and option not in {"--json", "--session"}:
                assert option in section, f"{option} of {name} is not documented"


def test_every_exit_code_and_reason_is_documented() -> None:
    """Scripts branch on the codes in docs/exit-codes.md."""
    text = (ROOT / "docs/exit-codes.md").read_text(encoding="utf-8")
    assert all(re.search(rf"\b{int(code)}\b", text) for code in Exit)
    assert all(f"`{reason}`" in text for reason in Reason)


def test_every_setting_is_documented() -> None:
    """Each key of .gitclaim.yaml stands in the table of settings."""
    text = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    assert all(f"`{key}`" in text for key in _KEYS)


@pytest.mark.parametrize("path", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]), ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """A relative link names a file that is there."""
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target
