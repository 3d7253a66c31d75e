"""``python -m benchmarks`` runs everything, ``python -m benchmarks limit pursuit`` only these parts."""

import sys

from benchmarks import columns, decay, descent, flow, limit, matrices, nnls, pursuit, regression

PARTS = {
    "limit": limit.run,
    "pursuit": pursuit.run,
    "descent": descent.run,
    "flow": flow.run,
    "decay": decay.run,
    "matrices": matrices.run,
    "regression": regression.run,
    "nnls": nnls.run,
    "columns": columns.run,
}

chosen = sys.argv[1:] or PARTS
unknown = set(chosen) - set(PARTS)
if unknown:
    sys.exit(f"No benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}.")
for part in chosen:
    print()
    PARTS[part]()
