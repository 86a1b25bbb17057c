"""Methods paragraph for a paper, and provenance of a run."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import numpy as np

from mtjfit.infer import FitResult, Posterior
from mtjfit.infer.convergence.gate import MAX_NESTED_R_HAT
from mtjfit.infer.store.fingerprint import versions
from mtjfit.model.noise import noise_words
from mtjfit.results.headers import bias_range, device_names, measured_quantities
from mtjfit.study import Study
from mtjfit.study.written import STUDY_FILE, study_files


def provenance(
    study: Study, seed: int, command: str = "", begun_with: Mapping[str, str] | None = None
) -> Mapping[str, object]:
    """Versions, platform, seed and hashes of a run, ready for JSON.

    Parameters
    ----------
    command : str
        The command line, or empty.
    begun_with : mapping of str to str, optional
        Versions with which a resumed run was begun; recorded if they differ.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> provenance(study, seed=1)["data_sha256"]["data.csv"] == dataset("thickness-series").meta["sha256"]
    True
    """
    now, files = versions(), study_files(study)
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "seed": int(seed),
        "versions": now,
        **({"begun_with": dict(begun_with)} if begun_with not in (None, now) else {}),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "study_sha256": sums.pop(STUDY_FILE),
        "data_sha256": {**study.files, **sums},
    }


REFERENCES = {
    "theory": "A. Manchon, R. Matsumoto, H. Jaffrès, J. Grollier, Phys. Rev. B 86, 060404(R) (2012)",
    "emcee": "D. Foreman-Mackey, D. W. Hogg, D. Lang, J. Goodman, Publ. Astron. Soc. Pac. 125, 306 (2013)",
    "R-hat": "A. Vehtari, A. Gelman, D. Simpson, B. Carpenter, P.-C. Bürkner, Bayesian Anal. 16, 667 (2021)",
    "nested R-hat": "C. C. Margossian et al., Nested R-hat, arXiv:2110.13017",
    "importance": "A. Vehtari, D. Simpson, A. Gelman, Y. Yao, J. Gabry, J. Mach. Learn. Res. 25, 72 (2024)",
    "lmfit": "M. Newville et al., LMFIT, doi:10.5281/zenodo.11813",
}
"""References that a paper with these numbers should cite."""


def methods(fit: FitResult, posterior: Posterior | None, versions: Mapping[str, str]) -> str:
    """The paragraph, in plain text; its numbers are those of the result, `versions` of program and libraries."""
    return " ".join(_sentences(fit, posterior, versions))


def _sentences(fit: FitResult, posterior: Posterior | None, versions: Mapping[str, str]) -> Iterator[str]:
    study = fit.study
    low, high = bias_range(study)
    n = study.n_values // 2
    law = "Eq. 12 of Manchon et al. [1]"
    if not study.model.is_eq12:
        law = f"T = κ(d) J0(V) as in Manchon et al. [1] with κ of {study.model.law} ({study.model.identity})"
    yield (
        f"The in-plane and out-of-plane {measured_quantities(study)} of {study.counted} "
        f"({device_names(study.curves)}; {n} bias points from {low:g} to "
        f"{high:g} V) was described by {law}, with the interface current "
        f"{_current(study)}."
    )
    if study.label:
        yield f"The data are {study.label}."
    yield noise_words(study)
    cited = REFERENCES if posterior is not None else {name: REFERENCES[name] for name in ("theory", "lmfit")}
    if posterior is None:
        yield "One thickness does not determine the lengths; combinations that it does determine are given instead."
    else:
        yield from _of_posterior(study, posterior)
    yield f"The best fit, by LMFIT [{list(cited).index('lmfit') + 1}], has {fit.chi2_says}."
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    if named:
        yield f"All was computed with {named}."
    for k, reference in enumerate(cited.values(), start=1):
        yield f"[{k}] {reference}."


def _second_opinion(posterior: Posterior) -> str:
    """Agreement with importance sampling; empty where that was not reliable."""
    agrees = any(check.name == "second method" and "agrees" in check.says for check in posterior.verdict.checks)
    return "; an independent importance sample [5] agrees" if agrees else ""


def _current(study: Study) -> str:
    """J0(V) as it was declared."""
    factors = {0: "", 1: " V", 2: " V²", 3: " V³", 4: " V⁴"} | {n: f" f{n}(V)" for n in study.model.terms}
    parts = [[name + factors[int(name[1:])] for name in study.amplitudes if name.startswith(kind)] for kind in "ab"]
    par, perp = (" + ".join(terms) if terms else "0" for terms in parts)
    return f"J_par = {par}, J_perp = {perp}"


def _of_posterior(study: Study, posterior: Posterior) -> Iterator[str]:
    priors = [
        f"{name}: {parameter.prior.describe()}"
        + (f" for each {parameter.scope}" if parameter.scope != "shared" else "")
        for name, parameter in study.parameters.items()
        if name != "thickness" or parameter.is_fixed
    ]
    yield f"Priors were {'; '.join(priors)}."
    sd = study.parameters["thickness"].nominal_sd
    if sd > 0:
        yield f"Thicknesses were taken as normal about their nominal values, ± {sd:g} nm."
    if not posterior.verdict.tau:
        yield "The posterior is known in closed form, and was drawn from."
        return
    used, ess = posterior.settings, posterior.summary()["ess"]
    integrated = "Amplitudes and thicknesses of single devices were integrated out of the likelihood and drawn back."
    yield (
        f"The posterior was sampled with {used['ensembles']} independent ensembles of {used['walkers']} walkers in "
        f"emcee [2], {used['steps_after_warm_up']} steps each after warm-up (seed {used['seed']}). {integrated}"
    )
    tau = max(posterior.verdict.tau.values())
    if posterior.verdict.converged:
        r_hat = float(np.nanmax(posterior.summary()["r_hat"]))
        yield (
            f"The longest autocorrelation time is {tau:.1f} steps, the smallest bulk effective sample size "
            f"{float(ess.min()):.0f} of the stored draws ({ess.idxmin()}), the largest rank R-hat [3] "
            f"{r_hat:.3f}; nested R-hat [4] is below {MAX_NESTED_R_HAT:g}{_second_opinion(posterior)}."
        )
    else:
        yield "The run did NOT converge: its draws are no result."
    if posterior.evidence is not None:
        yield f"The log evidence is {posterior.evidence.value:.2f} ± {posterior.evidence.error:.2g}."
    yield (
        f"Intervals are central, {posterior.interval}; a parameter that the data bound on one side only is given as a "
        f"{posterior.interval.one_sided} limit."
    )
