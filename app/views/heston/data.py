"""What the page shows, read and arranged.

What belongs here: queries and frames ready for figures and tables. What does not: widgets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from app.queries import Answer, NotPublishedError, Queries

PARAMETERS = {
    "v0": "v₀, variance now",
    "theta": "θ, long-run variance",
    "kappa": "κ, reversion per year",
    "sigma": "σ, vol of variance",
    "rho": "ρ, correlation",
    "rmse_bps": "RMSE of the fit, vol bps",
}


@dataclass(frozen=True, slots=True)
class Page:
    """A fit with what stands beside it.

    Attributes
    ----------
    fit : Answer
    history : DataFrame
        Parameters and errors, a row for each day.
    errors : DataFrame
        Market minus model by contract, with label and log-moneyness; empty where it is not published.
    nodes : DataFrame
        Rows of ``model_nodes``; empty where they are not published.
    key : tuple of str
        Versions behind these.
    """

    fit: Answer
    history: pd.DataFrame
    errors: pd.DataFrame
    nodes: pd.DataFrame
    key: tuple[str, ...]

    @property
    def row(self) -> dict[str, object]:
        """The fit's row of ``heston_calibrations``."""
        record = self.fit.frames["heston_calibrations"].iloc[0]
        return {str(name): value for name, value in record.items()}


def load(queries: Queries, fit: Answer) -> Page:
    """Read what stands beside a fit.

    Raises
    ------
    StoreUnavailableError
        If the store can't be reached.
    """
    symbol = str(fit.symbol)
    history = queries.heston_path(symbol, as_of=fit.as_of, known_at=fit.known_at)
    mispricing, forwards, bands = (
        _beside(queries, name, fit) for name in ("mispricing", "forward_curve", "model_bands")
    )
    beside = (fit, mispricing, forwards, bands)
    return Page(
        fit=fit,
        history=history[history["status"] == "ok"].reset_index(drop=True),
        errors=_errors(mispricing, forwards),
        nodes=pd.DataFrame() if bands is None else _good(bands.frames["model_nodes"]),
        key=tuple("" if each is None else each.version for each in beside),
    )


def _beside(queries: Queries, dataset: str, fit: Answer) -> Answer | None:
    try:
        answer = queries.read(dataset, str(fit.symbol), as_of=fit.as_of, known_at=fit.known_at)
    except NotPublishedError:
        return None
    return answer if answer.as_of == fit.as_of else None


def _good(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["status"] == "ok"].reset_index(drop=True)


def _errors(mispricing: Answer | None, forwards: Answer | None) -> pd.DataFrame:
    if mispricing is None or forwards is None:
        return pd.DataFrame()
    rows = _good(mispricing.frames["mispricings"]).sort_values(["expiry_at", "strike"], ignore_index=True)
    places = forwards.frames["forwards"].set_index("expiry_at")
    names = {
        moment: f"{row['expiry']:%d %b %y} {row['root']}"
        for moment, row in zip(places.index, places.to_dict("records"), strict=True)
    }
    forward = rows["expiry_at"].map(places["forward"]).astype("float64")
    return rows.assign(
        label=rows["expiry_at"].map(names), log_moneyness=np.log(rows["strike"].astype("float64") / forward)
    )


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure at the head of the page: `error` is printed below its value, None for none."""

    label: str
    value: str
    note: str
    error: str | None = None


def figures(page: Page) -> list[Figure]:
    """Return the figures at the head of the page, parameters with one error."""
    row = page.row
    holds = "holds" if row["feller_satisfied"] else "violated"
    return [
        _parameter(row, "v0", "v₀", f"Initial variance; as a vol {_root(row['v0'])}."),
        _parameter(row, "theta", "θ", f"Long-run variance; as a vol {_root(row['theta'])}."),
        _parameter(row, "kappa", "κ", "Speed of mean reversion, per year."),
        _parameter(row, "sigma", "σ", "Vol of variance."),
        _parameter(row, "rho", "ρ", "Correlation of variance and underlying."),
        Figure(
            "Feller ratio",
            _printed(_ratio(row), ".2f"),
            "2κθ / σ². At 1 or above, the variance can't reach zero; fits to equity smiles seldom get there.",
            holds,
        ),
        Figure("Fit RMSE", _printed(row["rmse_bps"], ",.1f", " bps"), "Over the quotes used, vol bps."),
        Figure(
            "Grade",
            str(row["grade"]),
            "a to d, by error of fit and of parameters. Drift: largest move of a parameter but v₀ since the "
            "last good fit, in errors.",
            f"drift {_printed(row['drift'], '.1f')}",
        ),
    ]


def _ratio(row: dict[str, object]) -> float:
    kappa, theta, sigma = (_number(row[name]) for name in ("kappa", "theta", "sigma"))
    return 2.0 * kappa * theta / sigma**2


def _parameter(row: dict[str, object], name: str, label: str, note: str) -> Figure:
    """Return a parameter with as many digits as its error has two of."""
    error = _number(row[f"{name}_stderr"])
    known = error > 0.0
    digits = int(np.clip(1 - np.floor(np.log10(error)), 2, 6)) if known else 4
    return Figure(
        label, _printed(row[name], f".{digits}f"), note, f"± {error:.{digits}f}" if known else "at a bound"
    )


def _root(value: object) -> str:
    return _printed(100.0 * float(np.sqrt(_number(value))), ".1f", " %")


def _printed(value: object, spec: str, unit: str = "") -> str:
    number = _number(value)
    return "–" if number != number else f"{number:{spec}}{unit}"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
