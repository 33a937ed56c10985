"""Claim objects in the repository's object database."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from gitclaim.claim import MESSAGE_LIMIT
from gitclaim.errors import GitclaimError
from gitclaim.git import Git, Place
from gitclaim.names import Oid, printable
from gitclaim.refstore.contract import LINEAGE
from gitclaim.signing import Signer


class GitObjects:
    """Signed commits over the empty tree, written and read by the git program.

    Args:
        git: asks the repository.
        place: where it lies.
        signer: how this clone signs.
        person: the name and the address that commits of ours carry.
        signed: is told which key an object of ours was signed with, where that is known.
    """

    def __init__(
        self, git: Git, place: Place, signer: Signer, person: tuple[str, str], signed: Callable[[Oid, str], None]
    ) -> None:
        self._git = git
        self._place = place
        self._signer = signer
        self._person = person
        self._signed = signed
        # What has a name that is made from its contents is read once.
        self._contents: dict[Oid, bytes] = {}
        self._lineages: dict[Oid, list[Oid]] = {}

    @property
    def empty_tree(self) -> str:
        """See `ObjectStore.empty_tree`."""
        return self._place.empty_tree

    def write(self, message: str, *, parent: Oid | None, at: datetime) -> Oid:
        """See `ObjectStore.write`.

        Raises:
            GitclaimError: git could not sign or store it.
        """
        self._store_tree()
        parents = ["-p", parent] if parent else []
        done = self._git.call(
            *self._signer.options(),
            *("commit-tree", "-S", *parents, "-F", "-", self.empty_tree),
            stdin=message.encode(),
            env=_signature_lines(self._person, at),
        )
        if done.code is None:
            raise GitclaimError("signing the claim did not end in time", hint=self._signer.mend)
        if done.code:
            bare = _commit(self.empty_tree, parent, self._person, at, message)
            signature = self._signer.sign(bare)
            if signature is None:
                raise GitclaimError(
                    f"git could not sign the claim: {printable(done.complaint)}", hint=self._signer.mend
                )
            signed = _with_signature(bare, signature, self._place.object_format)
            done = self._git.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=signed)
        oid = Oid(done.text.strip())
        if key := self._signer.key:
            self._signed(oid, key)
        return oid

    def _store_tree(self) -> None:
        """Have the empty tree in the object database: git can do without, `git fsck` and other programs can not."""
        tree = self.empty_tree
        if not os.path.exists(os.path.join(self._place.common_dir, "objects", tree[:2], tree[2:])):
            self._git.run("hash-object", "-t", "tree", "-w", "--stdin", stdin=b"")

    def read(self, oids: Iterable[Oid]) -> dict[Oid, bytes | str]:
        """See `ObjectStore.read`: the sizes first, so that nobody's giant object is read into memory."""
        asked = dict.fromkeys(oids)
        missing = [oid for oid in asked if oid not in self._contents]
        odd = self._oddities(missing)
        self._contents |= self._read([oid for oid in missing if oid not in odd])
        return {oid: odd.get(oid) or self._contents[oid] for oid in asked}

    def lineage(self, oid: Oid) -> list[Oid]:
        """See `ObjectStore.lineage`."""
        if b"\nparent " not in self._contents.get(oid, b"\nparent ").partition(b"\n\n")[0]:
            return [oid]
        if oid not in self._lineages:
            done = self._git.run("rev-list", "--first-parent", f"--max-count={LINEAGE}", oid)
            self._lineages[oid] = [Oid(line) for line in done.text.split()]
        return self._lineages[oid]

    def _oddities(self, oids: list[Oid]) -> dict[Oid, str]:
        """What those are that can't be claims."""
        if not oids:
            return {}
        question = "".join(f"{oid}\n" for oid in oids).encode()
        answers = self._git.run("cat-file", "--batch-check", "--buffer", stdin=question).text.split("\n")
        return {oid: odd for oid, answer in zip(oids, answers, strict=False) if (odd := _oddity(answer))}

    def _read(self, oids: list[Oid]) -> dict[Oid, bytes]:
        if not oids:
            return {}
        question = "".join(f"{oid}\n" for oid in oids).encode()
        out = self._git.run("cat-file", "--batch", "--buffer", stdin=question).out
        found = {}
        position = 0
        for oid in oids:
            # A line with name, type and size, then the contents and a line break (git-cat-file(1), "BATCH OUTPUT").
            end = out.index(b"\n", position)
            size = int(out[position:end].rsplit(b" ", 1)[1])
            found[oid] = out[end + 1 : end + 1 + size]
            position = end + 1 + size + 1
        return found


def _oddity(answer: str) -> str | None:
    """What an object is that can't be a claim, from `cat-file --batch-check`; None for a commit of reasonable size."""
    parts = answer.split(" ")
    if len(parts) != 3:  # noqa: PLR2004 - name, type, size
        return "a missing object"
    if parts[1] != "commit":
        return f"a {printable(parts[1])}, not a commit"
    return f"a commit of {parts[2]} bytes" if int(parts[2]) > MESSAGE_LIMIT else None


def _signature_lines(person: tuple[str, str], at: datetime) -> Mapping[str, str]:
    name, email = person
    date = f"@{int(at.timestamp())} +0000"
    return {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
        "GIT_COMMITTER_DATE": date,
    }


def _commit(tree: str, parent: Oid | None, person: tuple[str, str], at: datetime, message: str) -> bytes:
    """The commit `git commit-tree` would write, without its signature (git-cat-file(1), "commit")."""
    # git drops the same characters from names and addresses (ident.c, strbuf_addstr_without_crud).
    name, email = (re.sub(r"[<>\x00-\x1f]", "", text).strip() for text in person)
    who = f"{name} <{email}> {int(at.timestamp())} +0000"
    lines = [f"tree {tree}", *([f"parent {parent}"] if parent else []), f"author {who}", f"committer {who}"]
    return "\n".join([*lines, "", message]).encode()


def _with_signature(bare: bytes, signature: str, object_format: str) -> bytes:
    """The commit with the header that carries its signature, which follows the committer's."""
    head, _, message = bare.partition(b"\n\n")
    header = "gpgsig" if object_format == "sha1" else f"gpgsig-{object_format}"
    folded = signature.replace("\n", "\n ")
    return b"%s\n%s %s\n\n%s" % (head, header.encode(), folded.encode(), message)
