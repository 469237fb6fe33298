"""Entry point, apart from cli.py because its imports take a moment, in which Ctrl-C may come already."""

from __future__ import annotations

import sys

from edgebuild.errors import INTERRUPTED


def main() -> None:
    try:
        from edgebuild import cli
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    cli.main()


if __name__ == "__main__":
    main()
