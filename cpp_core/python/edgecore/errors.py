"""The one exception of the core."""

from __future__ import annotations


class Error(Exception):
    """code: "invalid argument", "not found", "unsupported", "corrupt", "vendor library failed" or "internal error";
    hint: what to do next, or "".
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(code, message, hint)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message
