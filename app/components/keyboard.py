"""Keys that work on every page.

What belongs here: moving the focus, which only the browser can do. What does not: what a key press computes.
"""

from __future__ import annotations

import streamlit as st

from app.components.scope import SEARCH_KEY
from app.state import SYMBOL

_SEARCH = f"""<script>
if (!window.periscopeSearch) {{
  window.periscopeSearch = true;
  document.addEventListener("keydown", (event) => {{
    const at = event.target;
    const typing = at.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(at.tagName);
    if (event.key !== "{SEARCH_KEY}" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const field = document.querySelector(".st-key-{SYMBOL} input");
    if (field) {{ event.preventDefault(); field.click(); field.focus(); }}
  }});
}}
</script>"""


def search() -> None:
    """Let a key bring the reader to the symbol picker, wherever the focus is."""
    st.html(_SEARCH, unsafe_allow_javascript=True)
