"""The sealed environment: what a process started by a test may know about this machine."""

import os
from pathlib import Path
from typing import Final

GIT_CONFIG: Final = """\
[user]
\tname = Test
\temail = test@example.org
[init]
\tdefaultBranch = main
[advice]
\tdetachedHead = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
"""

# Prefixes of variables that would let the machine, or the session that runs the tests, speak into them.
_FOREIGN_PREFIXES: Final = ("GIT_", "GITCLAIM_", "SSH_", "GNUPG", "GPG_", "XDG_", "LC_", "PYTHON")
_FOREIGN_NAMES: Final = frozenset(
    {
        "CDPATH",
        "EDITOR",
        "EMAIL",
        "LANG",
        "LANGUAGE",
        "NO_COLOR",
        "PAGER",
        "VISUAL",
        "http_proxy",
        "https_proxy",
    }
    | {"ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "all_proxy", "no_proxy"}
)


def sealed_env(home: Path) -> dict[str, str]:
    """Return a whole environment whose home is `home`, with the git configuration written there.

    It is a plain dictionary, so that servers that outlive one test, and benches, use the same one. What is
    inherited is what a program needs to be found and run (`PATH`, `TMPDIR`, …); everything git, ssh or
    gitclaim listen to is not.
    """
    home.mkdir(parents=True, exist_ok=True)
    config = home / ".gitconfig"
    if not config.exists():
        config.write_text(GIT_CONFIG, encoding="utf-8")
    inherited = {
        name: value
        for name, value in os.environ.items()
        # PYTHONDONTWRITEBYTECODE goes with the PYTHON prefix: with it every start of gitclaim would
        # recompile.
        if not name.startswith(_FOREIGN_PREFIXES) and name not in _FOREIGN_NAMES
    }
    return inherited | {
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_EDITOR": "false",  # a test that would open an editor fails at once instead of hanging
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }
