"""What can be said of a page from its text alone, before anything is built."""

import re

FENCE = re.compile(r"^[ \t]*(?P<fence>`{3,}|~{3,}|:{3,})[ \t]*(?P<info>[^`\n]*)$")


def without_shown_code(text: str) -> str:
    """The text with empty lines in place of blocks that only show code: in these a directive is an example."""
    lines, inside = [], []  # the fences that are open
    for line in text.split("\n"):
        match = FENCE.match(line)
        shown = bool(inside) and not inside[-1]["info"].startswith("{")
        if match and inside and match["fence"].startswith(inside[-1]["fence"]) and not match["info"]:
            inside.pop()
        elif match and not shown:
            inside.append(match)
            shown = not match["info"].startswith("{")
        lines.append("" if shown else line)
    return "\n".join(lines)


def has_cells(text: str) -> bool:
    return "{code-cell}" in without_shown_code(text)
