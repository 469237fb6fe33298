"""A user's own CMake project: its libraries, its compilation, and the tree of it that ships."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from edgebuild.audit.origin import link_maps
from edgebuild.build import cmake
from edgebuild.build.conan import prefixes_of, provide_project_deps
from edgebuild.build.sdk import provide_sdk, sdk_digest
from edgebuild.digest import digest_files, digest_of, digest_tree
from edgebuild.elf import read_elves
from edgebuild.errors import BuildError, ConfigError
from edgebuild.model.product import Toolchain
from edgebuild.model.project import Project, command_words
from edgebuild.model.sdk import Sdk, SdkTree
from edgebuild.model.target import TargetSpec
from edgebuild.run import Command, Runner
from edgebuild.workspace import Workspace, write_atomic

_HERE = Path(__file__).resolve().parent
_MAKERS = ("project.py", "cmake.py")  # the part of the driver that decides what a staged tree looks like
# Where the tree lies in an image. A project that compiles its own place in is right there; on a box, without a
# container, the place changes with every release, and only what is found relative to the program works.
_PREFIX = Path("/app")
_LICENCES = Path("share/licenses")
_NOTICES = ("LICEN[CS]E*", "COPYING*", "NOTICE*")
# What other projects compile against, and manuals: no box needs them.
_SDK = (
    "include/**/*",
    "lib/**/*.a", "lib/**/*.la", "lib/**/*.o",
    "lib/**/*.cmake", "share/**/*.cmake",
    "lib/**/*.pc", "share/**/*.pc",
    "share/man/**/*", "share/info/**/*",
)  # fmt: skip


def provide_project(
    project: Project,
    folder: Path,
    target: TargetSpec,
    toolchain: Toolchain,
    sdks: tuple[Sdk, ...] = (),
    *,
    ws: Workspace,
    run: Runner,
) -> Path:
    """The project compiled and installed, with the shared libraries it needs in lib/: a folder in the cache.

    folder: of edgebuild.yaml. The build tree stays in build/, so a change recompiles only what it touches.
    Raises ConfigError (edgebuild.yaml names a program that is not installed), NotAvailable, BuildError.
    """
    deps = _provide_libraries(project, folder, target, toolchain, ws=ws, run=run)
    made = [provide_sdk(sdk, ws=ws) for sdk in sdks]
    tree = ws.build_tree(
        "-".join([project.name, toolchain.variant or toolchain.name, toolchain.arch.name, *(sdk.name for sdk in sdks)])
    )
    variables: dict[str, str] = {}
    for each in made:
        variables |= each.cmake_variables
    variables |= _variables(project)
    root, files = source_files(project, folder, ws=ws, run=run)
    sources = digest_files(root, files)
    key = digest_of(
        [
            sources,
            project.source.cmake,
            toolchain.digest,
            deps.name if deps else "",
            [[sdk_digest(sdk), sdk.is_bundled] for sdk in sdks],
            sorted(variables.items()),
            digest_tree(_HERE, only=_MAKERS),
        ]
    )

    def make(product: Path) -> None:
        log_file = ws.log_file(f"{tree.name}-{key[:8]}")
        prefixes = prefixes_of(deps) if deps else ()
        prefixes += tuple(prefix for each in made for prefix in each.prefixes)
        libraries = tuple(each.libraries for each in made)
        toolchain_file = _prepare_tree(tree, folder, project, toolchain, prefixes, libraries, ws=ws)
        source = folder / project.source.cmake
        run(cmake.configure_command(source, tree, toolchain_file, variables), log_file=log_file)
        run(cmake.build_command(tree), log_file=log_file)
        with ws.scratch("install") as installed:
            run(cmake.install_all_command(tree, installed), log_file=log_file)
            _move_prefix(installed, product)
        lay_out(product, source, project.name, deps)
        for each in made:
            if each.sdk.is_bundled:
                bundle_sdk(product, each)
        # It would be kept as made from what they were. What the build itself adds to its sources does no harm.
        if digest_files(root, (file for file in files if os.path.lexists(file))) != sources:
            msg = f"{project.name}: its sources changed while they were compiled"
            raise BuildError(msg, "build again; if nobody edited them, the build itself rewrites them.")

    with ws.lock(f"tree-{digest_of(str(tree))[:16]}"):
        title = f"Compiling {project.name} for {toolchain.arch.name}"
        stage = ws.provide("projects", tree.name, key, make, title)
    require_programs(project, stage)
    return stage


def source_digest(project: Project, folder: Path, *, ws: Workspace, run: Runner) -> str:
    """Digest of what the project is built from."""
    return digest_files(*source_files(project, folder, ws=ws, run=run))


def source_files(project: Project, folder: Path, *, ws: Workspace, run: Runner) -> tuple[Path, set[Path]]:
    """What the project is built from, and the folder above all of it: what git has and would take, else every file.

    What edgebuild itself writes (build/, out/) does not count.
    """
    places = [folder, folder / project.source.cmake]
    if project.source.conan:
        places.append((folder / project.source.conan).parent)
    root = Path(os.path.commonpath([place.resolve() for place in places]))
    ours = [place.resolve() for place in (ws.project / "build", ws.out, root / ".git")]
    listed = _git_files(root, "--cached", run=run)
    others = _git_files(root, "--others", "--exclude-standard", run=run)
    listed += [path for path in others if not any(path.is_relative_to(place) for place in ours)]
    files = {file for path in listed for file in _files_at(path)}
    if (folder / project.source.cmake / "CMakeLists.txt").resolve() not in files:
        files = set(_walk(root, skip=ours))  # no repository, or one that ignores this folder
    return root, files


def lay_out(stage: Path, source: Path, name: str, deps: Path | None) -> None:
    """Makes an installed prefix what ships: without the SDK, with needed libraries and all licences.

    source: of the project, for its licence. deps: prefix of its libraries. Raises BuildError.
    """
    for path in {path for pattern in _SDK for path in stage.glob(pattern)}:
        if path.is_symlink() or path.is_file():
            path.unlink()
    for link_map in link_maps(stage).values():  # beside what was installed as a whole folder of the build tree
        link_map.unlink()
    _remove_empty(stage)
    if not read_elves(stage):
        msg = f"{name}: the build installs no program and no library"
        raise BuildError(msg, "its CMakeLists.txt should call install(TARGETS ...) for what is to ship.")
    notices = [path for pattern in _NOTICES for path in sorted(source.glob(pattern)) if path.is_file()]
    if notices:
        (stage / _LICENCES / name).mkdir(parents=True, exist_ok=True)
    for notice in notices:
        shutil.copy2(notice, stage / _LICENCES / name / notice.name)
    if deps:
        bundle_libraries(stage, deps / "lib")
        if (deps / "licenses").is_dir():
            shutil.copytree(deps / "licenses", stage / _LICENCES, dirs_exist_ok=True)


def bundle_libraries(stage: Path, libraries: Path) -> None:
    """Copies what the staged files need, and what that needs in turn, into lib/ under the name that is asked for."""
    while True:
        elves = read_elves(stage)
        there = {Path(path).name for elf in elves for path in (elf.name, *elf.also)}
        wanted = {library for elf in elves for library in elf.needed} - there
        found = [libraries / library for library in sorted(wanted) if (libraries / library).is_file()]
        if not found:
            return
        (stage / "lib").mkdir(exist_ok=True)
        for library in found:
            shutil.copy2(library, stage / "lib" / library.name)


def bundle_sdk(stage: Path, tree: SdkTree) -> None:
    """What the staged files need of an SDK that may ship, and its licence where that is so."""
    before = {path.name for path in stage.glob("lib/*")}
    bundle_libraries(stage, tree.libraries)
    if {path.name for path in stage.glob("lib/*")} == before:
        return
    for text in tree.sdk.recipe.licence.files:
        place = stage / _LICENCES / tree.sdk.name / text  # several may be called the same
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tree.root / text, place)


def require_programs(project: Project, stage: Path) -> None:
    """What `run` and `health.cmd` start has to be there. Raises ConfigError."""
    commands = {"run": project.run, "health.cmd": project.health.cmd if project.health else ""}
    for key, command in commands.items():
        if not (words := command_words(command)):
            continue
        program = stage / words[0].removeprefix("${APP}/")
        if not (program.is_file() and os.access(program, os.X_OK)):
            there = sorted(path.relative_to(stage).as_posix() for path in stage.glob("bin/*"))
            msg = f"edgebuild.yaml: {key}: the build installs no program '{words[0]}'"
            raise ConfigError(msg, f"it installs {', '.join(there) or 'nothing in bin/'}.")


def _provide_libraries(
    project: Project, folder: Path, target: TargetSpec, toolchain: Toolchain, *, ws: Workspace, run: Runner
) -> Path | None:
    if not project.source.conan:
        return None
    conanfile = folder / project.source.conan
    return provide_project_deps(project.name, conanfile, toolchain, target.library_sources, ws=ws, run=run)


def _variables(project: Project) -> dict[str, str]:
    """Ours first: a project may have another build type, but not another place for what it installs."""
    return {
        "CMAKE_BUILD_TYPE": cmake.BUILD_TYPE,
        "CMAKE_EXPORT_COMPILE_COMMANDS": "ON",
        **project.source.variables,
        "CMAKE_INSTALL_PREFIX": str(_PREFIX),
        "CMAKE_INSTALL_LIBDIR": "lib",
        "CMAKE_INSTALL_RPATH": "$ORIGIN/../lib",
        "CMAKE_BUILD_WITH_INSTALL_RPATH": "ON",  # nothing runs from the build tree, and no path of this machine ships
    }


def _prepare_tree(
    tree: Path,
    folder: Path,
    project: Project,
    toolchain: Toolchain,
    prefixes: tuple[Path, ...],
    sdk_libraries: tuple[Path, ...],
    *,
    ws: Workspace,
) -> Path:
    """The toolchain file in the build tree; a tree configured by another one starts anew."""
    # CMake looks on the build machine where it is given no folder at all, so there always is one.
    prefixes = prefixes or (tree / "no-libraries",)
    prefix_map = {tree: "build", folder.resolve(): project.name, ws.cache: "cache"}
    content = cmake.render_toolchain_file(
        toolchain, prefixes=prefixes, prefix_map=prefix_map, sdk_libraries=sdk_libraries
    )
    toolchain_file = tree / "toolchain.cmake"
    if not toolchain_file.is_file() or toolchain_file.read_text() != content:
        shutil.rmtree(tree, ignore_errors=True)
        write_atomic(toolchain_file, content)
    (tree / "no-libraries").mkdir(exist_ok=True)
    return toolchain_file


def _move_prefix(installed: Path, product: Path) -> None:
    """Out of DESTDIR. Raises BuildError for what a project installs beside its prefix."""
    inside = installed / _PREFIX.relative_to("/")
    strays = sorted(path for path in _walk(installed, skip=[inside]))
    if strays:
        shown = ", ".join(f"/{path.relative_to(installed)}" for path in strays[:3])
        msg = f"the build installs {len(strays)} files beside its prefix: {shown}"
        raise BuildError(msg, "a release is one tree: use relative DESTINATIONs in install().")
    if inside.is_dir():
        shutil.copytree(inside, product, symlinks=True, dirs_exist_ok=True)


# ---- Files ----


def _git_files(root: Path, *options: str, run: Runner) -> list[Path]:
    """Empty if this is no repository, or git cannot be asked."""
    if not any((folder / ".git").exists() for folder in (root, *root.parents)) or not shutil.which("git"):
        return []
    listing = run(Command("git", "-C", root, "ls-files", "-z", *options), check=False)
    return [root / name for name in listing.stdout.split("\0") if name] if listing.returncode == 0 else []


def _files_at(path: Path) -> Iterator[Path]:
    """A submodule or nested repository is listed as one folder; a deleted file is listed but not there."""
    if path.is_dir() and not path.is_symlink():
        yield from _walk(path, skip=[(path / ".git").resolve()])
    elif path.is_symlink() or path.is_file():
        yield path


def _walk(root: Path, *, skip: list[Path]) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if Path(folder, name) not in skip and name != "__pycache__"]
        links = [name for name in folders if Path(folder, name).is_symlink()]
        paths = (path for name in (*names, *links) if (path := Path(folder, name)) not in skip)
        yield from (path for path in paths if path.is_symlink() or path.is_file())  # a pipe could be read for ever


def _remove_empty(stage: Path) -> None:
    for folder, _, _ in os.walk(stage, topdown=False):
        if Path(folder) != stage and not any(Path(folder).iterdir()):
            Path(folder).rmdir()
