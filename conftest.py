"""At the root, because only here a plugin may be named: tests/e2e and cpp_core/backends/*/tests share its fixtures."""

from __future__ import annotations

import pytest

pytest_plugins = ("tests.e2e.fixtures",)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "e2e: needs the products of `edgebuild build --all` (make e2e)")
