"""What the reader chooses on this page: axis of errors, maturity of the band.

What belongs here: the pickers. What does not: symbol and times (``app.components.scope``), reading rows.
"""

from __future__ import annotations

from app.components.segments import segments

AXIS, TENOR = "errors_by", "band_tenor"
AXES = {"log_moneyness": "log-moneyness", "strike": "strike"}


def pick_axis() -> str:
    """Draw the picker of the axis of errors and return the coordinate chosen."""
    return segments(
        "Axis of errors", AXIS, AXES, "log_moneyness", "Log-moneyness is k = ln(strike / forward)."
    )


def pick_tenor(tenors: list[float], default: float) -> float:
    """Draw the picker of the band's maturity and return it in days."""
    names = {f"{days:g}": f"{days:g} d" for days in tenors}
    nearest = min(tenors, key=lambda days: abs(days - default))
    return float(
        segments("Maturity of the band", TENOR, names, f"{nearest:g}", "Constant, in calendar days.")
    )
