"""The bench runs: what it says about speed is not tested here."""

from pathlib import Path
from typing import Final

import pytest

from tests.bench.__main__ import WHERE, measured
from tests.bench.cases import CASES, Sizes
from tests.bench.world import World, from_checkout

QUICK: Final = ("embedded", "sync", WHERE)
ALL: Final = [part if part in QUICK else pytest.param(part, marks=pytest.mark.torture) for part in [*CASES, WHERE]]


@pytest.mark.parametrize("part", ALL)
def test_every_part_of_the_bench_measures_something(part: str, tmp_path: Path) -> None:
    if part == "start":
        pytest.importorskip("pygit2")

    text, _ = measured(World(tmp_path, from_checkout()), Sizes(rounds=1, crowd=2, many=20, staged=120), [part])

    assert text.count("| ") > 10
