"""How much of a table the suite has time for."""

from collections.abc import Iterable

import pytest


def few(values: Iterable[object], number: int) -> list[object]:
    """Rows for parametrize: as many of the first in the suite, the others in torture."""
    torture = pytest.mark.torture
    return [one if at < number else pytest.param(one, marks=torture, id=str(one)) for at, one in enumerate(values)]
