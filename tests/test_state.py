"""The clone's own files."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gitclaim.state import State

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_what_was_not_written_to_for_long_is_pruned_and_nothing_else(tmp_path: Path) -> None:
    state = State(tmp_path)
    for name, age in (("push.1", 7200), ("push.2", 60), ("key", 7200)):
        state.write("x", name)
        os.utime(state.path(name), (NOW.timestamp() - age,) * 2)
    state.make("push.directory")
    (tmp_path / "push.link").symlink_to("key")
    state.prune(NOW, timedelta(hours=1), start="push.")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "push.2", "push.directory", "push.link"]


def test_where_there_is_nothing_nothing_is_pruned(tmp_path: Path) -> None:
    State(tmp_path / "none").prune(NOW, timedelta(hours=1), "verdicts")
    assert not (tmp_path / "none").exists()
