"""`/api/v1/openapi.json`: valid, complete, and true of what the server answers."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.api.managed import KEY, Managed
from tests.support.index import FakeIndex

FILE = """
[feeds.main]
kind = "pypi"
upstreams = [{{ url = "{url}", allow_private = true, route = "direct", retries = 0 }}]
[routes.corp]
proxy = "http://proxy.example:1"
[policies.strict]
block = ["tk"]
"""


@pytest.fixture
async def server(tmp_path: Path, index: FakeIndex) -> AsyncIterator[Managed]:
    async with Managed(tmp_path, FILE.format(url=index.url)) as running:
        yield running


@pytest.fixture
async def told(server: Managed) -> dict[str, Any]:
    answer = await server.ask("GET", "/openapi.json", key=None)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    document: dict[str, Any] = answer.json()
    return document


async def test_it_is_valid(told: dict[str, Any]) -> None:
    assert [str(error) for error in OpenAPIV31SpecValidator(told).iter_errors()] == []
    assert told["openapi"] == "3.1.0"


async def test_every_route_of_the_api_is_in_it(server: Managed, told: dict[str, Any]) -> None:
    expected = {(method.lower(), route.pattern) for route in server.app.api for method in route.methods}
    found = {(method, path) for path, methods in told["paths"].items() for method in methods}
    assert found == expected
    assert len(found) >= 25


async def test_every_operation_says_what_it_does_takes_and_answers(told: dict[str, Any]) -> None:
    ids = []
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            ids.append(operation["operationId"])
            assert operation["summary"].endswith("."), where
            assert "default" in operation["responses"], where
            if method in ("put", "patch"):
                assert operation["requestBody"]["required"], where
            if method == "get" and "openapi" not in path:
                assert "$ref" in operation["responses"]["200"]["content"]["application/json"]["schema"], where
    assert len(set(ids)) == len(ids)


async def test_what_is_answered_is_what_is_described(server: Managed, told: dict[str, Any]) -> None:
    """Every member that a schema requires is answered, and no other."""
    paths = {
        "/feeds": "/api/v1/feeds", "/feeds/main": "/api/v1/feeds/{feed}", "/routes/corp": "/api/v1/routes/{route}",
        "/policies/strict": "/api/v1/policies/{policy}", "/audit": "/api/v1/audit", "/keys": "/api/v1/keys",
        "/audit/chain": "/api/v1/audit/chain",
    }  # fmt: skip
    for path, pattern in paths.items():
        schema = told["paths"][pattern]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        described = told["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        answer = (await server.ask("GET", path, key=KEY)).json()
        assert set(described["required"]) <= set(answer) <= set(described["properties"]), path
