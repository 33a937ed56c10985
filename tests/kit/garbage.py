"""Refs under `refs/claims` that are no claims, made by git itself, as somebody who can push can make them."""

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.kit.repos import Repo, run

ULID: Final = "01M7YC401KXTB8VF507NG0SPSC"

UNSAFE: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""What a terminal might obey; the line feed is ours."""


def raw_object(repo: Repo, kind: str, data: bytes) -> str:
    """Store any bytes as an object of that kind, however broken it is as one."""
    # The kit's runner speaks text, and these are bytes.
    encoded = base64.b64encode(data).decode()
    script = f"base64 -d | git hash-object -w --literally -t {kind} --stdin"
    return run("sh", "-c", script, cwd=repo.path, env=repo._environ(None), input=encoded).stdout.strip()


def raw_commit(repo: Repo, message: bytes, *, tree: str | None = None, head: bytes | None = None) -> str:
    """Store a commit with that message, over the empty tree unless told otherwise."""
    tree = tree or repo.git("hash-object", "-t", "tree", "-w", "--stdin")
    head = written() if head is None else head
    return raw_object(repo, "commit", b"tree " + tree.encode() + b"\n" + head + b"\n\n" + message)


def written(at: datetime | None = None) -> bytes:
    """The lines of a commit that say who wrote it, and when, which is now unless told otherwise."""
    who = b"M <m@example.org> %d +0000" % (at or datetime.now(UTC)).timestamp()
    return b"author %b\ncommitter %b" % (who, who)


def claim_message(resource: str, **changed: str | None) -> bytes:
    """A claim's message as docs/claim-format.md has it, with some lines changed, or left out where None."""
    now = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    lines = {
        "Claim-Format": "1",
        "Claim": ULID,
        "Session": "mallory",
        "Resource": f"path:{resource}",
        "Taken": f"{now.isoformat()}Z",
        "Expires": f"{(now + timedelta(hours=1)).isoformat()}Z",
    }
    purpose = changed.pop("purpose", "A purpose")
    lines |= {key.replace("_", "-"): value for key, value in changed.items() if value is not None}
    lines = {key: value for key, value in lines.items() if changed.get(key.replace("-", "_"), "") is not None}
    block = "\n".join(f"{key}: {value}" for key, value in lines.items())
    return f"take {resource}\n\n{purpose}\n\n{block}\n".encode("utf-8", "surrogateescape")


def malformed(repo: Repo) -> Mapping[str, str]:
    """Objects that are no claims, each with the ref it is to stand at."""
    blob = raw_object(repo, "blob", b"\x1b[31mnot a claim\n")
    files = repo.git("mktree", input=f"100644 blob {blob}\tfile\n")
    commit = raw_commit(repo, b"ordinary work\n", tree=files)
    many = "".join(f"Resource: path:many/{number}\n" for number in range(1001))
    messages = {
        "message/empty": b"",
        "message/truncated": claim_message("message/truncated")[:-60],
        "message/controls": claim_message("message/controls", purpose="\x1b]0;owned\x07\x1b[2J\x08\rgone"),
        "message/c1": claim_message("message/c1", purpose="\u009b31m"),
        "message/bidi": claim_message("message/bidi", purpose="safe \u202egnihtemos\u2066"),
        "message/session": claim_message("message/session", Session="mallory\u202e\u200f"),
        "message/session-esc": claim_message("message/session-esc", Session="m\x1b[31m"),
        "message/branch": claim_message("message/branch", Branch="main\x1b[31m"),
        "message/unknown": claim_message("message/unknown", Odd="\x1b[31m"),
        "message/twice": claim_message("message/twice") + b"Session: other\n",
        "message/purpose": claim_message("message/purpose", purpose="x" * 5000),
        "message/megabyte": claim_message("message/megabyte", purpose="x" * (1 << 20)),
        "message/two-megabytes": b"\x1b" * (1 << 21),
        "message/format": claim_message("message/format", Claim_Format="0"),
        "message/format-word": claim_message("message/format-word", Claim_Format="\x1b[31mone"),
        "message/no-format": claim_message("message/no-format", Claim_Format=None),
        "message/latin": claim_message("message/latin", purpose="caf\udce9"),
        "message/nul": claim_message("message/nul").replace(b"A purpose", b"A \0 purpose"),
        "message/many": claim_message("many/x").replace(b"Resource: path:many/x\n", many.encode()),
        "message/elsewhere": claim_message("message/nowhere"),
        "message/quoted": claim_message("message/x", Resource='path:"message/\\033[31m'),
        "message/ancestor": claim_message("message/ancestor", Resource="path:../../etc"),
        "date/far": claim_message("date/far", Expires="9999-12-31T23:59:59Z"),
        "date/year": claim_message("date/year", Expires="2300-01-01T00:00:00Z"),
        "date/none": claim_message("date/none", Expires="2026-02-30T00:00:00Z"),
        "date/backwards": claim_message("date/backwards", Expires="1999-01-01T00:00:00Z"),
        "date/negative": claim_message("date/negative", Taken="-001-01-01T00:00:00Z"),
    }
    who = b"M <m@example.org>"
    heads = {
        "head/far": b"author %b 253402300800 +0000\ncommitter %b 253402300800 +0000" % (who, who),
        "head/huge": b"author %b 1 +0000\ncommitter %b 99999999999999999999 +0000" % (who, who),
        "head/negative": b"author %b 1 +0000\ncommitter %b -5 +0000" % (who, who),
        "head/none": b"author %b 1 +0000" % who,
    }
    found = {f"path/{name}": raw_commit(repo, message) for name, message in messages.items()}
    found |= {f"path/{name}": raw_commit(repo, claim_message(name), head=head) for name, head in heads.items()}
    tag = f"object {commit}\ntype commit\ntag evil\ntagger M <m@example.org> 1 +0000\n\n\x1b[31m\n".encode()
    return found | {
        "path/object/blob": blob,
        "path/object/tree": files,
        "path/object/tag": raw_object(repo, "tag", tag),
        "path/object/commit": commit,
        "path/object/files": raw_commit(repo, claim_message("object/files"), tree=files),
        "path/name/\u202edren": blob,
        "path/name/\u0085next": blob,
        "path/name/\udcff": blob,
        "path/name/CASE": raw_commit(repo, claim_message("name/CASE")),
        "path/name/%ZZ": blob,
        "path/name/$(touch${IFS}owned);'\"": blob,
        "other/kind": blob,
        "task": blob,
    }


def untrusted(repo: Repo) -> Mapping[str, str]:
    """Claims in good form that nobody signed, or not with that signature."""
    signature = b"\ngpgsig -----BEGIN SSH SIGNATURE-----\n U1NIU0lH\x1b[31m\n -----END SSH SIGNATURE-----"
    return {
        "path/unsigned": raw_commit(repo, claim_message("unsigned")),
        "path/forged": raw_commit(repo, claim_message("forged"), head=written() + signature),
        "path/$(touch${x}owned)": raw_commit(repo, claim_message("$(touch${x}owned)")),
        "path/lines": raw_commit(repo, claim_message("lines", purpose="a\n\n\n\n\nClaim: no\n\nb")),
    }


def newer(repo: Repo) -> Mapping[str, str]:
    """A claim of a format to come."""
    return {"path/newer": raw_commit(repo, claim_message("newer", Claim_Format="2", Odd="\x1b[31m"))}


def push(repo: Repo, refs: Mapping[str, str]) -> None:
    """Push objects to `refs/claims/…` as any git would."""
    repo.git("push", "--quiet", "origin", *(f"{oid}:refs/claims/{name}" for name, oid in refs.items()))
