"""What can go wrong and what to do about it: one error, its exit codes and its reason codes."""

from enum import IntEnum, StrEnum


class Exit(IntEnum):
    """The exit codes of every command, as documented in docs/exit-codes.md."""

    DONE = 0
    FIXABLE = 1
    USAGE = 2
    DENIED = 3
    OFFLINE = 4
    FENCED = 5
    NOTHING = 6
    SIMILAR = 7
    BUG = 70
    INTERRUPTED = 130


class Reason(StrEnum):
    """The reason codes scripts branch on, as documented in docs/exit-codes.md."""

    HELD = "HELD"
    WITHIN = "WITHIN"
    CONTAINS = "CONTAINS"
    EXPIRED = "EXPIRED"
    FENCED = "FENCED"
    UNTRUSTED = "UNTRUSTED"
    MALFORMED = "MALFORMED"
    OFFLINE = "OFFLINE"
    UNKNOWN = "UNKNOWN"


class GitclaimError(Exception):
    """A failure a person can act on.

    Args:
        message: what happened, one line.
        hint: what to do about it, or None where the message says so already.
        exit_code: the code the command ends with.
        reason: the reason code scripts see, if one fits.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        exit_code: Exit = Exit.FIXABLE,
        reason: Reason | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
        self.reason = reason


class UsageError(GitclaimError):
    """The command was called in a way that cannot mean anything."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, exit_code=Exit.USAGE)


class UnreachableError(GitclaimError):
    """The registry could not be asked; nothing was written there."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, exit_code=Exit.OFFLINE, reason=Reason.OFFLINE)


class UnknownOutcomeError(GitclaimError):
    """A write was sent, its answer was lost, and the registry could not be read since."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, exit_code=Exit.OFFLINE, reason=Reason.UNKNOWN)
