"""The camera of 3D figures, kept while their content changes.

What belongs here: handing the camera of a figure to the one that takes its place. What does not: figures.

Streamlit replaces a figure whose content changed by a new one, so Plotly's ``uirevision`` has nothing to
compare with. The script below remembers where the reader turned a scene, under its ``uirevision``, and turns
the next scene of that ``uirevision`` the same way before it is first painted, as if the reader had done it.
"""

from __future__ import annotations

import streamlit as st

_KEEP = """<script>
if (!window.periscopeCameras) {
  window.periscopeCameras = {};
  const adopted = new WeakSet();
  const adopt = (plot) => {
    const layout = plot._fullLayout?.scene, scene = layout?._scene;
    if (!scene?.getCamera || !plot.on || adopted.has(scene)) return;
    adopted.add(scene);
    const remember = () => {
      const now = plot._fullLayout?.scene;
      if (now?._scene?.camera) window.periscopeCameras[now.uirevision] = now._scene.getCamera();
    };
    plot.on("plotly_relayouting", remember);
    plot.on("plotly_relayout", remember);
    const camera = window.periscopeCameras[layout.uirevision];
    if (!camera) return;
    scene.setViewport({...layout, camera});
    scene.saveLayout(plot.layout);
  };
  const look = () => document.querySelectorAll(".js-plotly-plot").forEach(adopt);
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
  look();
}
</script>"""


def keep() -> None:
    """Let the cameras of all 3D figures of this page survive new content."""
    st.html(_KEEP, unsafe_allow_javascript=True)
