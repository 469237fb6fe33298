"""Programs that use one CPU feature each, or ask for it first: sources for the truth test of instruction checks.

Every `main` returns 0 once it has run everything in it. `volatile` and noinline keep compilers from computing results.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Program:
    """cpu: as zig spells it after "generic+". compiler: "zig", or "gcc" for GNU's with libgcc.

    sign: what of the program asks for the feature, "" for nothing.
    """

    name: str
    source: str
    cpu: str = ""
    compiler: str = "zig"
    flags: tuple[str, ...] = ()
    sign: str = ""


def _neon(body: str) -> str:
    return f"#include <arm_neon.h>\nvolatile int sink;\nint main(void) {{\n{body}\nreturn 0;\n}}\n"


def _lane(kind: str, vector: str) -> str:
    return _neon(f"sink = (int)vgetq_lane_{kind}({vector}, 0);")


def _intel(expression: str) -> str:
    return f"#include <immintrin.h>\nvolatile int sink;\nint main(void) {{\nsink = (int){expression};\nreturn 0;\n}}\n"


def _acle(statement: str) -> str:
    return f"#include <arm_acle.h>\nvolatile double a = 3;\nint main(void) {{ {statement} }}\n"


_LOOP = """
static float a[67], b[67], c[67];
__attribute__((noinline)) void add(int n) { for (int i = 0; i < n; ++i) c[i] = a[i] * b[i] + c[i]; }
int main(int argc, char** argv) { add(66 + argc); return c[3] != 0; }
"""
_ATOMIC = "static _Atomic int n;\nint main(void) { n += 2; return n - 2; }\n"
# GNU C needs the version that brought the feature; clang takes both.
FAST = """
#include <arm_neon.h>
volatile int sink;
__attribute__((noinline, target("arch=armv8.2-a+dotprod"))) void fast(void) {
  sink = vgetq_lane_u32(vdotq_u32(vdupq_n_u32(sink), vdupq_n_u8(1), vdupq_n_u8(2)), 0);
}
"""
_AUXV = "#include <sys/auxv.h>\n"
_HAS_DOT = "getauxval(AT_HWCAP) >> 20 & 1"

# The first half of SHA-256's constants, where hand-written code keeps them; some are SVE instructions.
_TABLE = """
asm(".text\\n.balign 16\\n.hidden table\\ntable:\\n"
    ".word 0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5\\n"
    ".word 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174\\n"
    ".word 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da\\n"
    ".word 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967\\n"
    ".text\\n");
extern const unsigned table[];
volatile unsigned sink;
int main(void) { for (int i = 0; i < 32; ++i) sink += table[i]; return 0; }
"""

USES = (
    Program("baseline", _LOOP),
    Program("lse", _ATOMIC, "lse"),
    Program("lse without libc's loader", _ATOMIC, "lse", flags=("-static", "musl")),
    Program("dotprod", _lane("u32", "vdotq_u32(vdupq_n_u32(1), vdupq_n_u8(sink), vdupq_n_u8(2))"), "dotprod"),
    Program("fp16 vectors", _lane("f16", "vmulq_f16(vdupq_n_f16(sink), vdupq_n_f16(2))"), "fullfp16"),
    Program(
        "fp16 scalars", "volatile __fp16 a = 2, b = 3;\nint main(void) { a = a * b; return a != 6; }\n", "fullfp16"
    ),
    Program("fp16 in memory only", "volatile __fp16 a = 2, b = 3;\nint main(void) { a = a * b; return a != 6; }\n"),
    Program("fhm", _lane("f32", "vfmlalq_low_f16(vdupq_n_f32(1), vdupq_n_f16(sink), vdupq_n_f16(2))"), "fp16fml"),
    Program("sve", _LOOP, "sve", flags=("-O3",)),
    Program(
        "sve2",
        "#include <arm_sve.h>\nvolatile int sink;\nint main(void) { sink = svaddv_s32(svptrue_b32(), "
        "svqrdmulh_s32(svdup_s32(sink), svdup_s32(3))); return 0; }\n",
        "sve2",
    ),
    Program("crc", _acle("a = __crc32cd((unsigned)a, 7); return 0;"), "crc"),
    Program("aes", _lane("u8", "vaesmcq_u8(vaeseq_u8(vdupq_n_u8(sink), vdupq_n_u8(2)))"), "aes"),
    Program("pmull", _neon("sink = (int)vmull_p64(sink, 3);"), "aes"),
    Program("sha1", _neon("sink = vsha1h_u32(sink);"), "sha2"),
    Program("sha2", _lane("u32", "vsha256su0q_u32(vdupq_n_u32(sink), vdupq_n_u32(2))"), "sha2"),
    Program("sha3", _lane("u8", "veor3q_u8(vdupq_n_u8(sink), vdupq_n_u8(2), vdupq_n_u8(3))"), "sha3"),
    Program(
        "sha512", _neon("sink = (int)vgetq_lane_u64(vsha512su0q_u64(vdupq_n_u64(sink), vdupq_n_u64(2)), 0);"), "sha3"
    ),
    Program("sm4", _lane("u32", "vsm4eq_u32(vdupq_n_u32(sink), vdupq_n_u32(2))"), "sm4"),
    Program("rdm", _lane("s32", "vqrdmlahq_s32(vdupq_n_s32(sink), vdupq_n_s32(2), vdupq_n_s32(3))"), "v8.1a"),
    Program("jscvt", _acle("return __jcvt(a) - 3;"), "v8.3a"),
    Program("fcma", _lane("f32", "vcaddq_rot90_f32(vdupq_n_f32(sink), vdupq_n_f32(2))"), "v8.3a"),
    Program(
        "rcpc",
        "#include <stdatomic.h>\n_Atomic int n;\n"
        "int main(void) { return atomic_load_explicit(&n, memory_order_acquire); }\n",
        "rcpc",
    ),
    Program("frint", _acle("a = __rint32z(a); return a != 3;"), "v8.5a"),
    Program("i8mm", _lane("s32", "vmmlaq_s32(vdupq_n_s32(sink), vdupq_n_s8(2), vdupq_n_s8(3))"), "i8mm"),
    Program("bf16", _neon("sink = vget_lane_u16(vreinterpret_u16_bf16(vcvt_bf16_f32(vdupq_n_f32(sink))), 0);"), "bf16"),
    Program(
        "rng",
        'volatile long sink;\nint main(void) { long r; asm volatile("mrs %0, s3_3_c2_c4_0" : "=r"(r));'
        " sink = r; return 0; }\n",
    ),
    Program("v8.2-a", _ATOMIC, "v8.2a"),
    Program("v8.4-a", _ATOMIC, "v8.4a"),
    Program("v8.6-a", _ATOMIC, "v8.6a"),
    Program("returns signed, as hints", _LOOP, flags=("-mbranch-protection=standard",)),
    Program("returns signed, not as hints", _LOOP, "pauth", flags=("-mbranch-protection=standard",)),
    Program("gcc outline atomics", _ATOMIC, compiler="gcc"),
    Program("zig outline atomics", _ATOMIC, "outline_atomics"),
    Program(
        "gcc outline atomics, and a use that nothing guards", FAST + _ATOMIC.replace("{ ", "{ fast(); "), compiler="gcc"
    ),
    Program(
        "asks for the page size", _AUXV + FAST + "int main(void) { fast(); return getauxval(AT_PAGESZ) < 4096; }\n"
    ),
    Program("table in the code", _TABLE),
)

ASKS = (
    Program(
        "asks getauxval", _AUXV + FAST + f"int main(void) {{ if ({_HAS_DOT}) fast(); return 0; }}\n", sign="getauxval"
    ),
    Program(
        "asks getauxval, with outline atomics",
        _AUXV + FAST + _ATOMIC.replace("{ ", f"{{ if ({_HAS_DOT}) fast(); "),
        compiler="gcc",
        sign="getauxval",
    ),
    Program(
        "chosen by ifunc",
        _AUXV
        + FAST
        + """
static void slow(void) { sink = 0; }
static void (*choose(unsigned long hwcap))(void) { return hwcap >> 20 & 1 ? fast : slow; }
void work(void) __attribute__((ifunc("choose")));
int main(void) { work(); return 0; }
""",
        compiler="gcc",
        sign="ifunc",
    ),
    Program(
        "reads an ID register",
        _AUXV
        + FAST
        + """
int main(void) {
  unsigned long id = 0;
  if (getauxval(AT_HWCAP) >> 11 & 1) asm volatile("mrs %0, ID_AA64ISAR0_EL1" : "=r"(id));
  if (id >> 44 & 15) fast();
  return 0;
}
""",
        sign="MRS of an ID register",
    ),
    Program(
        "reads /proc/cpuinfo",
        """
#include <stdio.h>
#include <string.h>
"""
        + FAST
        + """
int main(void) {
  char text[4096];
  FILE* file = fopen("/proc/cpuinfo", "r");
  while (file && fgets(text, sizeof text, file)) if (strstr(text, " asimddp ")) { fast(); break; }
  return 0;
}
""",
        sign="/proc/cpuinfo",
    ),
)

# Prints AT_HWCAP and AT_HWCAP2: what the emulator says that its CPU has.
HWCAPS = (
    _AUXV
    + "#include <stdio.h>\n"
    + 'int main(void) { printf("%lx %lx\\n", getauxval(16), getauxval(26)); return 0; }\n'
)
# Bit -> name. Source: Linux, arch/arm64/include/uapi/asm/hwcap.h; names as in arch/arm64/kernel/cpuinfo.c.
HWCAP_NAMES = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma lrcpc dcpop sha3 sm3 "
    "sm4 asimddp sha512 sve asimdfhm dit uscat ilrcpc flagm ssbs sb paca pacg"
)
HWCAP2_NAMES = (
    "dcpodp sve2 sveaes svepmull svebitperm svesha3 svesm4 flagm2 frint svei8mm svef32mm svef64mm svebf16 i8mm bf16 "
    "dgh rng bti mte ecv afp rpres mte3 sme"
)

X86_USES = (
    Program("baseline", _LOOP),
    Program("sse3", _intel("_mm_cvtss_f32(_mm_hadd_ps(_mm_set1_ps(sink), _mm_set1_ps(2)))"), "sse3"),
    Program("ssse3", _intel("_mm_cvtsi128_si32(_mm_shuffle_epi8(_mm_set1_epi32(sink), _mm_set1_epi8(2)))"), "ssse3"),
    Program("sse4.1", _intel("_mm_cvtsi128_si32(_mm_mullo_epi32(_mm_set1_epi32(sink), _mm_set1_epi32(2)))"), "sse4.1"),
    Program("sse4.2", _intel("_mm_crc32_u32(sink, 3)"), "sse4.2"),
    Program("popcnt", "volatile unsigned s;\nint main(void) { s = __builtin_popcount(s); return 0; }\n", "popcnt"),
    Program("movbe", "volatile unsigned s, t;\nint main(void) { s = __builtin_bswap32(t); return 0; }\n", "movbe"),
    Program("avx", _LOOP, "avx", flags=("-O3",)),
    Program(
        "avx2",
        _intel("_mm256_extract_epi32(_mm256_mullo_epi32(_mm256_set1_epi32(sink), _mm256_set1_epi32(2)), 1)"),
        "avx2",
    ),
    Program("fma", "volatile double a = 2;\nint main(void) { a = __builtin_fma(a, a, a); return a != 6; }\n", "fma"),
    Program("bmi2", _intel("_pdep_u32(sink, 7)"), "bmi2"),
    Program("aes", _intel("_mm_cvtsi128_si32(_mm_aesenc_si128(_mm_set1_epi32(sink), _mm_set1_epi32(2)))"), "aes"),
    Program(
        "asks CPUID",
        "#include <immintrin.h>\n#include <cpuid.h>\nvolatile int s;\n"
        '__attribute__((noinline, target("avx2"))) void fast(void) { s = _mm256_extract_epi32('
        "_mm256_mullo_epi32(_mm256_set1_epi32(s), _mm256_set1_epi32(2)), 1); }\n"
        "int main(void) { unsigned a, b = 0, c, d; __get_cpuid_count(7, 0, &a, &b, &c, &d); "
        "if (b >> 5 & 1) fast(); return 0; }\n",
        sign="CPUID",
    ),
)
CPUID = """
#include <cpuid.h>
#include <stdio.h>
int main(void) {
  unsigned a, b = 0, c = 0, d, e, f, g, h = 0;
  __get_cpuid(1, &a, &e, &c, &d);
  __get_cpuid_count(7, 0, &a, &b, &f, &d);
  __get_cpuid(0x80000001, &a, &e, &h, &g);
  printf("%x %x %x\\n", c, b, h);
  return 0;
}
"""
# Bit -> name, of leaf 1's ECX, leaf 7's EBX and leaf 0x80000001's ECX. Source: Intel SDM, volume 2, CPUID.
CPUID_NAMES = (
    {0: "pni", 1: "pclmulqdq", 9: "ssse3", 12: "fma", 13: "cx16", 19: "sse4_1", 20: "sse4_2", 22: "movbe", 23: "popcnt",
     25: "aes", 28: "avx", 29: "f16c", 30: "rdrand"},
    {3: "bmi1", 5: "avx2", 8: "bmi2", 16: "avx512f", 18: "rdseed", 19: "adx", 29: "sha_ni"},
    {0: "lahf_lm", 5: "abm"},
)  # fmt: skip
