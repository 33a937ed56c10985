"""Help, its examples, and what a shell completes."""

import shlex

import click
import pytest

from gitclaim.cli.app import COMMANDS, gitclaim
from tests.kit.repos import Clones, Repo


def command(name: str) -> click.Command:
    found = gitclaim.get_command(gitclaim.make_context("gitclaim", ["session"], resilient_parsing=True), name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_one_example_that_runs(clones: Clones, name: str) -> None:
    """What is copied from the help works, in a repository in which it makes sense."""
    help_ = clones.alice.claim(name, "--help").stdout
    examples = [line.partition("Example:")[2] for line in help_.splitlines() if "Example:" in line]
    assert len(examples) == 1
    program, *args = shlex.split(examples[0])
    assert program == "gitclaim"
    assert args[0] == name
    assert help_.startswith(f"Usage: gitclaim {name} ")
    if name in {"release", "give", "renew"}:
        clones.alice.claim("take", "src/api")
    if name in {"break", "show"}:
        clones.bob.claim("take", "src/api")
    assert clones.alice.claim(*args).stderr == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_answer_in_json_and_as_a_session(name: str) -> None:
    """The options all commands have, each option with help, and lengths of time named as such."""
    options = [param for param in command(name).params if isinstance(param, click.Option)]
    assert {"--json", "--session"} <= {opt for option in options for opt in option.opts}
    for option in options:
        assert option.help
        assert option.help.endswith(".")
        assert not isinstance(option.type, click.types.FuncParamType), "its name would be a function's"


def test_the_list_of_commands_fits_a_terminal(alice: Repo) -> None:
    """Each command's line is whole; without a command the same help is a usage error."""
    help_ = alice.claim("--help").stdout
    commands = help_.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in commands] == list(COMMANDS)
    bare = alice.claim(code=2)
    assert (bare.stdout, bare.stderr) == ("", help_)
    assert alice.claim("-h").stdout == help_
    assert alice.claim("--version").stdout.startswith("gitclaim ")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_about_a_command_is_whole(name: str) -> None:
    """The first sentence of a command's help is short enough to be shown in the list."""
    assert not command(name).get_short_help_str(66).endswith("...")


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(alice: Repo, kind: str) -> None:
    """`_GITCLAIM_COMPLETE=bash_source gitclaim` prints what a shell sources."""
    script = alice.claim(env={"_GITCLAIM_COMPLETE": f"{kind}_source"}).stdout
    assert f"{kind}_complete" in script


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("gitclaim re", ["plain,renew", "plain,release"]),
        ("gitclaim take --w", ["plain,--widen", "plain,--wait"]),
        ("gitclaim take to", ["plain,topic:", "file,to"]),
        ("gitclaim list --kind l", ["plain,lane"]),
    ],
)
def test_bash_completes(alice: Repo, words: str, expected: list[str]) -> None:
    """Commands, options, kinds of resources, files."""
    env = {"_GITCLAIM_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    assert alice.claim(env=env).stdout.splitlines() == expected
