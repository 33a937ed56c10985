"""`gitclaim session`."""

import click

from gitclaim.cli.door import Answer, Door, answers, example


@click.command("session", epilog=example("gitclaim session"))
@answers
def command(*, door: Door) -> Answer:
    """Show who this session is, and where its name comes from.

    The name is --session, else GITCLAIM_SESSION, else a variable named in .gitclaim.yaml (session-variables), else one
    made once for each work tree.
    """
    identity = door.open().identity
    fields = {"session": identity.session, "source": identity.source}
    return Answer("session", fields, f"{identity.session} ({identity.source})")
