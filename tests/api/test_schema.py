"""The project's own OpenAPI: an example of every body and reply, and examples that the routes take."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.api.main import create_app
from periscope_assets.settings import Settings
from periscope_assets.store.postgres import PostgresStore
from tests.api.conftest import SYMBOL


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    return create_app(Settings(home=home), PostgresStore("postgresql://127.0.0.1:1/none")).openapi()


def operations(schema) -> Iterator[tuple[str, str, dict]]:
    for path, found in schema["paths"].items():
        for method, operation in found.items():
            yield method, path, operation


def example_of(content: dict, schemas: dict) -> object:
    """The example of a media type: its own, that of its schema, or those of the schema's properties."""
    if "example" in content:
        return content["example"]
    found = content.get("schema", {})
    found = schemas.get(str(found.get("$ref", "")).rpartition("/")[2], found)
    if "example" in found:
        return found["example"]
    needed = found.get("required") or list(found.get("properties", {}))
    each = {name: found["properties"][name].get("examples") for name in needed}
    return {name: given[0] for name, given in each.items()} if each and all(each.values()) else None


def test_every_body_and_reply_has_an_example(schema):
    schemas, lacking = schema["components"]["schemas"], []
    for method, path, operation in operations(schema):
        bodies = {"body": operation.get("requestBody", {}), **operation["responses"]}
        for name, body in bodies.items():
            for kind, content in body.get("content", {}).items():
                if content.get("schema", {}).get("format") == "binary":
                    continue
                if example_of(content, schemas) is None:
                    lacking.append(f"{method} {path} {name} {kind}")
    assert lacking == []


def test_the_examples_of_bodies_are_taken(schema, client):
    schemas, taken = schema["components"]["schemas"], 0
    for method, path, operation in operations(schema):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        filled = path.replace("{symbol}", SYMBOL).replace("{signal_id}", "none")
        response = client.request(method, filled, json=example_of(content, schemas))
        # What it is about need not be here: the body itself is in order.
        assert response.status_code in (200, 201, 404), (path, response.text)
        taken += 1
    assert taken == 7
