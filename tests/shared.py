"""What several test files need: where the book is, its chapters, a typical figure and a difficult matrix."""

import inspect
import re
from pathlib import Path

import numpy as np
from book.sources import has_cells, without_shown_code
from implicit_bias import check

ROOT = Path(__file__).parents[1]
CHAPTERS = ROOT / "chapters"
DECKS = sorted(path.stem for path in (CHAPTERS / "seminar" / "slides").glob("*.md"))
MOVING = sorted(path.stem for path in CHAPTERS.glob("*.md") if has_cells(path.read_text(encoding="utf-8")))
EXERCISED = sorted(path.stem for path in CHAPTERS.glob("*.md") if "{exercise}" in without_shown_code(path.read_text()))
CHECKS = {
    name: function
    for name, function in inspect.getmembers(check, inspect.isfunction)
    if function.__module__ == check.__name__ and not name.startswith("_")
}

SOLUTION = re.compile(r"^(`{3,})\{solution\} ex-(\S+)\n(.*?)^\1$", re.DOTALL | re.MULTILINE)


def solutions(chapter):
    """The blocks of code of each solution, by the names that checks have."""
    text = (CHAPTERS / f"{chapter}.md").read_text(encoding="utf-8")
    code = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    return {label.replace("-", "_"): code.findall(body) for _, label, body in SOLUTION.findall(text)}


def sparse_rows(seed, spread):
    """Independent rows, each with a few columns of any size; data of a non-negative solution; the sizes of rows and columns."""
    rng = np.random.default_rng(seed)
    m, n = rng.integers(2, 7), rng.integers(8, 24)
    A = np.zeros((m, n))
    while np.linalg.matrix_rank(A) < m:
        A = rng.integers(0, 2, (m, n)).astype(float)
    columns, rows = 10 ** rng.uniform(-spread, spread, n), 10 ** rng.uniform(-8, 8, m)
    return A * columns, A @ rng.random(n), rows, columns


def typical(fig, alpha=1e-2, depth=2):
    """The recovered vector beside the truth, and the error along the path."""
    fig.set_size_inches(5.6, 2.9)
    left, right = fig.subplots(1, 2)
    noise = np.random.default_rng(0).normal(size=40) * alpha**0.5 / depth
    left.vlines(range(40), 0, noise, color="C0")
    left.plot(noise, "o", color="C0", label="recovered")
    left.plot(np.zeros(40), "o", color="black", mfc="none", label="truth")
    left.set(xlabel="coordinate", ylabel="value")
    left.legend()
    t = np.geomspace(1e-2, 1e6, 300)
    right.loglog(t, alpha + 1 / (1 + t ** (1 / depth) * alpha), color="C0", label="descent")
    right.loglog(t, alpha / 2 + 1 / (1 + t * alpha**0.5) ** 2, "--", color="C1", label="l1")
    right.loglog(t, np.exp(-alpha * t) + alpha**2, "-.", color="C2", label="l2")
    right.axhline(alpha, color="C3", ls=":")
    right.set(xlabel="time t", ylabel="error")
    right.legend()
    return f"‖x‖₁ = {abs(noise).sum():.2f}, error {abs(noise).max():.2g}"
