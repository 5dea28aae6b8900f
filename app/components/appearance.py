"""Light or dark: what the page around figures looks like, and how a reader's choice reaches the browser.

What belongs here: asking the browser, and being told by it. What does not: the choice (``preferences``),
colours (``periscope_assets.charts.theme``).
"""

from __future__ import annotations

import streamlit as st

_DRAWN = "_drawn_in_a_look"

_CHOOSE = """<script>
{{
const wanted = JSON.stringify("{name}");
const paths = [...document.querySelectorAll("a[href]")].map((link) => new URL(link.href).pathname);
const names = ["/", location.pathname, ...paths].map((path) => `stActiveTheme-${{path}}-v2`);
const differs = names.some((name) => localStorage.getItem(name) !== wanted);
names.forEach((name) => localStorage.setItem(name, wanted));
if (differs && sessionStorage.getItem("periscopeTheme") !== wanted) {{
  sessionStorage.setItem("periscopeTheme", wanted);
  location.reload();
}}
}}
</script>"""
"""Streamlit's own place for the reader's choice, by path; it is read when the page loads."""

# Streamlit calls an element's function anew when its theme changes, but does not run the page.
_FOLLOW = """
let asked;

export default function ({data, parentElement, setTriggerValue}) {
  const ground = getComputedStyle(parentElement.querySelector("i")).backgroundColor;
  const [red, green, blue] = ground.match(/[\\d.]+/g).map(Number);
  const look = 0.299 * red + 0.587 * green + 0.114 * blue < 128 ? "dark" : "light";
  if (look === data) asked = undefined;
  else if (look !== asked) {
    asked = look;
    setTriggerValue("look", look);
  }
}
"""
_mount = st.components.v2.component(
    "appearance",
    html="<i></i>",
    css="i { display: none; background: var(--st-background-color); }",
    js=_FOLLOW,
)


def look() -> str:
    """Return the appearance of figures, ``light`` or ``dark``: that of the page around them."""
    st.session_state[_DRAWN] = True
    return _look()


def _look() -> str:
    return "dark" if st.context.theme.type == "dark" else "light"


def follow() -> None:
    """Draw the page again when its appearance changes, if what it shows was drawn for one; once a page."""
    if st.session_state.pop(_DRAWN, False):
        _mount(key="appearance", data=_look(), on_look_change=lambda: None)


def choose(theme: str) -> None:
    """Ask the browser to show all pages in an appearance, as its menu does."""
    st.html(_CHOOSE.format(name=theme.capitalize()), unsafe_allow_javascript=True)
