"""From records to numbers with intervals."""

from calibration.fit.displacement import DisplacementFit, fit_displacement

__all__ = ["DisplacementFit", "fit_displacement"]
