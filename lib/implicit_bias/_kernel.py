"""The kernel in which a submitted notebook runs: it is bounded, and it remembers what was handed to a check.

What it says counts for nothing: verdicts are given elsewhere (`_marking`), of the numbers that it hands out.
"""

import contextlib
import functools
import inspect
import json
import sys
from numbers import Number

import numpy as np

from . import check

CHECKS = {
    name: function
    for name, function in inspect.getmembers(check, inspect.isfunction)
    if function.__module__ == check.__name__ and not name.startswith("_")
}
MEMORY = 2 * 2**30  # bytes that a process may ask for
LARGEST_FILE = 100 * 2**20  # bytes
MOST_NUMBERS = 100_000  # in one answer

handed: dict[str, list] = {}  # arguments of the last call of each check, until they are asked for
functions: list = []  # that were handed to a check


def fresh() -> str:
    """What was handed to checks since this was asked last, in JSON."""
    found = {name: [encode(argument) for argument in arguments] for name, arguments in handed.items()}
    handed.clear()
    return json.dumps(found)


def call(number: int, arguments: str) -> str:
    """Call a function that was handed in, with arguments in JSON, and return in JSON what it returns or its failure."""
    try:
        value = functions[number](*(np.array(x) if isinstance(x, list) else x for x in json.loads(arguments)))
        return json.dumps({"value": encode(value)})
    except Exception as error:  # whatever it is, it belongs to the answer
        return json.dumps({"error": f"{type(error).__name__}: {error}"[:300]})


def encode(value):
    """The value in the types of JSON: what a check takes stays what it is, the rest is told by its type."""
    try:
        return _encoded(value)
    except Exception:  # the number of another library is beyond float64, or a list is in itself
        return {"other": type(value).__name__}


def _encoded(value):
    if value is None or value is ...:
        return None
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist() if value.size <= MOST_NUMBERS else object()
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, bool | str | int | float):
        return value
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, list | tuple):
        return [_encoded(entry) for entry in value] if len(value) <= MOST_NUMBERS else {"other": "a long list"}
    if callable(value):
        functions.append(value)
        return {"function": len(functions) - 1}
    if isinstance(value, Number) or type(value).__name__ in ("Decimal", "Fraction"):
        return float(value)
    return {"other": type(value).__name__}


def remember(name: str, function):
    """The check, which also notes its arguments."""

    @functools.wraps(function)
    def remembering(*arguments, **named):
        with contextlib.suppress(TypeError):  # a wrong call, of which the check itself will tell
            handed[name] = list(inspect.signature(function).bind(*arguments, **named).arguments.values())
        return function(*arguments, **named)

    return remembering


def refuse_network(event: str, arguments: tuple):
    """Good manners where there are no walls: who wants to can get around it."""
    if (event == "socket.connect" and isinstance(arguments[1], tuple)) or event == "socket.getaddrinfo":
        raise OSError("there is no network while a notebook is marked")


def main():
    from ipykernel.kernelapp import IPKernelApp

    try:
        import resource
    except ImportError:  # Windows
        pass
    else:
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, function in CHECKS.items():
        setattr(check, name, remember(name, function))
    application = IPKernelApp.instance()
    # IPython's own end the kernel after the cell: answers before it would be marked or not, as chance has it.
    application.exec_lines = ["from sys import exit, exit as quit"]
    application.initialize()
    sys.addaudithook(refuse_network)
    application.start()


if __name__ == "__main__":
    from implicit_bias import _kernel  # the module that notebooks see, not a second one

    _kernel.main()
