"""What the outputs are: a person's terminal, or something a program reads."""

import os
from typing import TextIO


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person reads this stream; one that was closed before we started is None."""
    return stream is not None and stream.isatty()


def coloured(stream: TextIO | None) -> bool:
    """Whether text there may be coloured: on a terminal, unless the user said no (https://no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
