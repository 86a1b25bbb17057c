"""What a study declares, read for the reference: priors, who shares what, and coordinates to sample in.

Only the numbers of the priors are read. Coordinates are unbounded: logits of the prior probability where a prior has
two ends, standardised values or logarithms where it is normal. Nothing is cut anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_ndtr

from mtjfit import study as declared

_LN_2PI = np.log(2 * np.pi)
NONLINEAR = (*declared.LENGTHS, "thickness", *declared.NOISE, *declared.JITTER, declared.DOF)


def log_between(low, high):
    """ln[Φ(high) − Φ(low)], from whichever tail keeps its digits."""
    flip = low > 0
    a, b = np.where(flip, -high, low), np.where(flip, -low, high)
    large, small = log_ndtr(b), log_ndtr(a)
    with np.errstate(divide="ignore"):
        return large + np.log1p(-np.exp(np.minimum(small - large, 0.0)))


@dataclass(frozen=True)
class Entry:
    """One number to sample: its name, its prior, and the map from a coordinate z to its value."""

    name: str
    prior: object

    @property
    def _is_box(self):
        return isinstance(self.prior, declared.Uniform | declared.LogUniform)

    def value(self, z):
        p = self.prior
        if isinstance(p, declared.Uniform):
            return p.low + (p.high - p.low) * expit(z)
        if isinstance(p, declared.LogUniform):
            return np.exp(np.log(p.low) + np.log(p.high / p.low) * expit(z))
        if isinstance(p, declared.LogNormal):
            return p.median * np.exp(np.log(p.factor) * z)
        return p.mean + p.sd * z

    def coordinate(self, x):
        p = self.prior
        if self._is_box:
            u = np.log(x / p.low) / np.log(p.high / p.low) if isinstance(p, declared.LogUniform) else None
            u = (x - p.low) / (p.high - p.low) if u is None else u
            return np.log(u) - np.log1p(-u)
        if isinstance(p, declared.LogNormal):
            return np.log(x / p.median) / np.log(p.factor)
        return (x - p.mean) / p.sd

    def log_density(self, z):
        """ln of the prior density of the coordinate."""
        if self._is_box:
            return -np.logaddexp(0, z) - np.logaddexp(0, -z)
        log_p = -0.5 * z * z - 0.5 * _LN_2PI
        if isinstance(self.prior, declared.LogNormal):
            return log_p
        low, high = (
            (self.prior.low - self.prior.mean) / self.prior.sd,
            (self.prior.high - self.prior.mean) / self.prior.sd,
        )
        if low == -np.inf and high == np.inf:
            return log_p
        return np.where((z >= low) & (z <= high), log_p - log_between(low, high), -np.inf)

    def draw(self, rng, n):
        if self._is_box:
            return rng.logistic(size=n)
        z = rng.standard_normal(n)
        for _ in range(10_000):
            outside = ~np.isfinite(self.log_density(z))
            if not outside.any():
                return z
            z[outside] = rng.standard_normal(int(outside.sum()))
        raise ValueError(f"{self.name}: no draw lies within the bounds")


@dataclass(frozen=True)
class Term:
    """One amplitude: phase, power, and for each device the column of its coefficient or −1 where that is fixed.

    `shared` names the sampled entry (or is a number) about which devices scatter, `scatter` likewise; None without.
    """

    name: str
    phase: complex
    power: int
    column: np.ndarray
    constant: float
    shared: np.ndarray | float | None = None
    scatter: str | None = None


class Layout:
    """Entries that are sampled, and terms that are linear."""

    def __init__(self, study):
        self.study, self.J = study, len(study.curves)
        # non-linear parameters; scattering amplitudes, and all amplitudes under Student-t errors, at the end
        self.entries, self._position = [], {}
        self.index, self.fixed = {}, {}
        self.student = declared.DOF in study.parameters
        scatters = [name for name in study.parameters if name.startswith(declared.SCATTER)]
        ties = {name: one.prior for name, one in study.parameters.items() if hasattr(one.prior, "target")}
        for name in (*NONLINEAR, *scatters):
            if name in study.parameters and name not in ties:
                self._add(name)
        self.ratio = {name: tie.ratio for name, tie in ties.items()}
        for name, tie in ties.items():
            place = self.fixed if tie.target in self.fixed else self.index
            place[name] = place[tie.target]
        # amplitudes that are integrated out, with their priors: None for those that scatter about a sampled value; and
        # the entries that are amplitudes, whose coordinates depend on all others
        self.terms, self.columns, self.column_priors, self.amplitude_entries = [], [], [], []
        for name in study.amplitudes:
            self._add_term(name)

    def _labels(self, name, scope):
        tag = {
            "shared": lambda c: name,
            "group": lambda c: f"{name}[{c.group}]",
            "device": lambda c: f"{name}[{c.device}]",
            "curve": lambda c: f"{name}[{c.device}{c.condition and ' @ '}{c.condition}]",
        }
        return [tag[scope](curve) for curve in self.study.curves]

    def _entry(self, label, prior):
        if label not in self._position:
            self._position[label] = len(self.entries)
            self.entries.append(Entry(label, prior))
        return self._position[label]

    def _add(self, name):
        parameter = self.study.parameters[name]
        prior, nominal = parameter.prior, [curve.thickness for curve in self.study.curves]
        if isinstance(prior, declared.Fixed):
            self.fixed[name] = np.array(nominal) if name == "thickness" else np.full(self.J, prior.value)
            return
        labels = self._labels(name, parameter.scope)
        about = [declared.Normal(d, prior.sd, low=0.0) if name == "thickness" else prior for d in nominal]
        self.index[name] = np.array([self._entry(*each) for each in zip(labels, about, strict=True)])

    def _add_term(self, name):
        parameter, phase = self.study.parameters[name], (1.0 if name[0] == "a" else 1j)
        power, prior, J = int(name[1:]), parameter.prior, self.J
        fixed, scatter = isinstance(prior, declared.Fixed), declared.SCATTER + name
        if scatter in self.study.parameters:
            places = self._sampled(name, parameter)
            columns = [self._column(f"{name}[{curve.device}]", None) for curve in self.study.curves]
            self.terms.append(Term(name, phase, power, np.array(columns), 0.0, places, scatter))
        elif fixed:
            self.terms.append(Term(name, phase, power, np.full(J, -1), prior.value))
        elif self.student:
            self.terms.append(Term(name, phase, power, np.full(J, -1), 0.0, self._sampled(name, parameter)))
        else:
            columns = [self._column(label, prior) for label in self._labels(name, parameter.scope)]
            self.terms.append(Term(name, phase, power, np.array(columns), 0.0))

    def _sampled(self, name, parameter):
        if isinstance(parameter.prior, declared.Fixed):
            return parameter.prior.value
        places = np.array([self._entry(label, parameter.prior) for label in self._labels(name, parameter.scope)])
        self.amplitude_entries += [k for k in dict.fromkeys(places.tolist()) if k not in self.amplitude_entries]
        return places

    def _column(self, label, prior):
        if label not in self.columns:
            self.columns.append(label)
            self.column_priors.append(prior)
        return self.columns.index(label)

    @property
    def size(self):
        return len(self.entries)

    def has(self, name):
        return name in self.index or name in self.fixed

    def of(self, name, x):
        """A parameter for each device and row, shape (J, n) or (J, 1), from natural values (size, n)."""
        found = x[self.index[name]] if name in self.index else self.fixed[name][:, None]
        return self.ratio.get(name, 1.0) * found

    def natural(self, z):
        """Natural values (size, n) but for amplitudes, from coordinates (size, n)."""
        return np.stack([entry.value(row) for entry, row in zip(self.entries, z, strict=True)]) if z.size else z.copy()
