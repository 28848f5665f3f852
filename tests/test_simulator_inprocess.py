"""The banks without a network: faults become what a network would have made of them."""

from collections.abc import Mapping

import orjson
import pytest

from gatewayd.core.terms import Lost, Operation, Redirect
from gatewayd.gateways.contract import Call, Reply
from gatewayd.simulator.bank import State
from gatewayd.simulator.faults import Fault, Kind
from gatewayd.simulator.host import Trouble
from gatewayd.simulator.inprocess import InProcess, Return, open_page, play, returned
from gatewayd.simulator.latency import Latency
from tests.banks import MORNING, PAGE, TOKEN, VERIFY, Shop, shop, token_request

BASE = "https://bank.test/saman"


def call(path: str, document: Mapping[str, object], base: str = BASE) -> Call:
    headers = {"Content-Type": "application/json"}
    return Call(url=base + path, body=orjson.dumps(document), headers=headers)


async def send(merchant: Shop, what: Call, seconds: float = 10) -> Reply | Lost:
    transport = InProcess(merchant.banks, wall=merchant.clock.wall, sleep=merchant.clock.sleep)
    return await transport.send("saman", Operation.START, what, seconds)


def handover(token: str, method: str = "post") -> Redirect:
    if method == "get":
        url = f"{BASE}/OnlinePG/SendToken"
        return Redirect(token=token, url=url, method="get", fields={"token": token})
    return Redirect(token=token, url=BASE + PAGE, method="post", fields={"Token": token})


async def test_a_call_reaches_the_bank_that_its_path_names() -> None:
    merchant = shop()
    reply = await send(merchant, call(TOKEN, token_request()))
    assert isinstance(reply, Reply)
    token = orjson.loads(reply.body)["token"]
    assert merchant.banks.book.find("saman", token, MORNING) is not None
    assert MORNING == merchant.clock.now


async def test_an_unknown_bank_is_never_reached_and_an_unknown_path_is_404() -> None:
    merchant = shop()
    unknown = await send(merchant, call(TOKEN, {}, base="https://bank.test/melli"))
    assert Lost(reached=False, cause="name not found") == unknown
    reply = await send(merchant, call("/nowhere", {}))
    assert isinstance(reply, Reply)
    assert 404 == reply.status


@pytest.mark.parametrize(
    ("kind", "value", "lost", "passed", "opened"),
    [
        (Kind.REFUSE, None, Lost(reached=False, cause="connect refused"), 0, 0),
        (Kind.HANG, None, Lost(reached=True, cause="timeout after sending"), 10, 0),
        (
            Kind.RESET_AFTER_SEND,
            None,
            Lost(reached=True, cause="connection lost after sending"),
            0,
            0,
        ),
        (Kind.DROP_REPLY, None, Lost(reached=True, cause="connection lost after sending"), 0, 1),
        (Kind.SLOW, 11, Lost(reached=True, cause="timeout after sending"), 10, 1),
        (Kind.SLOW_DRIP, 11, Lost(reached=True, cause="timeout after sending"), 10, 1),
        (Kind.SLOW, 9, None, 9, 1),
        (Kind.SLOW_DRIP, 9, None, 9, 1),
    ],
)
async def test_faults_become_losses_and_delays(
    kind: Kind, value: float | None, lost: Lost | None, passed: float, opened: int
) -> None:
    merchant = shop()
    merchant.banks.faults.add(Fault(driver="*", kind=kind, value=value), MORNING)
    answer = await send(merchant, call(TOKEN, token_request()))
    if lost is None:
        assert isinstance(answer, Reply)
    else:
        assert lost == answer
    assert passed == merchant.clock.now - MORNING
    assert opened == len(merchant.banks.book.ledger(MORNING))


async def test_latency_passes_on_the_given_clock() -> None:
    merchant = shop(latency=Latency(0.25, 0.25))
    assert isinstance(await send(merchant, call(TOKEN, token_request())), Reply)
    assert 0.25 == merchant.clock.now - MORNING


@pytest.mark.parametrize("method", ["post", "get"])
def test_a_browser_plays_through(method: str) -> None:
    merchant = shop()
    session = merchant.start()
    back = play(merchant.banks, handover(session.token, method), MORNING)
    assert back is not None
    assert ("POST", "https://shop.example/return/7?lang=fa") == (back.method, back.url)
    assert ("fa", "OK", session.ref_num) == (
        back.fields["lang"],
        back.fields["State"],
        back.fields["RefNum"],
    )
    assert State.PAID is session.state


def test_a_return_by_get_is_in_the_address() -> None:
    merchant = shop(switches={"saman": {"return": "receipt"}})
    session = merchant.start()
    back = play(merchant.banks, handover(session.token), MORNING)
    assert back is not None
    assert "GET" == back.method
    assert back.url.startswith("https://shop.example/return/7?lang=fa&Token=")
    assert {"lang": "fa", "Token": session.token, "RefNum": session.ref_num} == back.fields


def test_who_closes_the_tab_does_not_return() -> None:
    merchant = shop()
    session = merchant.start(150_102)
    assert play(merchant.banks, handover(session.token), MORNING) is None
    assert State.PAID is session.state


def test_a_return_may_be_delivered_twice() -> None:
    merchant = shop()
    back = play(merchant.banks, handover(merchant.start(150_104).token), MORNING)
    assert back is not None
    assert back.twice


def test_opening_and_acting_can_be_apart() -> None:
    merchant = shop()
    session = open_page(merchant.banks, handover(merchant.start().token), MORNING, referer="x")
    assert not isinstance(session, Trouble)
    assert State.WITH_PAYER is session.state
    leaving = merchant.banks.act(session, merchant.banks.decide(session), MORNING + 300)
    assert isinstance(returned(leaving), Return)
    assert MORNING + 300 == session.paid_at


@pytest.mark.parametrize(
    "url", [f"{BASE}/elsewhere", "https://bank.test/melli/OnlinePG/OnlinePG", BASE + VERIFY]
)
def test_a_hand_over_to_nowhere_is_trouble(url: str) -> None:
    nowhere = Redirect(token="t", url=url, method="post", fields={"Token": "t"})
    banks = shop().banks
    assert isinstance(open_page(banks, nowhere, MORNING), Trouble)
    assert play(banks, nowhere, MORNING) is None
