"""The model of a study: parameters laid out, likelihood with amplitudes integrated out, identifiability."""

from mtjfit.lazy import names_on_demand
from mtjfit.model.device_combinations import DeviceCombinations, combinations, quantities_table
from mtjfit.model.identifiability import Identifiability, determined_table
from mtjfit.model.likelihood import Conditional, FullPosterior
from mtjfit.model.lmfit_model import SpinTorqueModel
from mtjfit.model.marginal import MarginalPosterior
from mtjfit.model.rank import structure

__all__ = [
    "Conditional", "DeviceCombinations", "FullPosterior", "Identifiability", "MarginalPosterior", "SpinTorqueModel",
    "combinations", "determined_table", "quantities_table", "structure",
]  # fmt: skip

# for other packages and the tests; public names stand in __all__
_HOMES = {
    ".amplitude_integral": ("Bounded", "DeviceIntegral", "draw_block", "log_integral"),
    ".compress": ("polynomial_design", "polynomial_slope"),
    ".coordinates": ("Coordinates", "Scores"),
    ".device_combinations": ("noise_estimate",),
    ".equivalent_noise": ("as_normal", "declares_noise", "least_squares_model", "noise_of_points", "student_scales"),
    ".identifiability": ("Direction", "LINEAR_RISE", "directions"),
    ".jacobian": ("relative_errors",),
    ".layout": ("Scattered", "amplitude_layout", "even_points", "once_per_study", "with_own_amplitudes"),
    ".likelihood": ("amplitude_design", "full_posterior", "row_scale", "transfer", "transfer_gradient", "whitened"),
    ".noise": ("noise_words",),
    ".noise_models": ("JitterPosterior", "StudentPosterior", "make_posterior"),
    ".patterns": ("FALSE_PATTERN", "Pattern", "find_patterns", "without_pattern"),
    ".phase": ("Terms", "fit_phase"),
    ".profile": ("Interval", "LEVELS", "Profile", "Search", "profiles", "rises"),
    ".rank": ("Structure", "expected_errors"),
    ".straight": ("Frame",),
    ".thickness_integral": ("Thickness",),
}
_MOVED = {"CollapsedPosterior": "mtjfit.model:MarginalPosterior", "combinations_table": "mtjfit.model:quantities_table"}

__getattr__ = names_on_demand(__name__, _HOMES, _MOVED)
