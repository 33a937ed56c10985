"""The floors of the house (DESIGN §10): who may import whom, and what the library never does."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.kit.repos import ROOT

PACKAGE: Final = "gitclaim"

# A new module joins one floor here. What a floor may import is said below.
FLOORS: Final = {
    "words": "errors clock names resources claim record trust health policy change githook",
    "contract": "refstore.contract",
    "edges": (
        "process git objects signing verifying sshsig settings identity worktree probes state mirror ledger touched"
        " merged hookfiles refstore refstore.local refstore.memory refstore.remote refstore.listed refstore.locks"
    ),
    "rules": "registry protocol holding breaking sweep moving doctor verdict enforcing land admission deciding wall",
    "root": "workspace serving",
    "doors": "__main__ cli cli.* hooks hooks.*",
    "package": "__init__",
}

MAY_IMPORT: Final = {
    "words": {"words"},
    "contract": {"words", "contract"},
    "edges": {"words", "contract", "edges"},
    "rules": {"words", "contract", "rules"},
    "root": {"words", "contract", "edges", "rules", "root"},
    "doors": {"words", "rules", "root", "doors", "package"},
    "package": set[str](),
}

# Beside the standard library, module by module; doors speak click.
PACKAGES: Final = {"settings": {"yaml"}, "sshsig": {"cryptography"}}

DOORS: Final = frozenset({"doors"})
NEVER_CALLED: Final = frozenset(
    {"print", "input", "breakpoint", "exit", "quit", "sys.exit", "os._exit", "os.getenv", "os.getenvb", "os.putenv"}
    | {"os.unsetenv", "os.getcwd", "os.chdir", "os.path.expanduser", "Path.home", "Path.cwd", "pathlib.Path.home"}
)
NEVER_TOUCHED: Final = frozenset(
    {"os.environ", "os.environb", "sys.argv", "sys.stdin", "sys.stdout", "sys.stderr", "sys.__stdout__"}
)


def modules() -> dict[str, Path]:
    """Every module of the package, by its name without the package's."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)] = path
    return found


def floor_of(module: str) -> str | None:
    """The floor a module is on, or None when the table does not know it."""
    for floor, names in FLOORS.items():
        for name in names.split():
            if module == name or (name.endswith(".*") and module.startswith(name[:-1])):
                return floor
    return None


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported, also inside functions and for types only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # A relative import would be read as one of the standard library: absolute ones only.
            yield f"{'.' * node.level}{node.module or ''}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module)


def own(name: str, known: dict[str, Path]) -> str | None:
    """The module of ours that an import names, if it names one."""
    if name == PACKAGE:
        return "__init__"
    inner = name.removeprefix(f"{PACKAGE}.")
    # "from gitclaim import __version__" names an attribute of the package, or a module that does not exist.
    return inner if inner != name and inner in known else None


def broken_rules(module: str, source: str, known: dict[str, Path]) -> list[str]:
    """What a module imports and must not."""
    floor = floor_of(module)
    assert floor is not None
    found = []
    for name in imports(ast.parse(source)):
        ours = own(name, known)
        if name.startswith("."):
            found.append(f"{module} uses a relative import")
        elif ours == "__init__":
            # Every import of the package's modules runs it; what it holds itself is for doors.
            bare = name == PACKAGE and any(
                isinstance(node, ast.Import) and any(alias.name == PACKAGE for alias in node.names)
                for node in ast.walk(ast.parse(source))
            )
            if bare and "package" not in MAY_IMPORT[floor]:
                found.append(f"{module} ({floor}) imports the package itself")
        elif ours:
            theirs = floor_of(ours)
            if theirs not in MAY_IMPORT[floor]:
                found.append(f"{module} ({floor}) imports {ours} ({theirs})")
        elif not name.startswith(f"{PACKAGE}."):
            top = name.partition(".")[0]
            allowed = {"click"} if floor in DOORS else PACKAGES.get(module, set())
            if top not in sys.stdlib_module_names and top not in allowed:
                found.append(f"{module} ({floor}) imports {top}")
    return found


def dotted(node: ast.AST) -> str:
    """`os.environ` for the expression that says so, empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}" if dotted(node.value) else ""
    return ""


def misdeeds(source: str) -> list[str]:
    """What the library never does: print, ask, exit, look into the environment or at the terminal."""
    tree = ast.parse(source)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func) in NEVER_CALLED:
            found.append(f"line {node.lineno} calls {dotted(node.func)}")
        elif isinstance(node, ast.Attribute) and dotted(node) in NEVER_TOUCHED:
            found.append(f"line {node.lineno} touches {dotted(node)}")
        elif isinstance(node, ast.ImportFrom) and node.module in {"os", "sys"}:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found += [f"line {node.lineno} imports {name}" for name in sorted(names & (NEVER_CALLED | NEVER_TOUCHED))]
        elif isinstance(node, ast.Raise) and node.exc and dotted(getattr(node.exc, "func", node.exc)) == "SystemExit":
            found.append(f"line {node.lineno} raises SystemExit")
    return found


KNOWN: Final = modules()


@pytest.mark.parametrize("module", KNOWN)
def test_every_module_is_on_a_floor(module: str) -> None:
    """A module nobody placed is a decision nobody took: add it to FLOORS."""
    assert floor_of(module), f"gitclaim/{module.replace('.', '/')}.py is on no floor of tests/test_layers.py"


@pytest.mark.parametrize("module", [module for module in KNOWN if floor_of(module)])
def test_a_module_imports_only_what_its_floor_may(module: str) -> None:
    assert broken_rules(module, KNOWN[module].read_text(encoding="utf-8"), KNOWN) == []


@pytest.mark.parametrize("module", [module for module in KNOWN if floor_of(module) not in DOORS])
def test_the_library_neither_prints_nor_exits_nor_reads_the_environment(module: str) -> None:
    assert misdeeds(KNOWN[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source", "rule"),
    [
        ("errors", "import gitclaim.git", "errors (words) imports git (edges)"),
        ("claim", "from gitclaim import git", "claim (words) imports git (edges)"),
        ("claim", "from gitclaim.refstore.contract import Swap", "claim (words) imports refstore.contract (contract)"),
        ("claim", "def f():\n    import click", "claim (words) imports click"),
        ("claim", "from . import git", "claim uses a relative import"),
        ("git", "from gitclaim.protocol import take", "git (edges) imports protocol (rules)"),
        ("git", "import gitclaim.workspace", "git (edges) imports workspace (root)"),
        ("git", "import yaml", "git (edges) imports yaml"),
        ("protocol", "from gitclaim.git import Git", "protocol (rules) imports git (edges)"),
        ("protocol", "import gitclaim.refstore.memory", "protocol (rules) imports refstore.memory (edges)"),
        ("protocol", "from gitclaim.workspace import Workspace", "protocol (rules) imports workspace (root)"),
        ("workspace", "from gitclaim.cli.app import main", "workspace (root) imports cli.app (doors)"),
        ("cli.app", "from gitclaim.git import Git", "cli.app (doors) imports git (edges)"),
        ("cli.app", "from gitclaim import process", "cli.app (doors) imports process (edges)"),
        (
            "cli.app",
            "from gitclaim.refstore.contract import Swap",
            "cli.app (doors) imports refstore.contract (contract)",
        ),
    ],
)
def test_a_broken_rule_is_named(module: str, source: str, rule: str) -> None:
    """The table can fail."""
    known = {**KNOWN, "cli.app": Path(), "workspace": Path(), "protocol": Path()}
    assert rule in broken_rules(module, source, known)


@pytest.mark.parametrize(
    "source",
    [
        "print('x')",
        "def f():\n    sys.exit(1)",
        "x = os.environ['HOME']",
        "from os import environ",
        "import sys\nsys.stdout.write('x')",
        "raise SystemExit",
        "raise SystemExit(2)",
        "os.getenv('HOME')",
        "Path.home()",
    ],
)
def test_a_misdeed_is_seen(source: str) -> None:
    assert misdeeds(source)


def test_the_table_names_no_module_twice() -> None:
    listed = " ".join(FLOORS.values()).split()
    assert len(listed) == len(set(listed))
