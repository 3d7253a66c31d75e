"""Packages that only some functions call, and that only an extra of this library installs."""

import sys
from collections.abc import Iterable, Iterator
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


def watched(items: Iterable, total: int, step: int = 1, name: str = "") -> Iterator:
    """The items, each of which does `step` of the work, with a bar of tqdm if that is installed, else with lines."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        told = -1
        for number, item in enumerate(items):
            if (share := 20 * number * step // total) > told:
                print(f"{name}: {number * step} of {total}", file=sys.stderr, flush=True)
                told = share
            yield item
        return
    with tqdm(total=total, desc=name) as bar:
        for number, item in enumerate(items):
            yield item
            bar.update(min(step, total - number * step))
