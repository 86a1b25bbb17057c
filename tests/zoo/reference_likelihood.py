"""The posterior density of a study for the reference: amplitudes integrated out where the likelihood is Gaussian."""

from __future__ import annotations

import numpy as np
from reference_forward import device_points, kappa, robust_products
from reference_layout import Layout, log_between
from scipy.special import gammaln, ndtr, ndtri

from mtjfit import study as declared

_LN_2PI = np.log(2 * np.pi)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


def factored(A):
    """Lower Cholesky factors of matrices (m, m, n), a few vector operations for small m."""
    m = A.shape[0]
    L = np.zeros_like(A)
    for i in range(m):
        for j in range(i + 1):
            rest = A[i, j] - np.sum(L[i, :j] * L[j, :j], axis=0)
            L[i, j] = np.sqrt(rest) if i == j else rest / L[j, j]
    return L


def forward(L, b):
    """L⁻¹ b for (m, m, n) and (m, n)."""
    out = np.zeros_like(b)
    for i in range(b.shape[0]):
        out[i] = (b[i] - np.sum(L[i, :i] * out[:i], axis=0)) / L[i, i]
    return out


def backward(L, b):
    """L⁻ᵀ b for (m, m, n) and (m, n)."""
    out = np.zeros_like(b)
    for i in range(b.shape[0] - 1, -1, -1):
        out[i] = (b[i] - np.sum(L[i + 1 :, i] * out[i + 1 :], axis=0)) / L[i, i]
    return out


class Bounds:
    """Whitened amplitudes of which one or two have bounds.

    Parameters
    ----------
    priors : list
        Of all amplitudes; None for those that scatter.
    """

    def __init__(self, priors):
        self.priors = priors
        self.bounded = [k for k, prior in enumerate(priors) if prior is not None and prior.truncated]
        if len(self.bounded) > 2:
            raise NotImplementedError("more than two bounded amplitudes")

    def _bounds(self, k):
        prior = self.priors[k]
        return (prior.low - prior.mean) / prior.sd, (prior.high - prior.mean) / prior.sd

    def _covariance(self, L):
        """Covariance of the whitened amplitudes that have bounds."""
        inverse = []
        for k in self.bounded:
            e = np.zeros(L.shape[1:])
            e[k] = 1.0
            inverse.append(forward(L, e))
        return [[np.sum(a * c, axis=0) for c in inverse] for a in inverse]

    def log_inside(self, L, mu):
        """ln of the posterior over the prior probability that amplitudes lie within their bounds."""
        C, k = self._covariance(L), self.bounded
        prior = sum(float(log_between(*map(np.asarray, self._bounds(each)))) for each in k)
        first = np.sqrt(C[0][0])
        low, high = ((bound - mu[k[0]]) / first for bound in self._bounds(k[0]))
        if len(k) == 1:
            return log_between(low, high) - prior
        slope = C[0][1] / C[0][0]
        second = np.sqrt(C[1][1] - slope * C[0][1])
        # nodes where the first one, cut to its bounds, has all its mass but e^-38
        top = np.clip(0.0, low, high)
        reach = 76 / (np.abs(top) + np.sqrt(top**2 + 76))
        start, end = np.maximum(low, top - reach), np.minimum(high, top + reach)
        u = 0.5 * (start + end) + 0.5 * (end - start) * _NODES[:, None]
        at = mu[k[1]] + slope * first * u
        ends = [(bound - at) / second for bound in self._bounds(k[1])]
        log = -0.5 * u**2 - 0.5 * _LN_2PI + log_between(*ends) + np.log(0.5 * (end - start)) + np.log(_WEIGHTS)[:, None]
        return np.logaddexp.reduce(log, axis=0) - prior

    def within(self, mu, L, w, rng):
        """Amplitudes of which some have bounds, one after the other; the weight is what the first could not know."""
        C, b = self._covariance(L), self.bounded
        first = np.sqrt(C[0][0])
        new = [mu[b[0]] + first * _cut_normal(*[(e - mu[b[0]]) / first for e in self._bounds(b[0])], rng)]
        weight = np.ones(w.shape[1])
        if len(b) == 2:
            slope = C[0][1] / C[0][0]
            second, at = np.sqrt(C[1][1] - slope * C[0][1]), mu[b[1]] + slope * (new[0] - mu[b[0]])
            ends = [(e - at) / second for e in self._bounds(b[1])]
            new.append(at + second * _cut_normal(*ends, rng))
            low, high = ((bound - mu[b[0]]) / first for bound in self._bounds(b[0]))
            prior = sum(float(log_between(*map(np.asarray, self._bounds(each)))) for each in b)
            weight = np.exp(log_between(*ends) + log_between(low, high) - prior - self.log_inside(L, mu))
        # the others follow the bounded ones by the conditional mean: w + Σ C⁻¹ (new − old)
        old = [w[k] for k in b]
        shift = [n - o for n, o in zip(new, old, strict=True)]
        if len(b) == 2:
            det = C[0][0] * C[1][1] - C[0][1] ** 2
            shift = [(C[1][1] * shift[0] - C[0][1] * shift[1]) / det, (C[0][0] * shift[1] - C[0][1] * shift[0]) / det]
        else:
            shift = [shift[0] / C[0][0]]
        out = w.copy()
        for k, s in zip(b, shift, strict=True):
            e = np.zeros(w.shape)
            e[k] = 1.0
            out = out + backward(L, forward(L, e)) * s
        return out, weight


def _cut_normal(low, high, rng):
    """Standard normal draws between bounds, by the inverse distribution function in the nearer tail."""
    flip = low > 0
    a, b = np.where(flip, -high, low), np.where(flip, -low, high)
    u = ndtr(a) + rng.random(a.shape) * (ndtr(b) - ndtr(a))
    z = np.clip(ndtri(np.maximum(u, 1e-300)), a, b)
    return np.where(flip, -z, z)


_CHUNK = 8192
_START = 2.0  # width at which amplitudes that are sampled begin, in their coordinates


class Target:
    """Prior and likelihood of a study over coordinates of shape (size, n)."""

    def __init__(self, study):
        self.study, self.layout = study, Layout(study)
        lay = self.layout
        self.powers = [term.power for term in lay.terms]
        self.points = [device_points(study, curve, self.powers) for curve in study.curves]
        self.per_volume = study.curves[0].per == "volume"
        self.n_values = sum(int(p.used.sum()) for p in self.points)
        self.known = [None if p.covariance is None else p.products() for p in self.points]
        self.jitter = any(lay.has(name) for name in declared.JITTER)
        self.pilot_points = [robust_products(points) for points in self.points] if lay.student else []
        self.bounds = Bounds(lay.column_priors)

    @property
    def size(self):
        return self.layout.size

    def draw_start(self, rng, n):
        """Coordinates drawn from where annealing begins: the prior, but for sampled amplitudes."""
        lay = self.layout
        z = np.stack([entry.draw(rng, n) for entry in lay.entries]) if lay.size else np.zeros((0, n))
        for k in lay.amplitude_entries:
            z[k] = _START * rng.standard_normal(n)
        return z

    def _lengths(self, x):
        lay = self.layout
        found = [lay.of(name, x) for name in ("lambda_J", "lambda_phi", "lambda_sf_F")]
        if lay.has("Lambda"):
            return [*found, lay.of("Lambda", x)]
        return [*found, lay.of("lambda_sf_N", x) * lay.of("D_ratio", x)]

    def unpack(self, z):
        """Natural values (size, n), amplitudes included; log density of the start, and of the prior over that.

        The coordinates of sampled amplitudes are standard normal, about, whatever the lengths: no ridge is left.
        """
        lay = self.layout
        x, sampled = lay.natural(z), lay.amplitude_entries
        start = sum((e.log_density(z[k]) for k, e in enumerate(lay.entries) if k not in sampled), np.zeros(z.shape[1]))
        inside = np.all(self._thickness(x) > 0, axis=0) & np.isfinite(start)
        start, more = np.where(inside, start, -np.inf), np.zeros(z.shape[1])
        if sampled:
            mu, L = self._pilot(x)
            u = z[sampled]
            inner = mu + backward(L, u)
            more = -np.sum(np.log(np.einsum("iin->in", L)), axis=0)
            for k, row in zip(sampled, inner, strict=True):
                x[k] = lay.entries[k].prior.mean + lay.entries[k].prior.sd * row
                more = more + lay.entries[k].log_density(row)
            begun = -0.5 * np.sum((u / _START) ** 2, axis=0) - len(sampled) * (np.log(_START) + 0.5 * _LN_2PI)
            start, more = start + begun, more - begun
        return x, start, more

    def _thickness(self, x):
        lay = self.layout
        d = lay.of("thickness", x) - (lay.of("dead_layer", x) if lay.has("dead_layer") else 0.0)
        return np.broadcast_to(d, (lay.J, x.shape[1]))

    def __call__(self, z):
        """Log density of the start, and of the posterior (not normalised) over that, each of shape (n,)."""
        parts = [self._both(z[:, k : k + _CHUNK]) for k in range(0, max(z.shape[1], 1), _CHUNK)]
        return tuple(np.concatenate(each) for each in zip(*parts, strict=True))

    def _both(self, z):
        x, start, more = self.unpack(z)
        inside = np.isfinite(start) & np.isfinite(more)
        ratio = np.full(z.shape[1], -np.inf)
        if inside.any():
            ratio[inside] = more[inside] + self.log_likelihood(x[:, inside])
        return start, ratio

    def log_likelihood(self, x):
        """ln L for natural values."""
        if self.layout.student:
            return self._student(x)
        return self._gaussian(x)[0]

    def factors(self, x):
        """K · phase of each term and device, shape (T, J, n)."""
        d = np.maximum(self._thickness(x), 1e-9)
        K = np.broadcast_to(kappa(d, *self._lengths(x)), (self.layout.J, x.shape[1]))
        K = K / d if self.per_volume else K
        return np.stack([term.phase * K for term in self.layout.terms])

    def _weights(self, j, x):
        """rowsᵀ C⁻¹ rows of a device, (k, k, n or 1), and ln det C."""
        p, lay = self.points[j], self.layout
        if self.known[j] is not None and not self.jitter:
            return self.known[j][0][..., None], self.known[j][1]
        par, perp, first, second = p.rows[: p.n], p.rows[p.n :], p.used[: p.n], p.used[p.n :]
        if p.covariance is None:
            M, log_det = 0.0, 0.0
            for name, rows in zip(declared.NOISE, (par[first], perp[second]), strict=True):
                if len(rows):
                    A = np.broadcast_to(lay.of(name, x), (lay.J, x.shape[1]))[j] ** 2
                    M, log_det = M + (rows.T @ rows)[..., None] / A, log_det + len(rows) * np.log(A)
            return M, log_det
        par, perp = np.where(first[:, None], par, 0.0), np.where(second[:, None], perp, 0.0)
        k, own = p.rows.shape[1], np.arange(p.n)
        added = [lay.of(name, x)[j] ** 2 if lay.has(name) else np.zeros(1) for name in declared.JITTER]
        A = p.covariance[own, own][:, None] + added[0]
        B = p.covariance[p.n + own, p.n + own][:, None] + added[1]
        cross = p.covariance[own, p.n + own][:, None]
        det = A * B - cross**2
        both, one, other = (each[:, None] for each in (first & second, first & ~second, second & ~first))
        weights = np.where(both, B / det, 1 / A), np.where(both, A / det, 1 / B), np.where(both, -cross / det, 0.0)
        log_det = np.where(both, np.log(det), np.where(one, np.log(A), np.where(other, np.log(B), 0.0)))
        mixed = np.einsum("ia,ib->abi", par, perp)
        pairs = (
            np.einsum("ia,ib->abi", par, par),
            np.einsum("ia,ib->abi", perp, perp),
            mixed + mixed.transpose(1, 0, 2),
        )
        M = sum(pair.reshape(k * k, p.n) @ weight for pair, weight in zip(pairs, weights, strict=True))
        return M.reshape(k, k, -1), np.sum(log_det, axis=0)

    def _prior_of_terms(self, x, pilot=False):
        """Mean and sd of the coefficient of each term and device before the data, shape (T, J, n)."""
        lay = self.layout
        shape = (len(lay.terms), lay.J, x.shape[1])
        mean, sd = np.zeros(shape), np.zeros(shape)
        for t, term in enumerate(lay.terms):
            if term.scatter is not None and not (pilot and isinstance(term.shared, np.ndarray)):
                mean[t] = x[term.shared] if isinstance(term.shared, np.ndarray) else term.shared
                sd[t] = np.abs(mean[t]) * lay.of(term.scatter, x)
                continue
            for j in range(lay.J):
                prior = lay.column_priors[term.column[j]] if term.column[j] >= 0 else None
                # in a pilot the scatter is put in once the amplitude is known
                mean[t, j], sd[t, j] = (term.constant, 0.0) if prior is None else (prior.mean, prior.sd)
        return mean, sd

    def _assembled(self, f, weights, mean, parts, m):
        """Precision (m, m, n), right side (m, n) and constant of the quadratic form in whitened amplitudes.

        `parts` holds for each device the triples of a term, the column it belongs to, and the scale between the two.
        """
        T, n = f.shape[0], f.shape[-1]
        A, b, square = np.zeros((m, m, n)), np.zeros((m, n)), np.zeros(n)
        A[np.arange(m), np.arange(m)] = 1.0
        for j in range(self.layout.J):
            M, log_det = weights[j]
            re, im = f[:, j].real, f[:, j].imag
            G = np.empty((T, T, n))
            for t in range(T):
                for s in range(t + 1):
                    p, q, u, v = 1 + t, 1 + T + t, 1 + s, 1 + T + s
                    G[t, s] = re[t] * (re[s] * M[p, u] + im[s] * M[p, v]) + im[t] * (re[s] * M[q, u] + im[s] * M[q, v])
                    G[s, t] = G[t, s]
            h = np.stack([re[t] * M[0, 1 + t] + im[t] * M[0, 1 + T + t] for t in range(T)])
            Gm = np.sum(G * mean[None, :, j], axis=1)
            square = square + log_det + M[0, 0] - 2 * np.sum(mean[:, j] * h, axis=0) + np.sum(mean[:, j] * Gm, axis=0)
            for t, k, scale in parts[j]:
                b[k] += scale * (h[t] - Gm[t])
                for s, other, second in parts[j]:
                    A[k, other] += scale * second * G[t, s]
        return A, b, square

    def _parts(self, sd):
        """For each device the terms that are integrated out: term, column, scale."""
        terms = list(enumerate(self.layout.terms))
        return [[(t, e.column[j], sd[t, j]) for t, e in terms if e.column[j] >= 0] for j in range(self.layout.J)]

    def _gaussian(self, x):
        """ln L with amplitudes integrated out; mean and factor of the whitened amplitudes, and what unwhitens them."""
        mean, sd = self._prior_of_terms(x)
        weights = [self._weights(j, x) for j in range(self.layout.J)]
        A, b, square = self._assembled(self.factors(x), weights, mean, self._parts(sd), len(self.layout.columns))
        L = factored(A)
        half = forward(L, b)
        log_det_A = 2 * np.sum(np.log(np.einsum("iin->in", L)), axis=0)
        log_likelihood = -0.5 * (square + self.n_values * _LN_2PI - np.sum(half**2, axis=0) + log_det_A)
        mu = backward(L, half)
        if self.bounds.bounded:
            log_likelihood = log_likelihood + self.bounds.log_inside(L, mu)
        return log_likelihood, mu, L, mean, sd

    def _pilot(self, x):
        """Mean (k, n) and Cholesky factor (k, k, n) of the precision of sampled amplitudes, in units of their priors.

        As if errors were normal and the scatter that of the amplitude most likely without any: only coordinates are
        built on it.
        """
        lay, n = self.layout, x.shape[1]
        sampled, first = lay.amplitude_entries, len(lay.columns)
        m = first + len(sampled)
        mean, sd = (np.broadcast_to(each, (len(lay.terms), lay.J, n)).copy() for each in self._prior_of_terms(x, True))
        weights = self.pilot_points if lay.student else [self._weights(j, x) for j in range(lay.J)]
        parts = self._parts(sd)
        about, mu = {}, np.zeros((m, n))
        for t, term in enumerate(lay.terms):
            if isinstance(term.shared, np.ndarray):
                for j in range(lay.J):
                    prior = lay.entries[term.shared[j]].prior
                    mean[t, j] = prior.mean
                    about[t, j] = first + sampled.index(term.shared[j]), prior
                    parts[j].append((t, about[t, j][0], prior.sd))
        f = self.factors(x)
        for again in range(2 if first else 1):
            if again:
                for j, mine in enumerate(parts):
                    for i, (t, k, scale) in enumerate(mine):
                        if k < first and (t, j) in about:
                            column, prior = about[t, j]
                            size = np.abs(prior.mean + prior.sd * mu[column])
                            mine[i] = t, k, size * lay.of(lay.terms[t].scatter, x)[j] + 0 * scale
            A, b, _ = self._assembled(f, weights, mean, parts, m)
            L = factored(A)
            mu = backward(L, forward(L, b))
        return mu[first:], L[first:, first:]

    def _student(self, x):
        lay, n = self.layout, x.shape[1]
        f = self.factors(x)
        total = np.zeros(n)
        nu = np.broadcast_to(lay.of(declared.DOF, x), (lay.J, n))
        for j, p in enumerate(self.points):
            c = np.stack([np.full(n, t.constant) if t.shared is None else x[t.shared[j]] for t in lay.terms])
            part = f[:, j] * c
            v = nu[j]
            constant = gammaln((v + 1) / 2) - gammaln(v / 2) - 0.5 * np.log(v * np.pi)
            for y, coefficients, name, s in zip(
                (p.y[: p.n], p.y[p.n :]), (part.real, part.imag), declared.NOISE, (0, p.n), strict=True
            ):
                mine = p.used[s : s + p.n]
                if not mine.any():
                    continue
                if p.covariance is None:
                    scale = np.broadcast_to(lay.of(name, x), (lay.J, n))[j][None]
                else:
                    scale = np.sqrt(np.diagonal(p.covariance)[s : s + p.n])[mine][:, None]
                u = (y[mine][:, None] - p.terms[mine] @ coefficients) / scale
                fall = np.sum(np.log(scale) + 0 * u + 0.5 * (v + 1) * np.log1p(u * u / v), axis=0)
                total += mine.sum() * constant - fall
        return total

    def draw(self, z, rng):
        """All parameters in natural values by name, amplitudes from their conditional, and a factor of the weights."""
        lay = self.layout
        x, _, _ = self.unpack(z)
        found = {entry.name: row for entry, row in zip(lay.entries, x, strict=True)}
        weight = np.ones(z.shape[1])
        if lay.columns:
            _, mu, L, mean, sd = self._gaussian(x)
            noise = backward(L, rng.standard_normal(mu.shape))
            w = mu + noise
            if self.bounds.bounded:
                w, weight = self.bounds.within(mu, L, w, rng)
            for t, term in enumerate(lay.terms):
                for j in range(lay.J):
                    if term.column[j] >= 0:
                        found[lay.columns[term.column[j]]] = mean[t, j] + sd[t, j] * w[term.column[j]]
        return found | self._Lambda(x), weight

    def _Lambda(self, x):
        """Λ where its factors are declared and shared."""
        lay = self.layout
        if lay.has("Lambda"):
            return {}
        product = np.broadcast_to(self._lengths(x)[3], (lay.J, x.shape[1]))
        shared = all(np.unique(lay.index[name]).size == 1 for name in ("lambda_sf_N", "D_ratio") if name in lay.index)
        return {"Lambda": product[0].copy()} if shared else {}
