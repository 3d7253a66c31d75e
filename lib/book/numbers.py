"""Numbers in the prose: what a chapter glues as ``4.2e-09`` is read as 4.2·10⁻⁹."""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

SCIENTIFIC = re.compile(r"^(-?[\d.]+)e([+-])0*(\d+)$")


class GluedNumbers(SphinxPostTransform):
    """Rewrites the text that MyST-NB's role ``glue:text`` left behind."""

    default_priority = 900  # after MyST-NB has resolved what was glued in other pages

    def run(self, **kwargs):
        for node in self.document.findall(nodes.inline):
            if "pasted-text" not in node["classes"]:
                continue
            text = node.astext()
            match = SCIENTIFIC.match(text)
            node.clear()
            if match:
                mantissa, sign, exponent = match.groups()
                power = ("−" if sign == "-" else "") + exponent
                node += [nodes.Text(minus(mantissa) + "·10"), nodes.superscript("", power)]
            else:
                node += nodes.Text(minus(text))


def minus(text: str) -> str:
    return text.replace("-", "−") if re.fullmatch(r"-[\d.]+", text) else text


def setup(app: Sphinx):
    app.add_post_transform(GluedNumbers)
