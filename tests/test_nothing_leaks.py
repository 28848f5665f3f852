"""Neither secrets, nor a payer's data, nor tokens reach a log line, an error or a metric, whatever happens.

The lines are looked at as the engine gives them, before any masking: the mask is the second line of defence.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from gatewayd.core.events import KINDS, AttemptEvent, Event
from gatewayd.core.terms import Operation
from gatewayd.engine.telling import tell
from gatewayd.io.metrics import Metrics
from gatewayd.simulator.faults import Fault, Kind
from tests.web_stage import KEY, LIVE_KEY, QUICK, SECRET, Log, Web, web_stage

MOBILE = "09121234567"
EMAIL = "someone@shop.example"
NAME = "Leila Ahmadi"
NATIONAL_ID = "0012345679"
PAYER = {"mobile": MOBILE, "email": EMAIL, "name": NAME, "national_id": NATIONAL_ID}
CONTRACT_SECRETS = ("12345678", "aB3dE5fG7hJ9kL1mN2pQ", "ASNFZ4mrze/+3LqYdlQyEA8eLTxLWml4")
TROUBLES = (
    Kind.HTML,
    Kind.ERROR500,
    Kind.DROP_REPLY,
    Kind.TRUNCATED,
    Kind.WRONG_CHARSET,
    Kind.REFUSE,
)


def text_of(log: Log) -> str:
    return "\n".join(f"{event} {fields}" for _, event, fields in log.lines)


def forbidden(web: Web) -> set[str]:
    """Everything that this stage knows and nobody outside may read."""
    known = {MOBILE, MOBILE[1:], EMAIL, NAME, NATIONAL_ID, KEY, LIVE_KEY, SECRET, *CONTRACT_SECRETS}
    for session in web.banks.book:
        known |= {session.token, session.card, session.rrn}
        known |= {session.ref_num} if session.ref_num else set()
    return {text for text in known if len(text) > 5}


def leaks(text: str, web: Web) -> list[str]:
    return sorted(each for each in forbidden(web) if each in text)


@pytest.mark.parametrize("gateway", ["saman", "mellat", "parsian", "sadad", "zarinpal", "zibal"])
async def test_no_line_of_a_payment_holds_what_must_not_leave(gateway: str) -> None:
    async with web_stage(only=[gateway], engine=QUICK) as web:
        payer = dict(PAYER)
        if "national_id" not in web.engine.gateways[gateway].traits.payer_checks:
            del payer["national_id"]  # it would bind the payment to others
        for ending in (0, 101, 103, 105, 106, 107):
            payment = await web.create(amount=150_000 + ending, payer=payer)
            form = await web.hand_over(payment)
            back = web.play(form)
            await web.come_back(back)
            await web.come_back(back)
            await web.ask("POST", back.url, data=b"Token=forged&RefNum=forged&status=0&ResCode=0")
            await web.show(payment)
        for kind in TROUBLES:
            fault = Fault(driver="*", kind=kind, operation=Operation.START)
            web.banks.faults.add(fault, web.clock.now)
            payment = await web.create(payer=payer)
            await web.ask("GET", payment["pay_url"])
            web.banks.faults.clear()
        for _ in range(5):
            web.clock.now += 700
            await web.ask("GET", "/readyz")
        text = text_of(web.log)

        assert [] == leaks(text, web)
        assert len(web.log.lines) > 40, "a test that sees no lines proves nothing"


async def test_no_refusal_repeats_what_was_sent() -> None:
    secret_body = {
        "amount": 0,
        "order_id": "x" * 101,
        "return_url": f"https://{NAME}:{SECRET}@evil.example/",
        "payer": {**PAYER, "mobile": "+98" + MOBILE[1:], "allowed_cards": ["6219861034529007x"]},
        "metadata": {"card": "6219861034529007"},
        "colour": EMAIL,
    }
    async with web_stage() as web:
        answer = await web.call("POST", "/v1/payments", secret_body)
        wrong_key = await web.call("GET", "/v1/payments/pay_1", key="gwk_live_somebody_elses_key")
        said = answer.text + wrong_key.text + text_of(web.log)

    assert 422 == answer.status
    for text in (MOBILE[1:], EMAIL, SECRET, NATIONAL_ID, "6219861034529007", "somebody_elses"):
        assert text not in said


PLAIN_WORDS = frozenset({"reason", "by", "act", "cause", "code", "gateway", "shop", "key", "why"})
"""Text fields of events that may be told; every other one is taken for something that may not."""


def event_of(kind: type[Event]) -> Event:
    """An event whose every untellable text, at any depth, is a secret."""
    made = _made(kind)
    assert isinstance(made, Event)
    return made


def _made(kind: Any, name: str = "") -> Any:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _made(next(part for part in get_args(kind) if part is not NoneType), name)
    if kind is str:
        return "word" if name in PLAIN_WORDS else "SECRETSECRET"
    if kind is bool:
        return True
    if kind in (int, float):
        return kind(1)
    if origin is tuple:
        return (_made(get_args(kind)[0], name),)
    if origin is not None and issubclass(origin, Mapping):
        return {"SECRETSECRET": "SECRETSECRET"}
    if issubclass(kind, Enum):
        return next(iter(kind))
    assert is_dataclass(kind), kind
    hints = get_type_hints(kind)
    values = {each.name: _made(hints[each.name], each.name) for each in fields(kind)}
    maker: Any = kind
    return maker(**values)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_every_kind_of_event_is_told_without_what_must_not_be_told(kind: type[Event]) -> None:
    event = event_of(kind)
    log = Log()
    tell(log, event, 217512345678, "saman" if isinstance(event, AttemptEvent) else "")

    assert 1 == len(log.lines)
    assert "SECRETSECRET" not in text_of(log)


def test_the_events_made_here_do_hold_secrets() -> None:
    """So that the test above can fail."""
    holding = {name for name, kind in KINDS.items() if "SECRETSECRET" in repr(event_of(kind))}
    assert {"Created", "Started", "Returned", "Verified", "Mismatched", "Asked"} <= holding


def test_metrics_name_gateways_and_outcomes_and_nothing_else() -> None:
    metrics = Metrics()
    metrics.exchanged("saman", Operation.VERIFY, "answered", 0.1)
    metrics.forged("return")
    metrics.refused("stopping")

    labels = {
        label
        for line in metrics.render().decode().splitlines()
        if line.startswith("gatewayd_") and "{" in line
        for label in (
            part.split("=")[0] for part in line[line.index("{") + 1 : line.index("}")].split(",")
        )
    }
    allowed = {
        "gateway",
        "operation",
        "outcome",
        "le",
        "status",
        "state",
        "kind",
        "reason",
        "result",
    }
    assert set() == labels - allowed - {"version", "python", "sqlite"}
