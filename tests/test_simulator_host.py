"""What the banks decide: faults with and without effect, scripts, pages, payers, Referers."""

from typing import Any

import pytest

from gatewayd.core.terms import Operation
from gatewayd.simulator.bank import Session, State
from gatewayd.simulator.faults import Fault, Kind
from gatewayd.simulator.host import Banks, Ending, Exchange, Trouble
from gatewayd.simulator.latency import Latency
from gatewayd.simulator.payers import EVERYBODY_PAYS, Decision, Mix, Outcome
from gatewayd.simulator.registry import DIALECTS
from tests.banks import (
    CALLBACK,
    CONTRACTS,
    MORNING,
    PAGE,
    SAMAN,
    VERIFY,
    Shop,
    form_request,
    json_request,
    read,
    shop,
)


def fault(merchant: Shop, kind: Kind, **changes: Any) -> None:
    merchant.banks.faults.add(Fault(driver="saman", kind=kind, **changes), merchant.clock.now)


def paid(merchant: Shop, amount: int = 150_000) -> Session:
    session, back = merchant.play(amount)
    assert back is not None
    return session


# --- contracts


def test_only_banks_that_are_simulated_can_have_contracts() -> None:
    with pytest.raises(ValueError, match="no simulated bank for bitcoin"):
        Banks({"bitcoin": ({"wallet": "x"},)}, seed=1)


def test_a_contract_without_its_fields_is_named() -> None:
    with pytest.raises(ValueError, match="saman: a contract without terminal_id"):
        Banks({"saman": ({"merchant": "x"},)}, seed=1)


@pytest.mark.parametrize("scale", [0, -1, float("nan")])
def test_time_goes_forward(scale: float) -> None:
    with pytest.raises(ValueError, match="time scale"):
        Banks(SAMAN, seed=1, time_scale=scale)


def test_every_driver_has_its_own_bank_under_its_own_name() -> None:
    banks = Banks({driver: CONTRACTS[driver] for driver in DIALECTS}, seed=1)
    assert list(DIALECTS) == [dialect.driver for dialect in banks.dialects.values()]
    assert list(DIALECTS) == [kind.__name__.lower() for kind in DIALECTS.values()]


# --- faults


@pytest.mark.parametrize(
    ("kind", "ending", "state"),
    [
        (Kind.REFUSE, Ending.REFUSED, State.PAID),
        (Kind.HANG, Ending.HELD, State.PAID),
        (Kind.RESET_AFTER_SEND, Ending.RESET, State.PAID),
        (Kind.ERROR500, Ending.ANSWERED, State.PAID),
        (Kind.HTML, Ending.ANSWERED, State.PAID),
        (Kind.CAPACITY, Ending.ANSWERED, State.PAID),
        (Kind.SLOW, Ending.ANSWERED, State.VERIFIED),
        (Kind.SLOW_DRIP, Ending.ANSWERED, State.VERIFIED),
        (Kind.DROP_REPLY, Ending.CUT, State.VERIFIED),
        (Kind.TRUNCATED, Ending.ANSWERED, State.VERIFIED),
        (Kind.EMPTY, Ending.ANSWERED, State.VERIFIED),
        (Kind.WRONG_CHARSET, Ending.ANSWERED, State.VERIFIED),
        (Kind.PAGE_DOWN, Ending.ANSWERED, State.VERIFIED),
        (Kind.BROWNOUT, Ending.ANSWERED, State.VERIFIED),
    ],
)
def test_every_fault_takes_effect_or_not(kind: Kind, ending: Ending, state: State) -> None:
    merchant = shop()
    session = paid(merchant)
    fault(merchant, kind, value=0)
    exchange = merchant.verify(session)
    assert (ending, state) == (exchange.ending, session.state)
    assert (ending is Ending.ANSWERED) == (exchange.reply is not None)


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        (Kind.ERROR500, 500, b"<h1>Server Error</h1>"),
        (Kind.HTML, 200, b"<!doctype html>"),
        (Kind.CAPACITY, 503, b"<h1>503 Service Unavailable</h1>"),
    ],
)
def test_some_faults_answer_in_html(kind: Kind, status: int, body: bytes) -> None:
    merchant = shop()
    fault(merchant, kind, value=0)
    reply = merchant.call(VERIFY, {}).reply
    assert reply is not None
    assert status == reply.status
    assert body in reply.body
    assert reply.headers["content-type"].startswith("text/html")


def test_mangled_answers_are_what_the_bank_said_but_for_the_bytes() -> None:
    bodies = {}
    for kind in (None, Kind.TRUNCATED, Kind.EMPTY, Kind.WRONG_CHARSET):
        merchant = shop()
        session = paid(merchant)
        if kind:
            fault(merchant, kind)
        reply = merchant.verify(session).reply
        assert reply is not None
        assert (200, "application/json; charset=utf-8") == (
            reply.status,
            reply.headers["content-type"],
        )
        bodies[kind] = reply.body
    whole = bodies[None]
    assert whole[: len(whole) // 2] == bodies[Kind.TRUNCATED]
    assert b"" == bodies[Kind.EMPTY]
    assert whole.decode() == bodies[Kind.WRONG_CHARSET].decode("utf-16")


def test_slowness_is_told_and_has_a_default() -> None:
    merchant = shop()
    fault(merchant, Kind.SLOW, value=2)
    assert 2 == merchant.call(VERIFY, {}).delay_seconds
    merchant.banks.faults.clear()
    fault(merchant, Kind.SLOW_DRIP)
    exchange = merchant.call(VERIFY, {})
    assert (0, 5) == (exchange.delay_seconds, exchange.drip_seconds)


def test_latency_is_told_on_top() -> None:
    merchant = shop(latency=Latency(0.5, 0.5))
    assert 0.5 == merchant.call(VERIFY, {}).delay_seconds
    fault(merchant, Kind.SLOW, value=2)
    assert 2.5 == merchant.call(VERIFY, {}).delay_seconds


def test_a_fault_of_another_operation_does_not_strike() -> None:
    merchant = shop()
    session = paid(merchant)
    fault(merchant, Kind.HANG, operation=Operation.START)
    assert 0 == read(merchant.verify(session))["ResultCode"]


def test_a_dead_page_leaves_the_session_as_it_was() -> None:
    merchant = shop()
    session = merchant.start()
    fault(merchant, Kind.PAGE_DOWN)
    request = form_request(PAGE, {"Token": session.token})
    opened = merchant.banks.open_page("saman", request, MORNING)
    assert isinstance(opened, Trouble)
    assert (503, State.CREATED) == (opened.status, session.state)


def test_in_a_brownout_who_tries_to_pay_fails_at_the_switch() -> None:
    merchant = shop()
    fault(merchant, Kind.BROWNOUT)
    session, back = merchant.play()
    assert (State.DECLINED, "91") == (session.state, session.decline)
    assert back is not None
    assert "Failed" == back.fields["State"]
    cancelled, _ = merchant.play(150_101)
    assert State.CANCELLED is cancelled.state


# --- scripts


def test_101_cancels_and_105_is_declined() -> None:
    merchant = shop()
    cancelled, back = merchant.play(150_101)
    assert State.CANCELLED is cancelled.state
    assert back is not None
    assert "CanceledByUser" == back.fields["State"]
    declined, back = merchant.play(150_105)
    assert State.DECLINED is declined.state
    assert back is not None
    assert "Failed" == back.fields["State"]


def test_102_pays_and_never_comes_back() -> None:
    session, back = shop().play(150_102)
    assert (State.PAID, None) == (session.state, back)


def test_103_loses_the_reply_of_the_first_verify_only() -> None:
    merchant = shop()
    session = paid(merchant, 150_103)
    assert Ending.CUT is merchant.verify(session).ending
    assert State.VERIFIED is session.state
    assert 2 == read(merchant.verify(session))["ResultCode"]


def test_104_is_delivered_twice() -> None:
    merchant = shop()
    session = merchant.start(150_104)
    leaving = merchant.banks.act(session, merchant.banks.decide(session), MORNING)
    assert leaving.twice
    ordinary = merchant.start(150_000)
    assert not merchant.banks.act(ordinary, merchant.banks.decide(ordinary), MORNING).twice


def test_106_answers_the_first_verify_with_html_and_does_nothing() -> None:
    merchant = shop()
    session = paid(merchant, 150_106)
    first = merchant.verify(session)
    assert first.reply is not None
    assert first.reply.body.startswith(b"<!doctype html>")
    assert State.PAID is session.state
    assert 0 == read(merchant.verify(session))["ResultCode"]


def test_107_comes_back_after_the_deadline_without_anybody_waiting() -> None:
    merchant = shop()
    session, back = merchant.play(150_107)
    assert back is not None
    assert ("OK", session.ref_num) == (back.fields["State"], back.fields["RefNum"])
    assert -6 == read(merchant.verify(session))["ResultCode"]
    (row,) = merchant.banks.book.ledger(MORNING)
    assert ("auto_reversed", False, True) == (row["state"], row["verified"], row["reversed"])


def test_107_is_as_late_under_a_time_scale() -> None:
    merchant = shop(time_scale=600)
    session = paid(merchant, 150_107)
    assert session.paid_at == MORNING - 3 - 1
    assert -6 == read(merchant.verify(session))["ResultCode"]


def test_a_fault_before_the_first_verify_leaves_the_script_to_the_next() -> None:
    merchant = shop()
    session = paid(merchant, 150_103)
    fault(merchant, Kind.ERROR500, seconds=1)
    assert Ending.ANSWERED is merchant.verify(session).ending
    merchant.clock.now += 1
    assert Ending.CUT is merchant.verify(session).ending


@pytest.mark.parametrize(
    ("amount", "ending", "result"), [(150_103, Ending.CUT, 201), (150_106, Ending.ANSWERED, 100)]
)
def test_a_verify_that_comes_before_the_payer_has_paid_leaves_the_script_to_the_next(
    amount: int, ending: Ending, result: int
) -> None:
    banks = Banks({"zibal": CONTRACTS["zibal"]}, seed=1, mix=EVERYBODY_PAYS)

    def call(path: str, **fields: object) -> Exchange:
        document = {"merchant": "zibal-demo", **fields}
        exchange = banks.answer("zibal", json_request(path, document, "zibal"), MORNING)
        assert exchange is not None
        return exchange

    token = read(call("/v1/request", amount=amount, callbackUrl=CALLBACK))["trackId"]
    assert 202 == read(call("/v1/verify", trackId=token))["result"]
    session = banks.book.find("zibal", str(token), MORNING)
    assert session is not None
    banks.act(session, banks.decide(session), MORNING)
    spoilt = call("/v1/verify", trackId=token)
    assert ending is spoilt.ending
    assert spoilt.reply is None or spoilt.reply.body.startswith(b"<!doctype html>")
    assert result == read(call("/v1/verify", trackId=token))["result"]


# --- pages and payers


def test_an_unknown_token_is_trouble() -> None:
    merchant = shop()
    opened = merchant.banks.open_page("saman", form_request(PAGE, {"Token": "x"}), MORNING)
    assert isinstance(opened, Trouble)
    assert 404 == opened.status


@pytest.mark.parametrize("later", [0, 20 * 60 + 1])
def test_a_session_that_is_over_is_trouble(later: float) -> None:
    merchant = shop()
    session = merchant.start()
    if not later:
        merchant.banks.act(session, Decision(outcome=Outcome.CANCEL), MORNING)
    request = form_request(PAGE, {"Token": session.token})
    opened = merchant.banks.open_page("saman", request, MORNING + later)
    assert isinstance(opened, Trouble)
    assert 410 == opened.status


def test_a_page_may_be_opened_again_while_nothing_has_happened() -> None:
    merchant = shop()
    session = merchant.start()
    request = form_request(PAGE, {"Token": session.token})
    assert session is merchant.banks.open_page("saman", request, MORNING)
    assert session is merchant.banks.open_page("saman", request, MORNING + 60)


def test_who_leaves_has_not_paid_and_is_not_sent_back() -> None:
    merchant = shop(mix=Mix.parse("leave"))
    session, back = merchant.play()
    assert (State.WITH_PAYER, None) == (session.state, back)


def test_who_acts_twice_is_sent_back_twice_and_pays_once() -> None:
    merchant = shop()
    session = merchant.start()
    first = merchant.banks.act(session, Decision(outcome=Outcome.PAID), MORNING)
    second = merchant.banks.act(session, Decision(outcome=Outcome.CANCEL), MORNING + 5)
    assert first.back is not None
    assert first.back == second.back
    assert State.PAID is session.state


def test_who_acts_after_the_token_expired_stays() -> None:
    merchant = shop()
    session = merchant.start()
    late = MORNING + 20 * 60 + 1
    assert merchant.banks.act(session, Decision(outcome=Outcome.PAID), late).back is None
    assert State.EXPIRED is session.state


def test_the_callback_keeps_its_own_query() -> None:
    _, back = shop().play()
    assert back is not None
    assert CALLBACK == back.url


def test_payers_follow_the_mix() -> None:
    merchant = shop(mix=Mix.parse("paid=80,cancel=4,decline=6,leave=10"))
    states = [merchant.play()[0].state for _ in range(2_000)]
    shares = {state: states.count(state) / 20 for state in set(states)}
    expected = {State.PAID: 80, State.CANCELLED: 4, State.DECLINED: 6, State.WITH_PAYER: 10}
    assert expected.keys() == shares.keys()
    assert all(abs(shares[state] - share) < 3 for state, share in expected.items())


def test_a_seed_tells_one_story() -> None:
    def story(seed: int) -> list[dict[str, Any]]:
        merchant = shop(seed=seed, mix=Mix.parse("paid=80,cancel=4,decline=6,leave=10"))
        fault(merchant, Kind.HTML, probability=0.5)
        for _ in range(50):
            merchant.banks.answer("saman", json_request(VERIFY, {}), MORNING)
        merchant.banks.faults.clear()
        for _ in range(50):
            merchant.play()
        return merchant.banks.book.ledger(MORNING)

    assert story(4) == story(4)
    assert story(4) != story(5)


def test_troubles_do_not_change_what_payers_do() -> None:
    def outcomes(*, troubled: bool) -> list[State]:
        merchant = shop(mix=Mix.parse("paid=50,cancel=50"))
        fault(merchant, Kind.SLOW, probability=0.5 if troubled else 0)
        return [merchant.play()[0].state for _ in range(50)]

    assert outcomes(troubled=False) == outcomes(troubled=True)


# --- Referer


def mellat_session(banks: Banks) -> tuple[Session, str]:
    session = banks.book.open(
        Session(
            driver="mellat",
            terminal="7654321",
            token="5D1F0A77C2E94B36",
            order="42",
            amount=150_000,
            callback_url="https://pay.shop.example/cb",
            created_at=MORNING,
        )
    )
    return session, "/pgwchannel/startpay.mellat"


@pytest.mark.parametrize(
    ("referer", "warning"),
    [
        ("https://pay.shop.example/pay/1", None),
        ("https://PAY.shop.example:8443/", None),
        ("https://shop.example/", "a foreign"),
        ("", "no"),
        ("http://[", "no"),
    ],
)
@pytest.mark.parametrize("refuse", [False, True])
def test_a_bank_that_compares_referers_warns_or_refuses(
    referer: str, warning: str | None, refuse: bool
) -> None:
    banks = Banks({"mellat": CONTRACTS["mellat"]}, seed=1, refuse_foreign_referer=refuse)
    session, page = mellat_session(banks)
    request = form_request(page, {"RefId": session.token}, driver="mellat", referer=referer)
    opened = banks.open_page("mellat", request, MORNING)
    if warning is None:
        assert not banks.warnings
    else:
        text = f"mellat: a payer came with {warning} Referer; the real bank may refuse"
        assert {text: 1} == banks.warnings
    if warning and refuse:
        assert isinstance(opened, Trouble)
        assert (403, State.CREATED) == (opened.status, session.state)
    else:
        assert opened is session


def test_saman_does_not_compare_referers() -> None:
    merchant = shop(refuse_foreign_referer=True)
    session, _ = merchant.play()
    assert State.PAID is session.state
    assert not merchant.banks.warnings
