"""How much of a table the suite has time for."""

from collections.abc import Iterable

import pytest


def few(values: Iterable[object], number: int) -> list[object]:
    """Rows for parametrize: as many of the first in the suite, the others in torture."""
    torture = pytest.mark.torture
    return [
        # Each worker has to call them the same.
        one if at < number else pytest.param(one, marks=torture, id=getattr(one, "__name__", str(one)))
        for at, one in enumerate(values)
    ]
