"""What the commands that only look have in common: a fresh view, or with `--offline` the mirror and its age."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import click

from gitclaim.cli.present import Style
from gitclaim.registry import Registry


def offline_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option `--offline`."""
    return click.option("--offline", is_flag=True, help="Don't ask the registry; look at the mirror, and say how old.")(
        function
    )


def viewed(registry: Registry, style: Style, *, offline: bool) -> tuple[float | None, str]:
    """Bring the view up to date unless offline; its age in seconds, and a line about that for people.

    Raises:
        UnreachableError: the registry could not be read.
    """
    if not offline:
        registry.store.sync()
        return 0.0, ""
    age = registry.store.age(registry.clock.now())
    if age is None:
        return None, "note: this clone has never seen the registry; run without --offline first"
    if age == 0:
        return age, ""
    return age, f"note: offline, as of {style.ago(style.now - timedelta(seconds=age))}"
