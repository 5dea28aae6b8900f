"""``periscope export``: published rows as files, one for each table of the dataset.

What belongs here: file names and formats. What does not: which rows are served (``app.queries``).
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from app.queries import Answer
from app.terminal.choices import FileFormat
from app.terminal.output import UserError, say
from app.terminal.reading import load_settings, queries
from app.terminal.tables import exported_columns


def export(
    dataset: str, symbol: str, file_format: FileFormat, folder: Path, as_of: str | None, known_at: str | None
) -> None:
    """Write the rows served for a dataset and symbol into `folder`, and print the names."""
    if not folder.is_dir():
        raise UserError(f"--output {folder}: is no folder; make it first")
    with queries(load_settings()) as ask:
        answer = ask.read(dataset, symbol, as_of=as_of, known_at=known_at)
    if not answer.frames:
        raise UserError(f"{dataset} has no rows to export: it rests in the lake")
    for table, frame in answer.frames.items():
        path = folder / _name(answer, table, file_format)
        _write(exported_columns(answer, frame), path, file_format)
        say(f"{path}  {len(frame)} rows")


def _name(answer: Answer, table: str, file_format: FileFormat) -> str:
    taken = "" if answer.as_of is None else answer.as_of.strftime("%Y%m%dT%H%M%SZ")
    return f"{answer.symbol}_{table}_{taken}_{answer.version[:8]}.{file_format}"


def _write(frame: pd.DataFrame, path: Path, file_format: FileFormat) -> None:
    """Write beside and rename, so that a file is whole or absent."""
    draft = path.with_name(f".{path.name}.tmp")
    flat = frame.assign(
        **{name: frame[name].map(_text) for name in frame.columns if _holds_records(frame[name])}
    )
    try:
        if file_format is FileFormat.CSV:
            flat.to_csv(draft, index=False, lineterminator="\n")
        else:
            flat.to_parquet(draft, index=False)
        draft.replace(path)
    except OSError as error:
        raise UserError(f"{path}: could not be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)


def _holds_records(column: pd.Series) -> bool:
    return column.dtype == object and any(isinstance(value, dict) for value in column)


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
