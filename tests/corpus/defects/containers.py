"""Images: judged as image plus what the box's runtime mounts into them, for the engine that the box has."""

from __future__ import annotations

from pathlib import Path

from tests.corpus.images import MULTIARCH, base, write_image
from tests.corpus.model import Expect, Group
from tests.corpus.shop import Shop

GROUP = Group("Images")
OLD, NEW = "debian-11-arm64", "debian-12-arm64"
MAIN = "int main(void) { return 0; }\n"
RUN = Path("app/run")


@GROUP.defect(
    Expect("A130", "libaccel.so.1", ("GLIBC_2.34|2.34", "libc.so.6|2.31|2.30|image"), ("base|newer|glibc|image",)),
    contract="vendor-mounts",
    container=True,
)
def host_library_newer_than_the_image(shop: Shop) -> Path:
    """The runtime mounts a host library that needs GLIBC_2.34 into a Debian 11 image."""
    return _image(shop, OLD)


@GROUP.defect(
    Expect("A130", "libaccel.so.1", ("libtracer.so.0",), ("image|mount|install|add",)),
    contract="half-mounts",
    container=True,
)
def half_of_a_library_mounted(shop: Shop) -> Path:
    """The mounted library needs another one, which is on the host and neither mounted nor in the image."""
    return _image(shop, NEW)


@GROUP.defect(
    Expect("A130", "libaccel.so.1", ("GLIBCXX_3.4.29|3.4.29", "libstdc"), ("base|newer|image|libstdc",)),
    contract="cxx-mounts",
    container=True,
)
def host_library_needs_a_newer_cxx_runtime(shop: Shop) -> Path:
    """Old enough for the image's glibc, and its C++ runtime is the host's: GCC 11 against the image's GCC 10."""
    return _image(shop, OLD)


@GROUP.defect(Expect("A130", "", ("mount|host files",), ("probe|contract",), severity="unknown"),
              contract="silent-engine", also=("A128", "A131"), container=True)  # fmt: skip
def mounts_nobody_has_listed(shop: Shop) -> Path:
    """The engine is known, and nobody has written down what it mounts into an image."""
    return _image(shop, OLD)


@GROUP.defect(Expect("A128", "", ("zstd", "20.10"), ("gzip",)), contract="debian-11-box", container=True)
def layers_in_zstd(shop: Shop) -> Path:
    """Layers packed with zstd, which Docker 20.10 cannot unpack."""
    return _image(shop, OLD, packing="zstd")


@GROUP.defect(Expect("A128", "", ("zstd",), ("probe|contract|gzip",), severity="unknown"),
              contract="silent-engine", also=("A130", "A131"), container=True)  # fmt: skip
def layers_in_zstd_for_an_unknown_engine(shop: Shop) -> Path:
    """The same; nobody has written down what the box's engine unpacks."""
    return _image(shop, OLD, packing="zstd")


@GROUP.defect(
    Expect("A128", "", ("OCI|manifest.json", "20.10"), ("docker-archive|docker save|both|manifest.json",)),
    contract="debian-11-box",
    container=True,
)
def layout_that_load_does_not_read(shop: Shop) -> Path:
    """An OCI layout without manifest.json: `docker load` reads that from Docker 25 on."""
    return _image(shop, OLD, form="oci")


@GROUP.defect(Expect("A128", "", ("engine",), ("engine|tarball|install",)), contract="no-engine", container=True)
def image_for_a_box_without_an_engine(shop: Shop) -> Path:
    """An image for a box that has nothing to run it with."""
    return _image(shop, NEW)


@GROUP.defect(
    Expect("A129", "", ("amd64", "arm64"), ("platform|architecture|build",)), contract="debian-12-box", container=True
)
def config_says_amd64(shop: Shop) -> Path:
    """Cross-compiled in a plain Dockerfile: the content is arm64, the config says the build machine's amd64."""
    return _image(shop, NEW, architecture="amd64")


@GROUP.defect(
    Expect("A129", "", ("amd64|x86.64", "arm64|aarch64"), ("platform|architecture|build",)),
    contract="debian-12-box",
    also=("A101", "A107", "A103", "A137"),
    container=True,
)
def content_is_amd64(shop: Shop) -> Path:
    """`docker build --platform linux/arm64` around a COPY of the host's program: the config says arm64."""
    rootfs = base(shop, NEW)
    shop.zig(rootfs / RUN, MAIN, arch="x86_64")
    return write_image(shop.tree / "image.tar", rootfs)


@GROUP.defect(Expect("A131", "", ("2.36|2.34|clone3", "2.4.2|20.10.5"), ("libseccomp|engine|base|20.10.10",)),
              contract="old-seccomp", container=True)  # fmt: skip
def c_library_newer_than_seccomp(shop: Shop) -> Path:
    """glibc 2.36 starts threads by clone3(), which libseccomp 2.4 answers with EPERM: nothing starts."""
    return _image(shop, NEW)


@GROUP.defect(Expect("A131", "", ("clone3|seccomp|2.36|2.34",), ("probe|contract|seccomp",), severity="unknown"),
              contract="silent-engine", also=("A128", "A130"), container=True)  # fmt: skip
def c_library_for_an_unknown_seccomp(shop: Shop) -> Path:
    """The same; nobody has written down which libseccomp the box has."""
    return _image(shop, NEW)


@GROUP.defect(Expect("A135", "", ("MB|bytes|MiB",), ("space|smaller|free",)), contract="full-disk", container=True)
def image_larger_than_the_disk(shop: Shop) -> Path:
    """An image of some 5 MB for a box with 3 MB left; packed and unpacked lie there at once."""
    return _image(shop, OLD)


@GROUP.defect(
    Expect("A137", "", ("/app/serve",), ("entrypoint|command|copy",)), contract="debian-12-box", container=True
)
def entrypoint_that_is_not_there(shop: Shop) -> Path:
    """ENTRYPOINT names a program of the release before."""
    return _image(shop, NEW, entrypoint=("/app/serve", "--port", "80"))


@GROUP.defect(
    Expect("A137", "", ("/app/run", "execut|x-bit|mode|permission"), ("chmod|execut",)),
    contract="debian-12-box",
    container=True,
)
def entrypoint_that_is_not_executable(shop: Shop) -> Path:
    """The archive that the program came from had lost its x-bits."""
    rootfs = base(shop, NEW)
    shop.zig(rootfs / RUN, MAIN).chmod(0o644)
    return write_image(shop.tree / "image.tar", rootfs)


@GROUP.defect(
    Expect("A137", "", ("/app/start.sh", "/bin/bash"), ("bash|interpreter|base|install|sh",)),
    contract="debian-12-box",
    also=("A125",),
    container=True,
)
def entrypoint_without_its_shell(shop: Shop) -> Path:
    """A start script for bash in an image without any shell."""
    rootfs = base(shop, NEW, shell=False)
    shop.zig(rootfs / RUN, MAIN)
    (rootfs / "app/start.sh").write_text("#!/bin/bash\nexec /app/run\n")
    (rootfs / "app/start.sh").chmod(0o755)
    return write_image(shop.tree / "image.tar", rootfs, entrypoint=("/app/start.sh",))


@GROUP.defect(
    Expect("A102", "app/run", ("GLIBC_2.34", "__libc_start_main"), ("base|image|older|newer|sysroot",)),
    contract="debian-12-box",
    container=True,
)
def program_newer_than_its_image(shop: Shop) -> Path:
    """The box has glibc 2.36, and the program runs in the image, which has 2.31."""
    rootfs = base(shop, OLD)
    shop.gcc(rootfs / RUN, MAIN)
    return write_image(shop.tree / "image.tar", rootfs)


@GROUP.defect(
    Expect("A103", "app/run", ("libstdc++.so.6",), ("image|bundle|ship|install|static",)),
    contract="debian-12-box",
    container=True,
)
def library_of_the_box_is_not_in_the_image(shop: Shop) -> Path:
    """The box has libstdc++, the image does not: what the host has does not count in a container."""
    rootfs = base(shop, NEW, libraries=("libc.so.6", "libm.so.6", "libgcc_s.so.1"))
    shop.gxx(rootfs / RUN, "#include <iostream>\nint main() { std::cout << 1; }\n")
    return write_image(shop.tree / "image.tar", rootfs)


@GROUP.defect(
    Expect("A103", "app/run", ("libm.so.6",), ("image|bundle|ship|install|static|base",)),
    contract="debian-12-box",
    container=True,
)
def library_removed_by_a_later_layer(shop: Shop) -> Path:
    """A clean-up step of the Dockerfile deleted libm: a whiteout in the second layer hides what the first one has."""
    rootfs = base(shop, NEW, libraries=("libc.so.6", "libm.so.6"))
    shop.gcc(rootfs / RUN, "#include <math.h>\nint main(int n, char **v) { return (int)pow(n, n); }\n", "-lm")
    cleaned = shop.bench / "cleaned"
    (cleaned / MULTIARCH).mkdir(parents=True)
    (cleaned / MULTIARCH / ".wh.libm.so.6").touch()
    return write_image(shop.tree / "image.tar", rootfs, cleaned)


def _image(shop: Shop, root: str, **how: object) -> Path:
    """A sound image on a distribution's userland, but for what `how` says."""
    rootfs = base(shop, root)
    shop.zig(rootfs / RUN, MAIN)
    return write_image(shop.tree / "image.tar", rootfs, **how)  # type: ignore[arg-type]
