"""The API document (OpenAPI 3.1), built from the very types that the routes read and write."""

from typing import Any, Final

import msgspec

from switch.adapters.http_exchange import Problem
from switch.adapters.http_payments import PaymentOrder
from switch.domain.registry.view import KINDS
from switch.handlers.json_answers import PaymentResource

_REFERENCE: Final = "#/components/schemas/{name}"
Json = dict[str, Any]


def _content(schema: Json, media_type: str = "application/json") -> Json:
    return {media_type: {"schema": schema}}


def _of(name: str) -> Json:
    return {"$ref": _REFERENCE.format(name=name)}


def _answer(description: str, schema: Json | None = None) -> Json:
    return {"description": description, **({"content": _content(schema)} if schema else {})}


def _problem(description: str) -> Json:
    content = _content(_of("Problem"), "application/problem+json")
    return {"description": description, "content": content}


def _parameter(name: str, place: str, description: str, *, required: bool = True) -> Json:
    return {
        "name": name,
        "in": place,
        "required": required,
        "description": description,
        "schema": {"type": "string"},
    }


_OBJECT: Final[Json] = {"type": "object"}
_PARTNER: Final[list[Json]] = [{"apiKey": []}]
_OPERATOR: Final[list[Json]] = [{"operatorToken": []}]
_BOTH: Final[list[Json]] = [{"apiKey": []}, {"operatorToken": []}]
_OPERATOR_NEEDED: Final = {"401": _problem("The operator's token is needed.")}


def write_openapi(version: str) -> Json:
    """Return the document."""
    _, schemas = msgspec.json.schema_components(
        (PaymentOrder, PaymentResource, Problem), ref_template=_REFERENCE
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Payment switch",
            "version": version,
            "description": "One debit at most per Idempotency-Key, every answer explained."
            " A decline is a payment (201), not an HTTP error.",
        },
        "paths": _payment_paths() | _registry_paths() | _process_paths(),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A partner's API key.",
                },
                "operatorToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "DIR/keys/operator.token of the running instance.",
                },
            },
        },
    }


def _payment_paths() -> Json:
    payment = _of("PaymentResource")
    not_found = _problem("No such payment, or not yours.")
    needed = _problem("An API key is needed.")
    unavailable = _problem("Cannot be told now; ask again.")
    return {
        "/v1/payments": {
            "post": {
                "operationId": "pay",
                "summary": "Ask for a payment; asking again with the same key is safe",
                "security": _PARTNER,
                "parameters": [
                    _parameter("Idempotency-Key", "header", "1 to 128 visible ASCII characters.")
                ],
                "requestBody": {"required": True, "content": _content(_of("PaymentOrder"))},
                "responses": {
                    "201": _answer("Decided: approved or declined.", payment),
                    "202": _answer("Not known yet; see status_url.", payment),
                    "400": _problem("Not understood; nothing was debited."),
                    "401": needed,
                    "403": _problem("Not a merchant of yours."),
                    "409": _problem("The first request under this key still runs."),
                    "413": _problem("The body is too large."),
                    "422": _problem("The key was used with other content."),
                    "503": _problem("Not sent, try again with the same key."),
                },
            },
            "get": {
                "operationId": "findPayment",
                "summary": "What became of a payment, by RRN or by your own key",
                "security": _BOTH,
                "parameters": [
                    _parameter("rrn", "query", "Retrieval reference number.", required=False),
                    _parameter("merchant_id", "query", "With idempotency_key.", required=False),
                    _parameter("idempotency_key", "query", "Your own key.", required=False),
                ],
                "responses": {
                    "200": _answer("The payment.", payment),
                    "400": _problem("Neither rrn nor merchant_id and idempotency_key."),
                    "401": needed,
                    "404": not_found,
                    "503": unavailable,
                },
            },
        },
        "/v1/payments/{rrn}": {
            "get": {
                "operationId": "getPayment",
                "summary": "What became of a payment",
                "security": _BOTH,
                "parameters": [_parameter("rrn", "path", "Retrieval reference number.")],
                "responses": {
                    "200": _answer("The payment.", payment),
                    "401": needed,
                    "404": not_found,
                    "503": unavailable,
                },
            }
        },
    }


def _registry_paths() -> Json:
    kind = _parameter("kind", "path", f"One of {', '.join(KINDS)}.")
    return {
        "/v1/registry/load": {
            "post": {
                "operationId": "loadRegistry",
                "summary": "Load a registry file, all of it or nothing",
                "security": _OPERATOR,
                "requestBody": {
                    "required": True,
                    "content": _content({"type": "string"}, "application/toml"),
                },
                "responses": {
                    "200": _answer("What changed.", _OBJECT),
                    **_OPERATOR_NEEDED,
                    "413": _problem("The file is too large."),
                    "422": _problem("Refused as a whole; every error is listed."),
                    "503": _problem("The registry log cannot be written now."),
                },
            }
        },
        "/v1/registry/{kind}": {
            "get": {
                "operationId": "listRegistry",
                "summary": "All entities of a kind",
                "security": _OPERATOR,
                "parameters": [kind],
                "responses": {
                    "200": _answer("The entities, under the name of their kind.", _OBJECT),
                    **_OPERATOR_NEEDED,
                    "404": _problem("No such kind."),
                },
            }
        },
        "/v1/registry/{kind}/{entity_id}": {
            "get": {
                "operationId": "getRegistryEntity",
                "summary": "One entity",
                "security": _OPERATOR,
                "parameters": [
                    kind,
                    _parameter("entity_id", "path", "Its id; a terminal's is ACQUIRER:TERMINAL."),
                ],
                "responses": {
                    "200": _answer("The entity.", _OBJECT),
                    **_OPERATOR_NEEDED,
                    "404": _problem("No such kind or entity."),
                },
            }
        },
    }


def _process_paths() -> Json:
    def show(name: str, summary: str, responses: Json, security: list[Json] | None = None) -> Json:
        return {
            "get": {
                "operationId": name,
                "summary": summary,
                "security": security or [],
                "responses": responses,
            }
        }

    text = {"200": {"description": "Text.", "content": _content({"type": "string"}, "text/plain")}}
    page = {"200": {"description": "HTML.", "content": _content({"type": "string"}, "text/html")}}
    plain = {"200": _answer("As asked.", _OBJECT)}
    readiness = plain | {"503": _answer("Not ready; `reasons` says why.", _OBJECT)}
    return {
        "/": show("showPage", "The start page", page),
        "/v1/status": show(
            "showStatus", "What is running", plain | _OPERATOR_NEEDED, security=list(_OPERATOR)
        ),
        "/v1/openapi.json": show("showOpenapi", "This document", plain),
        "/healthz": show("showHealth", "Whether the process is alive", plain),
        "/readyz": show("showReadiness", "Whether payments can be taken, and why not", readiness),
        "/metrics": show("showMetrics", "Prometheus metrics", text),
        "/version": show("showVersion", "The version", plain),
    }
