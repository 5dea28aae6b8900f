"""Strict reading of text tables: every cell is what its column promises, or the error says where it is not.

What belongs here: splitting delimited text into columns, converting whole columns, and locating the first
cell that can't be converted. What does not: the columns of any particular vendor.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from periscope_assets.sources.base import SourceError

T = TypeVar("T")
Codes = NDArray[np.int64]

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def cut(text: str) -> str:
    """Return `text` quoted, on one line and at most 40 characters long, for a message."""
    return ascii(text if len(text) <= 40 else text[:37] + "...")


def decode(content: bytes, name: str) -> str:
    """Return UTF-8 `content` as text, without a byte-order mark.

    Raises
    ------
    SourceError
        If it is not UTF-8, naming the line.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = content[error.start : error.start + 8]
        raise SourceError(f"{name}: line {line}: {found!r} is not UTF-8; save the file as UTF-8") from None


def split_lines(text: str) -> list[str]:
    """Return the lines of `text` without their endings and without blank lines at the end."""
    lines = text.rstrip("\r\n").split("\n")
    return [line.removesuffix("\r") for line in lines] if "\r" in text else lines


def split_cells(line: str, delimiter: str = ",") -> list[str] | None:
    """Return the cells of one line, or None if its quotes do not match."""
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], strict=True, delimiter=delimiter))
    except (csv.Error, StopIteration):
        return None


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of one file, with enough knowledge of their origin to say where a cell stood.

    Attributes
    ----------
    name : str
        File name, for messages.
    columns : mapping of str to pyarrow array
    first : int
        Number of the first row.
    unit : {'line', 'record'}
        What rows are counted in.
    """

    name: str
    columns: Mapping[str, Any]
    first: int
    unit: str = "line"

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @property
    def raw_line(self) -> NDArray[np.int64]:
        """Line or record number of each row."""
        return np.arange(self.first, self.first + len(self), dtype=np.int64)

    def error(self, row: int, column: str, problem: str) -> SourceError:
        """Return the error for one cell; `problem` says what is wrong with it and what to do."""
        return SourceError(f"{self.name}: {self.unit} {self.first + row}, column {column}: {problem}")

    def text(self, column: str) -> list[str]:
        """Return a column as text, absent cells as empty text."""
        return list(pc.fill_null(self._texts(column), "").to_pylist())

    def _texts(self, column: str) -> Any:
        cells = self.columns[column]
        if not (pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)):
            raise self.error(0, column, f"holds {cells.type}, expected text; export the column as text")
        return cells

    def numbers(self, column: str, *, blank: bool = True, finite: bool = True) -> NDArray[np.float64]:
        """Return a column as float64, blank cells as NaN.

        Raises
        ------
        SourceError
            If a cell is no number, or infinite unless `finite` is False, or blank where `blank` is False.
        """
        cells = self.columns[column]
        if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
            cells = pc.if_else(pc.equal(cells, ""), None, cells)
        try:
            values = np.asarray(cells.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise self._not_a_number(column, cells) from None
        absent = (
            np.asarray(cells.is_null().to_numpy(zero_copy_only=False))
            if self.unit == "line"
            else np.isnan(values)
        )
        if np.any((~np.isfinite(values) if finite else np.isnan(values)) & ~absent):
            raise self._not_a_number(column, cells)
        if not blank and np.any(absent):
            raise self.error(int(np.argmax(absent)), column, "is blank, expected a number; supply it")
        return values

    def _not_a_number(self, column: str, cells: Any) -> SourceError:
        for row, cell in enumerate(cells.to_pylist()):
            plain = cell is None or _NUMBER.fullmatch(str(cell))
            if not plain or (cell is not None and not np.isfinite(float(cell))):
                return self.error(
                    row,
                    column,
                    f"{cut(str(cell))} is not a finite number; correct the cell or leave it blank",
                )
        return SourceError(
            f"{self.name}: column {column}: holds {cells.type}, expected numbers; export it as numbers"
        )

    def coded(self, column: str, parse: Callable[[str], T], expected: str) -> tuple[list[T], Codes]:
        """Return the distinct values of a column as `parse` reads them, and each row's position among them.

        Raises
        ------
        SourceError
            At the first cell that `parse` refuses with ValueError; the message says that it is no `expected`.
        """
        encoded = pc.dictionary_encode(pc.fill_null(self._texts(column), ""))
        codes = np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
        values: list[T] = []
        for code, cell in enumerate(encoded.dictionary.to_pylist()):
            try:
                values.append(parse(cell))
            except ValueError:
                row = int(np.argmax(codes == code))
                raise self.error(row, column, f"{cut(cell)} is not {expected}; correct the cell") from None
        return values, codes

    def convert(self, column: str, parse: Callable[[str], T], expected: str) -> list[T]:
        """Return a column converted by `parse`, which sees each distinct text once and raises ValueError.

        Raises
        ------
        SourceError
            At the first cell that `parse` refuses; the message says that it is no `expected`.
        """
        values, codes = self.coded(column, parse, expected)
        return [values[code] for code in codes.tolist()]


def read_table(
    name: str, lines: Sequence[str], header: Sequence[str], first: int, delimiter: str = ","
) -> Table:
    """Read delimited lines under a header into text columns.

    Parameters
    ----------
    name : str
        File name, for messages.
    lines : sequence of str
        Lines after the header.
    header : sequence of str
        Distinct column names.
    first : int
        Line number of ``lines[0]`` in the file, from 1.

    Raises
    ------
    SourceError
        If there is no line, or one has another number of cells than the header.
    """
    if not lines:
        raise SourceError(f"{name}: line {first - 1}: a header but no rows; download the file again")
    fast = _read_plain("\n".join(lines).encode(), header, delimiter)
    if fast is not None:
        return Table(name, fast, first)
    rows = [split_cells(line, delimiter) for line in lines]
    for number, row in enumerate(rows, start=first):
        if row is None or len(row) != len(header):
            found = "unmatched quotes" if row is None else f"{len(row)} cells"
            problem = f"{found}, expected {len(header)} cells, in {cut(lines[number - first])}"
            raise SourceError(f"{name}: line {number}: {problem}; the line is damaged or the file truncated")
    cells = zip(*(row for row in rows if row is not None), strict=True)
    return Table(
        name, {key: pa.array(column, pa.string()) for key, column in zip(header, cells, strict=True)}, first
    )


def _read_plain(body: bytes, header: Sequence[str], delimiter: str) -> dict[str, Any] | None:
    """Return the columns of lines without quotes, None where a line is not as the header says."""
    body = body.rstrip(b"\r\n")
    if not body or any(odd in body for odd in (b'"', b"\r", b"\0", b"\n\n")) or body[:1] == b"\n":
        return None
    try:
        table = pa_csv.read_csv(
            pa.py_buffer(body),
            pa_csv.ReadOptions(use_threads=False, column_names=list(header)),
            pa_csv.ParseOptions(delimiter=delimiter, quote_char=False, double_quote=False),
            pa_csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        return None
    if len(table) != body.count(b"\n") + 1:
        return None
    return {key: table.column(key).combine_chunks() for key in header}


def check_columns(name: str, line: int, found: Sequence[str], wanted: Sequence[str]) -> None:
    """Raise SourceError if a wanted column is absent from the header, or one is there twice."""
    missing = [column for column in wanted if column not in found]
    if missing:
        raise SourceError(
            f"{name}: line {line}: column {missing[0]} is missing (the header has {len(found)} columns); "
            "supply the file as the vendor wrote it"
        )
    twice = [column for column in wanted if found.count(column) > 1]
    if twice:
        raise SourceError(f"{name}: line {line}: column {twice[0]} is there twice; keep one of them")


def read_csv(name: str, content: bytes, wanted: Sequence[str], delimiter: str = ",") -> Table:
    """Read a text table whose header is its first line and has at least the columns `wanted`.

    Raises
    ------
    SourceError
        If the text, the header or the shape of a line is not as expected.
    """
    first, _, body = content.partition(b"\n")
    header = split_cells(decode(first, name).removesuffix("\r"), delimiter) or []
    check_columns(name, 1, header, wanted)
    distinct = [column if header.index(column) == i else f"{column}#{i}" for i, column in enumerate(header)]
    fast = _read_plain(body, distinct, delimiter)
    if fast is not None:
        return Table(name, fast, first=2)
    lines = split_lines(decode(content, name))
    return read_table(name, lines[1:], distinct, first=2, delimiter=delimiter)


def has_columns(head: bytes, signature: set[str]) -> bool:
    """Tell whether the first line of `head` names at least three columns of a layout's signature."""
    first = head.split(b"\n", 1)[0].decode("utf-8-sig", "replace").rstrip("\r")
    return len(signature & set(split_cells(first) or ())) >= 3
