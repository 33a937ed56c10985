"""The bench: `python -m tests.bench`, or `python -m tests.bench disk link --rounds 5`.

Prints Markdown; with --write it goes into docs/performance.md.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.bench.cases import CASES, Sizes
from tests.bench.report import table
from tests.bench.where import where
from tests.bench.world import World, installed
from tests.kit.repos import ROOT, run
from tests.kit.sealed import sealed_env

DOCUMENT: Final = ROOT / "docs" / "performance.md"
BEGIN: Final = "<!-- what follows is written by `python -m tests.bench --write` -->\n"
END: Final = "<!-- end of what is written -->\n"
WHERE: Final = "where"


def main(args: Sequence[str]) -> int:
    """Measure what was asked for and show it; 1 when a bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of: {' '.join([*CASES, WHERE])} (default: all)")
    parser.add_argument("--rounds", type=int, default=15, help="how often each thing is timed (default 15)")
    parser.add_argument("--crowd", type=int, default=32, help="processes side by side (default 32)")
    parser.add_argument("--many", type=int, default=10_000, help="claims of a full registry (default 10000)")
    parser.add_argument("--write", action="store_true", help=f"write it into {DOCUMENT.relative_to(ROOT)} too")
    asked = parser.parse_args(args)
    parts = asked.parts or [*CASES, WHERE]
    if unknown := set(parts) - {*CASES, WHERE}:
        parser.error(f"no such part: {' '.join(sorted(unknown))}")
    sizes = Sizes(asked.rounds, asked.crowd, asked.many)
    with tempfile.TemporaryDirectory(prefix="gitclaim-bench-") as temporary:
        root = Path(temporary)
        seal(root)
        world = World(root, installed(root / "program"))
        busy = os.getloadavg()[0]
        text, met = measured(world, sizes, parts)
    command = " ".join(["python -m tests.bench", *args])
    # What else ran meanwhile: our own share is about 1, and what is more makes the numbers worse than they are.
    load = f"load {busy:.1f} when it began, {os.getloadavg()[0]:.1f} when it ended"
    text = f"`{command}` on {machine()}; {load}:\n\n{text}"
    sys.stdout.write(text)
    if asked.write:
        head, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        DOCUMENT.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0 if met else 1


def seal(root: Path) -> None:
    """Keep what the machine's user has set up out of what is measured, as the tests do."""
    env = sealed_env(root / "home")
    os.environ.clear()
    os.environ.update(env)


def measured(world: World, sizes: Sizes, parts: Sequence[str]) -> tuple[str, bool]:
    """What came out, as Markdown, and whether every bar was met."""
    texts = []
    met = True
    for part in parts:
        sys.stderr.write(f"{part} ...\n")
        if part == WHERE:
            texts.append(f"### Where the time goes\n\n{where(world, sizes)}")
        else:
            rows = CASES[part](world, sizes)
            met = met and all(row.met for row in rows)
            texts.append(f"### {CASES[part].__doc__}\n\n{table(rows)}")
    return "\n".join(texts), met


def machine() -> str:
    """The machine in general terms."""
    git = run("git", "version", cwd=ROOT, env=os.environ).stdout.split()[2]
    cores = os.cpu_count()
    return f"{cores} cores, {system()}, git {git}, Python {platform.python_version()}"


def system() -> str:
    """The name the system gives itself."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return platform.system()
    return f"{release.get('ID', 'linux').capitalize()} {release.get('VERSION_ID', '')}".strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
