"""Opens any artifact and gives its facts."""

from edgebuild.inputs.artifact import Artifact, open_artifact, read_artifact

__all__ = ["Artifact", "open_artifact", "read_artifact"]
