"""Every chapter as a clean notebook to download: plain Markdown and code that runs where the library is installed.

What only Sphinx understands is said in words: boxes get bold headings with the numbers of the page, proofs and solutions
fold, references and glued numbers become text, captions stand below their figures. Lines that only glue are left out.

A chapter with exercises gives a second notebook, in the folder ``exercises``, for students: without solutions, with a cell
for each answer, and where ``implicit_bias.check`` has a function for the exercise, with a call of it. So do the exercises of
each weekly sheet, with that code of their chapters before them which their solutions need.
"""

import ast
import inspect
import json
import re
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from docutils import nodes
from docutils.utils import new_document
from myst_nb.core.variables import format_plain_text
from pybtex.plugin import find_plugin
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import LoggingReporter

from book import address, course, live
from book.numbers import SCIENTIFIC
from book.sources import has_cells, without_shown_code

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,}|:{3,})(?:\{(?P<name>[\w:-]+)\})?[ \t]*(?P<argument>.*)$")
OPTION = re.compile(r"^\s*:([\w-]+):\s*(.*)$")
ROLE = re.compile(r"\{([\w:.-]+)\}`([^`]+)`")
LABEL = re.compile(r"^\([\w:.-]+\)=[ \t]*\n", re.M)
EQUATION = re.compile(r"^\$\$[ \t]*\n(?P<formula>.*?)\n\$\$[ \t]*(?:\((?P<label>[\w:.-]+)\))?[ \t]*$", re.M | re.S)
LOCAL_LINK = re.compile(r"\[([^\]]*)\]\((?:#[^)\s]*|[^)\s]+\.md(?:#[^)\s]*)?)\)")
EXPLICIT = re.compile(r"^(.*?)\s*<([^<>]+)>$", re.S)
CHOICE = re.compile(r"^- \[([x ])\] ", re.M)
ANSWER = re.compile(r"^<!-- answer (\S+)( in code)? -->$", re.M)

# The roles that refer to something, with the domain of Sphinx that knows what.
DOMAINS = {"std": ("ref", "numref", "doc"), "math": ("eq",), "prf": ("ref",), "cite": ("p", "t")}

# What the code needs, without an address of the site and with one.
NEEDS = (
    "Its code needs the library of the book, a wheel to download from the front page: `{install}` where the wheel is."
)
INSTALLS = "Its first cell installs the library of the book where it is missing."
INSTALL = """\
try:
    import implicit_bias
except ImportError:
    %{install}"""


@dataclass(frozen=True)
class Page:
    """What the text of a chapter refers to, as words."""

    references: dict[tuple[str, str], str]
    glued: dict[str, str]

    def reference(self, role: str, target: str) -> str:
        return self.references[role, target]


def chapters(env) -> list[str]:
    """The pages with code, except the front page, which is no chapter."""
    return sorted(
        docname
        for docname in env.found_docs - {env.config.root_doc}
        if has_cells(Path(env.doc2path(docname)).read_text(encoding="utf-8"))
    )


def make(app: Sphinx, docname: str) -> list[nbformat.NotebookNode]:
    """The notebook of a chapter, and the one for students if there are exercises with solutions."""
    texts = [course.read(app, docname)]
    if re.search(r"\{(solution|withheld)\}", without_shown_code(texts[0])):
        texts.append(course.read(app, docname, solutions=False))
    source, *_ = sources = [jupytext.reads(text, fmt="md:myst") for text in texts]
    text = "\n".join(cell.source for cell in source.cells if cell.cell_type == "markdown")
    text += "\n".join(figure(cell).get("caption", "") for cell in source.cells)
    names = [figure(cell)["name"] for cell in source.cells if "name" in figure(cell)]
    page = Page(references_of(app, docname, text, names), glued_in(app.env, docname))
    cited = bibliography(app.env, text)
    return [notebook(app, source, page, cited) for source in sources]


def notebook(app: Sphinx, source, page: Page, cited: list[str]) -> nbformat.NotebookNode:
    cells = []
    for cell in source.cells:
        if cell.cell_type == "markdown":
            cells += text_cells(markdown(cell.source, page))
            continue
        code = without_glue(cell.source)
        if code:
            metadata = {key: value for key, value in cell.metadata.items() if key in ("tags", "jupyter")}
            cells.append(nbformat.v4.new_code_cell(code, metadata=metadata))
        if caption := figure(cell).get("caption"):
            name = page.reference("numref", figure(cell)["name"]) if "name" in figure(cell) else "Figure"
            cells.append(nbformat.v4.new_markdown_cell(f"**{name}.** {markdown(caption.strip(), page)}"))
    begin(app, cells, "a chapter")
    if cited:
        cells.append(nbformat.v4.new_markdown_cell("## References\n\n" + "\n".join(f"- {entry}" for entry in cited)))
    return numbered(cells)


def begin(app: Sphinx, cells: list[nbformat.NotebookNode], kind: str):
    """Say below the title what this is, and let the first cell install the library, if the site has an address."""
    install = address.install(app)
    needs = INSTALLS if app.config.site_url else NEEDS.format(install=install)
    heading, _, rest = cells[0].source.partition("\n")
    cells[0].source = f"{heading}\n\n*This is {kind} of {app.config.html_title}. {needs}*\n{rest}".strip()
    if app.config.site_url:
        cells.insert(0, nbformat.v4.new_code_cell(INSTALL.format(install=install)))


def numbered(cells: list[nbformat.NotebookNode]) -> nbformat.NotebookNode:
    for number, cell in enumerate(cells, 1):
        cell.id = f"cell-{number}"  # nbformat would draw it at random
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def sheet(app: Sphinx, session: course.Session) -> nbformat.NotebookNode:
    """The exercises of a weekly sheet, each with a cell for the answer."""
    syllabus, due = course.SYLLABUS.with_suffix("").as_posix(), session.parts["Hand in"]
    due = inline(due, Page(references_of(app, syllabus, due, []), {}))
    setup, parts = [], [f"# Sheet {session.number}: {session.title}\n\nTo be handed in: {due}"]
    for label in session.exercises("Hand in"):
        docname = app.env.sphinx_exercise_registry[label]["docname"]
        text = course.read(app, docname, solutions=False)
        pattern = rf"^(`+)\{{exercise\}}[^\n]*\n:label: {label}\n.*?^```\{{withheld\}}[^\n]*\n```$"
        asked = re.search(pattern, text, re.M | re.S)[0]
        page = Page(references_of(app, docname, asked, []), glued_in(app.env, docname))
        parts.append(markdown(asked, page))
        setup += [line for line in needed(*course.code_of(app, docname), label) if line not in setup]
    cells = [cell for part in parts for cell in text_cells(part)]
    if setup:
        cells.insert(1, nbformat.v4.new_code_cell("\n".join(setup)))
    begin(app, cells, "a sheet of exercises")
    return numbered(cells)


def needed(cells: list[str], solutions: dict[str, list[str]], label: str) -> list[str]:
    """The statements of a chapter, in its order, which define what the code in the solution of an exercise uses."""
    if not solutions.get(label):
        return []
    kept, wanted = [], {"np", *free("\n".join(solutions[label]))}
    for statement in reversed([statement for cell in cells for statement in ast.parse(cell).body]):
        if only_glues(statement) or not bound(statement) & wanted:
            continue
        if isinstance(statement, ast.ImportFrom):
            statement.names = [alias for alias in statement.names if (alias.asname or alias.name) in wanted]
        code = ast.unparse(statement)
        kept.insert(0, code)
        wanted |= free(code)
    return kept


def bound(statement: ast.stmt) -> set[str]:
    """The names that a statement gives a meaning, or what it changes."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return set().union(*map(bases, targets))
    within = [inner for block in ("body", "orelse") for inner in getattr(statement, block, [])]
    return set().union(*map(bound, within))


def bases(target: ast.expr) -> set[str]:
    """The names to which an assignment goes: that of `x` for ``x[k]``."""
    if isinstance(target, ast.Name):
        return {target.id}
    parts = target.elts if isinstance(target, ast.Tuple | ast.List) else [target.value]
    return set().union(*map(bases, parts))


def free(code: str) -> set[str]:
    """The names that the code reads and does not define itself."""
    tree = list(ast.walk(ast.parse(code)))
    names = [node for node in tree if isinstance(node, ast.Name)]
    defined = {node.arg for node in tree if isinstance(node, ast.arg)}
    defined |= {name.id for name in names if not isinstance(name.ctx, ast.Load)}
    defined |= {
        name for node in tree if isinstance(node, ast.FunctionDef | ast.Import | ast.ImportFrom) for name in bound(node)
    }
    return {name.id for name in names} - defined


def text_cells(text: str) -> list[nbformat.NotebookNode]:
    """The text as one cell, or as several with cells for answers between them."""
    pieces = ANSWER.split(text)
    cells = [nbformat.v4.new_markdown_cell(pieces[0].strip())]
    for label, in_code, after in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        cells.append(answer_cell(label, bool(in_code)))
        if after.strip():
            cells.append(nbformat.v4.new_markdown_cell(after.strip()))
    return cells


def answer_cell(label: str, in_code: bool) -> nbformat.NotebookNode:
    """The cell for the answer to an exercise: ``ex-scale`` is checked by ``check.scale``."""
    name = label.removeprefix("ex-").replace("-", "_")
    from implicit_bias import check  # a second, which a build that writes no notebook need not spend

    function = getattr(check, name, None)
    if getattr(function, "__module__", None) == check.__name__:
        arguments = list(inspect.signature(function).parameters)
        lines = ["from implicit_bias import check", "", *(f"{argument} = ...  # your answer" for argument in arguments)]
        return nbformat.v4.new_code_cell("\n".join([*lines, "", f"check.{name}({', '.join(arguments)})"]))
    return nbformat.v4.new_code_cell("# Your code") if in_code else nbformat.v4.new_markdown_cell("*Your answer:*")


def figure(cell) -> dict:
    return cell.metadata.get("mystnb", {}).get("figure", {})


# --- Text


def markdown(text: str, page: Page) -> str:
    """Rewrite MyST as the Markdown that Jupyter shows."""
    return re.sub(r"\n{3,}", "\n\n", blocks(LABEL.sub("", text).split("\n"), page)).strip()


def blocks(lines: list[str], page: Page) -> str:
    """Rewrite directives, which may stand within each other, and the text between them."""
    done, plain, k = [], [], 0
    while k < len(lines):
        opening = FENCE.match(lines[k])
        if not opening:
            plain.append(lines[k])
            k += 1
            continue
        done.append(inline("\n".join(plain), page))
        plain = []
        closing = re.compile(rf"^ *{re.escape(opening['fence'][0])}{{{len(opening['fence'])},}}[ \t]*$")
        end = next(i for i in range(k + 1, len(lines)) if closing.match(lines[i]))
        body = lines[k + 1 : end]
        done.append(directive(opening, body, page) if opening["name"] else "\n".join(lines[k : end + 1]))
        k = end + 1
    done.append(inline("\n".join(plain), page))
    return "\n".join(done)


def directive(opening: re.Match, body: list[str], page: Page) -> str:
    name, argument = opening["name"], opening["argument"].strip()
    options = {}
    while body and (option := OPTION.match(body[0])):
        options[option[1]] = option[2]
        body = body[1:]
    if name == "math":
        return inline("$$\n" + "\n".join(body) + f"\n$$ ({options['label']})" * ("label" in options), page)
    if name == "withheld":
        return f"<!-- answer {argument.replace(' code', ' in code')} -->"
    text = blocks(body, page).strip()
    if name == "quiz":
        return questions(text)
    argument = inline(argument, page)
    if name == "dropdown":
        return fold(argument, text)
    if name == "solution":
        return fold(f"Solution of {page.reference('ref', argument)}", text)
    kind, number = name.split(":")[-1].title(), options.get("label")
    if number and name.startswith("prf:"):
        kind = page.reference("prf:ref", number)
    elif number and name == "exercise":
        kind = page.reference("ref", number)
    title = f" ({argument})" if argument else ""
    return f"**{kind}{title}.**\n\n{text}\n"


def questions(text: str) -> str:
    """A question, its answers with letters, and below a fold what is said of each."""
    question, *choices = CHOICE.split(text)
    answers, verdicts = [], []
    for letter, right, choice in zip("abcde", choices[::2], choices[1::2], strict=False):
        answer, *why = (" ".join(paragraph.split()) for paragraph in choice.strip().split("\n\n"))
        answers.append(f"- {letter}) {answer}")
        verdicts.append(f"- {letter}) {'Right.' if right == 'x' else 'Not right.'} {' '.join(why)}")
    return f"**Question.** {question.strip()}\n\n" + "\n".join(answers) + "\n\n" + fold("Check", "\n".join(verdicts))


def fold(summary: str, text: str) -> str:
    return f"<details>\n<summary>{summary}</summary>\n\n{text}\n\n</details>\n"


def inline(text: str, page: Page) -> str:
    def equation(match: re.Match) -> str:
        tag = rf" \tag{{{page.reference('eq', match['label']).strip('()')}}}" if match["label"] else ""
        return f"$$\n{match['formula']}{tag}\n$$"

    def role(match: re.Match) -> str:
        name, content = match.groups()
        if name.startswith("glue"):
            return glued(content, page.glued)
        if explicit := EXPLICIT.match(content):
            return explicit[1]
        if (name, content) in page.references:
            return page.reference(name, content)
        return f"`{content}`"

    return LOCAL_LINK.sub(r"\1", ROLE.sub(role, EQUATION.sub(equation, text)))


def glued(content: str, values: dict[str, str]) -> str:
    key, _, form = content.partition(":")
    text = format_plain_text(values[key], form or "s")
    if number := SCIENTIFIC.match(text):
        sign = "-" if number[2] == "-" else ""
        return rf"${number[1]}\cdot 10^{{{sign}{number[3]}}}$"
    return text


# --- Code


def without_glue(source: str) -> str:
    """Drop the import of `glue` and the statements that only call it."""
    lines, drop = source.split("\n"), set()

    for statement in ast.walk(ast.parse(source)):
        if isinstance(statement, ast.stmt) and only_glues(statement):
            drop |= set(range(statement.lineno - 1, statement.end_lineno))
    return "\n".join(line for k, line in enumerate(lines) if k not in drop).strip()


def only_glues(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.ImportFrom):
        return statement.module == "myst_nb"
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Call) and ast.unparse(statement.value.func) == "glue"
    return isinstance(statement, ast.For | ast.With) and all(map(only_glues, statement.body))


# --- What Sphinx knows


def references_of(app: Sphinx, docname: str, text: str, figures: list[str]) -> dict[tuple[str, str], str]:
    """The words that stand on the page for every role and label in the text, asked of Sphinx all at once."""
    env = app.env
    wanted = [match.groups() for match in ROLE.finditer(text) if not match[1].startswith("glue")]
    wanted += [("numref", name) for name in figures]
    wanted += [("prf:ref", label) for label in re.findall(r"\{prf:\w+\}.*\n:label: *(\S+)", text)]
    wanted += [("ref", label) for label in re.findall(r"\{exercise\}.*\n:label: *(\S+)", text)]
    wanted += [("ref", label) for label in re.findall(r"\{solution\} *(\S+)", text)]
    wanted += [("eq", label) for label in EQUATION.findall(text) for label in label[1:] if label]
    wanted += [("eq", label) for label in re.findall(r"\{math\}.*\n:label: *(\S+)", text)]
    written = {
        (node["refdomain"], node["reftype"], node["reftarget"]): node
        for node in env.get_doctree(docname).findall(addnodes.pending_xref)
    }
    document = new_document(docname)
    document.settings.env = env
    document.reporter = LoggingReporter.from_reporter(document.reporter)
    asked = []
    for role, target in dict.fromkeys(wanted):
        domain, _, kind = role.rpartition(":")
        domain = domain or ("math" if kind == "eq" else "std")
        if EXPLICIT.match(target) or kind not in DOMAINS.get(domain, ()):
            continue
        key = domain, kind, target
        node = written[key].deepcopy() if key in written else new_reference(*key, docname)
        document += nodes.paragraph("", "", node)
        asked.append((role, target))
    env.apply_post_transforms(document, docname)
    return {key: as_text(paragraph) for key, paragraph in zip(asked, document.findall(nodes.paragraph), strict=True)}


def new_reference(domain: str, kind: str, target: str, docname: str) -> addnodes.pending_xref:
    inner = nodes.inline(target, target, classes=["xref", domain, f"{domain}-{kind}"])
    attributes = {"refdomain": domain, "reftype": kind, "reftarget": target, "refdoc": docname}
    return addnodes.pending_xref("", inner, refexplicit=False, refwarn=True, **attributes)


def as_text(node: nodes.Node) -> str:
    return "".join(
        f"${child.astext()}$" if isinstance(child.parent, nodes.math) else child.astext()
        for child in node.findall(nodes.Text)
    )


def glued_in(env, docname: str) -> dict[str, str]:
    """What the cells of a page have glued, as MyST-NB keeps it for other pages."""
    file = Path(env.mystnb_config.output_folder) / f"{docname}.glue.json"
    values = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return {key: value["data"]["text/plain"] for key, value in values.items() if "text/plain" in value["data"]}


def bibliography(env, text: str) -> list[str]:
    """The entries of what the text cites, in the order of their keys, which is that of the authors."""
    cited = {key.strip() for keys in re.findall(r"\{cite:\w+\}`([^`]+)`", text) for key in keys.split(",")}
    backend = find_plugin("pybtex.backends", "markdown")()
    entries = {entry.key: entry.formatted_entry.text.render(backend) for entry in env.get_domain("cite").citations}
    # The backend escapes every sign of punctuation and breaks lines between the parts of an entry.
    return [re.sub(r"\\([-.()])", r"\1", " ".join(entries[key].split())) for key in sorted(cited & entries.keys())]


# --- The files, and the links to them


def offer(app: Sphinx, pagename, templatename, context, doctree):
    """Write the notebooks of a page that is just being written, and link them on it."""
    if pagename not in getattr(app.env, "chapters_with_code", ()):
        return
    page = Path(app.outdir) / f"{pagename}.html"
    files = [page.with_suffix(".ipynb"), page.parent / "exercises" / f"{page.stem}.ipynb"]
    words = ["Download as notebook", "with the exercises unsolved"]
    links, opened = [], []
    for notebook, file, text in zip(make(app, pagename), files, words, strict=False):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
        links.append(f'<a href="{file.relative_to(page.parent).as_posix()}" download>{text}</a>')
        opened.append(live.link(app, pagename, file, text.replace(words[0], "Run in the browser")))
    shown = f'<p class="download">{" · ".join(links)}</p>'
    if app.config.live:
        shown += f'\n<p class="download">{" · ".join(opened)} · {live.price(app, pagename)}</p>'
    context["body"] = context["body"].replace("</h1>", f"</h1>\n{shown}", 1)


def offer_sheets(app: Sphinx, pagename, templatename, context, doctree):
    """Write the notebook of each weekly sheet, and link it below the heading."""
    if pagename != getattr(app.env, "sheets_page", None):
        return
    folder = Path(app.outdir) / Path(pagename).parent / "sheets"
    folder.mkdir(parents=True, exist_ok=True)
    for session in course.sessions(Path(app.srcdir)):
        name = f"sheet-{session.number}.ipynb"
        (folder / name).write_text(nbformat.writes(sheet(app, session)) + "\n", encoding="utf-8")
        links = [f'<a href="sheets/{name}" download>Download as notebook</a>']
        if app.config.live:
            links.append(live.link(app, pagename, folder / name, "Run in the browser"))
        link = f'<p class="download">{" · ".join(links)}</p>'
        heading = re.compile(rf"<h2>Sheet {session.number}:.*?</h2>", re.S)
        context["body"] = heading.sub(rf"\g<0>\n{link}", context["body"])


def note_chapters(app: Sphinx, env):
    env.chapters_with_code = chapters(env)
    return []


def setup(app: Sphinx):
    app.connect("env-updated", note_chapters)
    app.connect("html-page-context", offer)
    app.connect("html-page-context", offer_sheets)
