"""The slider figure: one call for a notebook, for a web page without a kernel, and for paper.

``explore(draw, alpha=grid)``, where ``draw(fig, alpha=...)`` is ordinary matplotlib, shows the figure with a slider for
`alpha`. Where someone sits before the kernel, the slider recomputes. Where a program executes the notebook (MyST-NB,
nbsphinx, Jupyter Book, nbconvert), every state is drawn beforehand and travels in the page, where a script
moves it.

`explore` and `states` have the look of `Look()`; a book with colours and words of its own makes a `Look` and calls those
of its methods. ``extensions = ["slidefig"]`` in the settings of Sphinx is not needed, but lets all pages share two files.
"""

from slidefig._figure import Look, State, watch
from slidefig._page import ID_PREFIX
from slidefig._sphinx import setup

__all__ = ["ID_PREFIX", "Look", "State", "explore", "setup", "states", "watch"]

explore = Look().explore
states = Look().states
