"""`python -m tests.boxes`: the boxes' userlands locked anew."""

from pathlib import Path

from edgebuild.log import Log
from edgebuild.workspace import Workspace
from tests.boxes.userland import lock_userlands

lock_userlands(Workspace.open(project=Path.cwd(), out=None, log=Log()))
