"""Asks the git program, in one environment policy.

Minimum: git 2.34, for signing with ssh keys (2.34) and `rev-parse --path-format` (2.31).
"""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from gitclaim import process
from gitclaim.change import Branches
from gitclaim.errors import GitclaimError
from gitclaim.names import Oid, printable
from gitclaim.process import Completed, Started

MINIMUM: Final = (2, 34)

_GLOB: Final = re.compile(r":\([^)]*\bglob\b").match
_ROWS: Final = re.compile(r"(?<![^/)])(?:\*{2,}\\?/){2,}")

# What git sets for hooks, or a user for one command, that names a repository, an index or a namespace: the list of
# `git rev-parse --local-env-vars` without the two that carry `git -c` settings, which are the user's will.
# https://github.com/pre-commit/pre-commit/issues/300 tells what a left-over GIT_DIR does.
_REPOSITORY_VARIABLES: Final = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_CONFIG",
        "GIT_OBJECT_DIRECTORY",
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_GRAFT_FILE",
        "GIT_INDEX_FILE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_REPLACE_REF_BASE",
        "GIT_PREFIX",
        "GIT_SHALLOW_FILE",
        "GIT_COMMON_DIR",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_NAMESPACE",
        "GIT_QUARANTINE_PATH",
        "GIT_LITERAL_PATHSPECS",
        "GIT_GLOB_PATHSPECS",
        "GIT_NOGLOB_PATHSPECS",
        "GIT_ICASE_PATHSPECS",
    }
)


class GitError(GitclaimError):
    """git could not do what it was asked to."""

    def __init__(self, done: Completed) -> None:
        verb = next((word for word in done.argv[1:] if not word.startswith("-") and "=" not in word), "")
        super().__init__(f"git {verb}: {printable(done.complaint)}")
        self.done = done


class Place(NamedTuple):
    """Where a repository lies.

    Args:
        git_dir: the git directory of this work tree, absolute.
        common_dir: the git directory all its linked work trees share, absolute.
        top: the root of the work tree, absolute; None in a bare repository.
        prefix: the current directory relative to `top`, empty at the root.
        object_format: `sha1` or `sha256`.
        head: the commit that is checked out, if there is one.
        branch: the branch that is checked out, if there is one.
    """

    git_dir: str
    common_dir: str
    top: str | None
    prefix: str
    object_format: str
    head: Oid | None = None
    branch: str | None = None

    @property
    def empty_tree(self) -> str:
        """The object name of the tree without entries."""
        return _EMPTY_TREES[self.object_format]


# `git hash-object -t tree /dev/null`; git knows these two objects without storing them.
_EMPTY_TREES: Final = {
    "sha1": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256": "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}


class Git(NamedTuple):
    """The git program on one repository.

    Args:
        env: the environment every git of ours runs in.
        cwd: the directory it runs in.
        timeout: seconds a command that uses the network may take.
        foreground: whether a person at a terminal can answer a prompt.
        most: bytes of an answer that are read, where strangers decide how long it is; None for all.
    """

    env: Mapping[str, str]
    cwd: str
    timeout: float
    foreground: bool = False
    most: int | None = None

    def start(self, *args: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None) -> Started:
        """Start git; the caller finishes it."""
        return Started(["git", *args], env={**self.env, **(env or {})}, cwd=self.cwd, stdin=stdin)

    def run(
        self,
        *args: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        codes: Collection[int | None] = (0,),
    ) -> Completed:
        """Run git on this machine's own files.

        Raises:
            GitError: it ended with another exit code than those, or answered more than is read.
        """
        done = self.start(*args, stdin=stdin, env=env).finish(most=self.most)
        if done.code not in codes:
            raise GitError(done)
        return done

    def call(self, *args: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None) -> Completed:
        """Run git where it may wait for others (the network, a person's signing program), within the time-out."""
        return process.run(
            ["git", *args],
            env={**self.env, **(env or {})},
            cwd=self.cwd,
            stdin=stdin,
            timeout=self.timeout,
            foreground=self.foreground,
        )


def clean_environment(environ: Mapping[str, str], *, interactive: bool) -> dict[str, str]:
    """The environment for a git of ours.

    Args:
        environ: the environment gitclaim was started in.
        interactive: whether a person sits at a terminal and may answer a prompt.
    """
    env = {key: value for key, value in environ.items() if key not in _REPOSITORY_VARIABLES}
    # Translated messages change what `Done` and `[deleted]` look like.
    env["LC_ALL"] = env["LANGUAGE"] = "C"
    # A reader never takes a lock only to refresh an index.
    env["GIT_OPTIONAL_LOCKS"] = "0"
    # A pager or an editor has nobody to talk to behind our pipes.
    env["GIT_PAGER"] = "cat"
    env["GIT_EDITOR"] = "false"
    # A person's own replacement refs must not change what a claim says.
    env["GIT_NO_REPLACE_OBJECTS"] = "1"
    # Nor grafts (deprecated, and never pushed) what a commit follows. A file that is there, though empty, makes git
    # give advice about it.
    env["GIT_GRAFT_FILE"] = f"{os.devnull}/none"
    # A user's trace must not mix with the output we parse.
    for key in [key for key in env if key.startswith("GIT_TRACE")]:
        del env[key]
    if not interactive:
        env["GIT_TERMINAL_PROMPT"] = "0"
        env["SSH_ASKPASS_REQUIRE"] = "never"
    return env


def quarantine(environ: Mapping[str, str]) -> dict[str, str]:
    """Where git keeps what is being pushed, for a hook that looks at it (git-receive-pack(1), "QUARANTINE")."""
    names = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH")
    return {name: environ[name] for name in names if name in environ}


def ssh_without_prompts(environ: Mapping[str, str], configured: str | None) -> dict[str, str]:
    """The variable that keeps OpenSSH from asking anything, on top of what the user set up; empty for other programs.

    Args:
        environ: the environment gitclaim was started in.
        configured: the value of `core.sshCommand`, if any.
    """
    if "GIT_SSH" in environ and "GIT_SSH_COMMAND" not in environ and not configured:
        return {}
    command = environ.get("GIT_SSH_COMMAND") or configured or "ssh"
    program = command.split()[0].rpartition("/")[2] if command.split() else ""
    return {"GIT_SSH_COMMAND": f"{command} -o BatchMode=yes"} if program == "ssh" else {}


def discover(cwd: str, environ: Mapping[str, str]) -> Started:
    """Start the question where the repository around a directory lies; `placed` reads the answer."""
    # The order matters: --show-toplevel fails in a bare repository and HEAD on an unborn branch, after those before
    # them were printed.
    questions = ["--git-dir", "--git-common-dir", "--show-object-format", "--show-prefix", "--show-toplevel"]
    head = ["HEAD^{commit}", "--symbolic-full-name", "HEAD"]
    return Started(["git", "rev-parse", "--path-format=absolute", *questions, *head], env=_plain(environ), cwd=cwd)


def placed(done: Completed) -> Place:
    """The answer to `discover`.

    Raises:
        GitclaimError: there is no repository, or its place cannot be told apart in git's output.
    """
    lines = done.text.split("\n")[:-1]
    if len(lines) < 4:  # noqa: PLR2004 - what every repository answers
        raise GitclaimError(printable(done.complaint), hint="run gitclaim inside a git repository")
    git_dir, common_dir, object_format, prefix = lines[:4]
    if object_format not in _EMPTY_TREES:
        raise GitclaimError(
            "can't tell the repository's object format", hint="the repository's path may not contain a line break"
        )
    place = Place(git_dir, common_dir, lines[4] if len(lines) > 4 else None, prefix.rstrip("/"), object_format)  # noqa: PLR2004
    if done.code or len(lines) != 7:  # noqa: PLR2004 - all questions answered
        return place
    branch = lines[6].removeprefix("refs/heads/") if lines[6].startswith("refs/heads/") else None
    return place._replace(head=Oid(lines[5]), branch=branch)


def _plain(environ: Mapping[str, str]) -> dict[str, str]:
    # Found in the user's own environment: GIT_DIR and the like say which repository is meant.
    return {**environ, "LC_ALL": "C", "LANGUAGE": "C"}


def start_config(cwd: str, environ: Mapping[str, str]) -> Started:
    """Start reading the whole configuration around a directory; `configured` reads the answer."""
    return Started(["git", "config", "--null", "--list"], env=_plain(environ), cwd=cwd)


def configured(done: Completed) -> dict[str, list[str]]:
    """The answer to `start_config`: every value of every key, the last one in force.

    Raises:
        GitclaimError: the configuration cannot be read.
    """
    if done.code:
        raise GitclaimError(printable(done.complaint))
    found: dict[str, list[str]] = {}
    for entry in done.text.split("\0")[:-1]:
        key, equals, value = entry.partition("\n")
        # A key without "=" is true (git-config(1), "boolean").
        found.setdefault(key, []).append(value if equals else "true")
    return found


def pathspec(pattern: str, *, exclude: bool = False) -> str:
    """A pattern from the root as a pathspec of git's; one that begins with a colon is one already.

    Of several `**/` in a row git tries each by itself, 2^n ways in all (measured: 40 of them took 21 s), so that the
    one they are equal to stands for them.
    """
    if exclude:
        return f":(exclude,glob){_ROWS.sub('**/', pattern)}"
    spec = pattern if pattern.startswith(":") else f":(glob){pattern}"
    return _ROWS.sub("**/", spec) if _GLOB(spec) else spec


def remote_refs(done: Completed) -> list[tuple[str, str]]:
    """The answer of `git ls-remote`: objects and the refs that point at them, a tag once more with `^{}`."""
    rows = (line.split("\t") for line in done.text.split("\n")[:-1])
    # A symbolic ref has a line of its own, in another form.
    return [(row[0], row[1]) for row in rows if len(row) == 2]  # noqa: PLR2004 - object, ref


def branches(git: Git) -> Branches:
    """The branches of a repository."""
    head = git.run("symbolic-ref", "--quiet", "HEAD", codes=(0, 1)).text.strip()
    listed = git.run("for-each-ref", "--format=%(refname) %(symref)", "refs/heads", "refs/tags").text.split("\n")
    rows = [line.partition(" ") for line in listed[:-1]]
    there = frozenset(ref for ref, _, _ in rows if ref.startswith("refs/heads/"))
    return Branches(head, there, {ref: named for ref, _, named in rows if named})


def file_text(git: Git, name: str, *, most: int) -> str | None:
    """The text of a file in a commit, named like `HEAD:.gitclaim.yaml`; None where there is none.

    Args:
        git: asks the repository.
        name: the file.
        most: bytes it may have.

    Raises:
        GitclaimError: what has that name is no text of that size: nobody can tell what it says.
    """
    asked = f"{name}\n".encode("utf-8", "surrogateescape")
    answer = git.run("cat-file", "--batch-check=%(objecttype) %(objectsize)", stdin=asked).text
    kind, _, size = answer.strip().partition(" ")
    if kind != "blob" and not size.isdigit():
        return None
    if kind != "blob" or int(size) > most:
        raise GitclaimError(f"{printable(name)} is a {kind} of {size} bytes, and no file of at most {most}")
    try:
        return git.run("cat-file", "blob", name).out.decode()
    except UnicodeDecodeError as error:
        raise GitclaimError(f"{printable(name)} is not UTF-8: byte {error.start}") from error


def tracked(git: Git, pathspecs: Sequence[str], *, top: str) -> list[str]:
    """The tracked files that match any of the pathspecs, relative to the root."""
    done = git._replace(cwd=top).run("ls-files", "-z", "--", *pathspecs)
    return sorted({path for path in done.text.split("\0") if path})


def version(git: Git) -> str:
    """The version the git program gives itself, like `2.39.5`."""
    return git.run("version").text.split()[2]
