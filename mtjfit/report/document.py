"""The files of a result as bytes: ``summary.csv``, ``draws.npz`` and the content of ``result.json``."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mtjfit.comparison.mechanisms.comparison import MechanismComparison
from mtjfit.comparison.mechanisms.tables import mechanism_document
from mtjfit.infer import FitResult, Posterior
from mtjfit.infer.convergence.excess import chi2_of_draws
from mtjfit.infer.store.journal import is_journal
from mtjfit.output import OutputFolder
from mtjfit.plain import by_name, csv_bytes, plain
from mtjfit.prior_influence.information import narrowing
from mtjfit.prior_influence.sensitivity import sensitivity
from mtjfit.prior_influence.tables import narrowing_record
from mtjfit.results.headers import header_fields, notices
from mtjfit.results.verdicts import checks, learned, not_determined
from mtjfit.study import ParameterName

__all__ = ["FIGURES", "TABLES", "ResultFolder", "result_document", "result_files", "summary_table"]

_OF_PARAMETERS = ("parameters", "narrowing", "sensitivity", "priors", "undetermined", "directions")
_OF_DEVICES = ("combinations", "devices", "determined", "pairs", "odd", "repeats", "consequences")
_OF_MECHANISMS = ("evidence", "bayes_factors", "left_out", "criteria", "predictive_checks")
FIGURES = ("torque", "combinations", "transfer", "accumulation", "corner", "prior_posterior", "trace", "forest",
           "consequences", "mechanisms")  # fmt: skip
TABLES = (*_OF_PARAMETERS, *_OF_DEVICES, *_OF_MECHANISMS)
_RUN = "run"  # inside the folder of the result
_DRAWN = tuple(f"{figure}.{suffix}" for figure in FIGURES for suffix in ("svg", "pdf", "png"))
_TABLES = tuple(f"table_{name}.csv" for name in TABLES)
_NUMBERS = ("summary.csv", "devices.csv", "pairs.csv", "consequences.csv", "mechanisms.csv", "draws.npz")
_TEXTS = ("summary.md", "summary.tex", "methods.md")
_OURS = (*_NUMBERS, "study.toml", "report.html", *_TEXTS, *_TABLES, *_DRAWN)


class ResultFolder(OutputFolder):
    """A folder that is new, empty, or holds an earlier result of mtjfit, or a run that was interrupted.

    ``result.json`` is its marker.
    """

    def __init__(self, path: Path):
        super().__init__(path, "result", _OURS.__contains__, "result.json", {"program": "mtjfit"}, _is_run)

    @property
    def run(self) -> Path:
        """Where the run is saved until it has converged."""
        return self.path / _RUN


def _is_run(file: Path) -> bool:
    return file.name == _RUN and is_journal(file)


_COLUMNS = ["mean", "sd", "q05", "q50", "q95", "ess", "r_hat", "unit", "determined"]
_OF_DEVICE = (
    *("device", "values", "sd", "chi2", "dof", "p_value"),
    *("scatter_chi2", "scatter_dof", "scatter_p_value"),
)


def summary_table(fit: FitResult, posterior: Posterior | None) -> pd.DataFrame:
    """The table of ``summary.csv``.

    Parameters
    ----------
    posterior : Posterior or None
        None where one thickness determines combinations only: these are the rows then, with the quantiles of a
        normal distribution, and `ess` and `r_hat` empty.

    Returns
    -------
    DataFrame
        Index parameter; columns mean, sd, q05, q50, q95, ess, r_hat, unit, determined. After a run that did not
        converge, `determined` says ``"not converged"`` everywhere.
    """
    if posterior is not None:
        summary = posterior.summary()
        if not posterior.verdict.converged:
            summary["determined"] = "not converged"
        return summary
    found = fit.combinations
    names = [ParameterName(str(r.quantity), str(r.device)) for r in found.itertuples()]
    value, sd = found["value"].to_numpy(dtype=float), found["sd"].to_numpy(dtype=float)
    reach = float(ndtri(0.95)) * sd
    empty = np.full(value.size, np.nan)
    known = np.where(np.isfinite(sd), "yes", "no")
    columns = [value, sd, value - reach, value, value + reach, empty, empty, found["unit"].to_numpy(), known]
    return pd.DataFrame(
        dict(zip(_COLUMNS, columns, strict=True)), index=pd.Index(names, name="parameter", dtype=object)
    )


def result_document(
    fit: FitResult,
    posterior: Posterior | None,
    provenance: Mapping[str, object],
    mechanisms: MechanismComparison | None = None,
    record: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """Content of ``result.json``: everything that the page says, for programs.

    Parameters
    ----------
    provenance : mapping
        From `mtjfit.results.methods`.
    mechanisms : MechanismComparison, optional
        Null in the document if nobody compared them.
    record : mapping, optional
        `mtjfit.prior_influence.tables.narrowing_record` of the posterior, if somebody has it already.

    Returns
    -------
    dict
        Of JSON types only; what is not determined or not finite is null.
    """
    study, known = fit.study, fit.identifiability
    verdict = None if posterior is None else posterior.verdict
    if posterior is not None and record is None:
        settled = posterior.verdict.converged
        tables = (narrowing(posterior), sensitivity(posterior)) if settled else (None, None)
        record = narrowing_record(posterior, *tables)
    document = {
        "format": 1,
        "header": header_fields(study, fit),
        "notices": [{"loud": n.loud, "title": n.title, "lines": n.lines} for n in notices(fit)],
        "checks": [{"name": c.name, "state": c.state, "says": c.says} for c in checks(fit, posterior)],
        "learned": learned(fit, posterior),
        "not_determined": not_determined(fit, posterior),
        "fit": {"values": fit.values, "errors": fit.errors, "chi2": fit.chi2, "dof": fit.dof, "p_value": fit.p_value},
        "draws_chi2": _drawn(fit, posterior),
        "prior_conflicts": [{**vars(each), "says": each.says} for each in fit.conflicts],
        "identifiability": {
            "rank": known.rank,
            "n_parameters": known.n_parameters,
            "null_directions": known.null_directions,
            "determined": by_name(known.determined),
        },
        "devices": [{name: getattr(device, name) for name in _OF_DEVICE} for device in fit.devices],
        "priors": {name: p.prior.describe() for name, p in study.parameters.items()},
        "converged": None if verdict is None else verdict.converged,
        "gate": [] if verdict is None else [{"name": c.name, "ok": c.ok, "says": c.says} for c in verdict.checks],
        "gate_notes": [] if verdict is None else [{"name": note.name, "says": note.says} for note in verdict.notes],
        "evidence": _evidence(posterior),
        "priors_and_data": record,
        "mechanisms": None if mechanisms is None else mechanism_document(mechanisms),
        "summary": by_name(summary_table(fit, posterior)),
        "settings": {} if posterior is None else posterior.settings,
        "provenance": provenance,
    }
    return dict(plain(document))


def _drawn(fit: FitResult, posterior: Posterior | None) -> dict[str, object] | None:
    """χ² of the draws beside that of the best fit; None where there are none that may be trusted."""
    if posterior is None or not posterior.verdict.converged:
        return None
    found = chi2_of_draws(fit, posterior)
    return {**vars(found), "ok": found.ok}


def _evidence(posterior: Posterior | None) -> dict[str, object] | None:
    """ln Z in units of the data's own density, or None where no converged run gave one."""
    if posterior is None or posterior.evidence is None:
        return None
    found = posterior.evidence
    return {
        "log_evidence": found.value,
        "error": found.error,
        "method": found.method,
        "k_hat": found.k_hat,
        "reliable": found.reliable,
    }


def _npz(posterior: Posterior) -> bytes:
    """Draws, readable without pickles: ``numpy.load(file, allow_pickle=False)``."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        draws=posterior.draws.to_numpy(dtype=float),
        log_likelihood=posterior.log_likelihood.ravel(),
        names=np.array(posterior.names, dtype=np.str_),
        shape=np.array(posterior.chain.shape[:3]),  # ensembles, steps kept, walkers
    )
    return buffer.getvalue()


def result_files(fit: FitResult, posterior: Posterior | None) -> dict[str, bytes]:
    """``summary.csv``, ``draws.npz`` if anything was sampled, and the study file if there was one, by name."""
    files = {"summary.csv": csv_bytes(summary_table(fit, posterior))}
    if posterior is not None:
        files["draws.npz"] = _npz(posterior)
    if fit.study.text:
        files["study.toml"] = fit.study.text.encode()
    return files
