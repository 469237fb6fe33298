"""Conan deployer: all host packages merged into one relocatable prefix, licences kept apart by package."""

from pathlib import Path
from shutil import copytree, ignore_patterns


def deploy(graph, output_folder, **_):
    prefix = Path(output_folder)
    dependencies = graph.root.conanfile.dependencies
    for dependency in (*dependencies.host.values(), *dependencies.test.values()):
        package = Path(dependency.package_folder)
        copytree(
            package,
            prefix,
            symlinks=True,
            dirs_exist_ok=True,
            ignore=ignore_patterns("conaninfo.txt", "conanmanifest.txt", "licenses"),
        )
        copytree(package / "licenses", prefix / "licenses" / dependency.ref.name)
