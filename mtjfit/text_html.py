"""Small tables for notebooks: one element of HTML, every text escaped, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

__all__ = ["card", "shortened"]

_CELL = "padding:.15em .7em .15em 0;text-align:left;vertical-align:top"
_RULED = f"{_CELL};border-bottom:1px solid currentColor"
_TITLE = "margin-top:.5em"
_LOUD = "border-left:.4em solid #b45309;padding:.2em .6em;font-weight:bold;margin:.3em 0"
_LONGEST, _LONGEST_NOTE = 300, 1500


def card(
    title: str,
    *,
    marks: Iterable[str] = (),
    facts: Mapping[str, str] | None = None,
    header: Sequence[str] = (),
    rows: Iterable[Sequence[str]] = (),
    notes: Iterable[str] = (),
) -> str:
    """One object in a notebook: a title, what nobody may overlook, facts, a table, and notes.

    Colours are those of the notebook, light or dark.

    Parameters
    ----------
    title : str
    marks : iterable of str
        Shown loudly; empty ones are left out.
    facts : mapping of str to str, optional
        Empty ones are left out.
    header : sequence of str
    rows : iterable of sequences of str
        One text for each column of the header.
    notes : iterable of str

    Returns
    -------
    str
        HTML; every text in it is escaped.

    Raises
    ------
    ValueError
        A row has another length than the header.

    Examples
    --------
    >>> print(card("<A1>")[34:])
    <strong>&lt;A1&gt;</strong></div></div>
    """
    parts = [f'<div style="{_TITLE}"><strong>{_text(title)}</strong></div>'] if title else []
    parts += [f'<div role="note" style="{_LOUD}">{_text(mark)}</div>' for mark in marks if mark]
    said = [(name, value) for name, value in (facts or {}).items() if value]
    if said:
        lines = (f'<tr><th scope="row" style="{_CELL}">{_text(name)}</th><td style="{_CELL}">{_text(value)}</td></tr>'
                 for name, value in said)  # fmt: skip
        parts.append(f"<table><tbody>{''.join(lines)}</tbody></table>")
    body = [_row(row, len(header)) for row in rows]
    if body:
        head = "".join(f'<th scope="col" style="{_RULED}">{_text(each)}</th>' for each in header)
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>")
    parts += [f"<div><small>{_text(note, _LONGEST_NOTE)}</small></div>" for note in notes if note]
    return f"<div>{''.join(parts)}</div>"


def _row(cells: Sequence[str], n: int) -> str:
    if len(cells) != n:
        raise ValueError(f"a row of {len(cells)} cells under a header of {n}")
    return "<tr>" + "".join(f'<td style="{_CELL}">{_text(each)}</td>' for each in cells) + "</tr>"


def _text(text: str, longest: int = _LONGEST) -> str:
    # MathJax in a notebook reads dollars and \( as formulas, even in escaped text.
    shown = text if len(text) <= longest else text[: longest - 1] + "…"
    return escape(shown).replace("$", "&#36;<span></span>").replace("\\", "&#92;<span></span>")


def shortened(rows: Sequence[Sequence[str]], most: int) -> list[Sequence[str]]:
    """The first and the last rows of a long table, with dots between them.

    Examples
    --------
    >>> shortened([["1"], ["2"], ["3"], ["4"], ["5"]], 2)
    [['1'], ['…'], ['5']]
    """
    if len(rows) <= most:
        return list(rows)
    first = (most + 1) // 2
    return [*rows[:first], ["…"] * len(rows[0]), *rows[len(rows) - (most - first) :]]
