"""Packages that only some functions call, and that only an extra of this library installs."""

import importlib
from types import ModuleType


def needed(name: str, extra: str) -> ModuleType:
    """Import the module `name`, or say which extra of the library brings it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(
            f"this needs {package}, which cannot be imported ({error}). Install the library with its extra: "
            f"pip install '.[{extra}]' in a copy of its sources",
            name=package,
        ) from error
