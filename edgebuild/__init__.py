"""edgebuild: cross-compiles one C++ video-analytics core for many edge boxes and proves that it loads."""

__version__ = "0.1.0"
