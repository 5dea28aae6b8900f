"""Plotly's figures as elements that stay on the page while their content changes.

What belongs here: the element, its script, where its library comes from. What does not: figures
(``periscope_assets.charts``), what stands beside them (``chart``).

Streamlit's own element makes a new figure, and for a surface a new WebGL scene, of every change. This one
hands each change to the figure that is there (``Plotly.react``): what the reader turned or zoomed stays as
long as the figure's ``uirevision`` does, and only what changed is drawn again. The library is the file that
the package ``plotly`` brings along, served from this server.
"""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
import streamlit as st

from app.components import library

HEIGHT = 450
NARROW = "115vw"
"""Of a scene, at most: where the page is narrow it would only have more blank above and below."""

_SCRIPT = """
const states = new WeakMap();
let library;

function load() {
  library ??= new Promise((done, failed) => {
    const own = document.querySelector('script[src*="/static/js/"]').src;
    const script = document.createElement("script");
    script.src = new URL("LIBRARY", own).href;
    script.onload = () => done(window.Plotly);
    script.onerror = () => failed(new Error("Plotly could not be loaded"));
    document.head.append(script);
  });
  return library;
}

// One object: a configuration that differs makes a new figure.
const fullscreen = {
  name: "Fullscreen",
  title: "Fullscreen",
  click: (place) => document.fullscreenElement ? document.exitFullscreen() : place.requestFullscreen(),
};

async function draw(place, state) {
  const [width, height] = [place.clientWidth, place.clientHeight];
  if (!width) return;
  const Plotly = await load();
  if (state.drawn !== state.wanted) {
    const {data, layout} = JSON.parse(state.wanted);
    fullscreen.icon = Plotly.Icons.autoscale;
    const config = {...state.config, modeBarButtonsToAdd: [fullscreen]};
    // The field of view is as wide as a figure is high: in a narrower one the camera begins farther away, and
    // some more, for letters do not shrink with the scene.
    const eye = layout.template?.layout?.scene?.camera?.eye, farther = (1.25 * height) / width;
    if (eye && height > width) for (const name in eye) eye[name] *= farther;
    // A scene glides on after the mouse lets it go: what stays is where it is now.
    const scene = place._fullLayout?.scene?._scene;
    if (scene?.camera) scene.saveLayout(place.layout);
    state.drawn = state.wanted;
    await Plotly.react(place, data, {...layout, width, height}, config);
  } else if (width !== state.size?.[0] || height !== state.size?.[1]) {
    await Plotly.relayout(place, {width, height});
  }
  state.size = [width, height];
}

function request(place, state) {
  state.turn = state.turn.then(() => draw(place, state)).catch((error) => {
    place.textContent = `${error.message}: reload the page.`;
  });
}

export default function ({data, parentElement}) {
  const place = parentElement.querySelector(".periscope-figure");
  if (!states.has(place)) {
    const state = {turn: Promise.resolve()};
    states.set(place, state);
    state.observer = new ResizeObserver(() => request(place, state));
    state.observer.observe(place);
  }
  const state = states.get(place);
  place.setAttribute("aria-label", data.alt);
  place.style.height = data.height;
  [state.wanted, state.config] = [data.figure, data.config];
  request(place, state);
  return () => {
    state.observer.disconnect();
    states.delete(place);
    window.Plotly?.purge(place);
  };
}
"""
_mount = st.components.v2.component(
    "figure",
    html='<div class="periscope-figure" role="figure"></div>',
    css=".periscope-figure:fullscreen { background: var(--st-background-color); }",
    js=_SCRIPT.replace("LIBRARY", library.NAME),
    isolate_styles=False,
)


def show(figure: go.Figure, *, key: str, alt: str, config: Mapping[str, object]) -> None:
    """Put a figure on the page.

    Parameters
    ----------
    figure : Figure
    key : str
        Of the element: as long as it stays, so does the figure.
    alt : str
        What a reader who can't see the figure is told.
    config : mapping
        Plotly's.
    """
    height = f"{figure.layout.height or HEIGHT}px"
    is_scene = any(trace.type.endswith("3d") for trace in figure.data)
    content = {
        "figure": figure.to_json(),
        "alt": alt,
        "height": f"min({height}, {NARROW})" if is_scene else height,
        "config": dict(config),
    }
    _mount(key=key, data=content)
