"""What every test stands on: a sealed environment, two clones, and the transports between them."""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.kit.repos import Clones, Repo, make_bare, make_clones, run
from tests.kit.sealed import sealed_env
from tests.kit.transport import Transport
from tests.kit.transports import TRANSPORTS, serving
from tests.kit.walled import Scene, build, copied


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Seal the environment: a home of the test's own, and nothing that the machine's user has set up."""
    home = tmp_path_factory.mktemp("home")
    env = sealed_env(home)
    for name in os.environ.keys() - env.keys():
        # pytest (PYTEST_CURRENT_TEST) and xdist keep their own state here.
        if not name.startswith("PYTEST_"):
            monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    # Else the setuptools of a virtual environment takes its share of every start of Python.
    monkeypatch.setenv("SETUPTOOLS_USE_DISTUTILS", "stdlib")
    return home


@pytest.fixture
def clones(tmp_path: Path) -> Clones:
    """Two clones, `alice` and `bob`, of one bare remote on this disk."""
    remote = make_bare(tmp_path / "remote.git")
    return make_clones(tmp_path, remote, remote.path.as_uri())


@pytest.fixture
def alice(clones: Clones) -> Repo:
    """The first of the two clones."""
    return clones.alice


@pytest.fixture
def bob(clones: Clones) -> Repo:
    """The second of the two clones."""
    return clones.bob


@pytest.fixture
def remote(clones: Clones) -> Repo:
    """The bare repository between the two clones, seen on its own disk."""
    return clones.remote


@pytest.fixture(scope="session", params=list(TRANSPORTS))
def transport(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Transport]:
    """Run the test once per transport; skip what is not installed, unless every transport is demanded."""
    with serving(request.param, tmp_path_factory.getbasetemp()) as transport:
        yield transport


@pytest.fixture
def remote_over(transport: Transport, tmp_path: Path) -> Clones:
    """A fresh bare repository behind the transport, and two clones over it."""
    remote = make_bare(tmp_path / "remote.git")
    return make_clones(tmp_path, remote, transport.url(remote.path), transport.env())


@pytest.fixture(scope="session")
def drafted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a server with its wall is built, by the first test that needs it: the others get copies."""
    return tmp_path_factory.mktemp("walled") / "built"


@pytest.fixture
def attacked(drafted: Path, tmp_path: Path) -> Scene:
    """A server with its wall, a claim on it, and who attacks it."""
    where = drafted.with_name("python")
    if not drafted.exists():
        draft = drafted.with_name("draft")
        build(draft, where)
        draft.rename(drafted)
    return copied(drafted, where / "bin" / "python", tmp_path)


@pytest.fixture
def gnupg(tmp_path: Path) -> Mapping[str, str]:
    """An openpgp key in a home of its own."""
    if not shutil.which("gpg"):
        pytest.skip("gpg: not installed")
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    env = {"GNUPGHOME": str(home)}
    argv = ("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "Ann <a@example.org>", "ed25519")
    run(*argv, "sign", "never", cwd=tmp_path, env={**os.environ, **env})
    return env
