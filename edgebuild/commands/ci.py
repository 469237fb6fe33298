"""edgebuild ci: the rows as a CI matrix, and a workflow that builds them all."""

from __future__ import annotations

import importlib.metadata
import json
import shlex
from pathlib import Path
from typing import Any

import click
import msgspec

from edgebuild import __version__, ci
from edgebuild.commands.context import Context, complete_targets, current_project, print_json
from edgebuild.config.targets import load_target, resolve_names
from edgebuild.digest import digest_of, sha256_file
from edgebuild.errors import ConfigError
from edgebuild.model.project import Project
from edgebuild.workspace import PROJECT_FILE, Workspace, shipped_data

# How this repository's own jobs get edgebuild: as `make test` does, at known versions of everything.
_OWN = ci.Setup(install="-c .ci/constraints.txt -e .", gate="make test")
_INSTALL_HINT = "say it with --install, as arguments of pip: --install 'git+https://example.org/edgebuild@v1'."

install_option = click.option(
    "--install",
    metavar="WORDS",
    help="Arguments of `pip install` that give a job edgebuild (default: from where it was installed here).",
)


@click.group("ci")
def command() -> None:
    """List the rows as a CI matrix, or print a workflow that builds them."""


@command.command("matrix")
@click.option("--format", "kind", type=click.Choice(["github", "gitlab", "json"]), default="json", show_default=True)
@click.option(
    "--target", "-t", "wishes", multiple=True, metavar="NAME", shell_complete=complete_targets,
    help="Only these rows, aliases or families ('x-*'); may be said several times.",
)  # fmt: skip
@install_option
@click.pass_obj
def matrix(ctx: Context, kind: str, wishes: tuple[str, ...], install: str | None) -> None:
    """One entry per row of the project: edgebuild.yaml in this folder or above it, else the core's.

    \b
    github: one line for `matrix: ${{ fromJSON(...) }}`
    gitlab: a child pipeline, for `trigger: include: artifact:`
    """
    rows = matrix_rows(wishes, ctx.ws)
    if kind == "github":
        click.echo(ci.render_github_matrix(rows))
    elif kind == "gitlab":
        click.echo(ci.render_gitlab_matrix(rows, setup_of(install, ctx.ws)))
    else:
        print_json(ci.matrix_document(rows))


@command.command("workflow")
@click.option("--format", "kind", type=click.Choice(["github", "gitlab"]), required=True)
@install_option
@click.option("--gate", metavar="COMMAND", help="A job of its own that runs this, such as the project's tests.")
@click.pass_obj
def workflow(ctx: Context, kind: str, install: str | None, gate: str | None) -> None:
    """A complete workflow: one job and one artifact per row.

    \b
    github: for .github/workflows/build.yml
    gitlab: for .gitlab-ci.yml
    """
    setup = setup_of(install, ctx.ws, gate=gate)
    click.echo(ci.render_github_workflow(setup) if kind == "github" else ci.render_gitlab_workflow(setup))


def matrix_rows(wishes: tuple[str, ...], ws: Workspace) -> tuple[ci.MatrixRow, ...]:
    """Sorted by name, each row once whatever it was called. Raises ConfigError for what the project is not for."""
    project, folder = current_project(ws)
    names = {name for wish in wishes for name in chosen(wish, project)} if wishes else set(project.targets)
    return tuple(matrix_row(name, project, folder, ws) for name in sorted(names))


def chosen(wish: str, project: Project) -> tuple[str, ...]:
    names = tuple(name for name in resolve_names(wish) if name in project.targets)
    if not names:
        msg = f"--target: '{project.name}' is not for '{wish}'"
        raise ConfigError(msg, f"`targets` in its edgebuild.yaml has: {', '.join(project.targets)}.")
    return names


def matrix_row(name: str, project: Project, folder: Path, ws: Workspace) -> ci.MatrixRow:
    """Loads all that the row names, so what is wrong with it ends CI here, before a job per row has begun."""
    spec = load_target(name, ws, wished=(wished := project.toolchain_of(name)), where=PROJECT_FILE if wished else "")
    sysroots = [lock for _, lock in spec.sysroots.values()]
    ours = [spec.library_sources, spec.runtimes, spec.tools]
    locked = msgspec.to_builtins([spec.toolchain.lock, spec.toolchain.sysroot, sysroots, spec.image, *ours])
    conanfile = folder / project.source.conan if project.source.conan else None
    asked = [conanfile, conanfile.with_name("conan.lock")] if conanfile else []
    libraries = [sha256_file(path) for path in asked if path.is_file()]
    has_bindings = folder == ws.core_source
    return ci.MatrixRow(
        target=name,
        arch=spec.arch.name,
        formats=project.formats_of(name, has_base=spec.image is not None),
        python=tuple(python.tag for python in spec.pythons) if has_bindings else (),
        roots=spec.row.roots,
        artifact=f"{project.name}-{name}",
        cache_key=digest_of([locked, libraries])[:16],
    )


def setup_of(install: str | None, ws: Workspace, *, gate: str | None = None) -> ci.Setup:
    """What was asked for; for the rest what fits this repository, or a project of somebody's own."""
    for option, words in (("--install", install), ("--gate", gate)):
        if words is not None and (not words.strip() or "\n" in words):
            msg = f"{option}: it goes into one line of a script"
            raise ConfigError(msg, "put more into a script of the project and name that.")
    if ws.project == shipped_data():
        return ci.Setup(install=install or _OWN.install, gate=gate or _OWN.gate)
    return ci.Setup(install=install or installed_from(_direct_url()), gate=gate or "")


def _direct_url() -> dict[str, Any] | None:
    """Where pip installed edgebuild from (PEP 610); None when it was a package index."""
    try:
        text = importlib.metadata.distribution("edgebuild").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError as err:
        msg = "edgebuild runs from a folder here, so where a job would get it from is not known"
        raise ConfigError(msg, _INSTALL_HINT) from err
    return json.loads(text) if text else None


def installed_from(origin: dict[str, Any] | None) -> str:
    """Arguments of `pip install` for a PEP 610 record. Raises ConfigError for a place that only this machine has.

    A name on a package index is only used if it came from one: an unregistered name is anybody's to register.
    """
    if origin is None:
        return f"edgebuild=={__version__}"
    url = str(origin.get("url", ""))
    if url.startswith("file:"):
        msg = "edgebuild was installed from a folder of this machine, which a job does not have"
        raise ConfigError(msg, _INSTALL_HINT)
    if vcs := origin.get("vcs_info"):
        return shlex.quote(f"{vcs['vcs']}+{url}@{vcs['commit_id']}")
    digest = origin.get("archive_info", {}).get("hashes", {}).get("sha256")
    return shlex.quote(f"{url}#sha256={digest}" if digest else url)
