"""In the browser not every package is there: a cell that needs another says so in one line, and the next ones run.

So does a cell that needs what such a cell would have computed.
"""

import ast

from IPython import get_ipython

_not_computed = {}


def _tell(shell, kind, error, traceback, tb_offset=None):
    cell = shell.user_ns["In"][-1]
    missing = error.name if issubclass(kind, ImportError) else _not_computed.get(error.name)
    if not missing:
        shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)
        return
    names = (node for node in ast.walk(ast.parse(cell)) if isinstance(node, ast.Name | ast.FunctionDef | ast.alias))
    for node in names:
        if not isinstance(node, ast.Name):
            name = getattr(node, "asname", None) or node.name
        elif isinstance(node.ctx, ast.Store):
            name = node.id
        else:
            continue
        if name not in shell.user_ns:
            _not_computed[name] = missing
    print(f"This cell needs the package {missing}, which is not in the browser. On your own machine the cell runs.")


get_ipython().set_custom_exc((ImportError, NameError), _tell)
