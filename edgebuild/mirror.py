"""The distribution's mirror, as the host's apt is configured: nobody's address is written into edgebuild."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

from edgebuild.errors import NotAvailable

_QUESTION = ("apt-get", "indextargets", "--format", "$(LABEL)\t$(REPO_URI)", "Created-By: Packages")


@functools.cache
def debian_mirror(suite: str) -> str:
    """Base address, without a trailing slash, of the Debian archive that carries a suite.

    Security suites have an archive of their own, beside the main one unless apt is told otherwise.
    EDGEBUILD_DEBIAN_MIRROR overrides the main one (on other distributions).
    """
    configured = _configured_archives(suite)
    if suite.endswith("-security"):
        return configured.get("Debian-Security") or f"{configured['Debian']}-security"
    return configured["Debian"]


def _configured_archives(suite: str) -> dict[str, str]:
    """Address by label: "Debian", "Debian-Security"."""
    if chosen := os.environ.get("EDGEBUILD_DEBIAN_MIRROR"):
        return {"Debian": chosen.rstrip("/")}
    if not shutil.which("apt-get"):
        msg = f"this machine has no apt, which the packages of '{suite}' come through"
        raise NotAvailable(msg, "set EDGEBUILD_DEBIAN_MIRROR to a Debian mirror, or use a machine with apt.")
    listing = subprocess.run(_QUESTION, capture_output=True, text=True, check=False).stdout
    archives = parse_archives(listing)
    if "Debian" not in archives:
        msg = "the host's apt is not configured for a Debian mirror"
        raise NotAvailable(msg, "set EDGEBUILD_DEBIAN_MIRROR, or run `apt-get update` first.")
    return archives


def parse_archives(listing: str) -> dict[str, str]:
    """Label -> address of apt's "LABEL<tab>ADDRESS" lines. The first of a label counts."""
    archives: dict[str, str] = {}
    for line in listing.splitlines():
        label, _, address = line.partition("\t")
        archives.setdefault(label, _first_of_list(address).rstrip("/"))
    return archives


def _first_of_list(address: str) -> str:
    """Cloud images name a file with mirrors, "mirror+file:/etc/apt/mirrors/debian.list" (apt-transport-mirror(1))."""
    if not address.startswith("mirror+file:"):
        return address
    lines = Path(address.removeprefix("mirror+file:").rstrip("/")).read_text().split("\n")
    return next((line.split()[0] for line in lines if line.strip() and not line.startswith("#")), "")
