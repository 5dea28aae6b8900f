"""Opens what is published, for the commands that only read.

What belongs here: settings and queries for one command. What does not: what is asked or printed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_settings import SettingsError

from app.terminal.logs import log_to_file
from app.terminal.output import UserError
from periscope_assets.settings import Settings

if TYPE_CHECKING:
    from app.queries import Queries

_NO_SETTINGS = frozenset(
    {
        *("PERISCOPE_DAGSTER_URL", "PERISCOPE_DEBIAN_MIRROR", "PERISCOPE_NIGHTLY", "PERISCOPE_REQUIRE"),
        *("PERISCOPE_TEST_ARTIFACTS", "PERISCOPE_TEST_DATA", "PERISCOPE_TIMESCALE_HOME"),
    }
)
"""Variables of the tests, of ``infra`` and of Dagster's own configuration."""


def load_settings() -> Settings:
    """Return the settings of the environment; from then on, logs go to their home.

    Raises
    ------
    UserError
        Naming the first setting that is wrong.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "__".join(str(part) for part in first["loc"]).upper()
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise UserError(f"setting PERISCOPE_{name}: {first['msg']}{more}") from None
    except SettingsError as error:
        raise UserError(f"setting of the environment: {error}, expected JSON") from None
    _refuse_unknown()
    log_to_file(settings.home)
    return settings


def _refuse_unknown() -> None:
    """Refuse a variable that no setting has, lest a slip of the pen leaves a default in force."""
    for variable in sorted(os.environ):
        if not variable.startswith("PERISCOPE_") or variable in _NO_SETTINGS:
            continue
        name, *nested = variable.removeprefix("PERISCOPE_").lower().split("__")
        field = Settings.model_fields.get(name)
        inner = getattr(field.annotation, "model_fields", None) if field is not None else None
        if field is None or (inner is not None and nested and nested[0] not in inner):
            known = ", ".join(f"PERISCOPE_{each.upper()}" for each in Settings.model_fields)
            raise UserError(f"{variable}: there is no such setting; expected one of {known}")


@contextmanager
def queries(settings: Settings) -> Iterator[Queries]:
    """Give the reads over this home's store, with its database up meanwhile."""
    from app.queries import Queries
    from app.services.database import database
    from periscope_assets.store.connect import open_reader

    with database(settings), closing(open_reader(settings)) as store:
        yield Queries(store)
