"""Takes the states of figures out of the pages: each group of panels has its table of states in a script of its own.

A page is read before a slider is moved, and many are read without. slidefig's script asks for the tables when a reader does
something for the first time. As files of the page they would need a server; a script is loaded from a file, too.
"""

import json
import re
from pathlib import Path
from zlib import crc32

from sphinx.application import Sphinx

TABLE = re.compile(r'(?<=<script type="application/json")>(.+?)(?=</script>)')
KEY = re.compile(r'(?<= data-states=")\w+')


def write(app: Sphinx, exception):
    if exception or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / "states"
    folder.mkdir(exist_ok=True)

    def move(table):
        key = f"{crc32(table[1].encode()):08x}"
        text = f'slidefigStates("{key}", {json.dumps(table[1], ensure_ascii=False)});\n'
        (folder / f"{key}.js").write_text(text, encoding="utf-8")
        return f' data-states="{key}">'

    used = set()
    for path in Path(app.outdir).rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        light = TABLE.sub(move, page)
        used.update(KEY.findall(light))
        if light != page:
            path.write_text(light, encoding="utf-8")
    for path in folder.iterdir():  # Sphinx writes only pages that have changed: those of the others stay
        if path.stem not in used:
            path.unlink()


def setup(app: Sphinx):
    app.connect("build-finished", write, priority=840)  # before others read and write the pages
