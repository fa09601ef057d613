"""The API document (OpenAPI 3.1), built from the very types that the routes read and write."""

from typing import Any, Final

import msgspec

from switch.adapters.http_cases import (
    STATES,
    AssignOrder,
    CaseDetail,
    CaseList,
    ClaimOrder,
    NoteOrder,
    ResolveOrder,
)
from switch.adapters.http_exchange import Problem
from switch.adapters.http_orders import OPERATIONS, ChangeOrder, PaymentOrder, RefundOrder
from switch.domain.registry.view import KINDS
from switch.handlers.cases_side import CaseAnswer
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


_KEY: Final = _parameter("Idempotency-Key", "header", "1 to 128 visible ASCII characters.")
_RRN: Final = _parameter("rrn", "path", "Retrieval reference number.")
_OBJECT: Final[Json] = {"type": "object"}
_PARTNER: Final[list[Json]] = [{"apiKey": []}]
_OPERATOR: Final[list[Json]] = [{"operatorToken": []}]
_BOTH: Final[list[Json]] = [{"apiKey": []}, {"operatorToken": []}]
_OPERATOR_NEEDED: Final = {
    "401": _problem("An operator's key, or the token of the machine, is needed."),
    "403": _problem("The operator does not have the role."),
}


def write_openapi(version: str) -> Json:
    """Return the document."""
    _, schemas = msgspec.json.schema_components(
        (
            *(PaymentOrder, ChangeOrder, RefundOrder, PaymentResource, Problem),
            *(ClaimOrder, NoteOrder, AssignOrder, ResolveOrder, CaseAnswer, CaseList, CaseDetail),
        ),
        ref_template=_REFERENCE,
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Payment switch",
            "version": version,
            "description": "One debit at most per Idempotency-Key, every answer explained."
            " A decline is a resource (201), not an HTTP error; what is not known yet is a 202 with"
            " a status_url.",
        },
        "paths": _payment_paths()
        | _change_paths()
        | _case_paths()
        | _registry_paths()
        | _process_paths(),
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
                    "description": "An operator's key, or DIR/keys/operator.token of the running"
                    " instance.",
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
                "summary": "Ask for a sale or a pre-authorization; asking again with the same key"
                " is safe",
                "security": _PARTNER,
                "parameters": [_KEY],
                "requestBody": {"required": True, "content": _content(_of("PaymentOrder"))},
                "responses": _order_responses("Nothing was debited; correct the request."),
            },
            "get": {
                "operationId": "findPayment",
                "summary": "Was it debited? What became of a payment, by RRN or by your own key",
                "security": _BOTH,
                "parameters": [
                    _parameter("rrn", "query", "Retrieval reference number.", required=False),
                    _parameter(
                        "merchant_id",
                        "query",
                        "With idempotency_key, by a client of several merchants.",
                        required=False,
                    ),
                    _parameter("idempotency_key", "query", "Your own key.", required=False),
                ],
                "responses": {
                    "200": _answer("The payment.", payment),
                    "400": _problem("Neither rrn nor idempotency_key."),
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
                "parameters": [_RRN],
                "responses": {
                    "200": _answer("The payment.", payment),
                    "401": needed,
                    "404": not_found,
                    "503": unavailable,
                },
            }
        },
    }


def _order_responses(not_understood: str) -> Json:
    """Say what any order may be answered; each is under an Idempotency-Key."""
    resource = _of("PaymentResource")
    return {
        "201": _answer("Decided: approved, declined or reversed.", resource),
        "202": _answer("Not known yet; see status_url.", resource),
        "400": _problem(not_understood),
        "401": _problem("An API key is needed."),
        "403": _problem("Not a merchant of yours."),
        "409": _problem("The first request under this key still runs."),
        "413": _problem("The body is too large."),
        "422": _problem("The key was used with other content."),
        "503": _problem("Not sent, try again with the same key."),
    }


_CHANGES: Final = (
    # path, operationId, body, whether it may be left out, summary
    (
        "void",
        "voidPayment",
        "ChangeOrder",
        True,
        "Cancel a payment of the same settlement day, a pre-authorization or a capture, as a whole",
    ),
    (
        "refunds",
        "refundPayment",
        "RefundOrder",
        False,
        "Give a payment or a part of it back; without an answer it is repeated until there is one",
    ),
    (
        "capture",
        "capturePayment",
        "ChangeOrder",
        True,
        "Take what a pre-authorization holds, up to 115 % of it",
    ),
    (
        "reverse",
        "reversePayment",
        "ChangeOrder",
        True,
        "Undo an attempt, whatever became of it; the issuer is told until it answers",
    ),
)
assert {name for name, *_ in _CHANGES} == set(OPERATIONS)


def _change_paths() -> Json:
    return {
        f"/v1/payments/{{rrn}}/{name}": {
            "post": {
                "operationId": operation_id,
                "summary": summary,
                "security": _PARTNER,
                "parameters": [_RRN, _KEY],
                "requestBody": {"required": not is_optional, "content": _content(_of(body))},
                "responses": _order_responses("Nothing was changed; correct the request.")
                | {"404": _problem("No payment of this merchant can be changed under this rrn.")},
            }
        }
        for name, operation_id, body, is_optional, summary in _CHANGES
    }


_CASE_CHANGES: Final = (
    ("notes", "noteCase", "NoteOrder", "Add to the history of a case"),
    ("assign", "assignCase", "AssignOrder", "Say who sees to a case"),
    (
        "resolve",
        "resolveCase",
        "ResolveOrder",
        "Settle a case; above the configured amount, it waits for a second person",
    ),
)


def _case_paths() -> Json:
    case_id = _parameter("case_id", "path", "As the list names it.")
    unavailable = {"503": _problem("Cannot be told now; ask again.")}
    filters = [
        _parameter(name, "query", description, required=False)
        for name, description in (
            ("state", f"One of {', '.join(STATES)}; unended is open or proposed."),
            ("kind", "As docs/cases.md lists them."),
            ("owner", "A person, or a team for cases that nobody has yet."),
            ("rrn", "Of the payment that it is about."),
            ("merchant_id", "DE 42."),
            ("incident", "As the list names it."),
            ("by", "`incident`: one line for each incident instead of its cases."),
            ("limit", "1 to 1000."),
        )
    ]
    listed = {
        "operationId": "listCases",
        "summary": "What people must look at, opened last first",
        "security": _OPERATOR,
        "parameters": filters,
        "responses": {
            "200": _answer("The cases, or lines.", _of("CaseList")),
            "400": _problem("Not understood."),
            **_OPERATOR_NEEDED,
            **unavailable,
        },
    }
    shown = {
        "operationId": "showCase",
        "summary": "One case: what it means, its history, its payment",
        "security": _OPERATOR,
        "parameters": [case_id],
        "responses": {
            "200": _answer("The case.", _of("CaseDetail")),
            **_OPERATOR_NEEDED,
            "404": _problem("No such case."),
            **unavailable,
        },
    }
    opening = "Claim that a payment was debited and not served"
    return {
        "/v1/cases": {
            "get": listed,
            "post": _case_change("openCase", "ClaimOrder", opening, [_KEY]),
        },
        "/v1/cases/{case_id}": {"get": shown},
        **{
            f"/v1/cases/{{case_id}}/{name}": {
                "post": _case_change(operation_id, body, summary, [case_id, _KEY])
            }
            for name, operation_id, body, summary in _CASE_CHANGES
        },
    }


def _case_change(operation_id: str, body: str, summary: str, parameters: list[Json]) -> Json:
    return {
        "operationId": operation_id,
        "summary": summary,
        "security": _OPERATOR,
        "parameters": parameters,
        "requestBody": {"required": True, "content": _content(_of(body))},
        "responses": {
            "201": _answer("Carried out, once for each key.", _of("CaseAnswer")),
            "202": _answer("It waits for a second person.", _of("CaseAnswer")),
            "400": _problem("Nothing was changed; correct the request."),
            **_OPERATOR_NEEDED,
            "404": _problem("No such case or payment."),
            "409": _problem("The case does not allow it; `detail` says why."),
            "413": _problem("The body is too large."),
            "422": _problem("The key was used for another command."),
            "503": _problem("Not carried out; ask again with the same key."),
            "504": _problem("Not answered in time; ask again with the same key."),
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
                    "200": _answer("What changed, and which merchants lack what.", _OBJECT),
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
