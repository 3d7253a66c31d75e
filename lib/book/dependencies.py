"""Which files of ``lib`` the cells of a chapter call: read from their imports, without running anything."""

import ast
import functools
from collections.abc import Iterable
from pathlib import Path


def files_called(cells: Iterable[str], lib: Path) -> list[Path]:
    """The files that the cells import, directly or through each other.

    A name imported from a package counts for the modules that define it, and not for all that the package imports itself.
    Where the modules cannot be told, as after ``import package``, all of that package count. So do files other
    than Python in the folders within a package, which its modules may read.
    """
    modules = find_modules(lib)
    try:
        trees = [ast.parse(cell) for cell in cells]
    except SyntaxError:  # a magic, or a typo
        return sorted(lib.rglob("*.py"))
    called: set[str] = set()
    waiting = {name for tree in trees for name in imported(tree, "", modules)}
    while waiting:
        called |= waiting
        waiting = {name for module in waiting for name in imported_by(module, lib)} - called
    files = {modules[name] for name in called}
    for folder in {top(file) for file in files}:
        # In __pycache__ numba, too, keeps what it has compiled.
        others = (file for file in folder.glob("*/**/*") if file.is_file() and file.parent.name != "__pycache__")
        files |= {file for file in others if file.suffix != ".py"}
    return sorted(files)


def find_modules(lib: Path) -> dict[str, Path]:
    """The files of the packages by the names under which they are imported, except those that make the website."""
    return {
        ".".join(file.relative_to(lib).with_suffix("").parts).removesuffix(".__init__"): file
        for folder in sorted(lib.iterdir())
        if (folder / "__init__.py").exists() and folder.name != Path(__file__).parent.name
        for file in sorted(folder.rglob("*.py"))
    }


def top(file: Path) -> Path:
    """The folder of the outermost package that a file is in."""
    folder = file.parent
    while (folder.parent / "__init__.py").exists():
        folder = folder.parent
    return folder


@functools.cache
def imported_by(module: str, lib: Path) -> set[str]:
    modules = find_modules(lib)
    return imported(parse(modules[module]), package_of(module, modules), modules)


@functools.cache
def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def package_of(module: str, modules: dict[str, Path]) -> str:
    return module if modules[module].stem == "__init__" else module.rpartition(".")[0]


def imported(tree: ast.Module, package: str, modules: dict[str, Path]) -> set[str]:
    """The modules of ours that a piece of code within `package` imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.partition(".")[0]
                found |= resolve(whole, "*", modules)
                found |= resolve(alias.name, "*", modules)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found |= resolve(source_of(node, package), alias.name, modules)
    return found


def source_of(node: ast.ImportFrom, package: str) -> str:
    above = package.rsplit(".", node.level - 1)[0] if node.level else ""
    return ".".join(filter(None, [above, node.module]))


def resolve(source: str, name: str, modules: dict[str, Path]) -> set[str]:
    """The modules that ``from source import name`` calls."""
    if f"{source}.{name}" in modules:
        return {f"{source}.{name}"}
    if source not in modules:
        return set()
    if modules[source].stem != "__init__":
        return {source}
    for node in parse(modules[source]).body:
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            if name == (alias.asname or alias.name):
                return resolve(source_of(node, source), alias.name, modules)
    # The package defines it, or imports it only when it is asked for.
    inside = {module for module in modules if module == source or module.startswith(f"{source}.")}
    return {module for module in inside if name in defined(modules[module])} or inside


@functools.cache
def defined(file: Path) -> set[str]:
    """The names that a module defines itself."""
    names: set[str] = set()
    for node in parse(file).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)}
    return names
