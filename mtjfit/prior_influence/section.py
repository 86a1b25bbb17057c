"""The section of the report about the influence of the priors."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from mtjfit.html import PlannedFigure, Section
from mtjfit.infer import Posterior
from mtjfit.plain import by_name
from mtjfit.prior_influence.information import joint_gain, narrowing
from mtjfit.prior_influence.plot import plot_prior_posterior, prior_posterior_caption
from mtjfit.prior_influence.reweighting import sensitivity
from mtjfit.prior_influence.tables import (
    NOT_CONVERGED,
    narrowing_sentence,
    narrowing_table,
    sensitivity_sentence,
    sensitivity_table,
)

_RECORD = "priors_and_data"
_TITLE = "Prior sensitivity"


def prior_section(posterior: Posterior | None) -> Section | None:
    """Information gained, dependence on the priors, and prior and posterior of each length; None without draws."""
    if posterior is None:
        return None
    found = narrowing(posterior)
    if not posterior.verdict.converged:
        none: dict[str, object] = {"narrowing": {}, "joint_gain": None, "sensitivity": [], "sentences": [NOT_CONVERGED]}
        return Section("priors", _TITLE, (NOT_CONVERGED,), "", _picture(posterior, found, NOT_CONVERGED),
                       record={_RECORD: none})  # fmt: skip
    joint, others = joint_gain(posterior), sensitivity(posterior)
    gained = narrowing_sentence(posterior, found)
    sentences = tuple(each for each in (gained, sensitivity_sentence(posterior, others)) if each)
    tables = {
        "narrowing": narrowing_table(posterior, found, joint),
        "sensitivity": sensitivity_table(posterior, others),
    }
    record = {
        "narrowing": by_name(found),
        "joint_gain": asdict(joint),
        "sensitivity": others.to_dict("records"),
        "sentences": list(sentences),
    }
    return Section(
        "priors", _TITLE, sentences, "", _picture(posterior, found, gained), tables, record={_RECORD: record}
    )


def _picture(posterior: Posterior, found: pd.DataFrame, says: str) -> tuple[PlannedFigure, ...]:
    """Prior and posterior of each length, if any length is free."""
    study = posterior.study
    if not any(not study.parameters[name].is_fixed for name in study.lengths):
        return ()
    return (
        PlannedFigure(
            "prior_posterior",
            prior_posterior_caption(posterior),
            f"Plot of the prior and the posterior of each length. {says}",
            lambda **look: plot_prior_posterior(posterior, found, **look),
            "mtjfit.plot.plot_prior_posterior(posterior, mtjfit.prior_influence.narrowing(posterior))",
            True,
        ),
    )
