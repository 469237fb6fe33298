"""`python -m tests.truth`: roots and artifacts of the truth test locked anew."""

from pathlib import Path

from edgebuild.log import Log
from edgebuild.workspace import Workspace
from tests.truth.recipe import lock_all

lock_all(Workspace.open(project=Path.cwd(), out=None, log=Log()))
