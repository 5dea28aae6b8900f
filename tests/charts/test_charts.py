"""Figures: what is drawn where, units on axes, small pictures."""

from __future__ import annotations

import numpy as np
import pytest

from app.queries.chain import join_quotes, unpack_rejected
from app.queries.surface import surface_grid_points
from app.views.term.columns import table
from periscope_assets.charts import Shade, smile, smile_png, surface_3d, term_structure
from periscope_assets.charts.axes import tenor_ticks
from periscope_assets.charts.theme import DARK, LIGHT
from tests.app import market


@pytest.fixture(scope="module")
def frames():
    return market.frames()


@pytest.fixture(scope="module")
def grid(frames):
    return surface_grid_points(frames["vol_surface"]["surface_slices"], points=41)


@pytest.fixture(scope="module")
def one_expiry(frames, grid):
    vols = frames["implied_vols"]["implied_vols"]
    chain = join_quotes(frames["option_quotes"]["options_snapshots"], vols)
    rejected = unpack_rejected(frames["option_quotes"]["quarantined_quotes"], vols)
    moment = grid["expiry_at"].iloc[-1]
    return tuple(frame[frame["expiry_at"] == moment] for frame in (chain, grid, rejected))


def test_events_show_beside_a_term_structure_where_they_are_told(frames):
    rows = frames["skew_metrics"]["skew_metrics"]
    expiries, tenors = (rows[rows["basis"] == each] for each in ("expiry", "constant_maturity"))
    names = [trace.name for trace in term_structure(expiries, tenors).data]
    assert "ATM without events" not in names
    assert not {"quiet_iv", "event", "event_move", "event_status"} & set(table(expiries))
    told = {"quiet_iv": 0.14, "event": "2026-03-18 FOMC", "event_variance": 0.0004, "event_status": "ok"}
    expiries = expiries.assign(**told)
    quiet = {trace.name: trace for trace in term_structure(expiries, tenors).data}["ATM without events"]
    assert np.asarray(quiet.y) == pytest.approx(14.0)
    shown = table(expiries)
    assert shown["event_move"].tolist() == pytest.approx([2.0] * len(expiries))
    assert shown["quiet_iv"].tolist() == pytest.approx([14.0] * len(expiries))
    assert set(shown["event"]) == {"2026-03-18 FOMC"}


@pytest.mark.parametrize("x", ["log_moneyness", "strike", "delta"])
@pytest.mark.parametrize("look", ["light", "dark"])
def test_surface_has_a_row_for_each_expiry_and_named_axes(grid, x, look):
    figure = surface_3d(grid, x=x, look=look, uirevision="SPX")
    sheet = figure.data[0]
    np.testing.assert_allclose(sheet.z, 100 * grid["iv"])
    np.testing.assert_allclose(sheet.x, grid[x])
    np.testing.assert_allclose(np.asarray(sheet.customdata)[:, 0], grid["strike"])
    corners = np.transpose([sheet.i, sheet.j, sheet.k])
    rows, places = np.divmod(corners, 41)
    assert len(corners) == 2 * 5 * 40
    assert np.ptp(rows, axis=1).max() == np.ptp(places, axis=1).max() == 1
    assert set(corners.ravel()) == set(range(len(grid)))
    assert figure.layout.scene.zaxis.title.text == "implied vol (%)"
    assert figure.layout.scene.xaxis.title.text
    assert figure.layout.uirevision == "SPX"
    assert figure.layout.scene.uirevision == "SPX"


@pytest.mark.parametrize(("apart", "names"), [(1.0, "2d 1w 2w 1m 2m 3m 6m 1y"), (2.5, "2d 1w 1m 3m 1y")])
def test_tenors_of_an_axis_stand_apart(apart, names):
    days, named = tenor_ticks(2.01, 364.0, apart=apart)
    assert " ".join(named) == names
    assert days[:2] == [2, 7]


def test_a_figure_may_be_changed_and_others_of_its_look_stay(grid):
    changed = surface_3d(grid)
    assert changed.layout.template.layout.scene.camera.eye.z == 0.9
    changed.layout.template.layout.scene.camera.eye.z = 5.0
    changed.layout.template.layout.font.size = 40
    after = surface_3d(grid).layout.template.layout
    assert (after.scene.camera.eye.z, after.font.size) == (0.9, 13)


def test_a_difference_that_is_absent_leaves_a_hole(grid):
    values = np.full(len(grid), 0.01)
    values[50] = np.nan
    figure = surface_3d(grid.assign(gap=values), look="dark", shade=Shade("gap", "difference"))
    sheet = figure.data[0]
    assert (sheet.cmin, sheet.cmax) == (-3, 3)
    corners = np.transpose([sheet.i, sheet.j, sheet.k])
    assert len(corners) == 2 * 5 * 40 - 6
    assert 50 not in corners
    assert "difference" in sheet.hovertemplate
    assert np.asarray(sheet.customdata)[0, 3] == pytest.approx(1.0)


def test_surface_refuses_a_ragged_grid(grid):
    with pytest.raises(ValueError, match="grid"):
        surface_3d(grid.iloc[:-1])
    with pytest.raises(ValueError, match="grid"):
        surface_3d(grid.iloc[:0])


def test_bars_run_from_bid_to_ask(one_expiry):
    chain, curve, rejected = one_expiry
    good = chain[chain["status"] == "ok"]
    figure = smile(good, curve, rejected)
    puts, calls, line, refused = figure.data
    for trace, side in ((puts, good[~good["is_call"]]), (calls, good[good["is_call"]])):
        np.testing.assert_allclose(np.add(trace.y, trace.error_y.array), 100 * side["ask_iv"])
        np.testing.assert_allclose(np.subtract(trace.y, trace.error_y.arrayminus), 100 * side["bid_iv"])
    np.testing.assert_allclose(line.y, 100 * curve["iv"])
    assert puts.marker.color != calls.marker.color
    assert puts.marker.symbol != calls.marker.symbol
    assert len(refused.x) == len(rejected)
    assert all("crossed" in text for text in refused.customdata)


def test_quotes_without_a_vol_are_grey_with_their_status(one_expiry):
    chain, curve, _ = one_expiry
    chain = chain.assign(status=chain["status"].where(chain.index % 7 != 0, "no_bid"))
    refused = smile(chain, curve).data[-1]
    assert len(refused.x) == (chain["status"] != "ok").sum() > 0
    assert all("no_bid" in text for text in refused.customdata)
    assert refused.marker.color == LIGHT.refused


def test_on_the_delta_axis_puts_stand_at_the_delta_of_their_call(one_expiry):
    chain, curve, _ = one_expiry
    puts = smile(chain, curve, x="delta").data[0]
    expected = 1 + chain[(chain["status"] == "ok") & ~chain["is_call"]]["delta"]
    np.testing.assert_allclose(puts.x, expected)
    assert ((puts.x > 0) & (puts.x < 1)).all()


def test_smile_without_quotes_or_fit_is_still_a_figure(one_expiry):
    chain, curve, _ = one_expiry
    assert len(smile(chain.iloc[:0], curve).data) == 4
    assert len(smile(chain, curve.iloc[:0]).data) == 3
    assert len(smile(chain.iloc[:0], curve.iloc[:0]).data) == 3


def test_png_is_small(one_expiry):
    chain, curve, _ = one_expiry
    picture = smile_png(chain, curve, title="SPX 2026-12-18 AM")
    assert picture.startswith(b"\x89PNG")
    assert len(picture) <= 20_000


def _luminance(colour: str) -> float:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=lambda look: look.name)
def test_text_and_marks_stand_out_from_the_page(look):
    assert _contrast(look.text, look.panel) >= 7
    assert _contrast(look.muted, look.panel) >= 4.5
    for colour in (look.call, look.put, look.line, *look.series):
        assert _contrast(colour, look.panel) >= 3
    assert min(_contrast(look.text, colour) for _, colour in look.cells) >= 4.5
    (_, below), (_, none), (_, above) = look.diverging
    assert _luminance(none) > 0.9
    assert min(_contrast(below, none), _contrast(above, none)) > 3
