"""`gitclaim trust`."""

from shlex import quote

import click

from gitclaim.cli.door import Answer, Door, answers, example
from gitclaim.errors import GitclaimError, UsageError
from gitclaim.names import printable
from gitclaim.registry import Registry
from gitclaim.trust import Trust, TrustMode, fingerprint
from gitclaim.workspace import Workspace

_MEANS = {
    TrustMode.ANY: "claims count whoever signed them",
    TrustMode.KNOWN: "claims count that were signed by a key listed here",
    TrustMode.ALLOWED_SIGNERS: "claims count that were signed by an allowed signer",
}


@click.command("trust", epilog=example("gitclaim trust"))
@click.argument("keys", metavar="[KEY|SESSION]...", nargs=-1)
@click.option("--forget", is_flag=True, help="Trust these keys no longer.")
@answers
def command(*, door: Door, keys: tuple[str, ...], forget: bool) -> Answer:
    """Show whose signatures count, or trust a key in this clone.

    What counts for all is decided by `trust`, `keys`, `signers` and `maintainers` in .gitclaim.yaml on the default
    branch. A KEY is a fingerprint or the line of a public ssh key; a SESSION stands for the keys that signed its live
    claims. They are kept in git's configuration (gitclaim.trustedKey), for this clone alone.
    """
    if forget and not keys:
        raise UsageError("say which key", hint="gitclaim trust lists them")
    workspace = door.open()
    registry = workspace.registry()
    found = [key for text in keys for key in _keys(text, registry)]
    for key in dict.fromkeys(found):
        _note(workspace, key, forget=forget)
    if keys:
        workspace = door.open()
    trust = workspace.trust()
    signed = workspace.registry().own_key()
    own, counts = signed.key or None, signed.trusted
    fields = {
        "mode": trust.mode.value,
        "source": trust.source,
        "own": own,
        "counts": counts,
        "keys": sorted(trust.keys),
        "maintainers": sorted(trust.maintainers),
        "trusted": workspace.trusted_keys(),
        "changed": list(dict.fromkeys(found)),
    }
    lines = [f"{'forgotten' if forget else 'trusted'}: {key}" for key in dict.fromkeys(found)]
    lines += _lines(trust, own, workspace.trusted_keys(), counts=counts)
    lines += _unread(workspace)
    return Answer("trust", fields, "\n".join(lines))


def _lines(trust: Trust, own: str | None, local: list[str], *, counts: bool) -> list[str]:
    lines = [f"trust: {trust.mode.value} ({trust.source}): {_MEANS[trust.mode]}"]
    lines.append(f"  own key     {own or 'not known'}{'' if counts else '   does not count here'}")
    lines += [f"  listed      {key}" for key in sorted(trust.keys - set(local))]
    lines += [f"  maintainer  {key}" for key in sorted(trust.maintainers)]
    lines += [f"  this clone  {key}" for key in local]
    return lines


def _unread(workspace: Workspace) -> list[str]:
    """What to do where nothing tells which branch of a remote is the one that decides."""
    target = workspace.settings.target
    if target.embedded or f"remote.{target.name}.url" not in workspace.config or workspace.default_branch():
        return []
    name = quote(target.name)
    return [f"hint: which branch of {name} decides is not known here: git remote set-head {name} --auto"]


def _keys(text: str, registry: Registry) -> list[str]:
    """The fingerprints somebody names.

    Raises:
        GitclaimError: it is no key, and no session of that name has a live claim.
    """
    try:
        return [fingerprint(text)]
    except ValueError:
        pass
    registry.store.sync()
    keys = registry.keys_of(text)
    if not keys:
        raise GitclaimError(
            f"no key, and no session with a signed claim: {printable(text)[:100]}",
            hint="write SHA256:..., an openpgp fingerprint, or the line of a public ssh key in quotes",
        )
    return keys


def _note(workspace: Workspace, key: str, *, forget: bool) -> None:
    known = [text for text in workspace.config.get("gitclaim.trustedkey", []) if fingerprint(text) == key]
    if forget:
        for text in known:
            workspace.distrust_key(text)
    elif not known:
        workspace.trust_key(key)
