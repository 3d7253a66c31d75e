"""Runs the tests of library, claims and benchmarks in the arithmetic of other processors: `make check-arithmetic`.

Sums come out differently with another kernel of OpenBLAS, with other instructions of NumPy, and with another number of
threads. A test that passes with one arithmetic by luck fails here.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

ROOT = Path(__file__).parents[1]
TESTS = ["tests/lib", "tests/claims", "tests/benchmarks"]
# For each kernel an instruction that it needs, and those of NumPy's instruction sets that processors of its time lack.
# Until version 2.3 NumPy calls the sets FMA3, AVX2 and AVX512F, since then X86_V3 (both of the former) and X86_V4.
KERNELS = {
    "Prescott": ("SSE3", lambda name: True),
    "Sandybridge": ("AVX", lambda name: True),
    "Haswell": ("AVX2", lambda name: "512" in name or name == "X86_V4"),
    "SkylakeX": ("AVX512F", lambda name: False),
}


def arithmetic(kernel: str, threads: int = 1) -> dict[str, str]:
    """The variables of the environment with which a process of Python computes like a processor with this kernel."""
    missing = [name for name in __cpu_dispatch__ if __cpu_features__[name] and KERNELS[kernel][1](name)]
    return {
        "OPENBLAS_CORETYPE": kernel,
        "NPY_DISABLE_CPU_FEATURES": " ".join(missing),
        "OPENBLAS_NUM_THREADS": str(threads),
    }


def kernels() -> list[str]:
    """The kernels that this processor can run."""
    return [kernel for kernel, (needed, _) in KERNELS.items() if __cpu_features__.get(needed)]


def used(environment: dict[str, str]) -> set[str]:
    """The kernels and numbers of threads that NumPy and SciPy really have in this environment."""
    code = "import scipy.linalg, threadpoolctl as t; [print(i['architecture'], i['num_threads']) for i in t.threadpool_info()]"
    out = subprocess.run([sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True)
    return set(out.stdout.replace("Katmai", "Prescott").splitlines())  # the same kernel, on 64 bits


def main():
    if platform.machine() not in ("x86_64", "AMD64"):
        sys.exit("The kernels to compare are those of x86-64 processors.")
    failed = []
    for kernel in KERNELS:
        if kernel not in kernels():
            print(f"{kernel}: not for this processor", flush=True)
            continue
        for threads in (1, 2):
            environment = arithmetic(kernel, threads)
            name = f"{kernel}, {threads} thread{'s' * (threads > 1)}"
            print(f"{name}, NumPy without {environment['NPY_DISABLE_CPU_FEATURES'] or 'nothing'}", flush=True)
            if used(environment) != {f"{kernel} {threads}"}:
                sys.exit(f"NumPy and SciPy use {used(environment)} instead: are they the wheels with OpenBLAS?")
            run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
            if subprocess.run(run, cwd=ROOT, env=os.environ | environment).returncode:
                failed.append(name)
    sys.exit(f"Failed with {'; '.join(failed)}." if failed else 0)


if __name__ == "__main__":
    main()
