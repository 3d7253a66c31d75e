"""The library is layered, its solvers know nothing of plotting, and what is public has examples that run."""

import ast
import doctest
import importlib
import inspect
import typing
from dataclasses import is_dataclass
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "lib" / "implicit_bias"
LAYERS = [
    "problems",
    "images",
    "features",
    "parametrizations",
    "networks",
    "measures",
    "nnls",
    "many",
    "estimators",
    "baselines",
    "regression",
    "descent",
    "flow",
    "margins",
    "limits",
    "spectrum",
    "check",
    "look",
    "diagram",
]
SHARED = {"results"}  # records, for every layer
PLOTTING = {"matplotlib", "ipywidgets", "IPython", "slidefig"}


def imports(path):
    """Full names of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = "implicit_bias" if node.level else None
            module = ".".join(filter(None, (package, node.module)))
            yield from [f"{module}.{alias.name}" for alias in node.names] if module == "implicit_bias" else [module]


def own_imports(path):
    """Names of the modules of the library that a file imports."""
    return {name.removeprefix("implicit_bias.") for name in imports(path) if name.startswith("implicit_bias")}


def public_modules():
    return sorted(path.stem for path in LIBRARY.glob("*.py") if not path.stem.startswith("_"))


def public_objects():
    """Functions and classes that a module defines for others, with the name of the module."""
    for name in public_modules():
        module = importlib.import_module(f"implicit_bias.{name}")
        for key, value in vars(module).items():
            defined_here = getattr(value, "__module__", None) == module.__name__
            if defined_here and not key.startswith("_") and (inspect.isfunction(value) or inspect.isclass(value)):
                yield pytest.param(value, id=f"{name}.{key}")


def test_every_public_module_has_a_layer():
    assert set(public_modules()) == set(LAYERS) | SHARED


@pytest.mark.parametrize("name", public_modules())
def test_module_imports_only_from_the_layers_below(name):
    """A private module stands as high as it has to: what it imports counts for those that import it."""
    found, seen = set(), {name}
    while not seen <= found:
        module = (seen - found).pop()
        found.add(module)
        if module == name or module.startswith("_"):
            seen |= own_imports(LIBRARY / f"{module}.py")
    below = LAYERS[: LAYERS.index(name)] if name in LAYERS else []
    assert {module for module in found if not module.startswith("_")} - {name} <= SHARED | set(below)


@pytest.mark.parametrize("path", sorted(LIBRARY.glob("*.py")), ids=lambda path: path.stem)
def test_only_the_look_of_the_figures_knows_of_plotting(path):
    if path.stem != "look":
        assert not PLOTTING & {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", sorted((LIBRARY.parent / "slidefig").glob("*.py")), ids=lambda path: path.stem)
def test_the_slider_figure_knows_nothing_of_the_book(path):
    assert not {"implicit_bias", "book"} & {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("thing", list(public_objects()))
def test_docstring_says_what_it_does_and_shows_it(thing):
    """Everything but the records has an example; `test_examples_run` runs it."""
    text = inspect.getdoc(thing)
    first, *rest = text.split("\n")
    assert first.endswith((".", ":")), "one line says what it does"
    assert not rest or rest[0] == ""
    if not is_dataclass(thing):
        assert "Examples\n--------" in text
        assert doctest.DocTestParser().get_examples(text)


def functions(thing):
    """A function itself; the public methods and properties of a class."""
    if not inspect.isclass(thing):
        return [thing]
    members = [value for name, value in vars(thing).items() if name == "__init__" or not name.startswith("_")]
    return filter(inspect.isfunction, (getattr(m, "fget", getattr(m, "__func__", m)) for m in members))


@pytest.mark.parametrize("thing", list(public_objects()))
def test_signatures_are_typed(thing):
    for function in functions(thing):
        wanted = set(inspect.signature(function).parameters) - {"self", "cls"} | {"return"}
        assert wanted <= set(typing.get_type_hints(function)), function.__qualname__


@pytest.mark.parametrize("name", public_modules())
def test_examples_run(name):
    results = doctest.testmod(
        importlib.import_module(f"implicit_bias.{name}"), optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert results.failed == 0
