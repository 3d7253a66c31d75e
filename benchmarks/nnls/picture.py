"""The performance profile: for how many instances a solver needs at most so many times the time of the fastest one.

Source: Dolan and More (2002).
"""

import matplotlib as mpl
import numpy as np
from implicit_bias.look import COLORS
from matplotlib.figure import Figure

from .runner import time_to
from .solvers import OURS, SOLVERS, TARGETS

WORST = 1e3
STYLES = {
    OURS: (COLORS["depth2"], "-", 2.6),
    "SciPy nnls": (COLORS["depth3"], "-", 1.4),
    "L-BFGS-B": (COLORS["l1"], "--", 1.4),
    "lsq_linear": (COLORS["l2"], ":", 1.6),
    "scikit-learn": (COLORS["depth4"], "-.", 1.4),
    "skglm": (COLORS["depth4"], "-", 1.4),
    "Clarabel": (COLORS["ink"], "--", 1.2),
    "ProxQP": (COLORS["warn"], ":", 1.6),
    "FISTA": (COLORS["muted"], "-", 1.0),
    "Barzilai-Borwein": (COLORS["muted"], "--", 1.0),
    "coordinate descent": (COLORS["muted"], ":", 1.2),
}


def profile(records, names, target):
    """For each solver the sorted ratios to the fastest on each instance; infinite where it fails or does not apply."""
    times = [
        [time_to(results[name], target) if name in results else np.inf for name in names]
        for results in records.values()
    ]
    fastest = np.min(times, axis=1, keepdims=True)
    ratios = np.divide(times, fastest, out=np.full(np.shape(times), np.inf), where=np.isfinite(fastest))
    return dict(zip(names, np.sort(ratios, axis=0).T, strict=True))


def draw(records, path):
    """Write the picture as SVG, the same bytes for the same records."""
    names = [
        name
        for name, solver in SOLVERS.items()
        if any(name in results and results[name]["installed"] for results in records.values())
    ]
    with mpl.rc_context({"svg.hashsalt": "nnls", "svg.fonttype": "none", "font.size": 9}):
        fig = Figure(figsize=(9, 3.6), layout="constrained")
        axes = fig.subplots(1, len(TARGETS), sharey=True)
        for ax, target in zip(axes, TARGETS, strict=True):
            for name, ratios in profile(records, names, target).items():
                color, line, width = STYLES[name]
                share = np.arange(1, len(ratios) + 1) / len(ratios)
                keep = ratios <= WORST
                last = share[keep][-1] if keep.any() else 0.0
                ax.step(
                    np.r_[1, ratios[keep], WORST],
                    np.r_[0, share[keep], last],
                    where="post",
                    color=color,
                    linestyle=line,
                    linewidth=width,
                    label=name,
                )
            ax.set(xscale="log", xlim=(1, WORST), ylim=(0, 1.02), xlabel="time / time of the fastest")
            ax.text(0.97, 0.03, f"KKT residual {target:.0e}", transform=ax.transAxes, ha="right")
            ax.spines[["top", "right"]].set_visible(False)
            ax.grid(color=COLORS["grid"], linewidth=0.5)
        axes[0].set_ylabel("share of the instances")
        handles, labels = axes[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)
        fig.savefig(path, metadata={"Date": None})
