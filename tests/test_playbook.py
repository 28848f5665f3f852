"""The play tool itself: it accepts what matches and shows the conversation for what does not."""

from collections.abc import Generator

import pytest

from gatewayd.core.terms import CodeClass, Refusal
from gatewayd.gateways.contract import Call, MalformedReply, Reply
from gatewayd.gateways.wire import json_call, read_json, read_soap, soap_call, xml_elements
from tests.playbook import play, soap_answer


def asks_json() -> Generator[Call, Reply, str]:
    reply = yield json_call("https://bank.example/v1/verify", {"id": 1, "ok": True})
    return str(read_json(reply)["state"])


def asks_soap() -> Generator[Call, Reply, dict[str, str]]:
    body = f"<pay><request>{xml_elements({'b': 1, 'a': 'x&y'})}</request></pay>"
    reply = yield soap_call("https://bank.example/pgw", "urn:pay", body)
    return read_soap(reply, "payResponse")


def asks_form() -> Generator[Call, Reply, None]:
    yield Call(url="https://bank.example/", body=b"a=1&b=")


def test_json_is_compared_with_its_types() -> None:
    play(asks_json()).calls("POST", "…/verify", {"ok": True, "id": 1}).replies(
        200, {"state": "paid"}
    ).returns("paid")
    with pytest.raises(AssertionError, match=r"(?s)JSON.*the conversation.*>> POST https"):
        play(asks_json()).calls("POST", "…/verify", {"ok": 1, "id": 1})


def test_soap_is_compared_in_order() -> None:
    answer = soap_answer("payResponse", {"payResult": {"Token": 7, "Status": "<0>"}})
    play(asks_soap()).calls(
        "POST", "…/pgw", {"b": 1, "a": "x&y"}, soap="pay", headers={"soapaction": '"urn:pay"'}
    ).replies(200, answer).returns({"Token": "7", "Status": "<0>"})
    with pytest.raises(AssertionError, match="SOAP fields"):
        play(asks_soap()).calls("POST", "…/pgw", {"a": "x&y", "b": 1}, soap="pay")


def test_a_form_keeps_its_empty_fields() -> None:
    play(asks_form()).calls("POST", "…/", {"a": 1, "b": ""}, form=True).replies(200).returns(None)
    with pytest.raises(AssertionError, match="form"):
        play(asks_form()).calls("POST", "…/", {"a": 1}, form=True)


def test_a_malformed_reply_is_an_end_of_its_own() -> None:
    play(asks_json()).calls("POST", "…/verify").replies(502, "<html>").malformed("without JSON")
    with pytest.raises(AssertionError, match="outcome"):
        play(asks_json()).calls("POST", "…/verify").replies(502, "<html>").returns("paid")


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("GET", "…/verify", {}),
        ("POST", "…/inquiry", {}),
        ("POST", "https://bank.example/v1", {}),
        ("POST", "…/verify", {"Authorization": "Bearer x"}),
    ],
)
def test_a_call_that_differs_fails(method: str, url: str, headers: dict[str, str]) -> None:
    with pytest.raises(AssertionError):
        play(asks_json()).calls(method, url, headers=headers)


def test_an_end_too_early_fails() -> None:
    with pytest.raises(AssertionError, match="expected the end"):
        play(asks_json()).returns("paid")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_play_without_an_end_proves_nothing() -> None:
    unfinished = play(asks_json())
    with pytest.raises(AssertionError, match="without an end"):
        unfinished.__del__()


def test_an_error_of_the_flow_itself_comes_through() -> None:
    with pytest.raises(KeyError):
        play(asks_json()).calls("POST", "…/verify").replies(200, {})


def refuses() -> Generator[Call, Reply, Refusal]:
    yield Call(url="https://bank.example/")
    return Refusal(cause=CodeClass.ISSUER, code="91", message="for people")


def test_a_refusal_is_known_by_its_cause_and_code() -> None:
    play(refuses()).calls("POST", "…/").replies(200).refuses(CodeClass.ISSUER, "91")
    with pytest.raises(AssertionError, match="refusal"):
        play(refuses()).calls("POST", "…/").replies(200).refuses(CodeClass.GATEWAY, "91")
    with pytest.raises(AssertionError, match="expected a refusal"):
        play(asks_json()).calls("POST", "…/verify").replies(200, {"state": "paid"}).refuses(
            CodeClass.ISSUER, "91"
        )


def test_malformed_is_not_any_error() -> None:
    with pytest.raises(AssertionError, match="expected MalformedReply"):
        play(asks_json()).malformed()
    assert issubclass(MalformedReply, Exception)
