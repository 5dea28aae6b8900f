"""Taking numbers away: CSV and Parquet of a frame.

What belongs here: the two buttons and their bytes. What does not: pictures, which the browser makes of its
figures (``chart``).
"""

from __future__ import annotations

from functools import partial
from io import BytesIO

import pandas as pd
import streamlit as st


def buttons(frame: pd.DataFrame, name: str) -> None:
    """Draw the two buttons; bytes are made when one is pressed.

    Parameters
    ----------
    frame : DataFrame
        As published: full precision, vols as decimals.
    name : str
        Stem of the file, and unique on the page.
    """
    with st.container(horizontal=True, gap="small"):
        for label, suffix, mime, make in (
            ("CSV", "csv", "text/csv", csv),
            ("Parquet", "parquet", "application/vnd.apache.parquet", parquet),
        ):
            st.download_button(
                label,
                data=partial(make, frame),
                file_name=f"{name}.{suffix}",
                mime=mime,
                key=f"{suffix}_{name}",
                on_click="ignore",
                icon=":material/download:",
                type="tertiary",
                help=f"{len(frame):,} rows, full precision, times in UTC.",
            )


def csv(frame: pd.DataFrame) -> bytes:
    """Return a frame as CSV: RFC 3339 times, absent values empty."""
    return frame.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ").encode()


def parquet(frame: pd.DataFrame) -> bytes:
    """Return a frame as Parquet."""
    written = BytesIO()
    frame.to_parquet(written, index=False)
    return written.getvalue()
