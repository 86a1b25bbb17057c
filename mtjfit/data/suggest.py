"""Help with misspelt words: every unknown name is answered with the nearest known one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean"]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Advice for an unknown word: the nearest known one if there is one, else the whole list.

    Parameters
    ----------
    word : str
        What was written.
    known : iterable of str
        What could have been written.

    Returns
    -------
    str
        A phrase for the `todo` of a problem.

    Examples
    --------
    >>> did_you_mean("lambda_j", ["lambda_J", "lambda_phi"])
    "did you mean 'lambda_J'?"
    >>> did_you_mean("xyz", ["lambda_J", "lambda_phi"])
    "use one of 'lambda_J', 'lambda_phi'"
    """
    # A cap keeps a hostile header of a million columns from costing minutes in difflib.
    options = list(dict.fromkeys(known))[:500]
    folded = {option.casefold(): option for option in reversed(options)}
    close = get_close_matches(word.casefold()[:200], folded, n=1, cutoff=0.6)
    if close:
        return f"did you mean {folded[close[0]]!r}?"
    if not options:
        return "there is none to choose from"
    listed = ", ".join(repr(option) for option in options[:40])
    return f"use one of {listed}" + (" …" if len(options) > 40 else "")
