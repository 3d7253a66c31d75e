"""Every letter of a labelled statement stands on the page of notation, in the table of its chapter or of all chapters."""

import re
from pathlib import Path

import pytest

CHAPTERS = Path(__file__).parents[2] / "chapters"
NAMES = {
    "overparameterization": "Overparameterization",
    "matrix_factorization": "Matrix factorization",
    "sparse_recovery": "Sparse recovery",
    "nnls": "Non-negative least squares",
    "weight_decay": "Weight decay",
    "steps_and_noise": "Steps and noise",
    "geometries": "Other geometries",
}
GREEK = re.sub(
    r"\s+",
    "|",
    """alpha beta gamma delta epsilon varepsilon zeta eta theta kappa lambda mu nu xi pi rho sigma tau phi varphi chi
    psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega ell""",
)
LETTER = re.compile(rf"\\({GREEK})(?![a-zA-Z])|(?<![a-zA-Z\\])([a-zA-Z])(?![a-zA-Z])")
# No letters are upright words, sets and operators, the c of a complement, the d of a derivative, and e to some power.
NO_LETTER = re.compile(
    r"\\(?:mathbb|mathbf|mathrm|operatorname|text|begin|end)\s*(?:\{[^}]*\}|.)|\\mathcal [AL]|T\^\{?c\}?"
    r"|\\frac\{?d\}?\{?d[a-z]\}?|\bd[a-z]\b|(?<![a-zA-Z])e\^|\\[,;:!|]|\d(?:pt|mm)"
)


def letters(mathematics):
    found = set()
    for formula in re.findall(r"\$\$(.+?)\$\$|\$(.+?)\$", mathematics, re.S):
        for match in LETTER.finditer(NO_LETTER.sub(" ", "".join(formula))):
            found.add(match[1] or match[2])
    return found


def statements(page):
    """The text of every theorem, proposition and observation of a chapter, by its label."""
    text = (CHAPTERS / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(
        r"^(`{3,})\{prf:(?:theorem|proposition|observation|lemma)\}[^\n]*\n(.*?)^\1$", text, re.M | re.S
    )
    return {re.search(r":label: (\S+)", body)[1]: body for _, body in blocks}


def table(title):
    """The letters in the first column of a table of the page, and of the sentence above it."""
    text = (CHAPTERS / "notation.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.M | re.S)[1]
    rows = [re.match(r"\| (.*?) \|", line)[1] for line in section.splitlines() if line.startswith("| $")]
    return letters(" ".join([*rows, section.partition("| symbol")[0]]))


@pytest.mark.parametrize("page", NAMES)
def test_every_letter_of_a_statement_is_in_the_table(page):
    known = table("Everywhere") | table(NAMES[page])
    missing = {label: sorted(letters(body) - known) for label, body in statements(page).items()}
    assert not {label: unknown for label, unknown in missing.items() if unknown}


def test_the_letters_of_a_formula():
    """What counts as a letter, so that the test above cannot pass by seeing none."""
    formula = r"$\alpha\in\mathbb R^{m}$ and $\frac{d}{dt}h=e^{-t}\operatorname{sgn}(x_i)\,\beta_{\min}$"
    assert letters(formula) == {"alpha", "m", "h", "t", "x", "i", "beta"}
    assert {"prop-rate", "thm-certificate"} <= set(statements("sparse_recovery")) | set(statements("nnls"))
