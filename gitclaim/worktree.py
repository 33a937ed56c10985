"""What a person names in a work tree: paths and patterns as they read in the current directory."""

import os
import re
from collections.abc import Iterable
from posixpath import normpath
from typing import Final, NamedTuple

from gitclaim import git as questions
from gitclaim.errors import UsageError
from gitclaim.git import Git, Place
from gitclaim.names import printable
from gitclaim.resources import Kind, Resource, parse_argument

# What git's patterns would not take by the letter.
_WILD: Final = re.compile(r"[*?\[\\]")


class WorkTree(NamedTuple):
    """A work tree, or a bare repository, which has no files.

    Args:
        git: asks the repository.
        place: where it lies, and where in it we are.
    """

    git: Git
    place: Place

    def resource(self, text: str) -> Resource:
        """The resource a person named.

        Raises:
            UsageError: the text names nothing that can be claimed here.
        """
        resource = parse_argument(text, prefix=self.place.prefix, tops=self._tops(text), is_path=self._is_path)
        if resource.kind is Kind.PATH:
            self._check_links(resource)
        return resource

    def pattern(self, text: str) -> str:
        """A pattern of git's, written in the current directory, as it reads in the repository's root.

        Raises:
            UsageError: it leads out of the repository, or has magic that can't be told from here.
        """
        prefix = self.place.prefix
        if text.startswith((":/", ":(top)")) or (text.startswith(":") and not prefix):
            return text
        if text.startswith((":", "/")):
            raise UsageError(
                f"{printable(text)} is not relative to the current directory",
                hint="write it without a leading / or :, or use it in the root of the repository",
            )
        rooted = normpath(f"{_WILD.sub(_escaped, prefix)}/{text}" if prefix else text)
        if rooted.split("/")[0] == "..":
            raise UsageError(f"{printable(text)} is outside the repository")
        return rooted

    def matches(self, patterns: Iterable[str]) -> list[Resource]:
        """The tracked files that match these patterns, which are relative to the root.

        Raises:
            UsageError: a pattern matches nothing.
        """
        found: dict[str, None] = {}
        for pattern in patterns:
            if self.place.top is None:
                raise UsageError("a bare repository has no files to match", hint="name the paths")
            listed = questions.tracked(self.git, [questions.pathspec(pattern)], top=self.place.top)
            if not listed:
                raise UsageError(
                    f"no tracked file matches {printable(pattern)}",
                    hint="claim the directory: that excludes files which do not exist yet",
                )
            found.update(dict.fromkeys(listed))
        return [Resource(Kind.PATH, path) for path in found]

    def _tops(self, text: str) -> list[str]:
        """What the root of the work tree is called in an absolute path, whatever symbolic links lead to it."""
        top = self.place.top
        path = normpath(text.removeprefix("path:"))
        if top is None or not path.startswith("/"):
            return []
        parts = path.split("/")
        uppers = ["/".join(parts[:end]) or "/" for end in range(len(parts), 0, -1)]
        # The outermost: a link inside that leads back to the root is no other name for it.
        return [upper for upper in reversed(uppers) if _same(upper, top)][:1]

    def _is_path(self, path: str) -> bool:
        top = self.place.top
        if top is None:
            return False
        return os.path.lexists(os.path.join(top, path)) or bool(
            questions.tracked(self.git, [f":(literal){path}"], top=top)
        )

    def _check_links(self, resource: Resource) -> None:
        """Refuse: git tracks nothing behind a symbolic link: a claim there would protect nothing.

        Raises:
            UsageError: the path leads through one.
        """
        top = self.place.top
        parts = resource.name.split("/")[:-1]
        for end in range(1, len(parts) + 1):
            upper = "/".join(parts[:end])
            if top and os.path.islink(os.path.join(top, upper)):
                raise UsageError(
                    f"{resource.text} lies behind the symbolic link {printable(upper)}",
                    hint="claim the path the link leads to",
                )


def _escaped(match: re.Match[str]) -> str:
    return f"\\{match[0]}"


def _same(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):
        return False
