"""Instructions that the box's CPU lacks: certain ones are refused, dispatched ones are advice."""

from __future__ import annotations

from tests.corpus.model import Expect, Group
from tests.corpus.shop import Shop

GROUP = Group("Instructions")
CPU = ("cpu|march|mcpu|baseline|dispatch",)
COUNT = "#include <stdatomic.h>\nint count(atomic_int *n) { return atomic_fetch_add(n, 1); }\n"
DOT = (
    "#include <arm_neon.h>\n"
    "{attribute}int32x4_t dot(int32x4_t sum, int8x16_t a, int8x16_t b) {{ return vdotq_s32(sum, a, b); }}\n"
)
PLAIN_DOT = "static int32x4_t dot_plain(int32x4_t s, int8x16_t a, int8x16_t b) { (void)a; (void)b; return s; }\n"
SAXPY = "void saxpy(float *y, const float *x, float a, int n) { for (int i = 0; i < n; i++) y[i] += a * x[i]; }\n"
ARM = ("-shared", "-fPIC")


@GROUP.defect(Expect("A111", "lib/libcount.so", ("atomics|lse",), CPU), contract="debian-11-box")
def large_system_extensions(shop: Shop) -> None:
    """-march=armv8.1-a puts LDADD where outline atomics would have asked first."""
    shop.library("lib/libcount.so", COUNT, "-march=armv8.1-a")


@GROUP.defect(Expect("A111", "lib/libdot.so", ("asimddp|dotprod",), CPU), contract="old-box")
def dot_product(shop: Shop) -> None:
    """-march=armv8.2-a+dotprod for a Cortex-A53, without asking at run time."""
    shop.library("lib/libdot.so", DOT.format(attribute=""), "-march=armv8.2-a+dotprod")


@GROUP.defect(Expect("A111", "lib/libdot.so", ("asimddp|dotprod",), severity="unknown"), contract="silent-box")
def dot_product_on_an_unknown_cpu(shop: Shop) -> None:
    """The same; nobody has written down what the box's CPU has."""
    shop.library("lib/libdot.so", DOT.format(attribute=""), "-march=armv8.2-a+dotprod")


@GROUP.defect(Expect("A111", "lib/libhalf.so", ("asimdhp|fphp|fp16",), CPU), contract="old-box")
def half_precision(shop: Shop) -> None:
    """Arithmetic on 16-bit floats, -march=armv8.2-a+fp16."""
    source = "#include <arm_neon.h>\nfloat16x8_t scale(float16x8_t a, float16x8_t b) { return vmulq_f16(a, b); }\n"
    shop.library("lib/libhalf.so", source, "-march=armv8.2-a+fp16")


@GROUP.defect(Expect("A111", "lib/libsaxpy.so", ("sve",), CPU), contract="debian-12-box")
def scalable_vectors(shop: Shop) -> None:
    """The compiler vectorised a loop for SVE; the box is Armv8.2-A without it."""
    shop.library("lib/libsaxpy.so", SAXPY, "-O3", "-march=armv8.2-a+sve")


@GROUP.defect(Expect("A111", "lib/libcall.so", ("paca|pauth|pac",), CPU), contract="debian-12-box")
def pointer_authentication(shop: Shop) -> None:
    """-mbranch-protection with -march=armv8.3-a returns by RETAA, which is no hint that older CPUs skip."""
    source = "int other(int);\nint call(int n) { return other(n) + 1; }\nint other(int n) { return n; }\n"
    flags = ("-march=armv8.3-a", "-mbranch-protection=pac-ret", "-fno-inline", "-fno-ipa-cp", "-fno-ipa-icf")
    shop.library("lib/libcall.so", source, *flags)


@GROUP.defect(Expect("A111", "lib/libseal.so", ("aes",), CPU), contract="no-aes")
def cryptography_extension(shop: Shop) -> None:
    """AES instructions, which a Cortex-A72 has only where its vendor paid for them."""
    source = "#include <arm_neon.h>\nuint8x16_t seal(uint8x16_t a, uint8x16_t k) { return vaeseq_u8(a, k); }\n"
    shop.library("lib/libseal.so", source, "-march=armv8-a+crypto")


@GROUP.defect(Expect("A111", "lib/libmul.so", ("i8mm",), CPU), contract="debian-12-box")
def matrix_multiplication(shop: Shop) -> None:
    """SMMLA of Armv8.6-A on an Armv8.2-A box."""
    source = (
        "#include <arm_neon.h>\nint32x4_t mul(int32x4_t s, int8x16_t a, int8x16_t b) { return vmmlaq_s32(s, a, b); }\n"
    )
    shop.library("lib/libmul.so", source, "-march=armv8.2-a+i8mm")


@GROUP.defect(Expect("A111", "lib/libsaxpy.so", ("avx2|fma|avx",), CPU), contract="x86-64-v1")
def x86_64_v3(shop: Shop) -> None:
    """-march=x86-64-v3 for a server that has SSE2."""
    shop.zig("lib/libsaxpy.so", SAXPY, *ARM, "-O3", arch="x86_64", cpu="x86_64_v3")


@GROUP.defect(Expect("A111", "lib/libbits.so", ("popcnt",), CPU), contract="x86-64-v1")
def x86_64_v2(shop: Shop) -> None:
    """One POPCNT, of x86-64-v2."""
    source = "int bits(unsigned long long n) { return __builtin_popcountll(n); }\n"
    shop.zig("lib/libbits.so", source, *ARM, arch="x86_64", cpu="x86_64_v2")


@GROUP.defect(Expect("A111", "lib/libsaxpy.so", ("avx512",), CPU), contract="x86-64-v3")
def x86_64_v4(shop: Shop) -> None:
    """AVX-512 for a desk machine that has AVX2."""
    shop.zig("lib/libsaxpy.so", SAXPY, *ARM, "-O3", "-mprefer-vector-width=512", arch="x86_64", cpu="x86_64_v4")


@GROUP.defect(Expect("A112", "lib/libdot.so", ("asimddp|dotprod",), severity="advice"), contract="old-box")
def dispatched_by_ifunc(shop: Shop) -> None:
    """Dot products behind an IFUNC resolver that looks at the CPU: it may well run."""
    kernel = DOT.format(attribute='__attribute__((target("arch=armv8.2-a+dotprod"))) static ').replace(
        " dot(", " dot_fast("
    )
    chooser = (
        "#include <sys/auxv.h>\ntypedef int32x4_t kernel(int32x4_t, int8x16_t, int8x16_t);\n"
        "static kernel *choose(unsigned long hwcap) { return hwcap & (1 << 20) ? dot_fast : dot_plain; }\n"
        'int32x4_t dot(int32x4_t, int8x16_t, int8x16_t) __attribute__((ifunc("choose")));\n'
    )
    shop.library("lib/libdot.so", kernel + PLAIN_DOT + chooser)


@GROUP.defect(Expect("A112", "lib/libdot.so", ("asimddp|dotprod",), severity="advice"), contract="old-box")
def dispatched_by_getauxval(shop: Shop) -> None:
    """Dot products behind getauxval(AT_HWCAP)."""
    kernel = DOT.format(attribute='__attribute__((target("arch=armv8.2-a+dotprod"))) static ').replace(
        " dot(", " dot_fast("
    )
    chooser = (
        "#include <sys/auxv.h>\nint32x4_t dot(int32x4_t s, int8x16_t a, int8x16_t b) {\n"
        "  return getauxval(AT_HWCAP) & (1 << 20) ? dot_fast(s, a, b) : dot_plain(s, a, b);\n}\n"
    )
    shop.library("lib/libdot.so", kernel + PLAIN_DOT + chooser)
