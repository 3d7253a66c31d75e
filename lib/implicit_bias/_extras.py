"""Packages that only some functions call, and that only an extra of this library installs."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Imports of packages that the extra `name` installs: where one is missing, the error says so."""
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{error}. It comes with the extra {name!r} of the library: pip install '.[{name}]' in a copy of the sources",
            name=error.name,
        ) from error
