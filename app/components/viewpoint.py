"""Where the reader looks: camera of 3D figures and zoom of flat ones, kept while their content changes.

What belongs here: handing them from a figure to the one that takes its place. What does not: figures.

Streamlit replaces a figure whose content changed by a new one, so Plotly's ``uirevision`` has nothing to
compare with. The script below remembers how the reader turned a scene and which ranges they chose, under the
``uirevision`` of the figure, and gives them to the next figure of that ``uirevision`` before it is first
painted, as if the reader had done it. So a ``uirevision`` names what was asked, never a version, and no two
figures share one.

The field of view is as wide as the figure is high, so in one that is narrower the camera begins farther away.

Plotly itself is out of a script's reach. What sets a range is the handler of the button that starts over: it
changes the attribute of the layout that the button names.
"""

from __future__ import annotations

import streamlit as st

_KEEP = """<script>
if (!window.periscopeViews) {
  const {cameras, ranges} = (window.periscopeViews = {cameras: {}, ranges: {}});
  const adopted = new WeakSet();
  const adoptScene = (plot) => {
    const layout = plot._fullLayout?.scene, scene = layout?._scene;
    if (!scene?.getCamera || !plot.on || adopted.has(scene)) return;
    adopted.add(scene);
    const remember = () => {
      const now = plot._fullLayout?.scene;
      if (now?._scene?.camera) cameras[now.uirevision] = now._scene.getCamera();
    };
    plot.on("plotly_relayouting", remember);
    plot.on("plotly_relayout", remember);
    const size = plot._fullLayout._size, farther = 1.15 * size.h / size.w;
    const eye = plot.layout.template?.layout?.scene?.camera?.eye;
    if (eye && farther > 1) for (const name of ["x", "y", "z"]) eye[name] *= farther;
    const camera = cameras[layout.uirevision] ?? (eye && farther > 1 ? {...layout.camera, eye} : null);
    if (!camera) return;
    scene.setViewport({...layout, camera});
    scene.saveLayout(plot.layout);
  };
  const adoptPlane = (plot) => {
    const layout = plot._fullLayout, buttons = layout?._modeBar?.buttons?.flat() ?? [];
    const reset = buttons.find((each) => each.name === "resetScale2d");
    if (!reset || !plot.on || adopted.has(plot)) return;
    adopted.add(plot);
    const kept = (ranges[layout.uirevision] ??= {});
    const names = Object.keys(layout).filter((name) => /^[xy]axis[0-9]*$/.test(name));
    const range = (name) => plot._fullLayout[name].autorange ? null : [...plot._fullLayout[name].range];
    const first = Object.fromEntries(names.map((name) => [name, String(range(name))]));
    plot.on("plotly_relayout", (changes) => {
      const changed = Object.keys(changes).map((key) => key.split(".")[0]);
      for (const name of names.filter((each) => changed.includes(each))) {
        if (range(name) && String(range(name)) !== first[name]) kept[name] = range(name);
        else delete kept[name];
      }
    });
    for (const name of names.filter((each) => each in kept)) {
      const attributes = {"data-attr": `${name}.range`, "data-val": kept[name]};
      reset.click(plot, {currentTarget: {getAttribute: (attribute) => attributes[attribute]}});
    }
  };
  const look = () => document.querySelectorAll(".js-plotly-plot").forEach((plot) => {
    adoptScene(plot);
    adoptPlane(plot);
  });
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
  look();
}
</script>"""


def keep() -> None:
    """Let camera and zoom of all figures of this page survive new content."""
    st.html(_KEEP, unsafe_allow_javascript=True)
