"""What a person reads: the printed text, without its colours."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console


def printed(print_it: Any, value: Any) -> str:
    console = Console(file=io.StringIO(), width=200, no_color=True)
    print_it(console, value)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def line_with(text: str, *words: str) -> str:
    """The only line that has all these words."""
    (found,) = (line for line in text.splitlines() if all(word in line for word in words))
    return found


def after(text: str, title: str) -> str:
    """What stands below a title, up to the next empty line."""
    return text.split(f"\n{title}")[1].split("\n\n")[0]
