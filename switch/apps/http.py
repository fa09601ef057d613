"""What the HTTP listener shows and asks of an instance: status, start page, registry."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

import switch
from switch.adapters.http_api import ApiPorts, GatewayPorts, HttpApi, Unavailable
from switch.adapters.http_exchange import ProblemRaised, make_problem
from switch.adapters.http_page import PageContent, PageFact, PagePayment
from switch.adapters.telemetry import Telemetry
from switch.apps.cases import AuditCases
from switch.apps.instance import Instance
from switch.apps.registrar import RegistrarRole, RegistrarUnavailable
from switch.apps.registry_follower import RegistryFollower
from switch.apps.settings import HttpSettings
from switch.apps.status import merge_statuses
from switch.apps.status_board import Heard
from switch.domain.registry.queries import EntityRow, registry_entity, registry_rows
from switch.registrar.registrar import RegistryRefused

ELSEWHERE_REGISTRAR: Final = (
    "This process has no registrar: load the file at one, with"
    " `switch registry load FILE --data DIR`, where DIR is the folder of a `switch registrar`."
)
OPERATOR: Final = "operator"
LAST_PAYMENT_COUNT: Final = 10

Facts = Callable[[], Sequence[PageFact]]


def make_api(
    instance: Instance,
    settings: HttpSettings,
    telemetry: Telemetry,
    *,
    operator_token: str,
    facts: Facts,
) -> HttpApi:
    """Build the HTTP application; `facts` tells what else runs (child processes)."""
    shown = _Shown(instance, telemetry, facts)
    view, audit, desk = instance.follower.view, instance.audit, instance.gateway
    return HttpApi(
        ApiPorts(
            gateway=None
            if desk is None
            else GatewayPorts(
                desk=desk, clients=view, payments=audit, cases=AuditCases(audit), case_desk=desk
            ),
            registry=_RegistryDesk(instance.registrar, instance.follower),
            operators=view,
            telemetry=telemetry,
            status=shown.status,
            page=shown.make_page,
            version=switch.__version__,
            operator_token=operator_token,
            request_bytes_max=settings.request_bytes_max,
            registry_bytes_max=settings.registry_bytes_max,
        )
    )


class _Shown:
    """Status and start page."""

    def __init__(self, instance: Instance, telemetry: Telemetry, facts: Facts) -> None:
        self._instance = instance
        self._readiness = telemetry.readiness
        self._facts = facts

    async def status(self) -> dict[str, object]:
        reasons = self._readiness.reasons()
        heard = await self._read_board()
        return {
            "version": switch.__version__,
            "ready": not reasons,
            "not_ready": reasons,
            "terminal_deadline_ms": self._instance.terminal_deadline_ms,
            **self._instance.status(),
            "switch": merge_statuses(heard.said, unheard=heard.unheard),
            "children": [msgspec.to_builtins(fact) for fact in self._facts()],
        }

    async def _read_board(self) -> Heard:
        board = self._instance.board
        return Heard([self._instance.describe()]) if board is None else await board.read()

    async def make_page(self, may_see_payments: bool) -> PageContent:  # noqa: FBT001 - as the port
        parts = self._readiness.parts()
        payments, note = await self._list_payments(may_see_payments=may_see_payments)
        facts = [
            PageFact(part, reason or "in service", not reason) for part, reason in parts.items()
        ]
        return PageContent(
            version=switch.__version__,
            is_ready=not any(parts.values()),
            facts=(*facts, *self._facts()),
            payments=payments,
            payments_note=note,
        )

    async def _list_payments(
        self, *, may_see_payments: bool
    ) -> tuple[tuple[PagePayment, ...], str]:
        if not may_see_payments:
            return (), "Shown to clients on this machine only."
        if self._instance.gateway is None:
            return (), "Shown by a gateway."
        try:
            return await self._instance.audit.list_last(LAST_PAYMENT_COUNT), ""
        except Unavailable as error:
            return (), str(error)


class _RegistryDesk:
    """The registry for operators: changes through the registrar, look-ups in the view."""

    def __init__(self, registrar: RegistrarRole | None, follower: RegistryFollower) -> None:
        self._registrar = registrar
        self._follower = follower

    async def load(self, content: bytes) -> Mapping[str, object]:
        if self._registrar is None:
            raise ProblemRaised(make_problem(503, "role-elsewhere", ELSEWHERE_REGISTRAR))
        try:
            result = await self._registrar.load(content, OPERATOR)
        except RegistryRefused as refused:
            errors = tuple(str(problem) for problem in refused.problems)
            detail = f"Nothing was loaded; what is wrong ({len(errors)}):"
            problem = make_problem(422, "registry-refused", detail, errors)
            raise ProblemRaised(problem) from refused
        except RegistrarUnavailable as error:
            raise Unavailable(str(error)) from error
        return result._asdict()

    def list_entities(self, kind: str) -> Sequence[EntityRow]:
        return registry_rows(self._follower.view, kind)

    def find_entity(self, kind: str, entity_id: str) -> EntityRow | None:
        return registry_entity(self._follower.view, kind, entity_id)
