"""The analyst app, as ``app.screen`` serves it: ``streamlit run app/screen.py``.

What belongs here: pages and their order, and the refusal to serve others than this machine. What does not:
any page.
"""

from __future__ import annotations

import streamlit as st

from app.views.health.view import render as health
from app.views.heston.view import render as heston
from app.views.overview.view import render as overview
from app.views.positioning.view import render as positioning
from app.views.settings.view import render as settings
from app.views.signals.view import render as signals
from app.views.strategy.view import render as strategy
from app.views.surface.view import render as surface
from app.views.term.view import render as term

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect width="32" height="32" rx="6" fill="#0b5cad"/>'
    '<path d="M5 9c5 14 14 16 22 8" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round"/></svg>'
)
LOOPBACK = ("127.0.0.1", "localhost", "::1")

# By group: what draws a page, its title, its icon, its path.
PAGES = {
    "": [
        (overview, "Overview", "list", "overview"),
        (surface, "Surface", "ssid_chart", "surface"),
        (term, "Term structure", "timeline", "term"),
        (heston, "Heston", "function", "heston"),
        (signals, "Signals", "notifications_active", "signals"),
        (strategy, "Strategy", "calculate", "strategy"),
        (positioning, "Positioning", "stacked_bar_chart", "positioning"),
    ],
    "Operations": [
        (health, "Data health", "monitor_heart", "health"),
        (settings, "Settings", "settings", "settings"),
    ],
}


def main() -> None:
    """Draw the chosen page."""
    st.set_page_config(page_title="Periscope", page_icon=ICON, layout="wide")
    if st.get_option("server.address") not in LOOPBACK:
        st.error("This app has no authentication yet, so it serves this machine only. Start it with")
        st.code("streamlit run app/screen.py --server.address 127.0.0.1", language="bash")
        st.stop()
    pages = {
        group: [
            st.Page(render, title=title, icon=f":material/{icon}:", url_path=path, default=render is overview)
            for render, title, icon, path in members
        ]
        for group, members in PAGES.items()
    }
    st.navigation(pages, position="top").run()


main()
