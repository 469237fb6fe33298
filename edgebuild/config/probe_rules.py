"""What probes look for beyond a plain Linux: edgebuild/probe/rules/*.yaml, and the project's own probe/*.yaml."""

from __future__ import annotations

from pathlib import Path

from edgebuild.config.yaml import load_yaml
from edgebuild.model.probe_rule import ProbeRules
from edgebuild.workspace import Workspace

_SHIPPED = Path(__file__).resolve().parent.parent / "probe" / "rules"


def load_probe_rules(ws: Workspace) -> ProbeRules:
    """All files as one; a project's file takes the place of a shipped one that is called the same.

    Raises ConfigError.
    """
    files = {path.name: path for base in (_SHIPPED, ws.project / "probe") for path in sorted(base.glob("*.yaml"))}
    loaded = [load_yaml(files[name], ProbeRules) for name in sorted(files)]
    return ProbeRules(
        versions=tuple(rule for each in loaded for rule in each.versions),
        mounts=tuple(rule for each in loaded for rule in each.mounts),
    )
