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
_INSIDE = {
    ".amplitude_integral": ("Bounded", "DeviceIntegral", "draw_block", "log_integral"),
    ".compress": ("Compressed", "Gram", "polynomial_design", "polynomial_slope"),
    ".coordinates": ("Coordinates", "DeviceCoordinates", "Scores", "scattered_terms"),
    ".descent": ("FARTHEST",),
    ".device_combinations": ("denominator_dof", "noise_estimate", "noise_groups", "terms_seen"),
    ".equivalent_noise": ("as_normal", "declares_noise", "least_squares_model", "noise_of_points", "student_scales"),
    ".identifiability": ("Direction", "LINEAR_RISE", "as_error", "as_linear", "directions"),
    ".jacobian": ("relative_errors",),
    ".layout": ("Layout", "Scattered", "amplitude_layout", "once_per_study", "with_own_amplitudes"),
    ".likelihood": ("THINNEST", "amplitude_design", "full_posterior", "row_scale", "transfer", "transfer_gradient",
        "whitened"),
    ".noise": ("PointErrors", "effective_errors", "noise_words"),
    ".noise_models": ("JitterPosterior", "StudentPosterior", "make_posterior"),
    ".penalised": ("Penalised", "PenalisedPoint"),
    ".phase": ("PhaseFit", "Terms", "fit_phase"),
    ".posterior": ("SharedPosterior",),
    ".profile": ("Interval", "LEVELS", "Profile", "Profiles", "Search", "profiles", "rises"),
    ".rank": ("GRADES", "Structure", "expected_errors", "grade"),
    ".straight": ("Frame",),
    ".thickness_integral": ("Thickness",),
}  # fmt: skip
_MOVED = {"CollapsedPosterior": "mtjfit.model:MarginalPosterior", "combinations_table": "mtjfit.model:quantities_table"}

__getattr__ = names_on_demand(__name__, _INSIDE, _MOVED)
