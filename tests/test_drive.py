"""A flow of calls driven to its end: what the network does becomes `Lost`, and once reached is reached."""

from collections.abc import Generator

import pytest

from gatewayd.core.terms import Lost, Receipt, Refusal
from gatewayd.engine.drive import drive
from gatewayd.gateways.contract import Call, Flow, MalformedReply, Reply

FIRST = Call(url="https://bank.example/one")
SECOND = Call(url="https://bank.example/two")
OK = Reply(status=200, body=b"{}")
UNREACHED = Lost(reached=False, cause="connection refused")
CUT = Lost(reached=True, cause="closed before a reply")


class Bank:
    """Gives these answers in turn."""

    def __init__(self, *answers: Reply | Lost) -> None:
        self._answers = list(answers)
        self.calls: list[Call] = []

    async def send(self, call: Call) -> Reply | Lost:
        self.calls.append(call)
        return self._answers.pop(0)


def two_calls() -> Flow[Receipt | Refusal]:
    yield FIRST
    reply = yield SECOND
    return Receipt(amount=reply.status)


async def test_a_flow_gets_its_replies_in_turn_and_its_value_is_the_outcome() -> None:
    bank = Bank(OK, Reply(status=201))
    assert Receipt(amount=201) == await drive(two_calls(), bank.send)
    assert [FIRST, SECOND] == bank.calls


async def test_a_flow_without_a_call_sends_nothing() -> None:
    def nothing() -> Flow[Receipt | Refusal]:
        return Receipt()
        yield FIRST

    bank = Bank()
    assert Receipt() == await drive(nothing(), bank.send)
    assert [] == bank.calls


@pytest.mark.parametrize("lost", [UNREACHED, CUT])
async def test_a_first_call_that_is_lost_is_lost_as_it_was(lost: Lost) -> None:
    assert lost == await drive(two_calls(), Bank(lost).send)


async def test_once_a_call_has_arrived_the_flow_counts_as_reached() -> None:
    outcome = await drive(two_calls(), Bank(OK, UNREACHED).send)
    assert Lost(reached=True, cause="connection refused") == outcome


async def test_an_error_500_is_a_reply_like_any_other() -> None:
    outcome = await drive(two_calls(), Bank(OK, Reply(status=500)).send)
    assert Receipt(amount=500) == outcome


async def test_a_malformed_reply_is_lost_for_the_bank_did_something() -> None:
    def picky() -> Flow[Receipt | Refusal]:
        yield FIRST
        raise MalformedReply("code: missing")

    outcome = await drive(picky(), Bank(OK).send)
    assert Lost(reached=True, cause="malformed reply: code: missing") == outcome


async def test_a_bug_of_a_driver_is_not_taken_for_an_answer() -> None:
    def broken() -> Flow[Receipt | Refusal]:
        yield FIRST
        raise TypeError("a bug")

    with pytest.raises(TypeError):
        await drive(broken(), Bank(OK).send)


async def test_a_flow_is_closed_whatever_happens() -> None:
    closed = []

    def watched() -> Generator[Call, Reply, Receipt]:
        try:
            yield FIRST
        finally:
            closed.append(True)
        return Receipt()

    await drive(watched(), Bank(CUT).send)
    assert [True] == closed
