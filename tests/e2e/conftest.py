"""The fixtures themselves are a plugin, fixtures.py, because a backend's own tests use them too."""

from tests.e2e.fixtures import Built, build

__all__ = ["Built", "build"]
