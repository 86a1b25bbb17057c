"""Syntax trees of Python text, read once for all tests that look at the whole package."""

from __future__ import annotations

import ast
from functools import cache


@cache
def parsed(text: str) -> ast.Module:
    """The syntax tree of a file; nobody may change it."""
    return ast.parse(text)


@cache
def nodes(text: str) -> tuple[ast.AST, ...]:
    """Everything in the syntax tree of a file, in the order of `ast.walk`."""
    return tuple(ast.walk(parsed(text)))
