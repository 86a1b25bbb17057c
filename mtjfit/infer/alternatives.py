"""Other priors that a reasonable person might have declared, made from the declared ones.

Two are made for every study, of its lengths and of the amplitudes that devices share:

- ``"wider"``: 1.4 times as wide, twice the variance. A log-normal prior has its factor to the power 1.4, a normal one
  1.4 times its sd, a flat one 1.4 times its range in its own scale, to both sides.
- ``"other scale"``: what was declared of the logarithm is declared of the length, and the other way round. A
  log-uniform prior becomes uniform over the same range, a log-normal one normal with the same median and upper sd,
  positive; uniform and positive normal priors likewise become log-uniform and log-normal. Amplitudes, which may have
  either sign, have no other scale and keep their priors.

Both can be written into a study file. Why not twice as wide: draws of a parameter that the data leave open, weighted
to s times the width of a normal prior, have weights of tail index k = 1 − 1/s²: 0.49 for 1.4, but 0.75 for 2, which no
number of draws can answer. Why not flat in the rates 1/λ², which enter the equations: over three decades of λ such a
prior puts 99 % within a factor of ten of the lower bound, so that everything would hang on this bound.

What belongs to single devices, and noise, keeps its prior: a declared thickness is a measurement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mtjfit.infer.posterior import Posterior
from mtjfit.study import LENGTHS, Parameter, Prior, Study, is_amplitude

__all__ = ["WIDER", "Alternative", "alternatives"]

WIDER = 1.4


@dataclass(frozen=True)
class Alternative:
    """Other priors of some parameters.

    Attributes
    ----------
    name : str
        ``"wider"`` or ``"other scale"``.
    priors : mapping of str to Prior
        By declared name, without device or group; only those that differ from the study's.
    """

    name: str
    priors: Mapping[str, Prior]

    def study(self, study: Study) -> Study:
        """The study with these priors declared: what to sample where draws cannot be weighted to them."""
        changed = {name: replace(study.parameters[name], prior=prior) for name, prior in self.priors.items()}
        return study.replace(parameters={**study.parameters, **changed})

    def describe(self) -> str:
        """The priors in words."""
        return "; ".join(f"{name}: {prior.describe()}" for name, prior in self.priors.items())


def alternatives(posterior: Posterior) -> tuple[Alternative, ...]:
    """Both alternatives to the priors of a posterior's study; one that changes nothing is left out."""
    wide: dict[str, Prior] = {}
    other: dict[str, Prior] = {}
    for name, parameter in posterior.study.parameters.items():
        prior = parameter.free_prior
        if prior is None or not _is_meant(name, parameter):
            continue
        wide[name] = prior.widened(WIDER)
        turned = None if is_amplitude(name) else prior.on_other_scale()
        if turned is not None:
            other[name] = turned
    both = Alternative("wider", wide), Alternative("other scale", other)
    return tuple(one for one in both if one.priors)


def _is_meant(name: str, parameter: Parameter) -> bool:
    """True for lengths, and for amplitudes that are not each device's own."""
    return name in LENGTHS or (is_amplitude(name) and parameter.scope != "device")
