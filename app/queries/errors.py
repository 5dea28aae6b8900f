"""Why a question about published data has no answer.

What belongs here: typed absence for readers. Three cases are never mixed up: the symbol is not known at all,
the symbol is known but this dataset is not published for it, and the store could not be reached
(``StoreUnavailableError``, which the store raises). What does not belong here: how an error looks over HTTP
or on a page.
"""

from __future__ import annotations

from collections.abc import Sequence


class InvalidParameterError(ValueError):
    """A question that can't be asked; `parameter` names the argument that is wrong."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(f"{parameter}: {message}")
        self.parameter = parameter


class UnknownSymbolError(LookupError):
    """No dataset was ever published for this symbol; `suggestions` are known symbols that look like it."""

    def __init__(self, symbol: str, suggestions: Sequence[str]) -> None:
        hint = f" Did you mean {', '.join(suggestions)}?" if suggestions else ""
        super().__init__(f"No symbol {symbol} is known here.{hint}")
        self.symbol = symbol
        self.suggestions = tuple(suggestions)


class NotPublishedError(LookupError):
    """The symbol is known, but not this dataset of it; `reason` says why, `remedy` what to run."""

    def __init__(self, dataset: str, symbol: str, reason: str, remedy: str) -> None:
        super().__init__(f"{dataset} of {symbol} is not published: {reason}. {remedy}")
        self.dataset = dataset
        self.symbol = symbol
        self.reason = reason
        self.remedy = remedy
