"""A simulated chain taken through the stages without store or Dagster."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

import pandas as pd

from periscope_assets.settings import SignalSettings
from periscope_assets.sources import files
from periscope_assets.sources.base import ParsedChain
from periscope_assets.sources.simulated import RATE, SimulatedMarket, SimulatedSource
from periscope_assets.store import tables
from periscope_assets.store.frames import conform
from periscope_assets.transforms import chains
from periscope_assets.transforms.flow import STAGES
from periscope_assets.transforms.forwards import BOXES
from periscope_assets.transforms.stage import Snapshot, StageResult

SEED = 20260102
SESSION = date(2026, 3, 20)


@dataclass
class Chain:
    """Results of the stages of one snapshot, each made when it is first asked for."""

    symbol: str
    as_of: datetime
    quotes: StageResult
    settings: dict[str, Any]
    rate: float = RATE
    results: dict[str, StageResult] = field(default_factory=dict)
    boxes: Chain | None = None

    def result(self, name: str) -> StageResult:
        if name == chains.NAME:
            return self.quotes
        if name not in self.results:
            stage = STAGES[name]
            inputs = {
                each.key: self.result(each.dataset).frames for each in stage.inputs if not each.optional
            }
            if self.boxes is not None and BOXES in stage.inputs:
                inputs[BOXES.key] = self.boxes.result(BOXES.dataset).frames
            chosen = {key: self.settings[key] for key in stage.settings}
            snapshot = Snapshot(self.symbol, self.as_of, MappingProxyType(inputs), chosen)
            self.results[name] = conformed(stage.compute(snapshot))
        return self.results[name]

    def frame(self, name: str) -> pd.DataFrame:
        return next(iter(self.result(name).frames.values()))


def conformed(result: StageResult) -> StageResult:
    """The result with its frames as the store gives them back."""
    frames = {name: conform(tables.table(name), frame) for name, frame in result.frames.items()}
    return StageResult(frames, result.quality, result.status)


def chain_of(
    parsed: ParsedChain,
    rate: float = RATE,
    dividends: list[tuple[str, float]] | None = None,
    event_time: dict[str, Any] | None = None,
) -> Chain:
    accepted = chains.accept(parsed.rows, parsed.symbol, parsed.as_of, parsed.n_raw, parsed.spot)
    settings = {
        "zero_rates": {1.0: rate},
        "dividends": dividends or [],
        "signals": SignalSettings().model_dump(),
        "event_time": event_time or {},
    }
    return Chain(parsed.symbol, parsed.as_of, conformed(accepted), settings, rate)


def simulated(
    symbol: str, session: date = SESSION, *, defects: bool = False
) -> tuple[Chain, SimulatedMarket]:
    source = SimulatedSource(SEED, defects)
    parsed = files.parse(source.fetch(symbol, session)[0])[1][0]
    schedule = [(each.ex_date.isoformat(), each.amount) for each in source.dividends(symbol)]
    return chain_of(parsed, dividends=schedule), source.truth(symbol, session)
