"""At the root, because only here a plugin may be named: tests/e2e and cpp_core/backends/*/tests share its fixtures."""

pytest_plugins = ("tests.e2e.fixtures",)
