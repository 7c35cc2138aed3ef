"""`/api/v1/openapi.json`: the description of the API (OpenAPI 3.1), made from the table of routes and handlers' types.

Nothing is written down twice: a path is its route's pattern, a summary the handler's docstring, a schema the type that
the handler takes or answers. It needs no key: it tells what there could be, not what there is.
"""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
import orjson

import proxy
from proxy.model.problem import TABLE
from proxy.web.api.answer import MEDIA_TYPE, Described, Told, described
from proxy.web.api.asked import MOST
from proxy.web.inbound import Inbound
from proxy.web.outbound import Bytes, Outbound
from proxy.web.problem import MEDIA_TYPE as PROBLEM_TYPE
from proxy.web.routes import Route

PATH = "/api/v1/openapi.json"
_PARAMETER = re.compile(r"\{(\w+)(?:\.\.\.)?\}")
_REF = "#/components/schemas/{name}"
#: Fields of queries that are more than text.
_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "default": 100},
    "force": {"type": "string", "enum": ["true", "false"]},
}
_PROBLEM = {
    "type": "object",
    "description": "Why not (RFC 9457), with members of the kind of problem: faults, artifacts, feed, rule, …",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "enum": [f"urn:feedgate:{word}" for word in TABLE]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "faults": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["key", "message"],
                "properties": {"key": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


class OpenApi:
    """The handler. The document is made when it is first asked for."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = (*routes, *self.routes())
        self._body: bytes | None = None

    def routes(self) -> tuple[Route, ...]:
        return (Route(("GET",), PATH, self.answer),)

    async def answer(self, request: Inbound) -> Outbound:
        """Describe this API (OpenAPI 3.1)."""
        if self._body is None:
            self._body = orjson.dumps(document(self._routes)) + b"\n"
        return Bytes(body=self._body, content_type=MEDIA_TYPE)


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the description of the routes."""
    told = [(route, described(route.handler)) for route in routes]
    types = dict.fromkeys(each for _, about in told if about is not None for each in _types(about))
    schemas, components = msgspec.json.schema_components([*types], ref_template=_REF)
    schema_of = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route, about in told:
        place = paths.setdefault(_PARAMETER.sub(r"{\1}", route.pattern), {})
        for method in route.methods:
            place[method.lower()] = _operation(route, method, about, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "feedgate",
            "version": proxy.__version__,
            "summary": "The management API of a package gateway",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"basic": []}, {"bearer": []}, {"key": []}, {}],
        "paths": paths,
        "components": {
            "schemas": components | {"Problem": _PROBLEM},
            "securitySchemes": {
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The key as password, with any user.",
                },
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-ApiKey"},
            },
        },
    }


def _operation(
    route: Route, method: str, about: Described | None, schema_of: Mapping[Any, Mapping[str, Any]]
) -> dict[str, Any]:
    parameters = [*_path_parameters(route.pattern), *_other_parameters(about)]
    operation: dict[str, Any] = {
        "operationId": _operation_id(method, route.pattern),
        "summary": about.summary if about is not None else _first_line(route.handler),
        "tags": [route.pattern.split("/")[3].partition(".")[0]],
        "responses": _responses(about, schema_of),
    }
    if parameters:
        operation["parameters"] = parameters
    if about is not None and about.body is not None:
        content = {MEDIA_TYPE: {"schema": about.schema or schema_of[about.body]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _responses(about: Described | None, schema_of: Mapping[Any, Mapping[str, Any]]) -> dict[str, Any]:
    problem = {
        "description": "A problem",
        "content": {PROBLEM_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}},
    }
    answer = _answer_type(about) if about is not None else None
    status = str(about.status) if about is not None else "200"
    content: dict[str, Any]
    if answer is None:
        content = {} if status == "204" else {MEDIA_TYPE: {"schema": {"type": "object"}}}
    else:
        content = {MEDIA_TYPE: {"schema": schema_of[answer]}}
    done: dict[str, Any] = {"description": "Done"} | ({"content": content} if content else {})
    others = dict.fromkeys(_other_statuses(about), done)
    return {status: done, **others, "default": problem}


def _other_statuses(about: Described | None) -> Iterator[str]:
    """Yield the other statuses that say the same: a POST that may find its work done, a PUT that may make."""
    if about is not None and about.body is not None:
        yield from {"200", "201"} - {str(about.status)}


def _types(about: Described) -> Iterator[Any]:
    answer = _answer_type(about)
    if answer is not None:
        yield answer
    if about.body is not None:
        yield about.body


def _answer_type(about: Described) -> Any:
    """Return the type of the document that a handler answers with; None for none."""
    return _document_type(about.answer)


def _document_type(hint: Any) -> Any:
    if hint is None or hint is NoneType:
        return None
    if get_origin(hint) is Told:
        return _document_type(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        parts = [part for part in map(_document_type, get_args(hint)) if part is not None]
        return Union[tuple(dict.fromkeys(parts))] if parts else None  # noqa: UP007 - made of what is found
    return hint


def _path_parameters(pattern: str) -> Iterator[dict[str, Any]]:
    for name in _PARAMETER.findall(pattern):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _other_parameters(about: Described | None) -> Iterator[dict[str, Any]]:
    if about is None:
        return
    for name in about.asks:
        yield {
            "name": name,
            "in": "query",
            "required": False,
            "schema": _FIELDS.get(name, {"type": "string"}),
        }
    for name, is_required in (about.headers or {}).items():
        yield {"name": name, "in": "header", "required": is_required, "schema": {"type": "string"}}


def _operation_id(method: str, pattern: str) -> str:
    words = re.findall(r"\w+", pattern.removeprefix("/api/v1"))
    return "_".join((method.lower(), *words))


def _first_line(handler: object) -> str:
    return (inspect.getdoc(handler) or "").partition("\n")[0]
