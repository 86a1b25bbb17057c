"""Syntax trees of Python text, read once for all tests that look at the whole package."""

from __future__ import annotations

import ast
import gc
from functools import cache


@cache
def parsed(text: str) -> ast.Module:
    """The syntax tree of a file; nobody may change it."""
    gc.disable()  # a tree holds no cycles, and Python would look for them thrice as long as it parses
    try:
        return ast.parse(text)
    finally:
        gc.enable()


@cache
def nodes(text: str) -> tuple[ast.AST, ...]:
    """Everything in the syntax tree of a file, in the order of `ast.walk`."""
    return tuple(ast.walk(parsed(text)))
