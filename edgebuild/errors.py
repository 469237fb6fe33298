"""One exception type per exit code. Every message says what, where, expected/found; the hint says what next."""

from __future__ import annotations

from collections.abc import Sequence


class EdgebuildError(Exception):
    """Base of everything that ends a command on purpose; anything else is a defect of ours."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(EdgebuildError):
    """Usage or configuration: what the user wrote cannot be right."""

    exit_code = 2


class ConfigErrors(ConfigError):
    """Several configuration errors, reported together, before the first download."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        super().__init__("\n".join(error.message for error in errors))
        self.errors = tuple(errors)


class NotAvailable(EdgebuildError):
    """A tool, file or package that is not here and cannot be had now (offline, gone from the mirror)."""

    exit_code = 3


class BuildError(EdgebuildError):
    """A compiler, configure step or packaging tool failed."""

    exit_code = 4


class AuditError(EdgebuildError):
    """The ship gate refused: the box could not load this."""

    exit_code = 5


class VerificationError(EdgebuildError):
    """Bytes are not what a digest or signature says."""

    exit_code = 6


class BoxError(EdgebuildError):
    """A box refused, failed, or could not be talked to for another reason than being off."""

    exit_code = 7


class BoxPending(EdgebuildError):
    """A box that is off or out of reach. Its turn comes on the next run."""

    exit_code = 8


INTERRUPTED = 130
