"""Markdown and LaTeX tables for a paper: PDG rounding, asymmetric intervals, limits."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import pandas as pd

from mtjfit.data import pretty
from mtjfit.infer import Posterior
from mtjfit.plain import csv_bytes
from mtjfit.results.tables import bare_limit, prior_text, result_text
from mtjfit.study import SCATTER, ParameterName, is_amplitude
from mtjfit.text import Table, decimals_of, number, power_of_ten, rounded, visible

FORMULAS = {
    "lambda_J": r"\lambda_J", "lambda_phi": r"\lambda_\phi", "lambda_sf_F": r"\lambda_\mathrm{sf}^F",
    "lambda_sf_N": r"\lambda_\mathrm{sf}^N", "D_ratio": "D_F/D_N", "Lambda": r"\Lambda", "thickness": "d",
    "dead_layer": r"d_\mathrm{dead}", "noise_par": r"\sigma_\parallel", "noise_perp": r"\sigma_\perp",
    "noise_dof": r"\nu", "jitter_par": r"s_\parallel", "jitter_perp": r"s_\perp",
}  # fmt: skip
"""Parameters as they are written in formulas, in LaTeX; amplitudes follow from their names."""
_GREEK = {
    *("alpha", "beta", "gamma", "delta", "eta", "theta", "kappa", "lambda", "mu", "nu", "xi", "rho", "sigma", "tau"),
    *("phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Sigma", "Phi", "Psi", "Omega"),
}
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\char34{}", "·": r"$\cdot$", "−": "--", "±": r"$\pm$",
    "ħ": r"$\hbar$", "Ω": r"$\Omega$", "µ": r"$\mu$", "Å": r"\AA{}", "°": r"\textdegree{}", "κ": r"$\kappa$",
}  # fmt: skip
_RAISED = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
_LOWERED = str.maketrans(_RAISED, "-0123456789")


def asymmetric(low: float, middle: float, high: float) -> tuple[str, str, str]:
    """Middle, distance down and distance up, with the digits that mean something (PDG rounding of the smaller one).

    >>> asymmetric(0.9432, 1.0266, 1.1034), asymmetric(7.6, 9.03, 18.2)
    (('1.03', '0.08', '0.08'), ('9.0', '1.4', '9.2'))
    """
    down, up = middle - low, high - middle
    least = min(down, up)
    if not (math.isfinite(least) and least > 0):
        return number(middle), number(down, 2), number(up, 2)
    (middle_text, down_text, up_text), exponent = rounded((middle, down, up), decimals_of(least))
    ten = power_of_ten(exponent)
    return middle_text + ten, down_text + ten, up_text + ten


def latex_text(text: str) -> str:
    """Text from a file as LaTeX that prints it and does nothing else.

    Characters that LaTeX may lack in its fonts are left to it.
    """
    parts = re.split(f"([{_RAISED}]+)", visible(text.replace("\n", " ")))
    parts[::2] = ["".join(_SPECIAL.get(c, c) for c in part) for part in parts[::2]]
    parts[1::2] = [rf"\textsuperscript{{{part.translate(_LOWERED)}}}" for part in parts[1::2]]
    return "".join(parts)


def formula_of_own(name: str) -> str:
    """A parameter of an own model as it is written in formulas: what follows the first _ is an index.

    >>> print(formula_of_own("t_N"), formula_of_own("lambda_sf_S"), formula_of_own("cap"))
    t_\\mathrm{N} \\lambda_\\mathrm{sf\\_S} \\mathrm{cap}
    """
    head, _, index = name.partition("_")
    head = rf"\{head}" if head in _GREEK else head if len(head) == 1 else rf"\mathrm{{{head}}}"
    index = index.replace("_", r"\_")
    return rf"{head}_\mathrm{{{index}}}" if index else head


def _symbol(name: str) -> str:
    base, owner = ParameterName(name).base, ParameterName(name).owner
    scattered = base.startswith(SCATTER)
    base = base.removeprefix(SCATTER)
    shown = FORMULAS.get(base) or (f"{base[0]}_{{{base[1:]}}}" if is_amplitude(base) else formula_of_own(base))
    own = "" if owner is None else f" ({latex_text(owner)})"
    return ("scatter of " if scattered else "") + f"${shown}${own}"


def _value(posterior: Posterior, name: str, row: pd.Series) -> str:
    """Value or limit of a parameter in LaTeX."""
    said, mean = result_text(posterior, name, row)
    if said.startswith("as declared"):
        return latex_text(said)
    if not mean:
        return f"${_with_powers(bare_limit(row, posterior.interval))}$" if said[0] in "<>" else "not determined"
    texts = asymmetric(*(float(row[end]) for end in posterior.interval.names))
    tens = {text.partition("e")[2] for text in texts}
    common = tens.pop() if len(tens) == 1 else ""
    middle, down, up = (_with_powers(text.partition("e")[0] if common else text) for text in texts)
    shown = f"{middle}^{{+{up}}}_{{-{down}}}" if up != down else rf"{middle} \pm {up}"
    return rf"$({shown}) \times 10^{{{int(common)}}}$" if common else f"${shown}$"


def _with_powers(text: str) -> str:
    r"""Numbers as formulas show them: "< 1.2e-20" as "< 1.2 \times 10^{-20}"."""
    return re.sub(r"e([+-]\d+)", lambda found: rf" \times 10^{{{int(found[1])}}}", text)


def latex_parameters(posterior: Posterior) -> str:
    """A LaTeX table of the parameters: medians with intervals, limits as limits, and the priors.

    Needs no package. A run that did not converge gives a table that says so and holds no number.
    """
    study = posterior.study
    levels = [each.replace(" %", r"~\%") for each in (str(posterior.interval), posterior.interval.one_sided)]
    caption = f"{latex_text(study.name)}: medians and {levels[0]} intervals; limits at {levels[1]}."
    if study.label:
        caption += f" \\textbf{{{latex_text(study.label)}.}}"
    lines = [r"\begin{table}", rf"\caption{{{caption}}}", r"\begin{tabular}{llll}", r"\hline"]
    if posterior.verdict.converged:
        lines += [r"Parameter & Value & Unit & Prior \\", r"\hline"]
        for name, row in posterior.summary().iterrows():
            label, unit = str(name), latex_text(pretty(str(row["unit"])))
            described = latex_text(prior_text(posterior, label))
            lines.append(rf"{_symbol(label)} & {_value(posterior, label, row)} & {unit} & {described} \\")
    else:
        lines.append(r"NOT CONVERGED: these draws are no result & & & \\")
    return "\n".join([*lines, r"\hline", r"\end{tabular}", r"\end{table}"]) + "\n"


def markdown(table: Table) -> str:
    r"""A table as Markdown, with its title and note; nothing from a file can end a cell or become markup.

    >>> print(markdown(Table("Two", ("name", "value"), (("a|b", "*1*"),))))
    **Two**
    <BLANKLINE>
    | name | value |
    | --- | --- |
    | a\|b | \*1\* |
    <BLANKLINE>
    """
    rows = [_row(table.header), _row(["---"] * len(table.header), raw=True), *(_row(row) for row in table.rows)]
    note = f"\n{markdown_text(table.note)}\n" if table.note else ""
    return f"**{markdown_text(table.title)}**\n\n" + "\n".join(rows) + "\n" + note


def _row(cells: Iterable[str], *, raw: bool = False) -> str:
    return "| " + " | ".join(cell if raw else markdown_text(cell) for cell in cells) + " |"


def markdown_text(text: str) -> str:
    r"""One paragraph of Markdown that prints this text and does nothing else; addresses in it are no links.

    >>> print(markdown_text("<b> ![](x) https://a.b"))
    \<b\> !\[\](x) https\://a.b
    """
    shown = visible(text.replace("\n", " "))
    return re.sub(r"[\\`*_{}\[\]<>#|$~&]|:(?=//)|(?<=\bwww)\.", r"\\\g<0>", shown, flags=re.IGNORECASE)


def table_csv(table: Table) -> bytes:
    """A table as CSV, texts as they are shown; what a spreadsheet would run as a formula is quoted."""
    frame = pd.DataFrame(list(table.rows), columns=list(table.header))
    return csv_bytes(frame.set_index(table.header[0]))
