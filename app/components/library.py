"""The library that draws figures in the browser: the file that the package ``plotly`` brings along.

What belongs here: which file, and its name on this server. What does not: figures (``figure``), serving it
(``app.screen``).
"""

from __future__ import annotations

from pathlib import Path

import plotly

FILE = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
NAME = f"plotly-{plotly.__version__}.min.js"
"""Beside the scripts of Streamlit's client; the version is in it, for browsers keep the file."""
