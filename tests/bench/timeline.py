"""Where the time of one command goes: run by the interpreter that has gitclaim, not imported.

    python timeline.py STARTED REPORT WORD...

STARTED is when the process was started, in nanoseconds of the monotonic clock. Writes REPORT, a list of
[what, begun, ended] in nanoseconds since then; a program's end is when its answer was read.
"""

# Nothing here may import what gitclaim imports: it would be counted as the interpreter's start.
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

started, report, words = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
steps: list[list[object]] = [["interpreter starts", 0, time.monotonic_ns() - started]]


def main() -> None:
    begun = time.monotonic_ns() - started
    from gitclaim.__main__ import main as program  # noqa: PLC0415 - what is timed
    from gitclaim.process import Completed, Started  # noqa: PLC0415

    steps.append(["imports gitclaim and click", begun, time.monotonic_ns() - started])
    start, finish = Started.__init__, Started.finish

    def noted_start(self: Started, argv: list[str], **options: "Any") -> None:  # noqa: ANN401 - handed on
        step = [_verb(argv), time.monotonic_ns() - started, 0]
        steps.append(step)
        start(self, argv, **options)
        by_program[id(self)] = step

    def noted_finish(self: Started, timeout: float | None = None, *, most: int | None = None) -> Completed:
        done = finish(self, timeout, most=most)
        by_program[id(self)][2] = time.monotonic_ns() - started
        return done

    by_program: dict[int, list[object]] = {}
    Started.__init__, Started.finish = noted_start, noted_finish  # type: ignore[method-assign,assignment]
    sys.argv = ["gitclaim", *words]
    # The report is still to be written.
    os._exit = sys.exit  # type: ignore[assignment]
    try:
        program()
    finally:
        steps.append(["answered", time.monotonic_ns() - started, time.monotonic_ns() - started])
        with open(report, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib may not be there yet
            # Words without quotes and numbers: this is JSON too.
            file.write(repr(steps).replace("'", '"'))


def _verb(argv: list[str]) -> str:
    """The program and, for git, its command."""
    rest = iter(argv[1:])
    verb = ""
    for word in rest:
        if word == "-c":
            next(rest)
        elif not verb:
            verb = word
    return f"{argv[0]} {verb}"


main()
