"""Requests as banks read them, and addresses as browsers leave by."""

import pytest

from gatewayd.core.terms import Redirect
from gatewayd.simulator.incoming import add_query, departure, read_fields, read_request

FORM = {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"}


def test_a_request_is_taken_apart() -> None:
    driver, request = read_request(
        method="POST",
        target="/saman/OnlinePG/Send%54oken?token=a%2Bb&token=c&empty=",
        origin="http://127.0.0.1:9100",
        headers=FORM,
        body=b"RefNum=x+y%2Bz&name=%D8%B3",
    )
    assert "saman" == driver
    assert "/OnlinePG/SendToken" == request.path
    assert "http://127.0.0.1:9100/saman" == request.base_url
    assert {"token": "a+b", "empty": ""} == request.query
    assert {"RefNum": "x y+z", "name": "س"} == request.form


@pytest.mark.parametrize(
    ("target", "driver", "path"),
    [
        ("/saman", "saman", "/"),
        ("/saman/", "saman", "/"),
        ("/", "", "/"),
        ("http://bank.example/saman/a?b=c", "saman", "/a"),
        ("*", "", "/"),
    ],
)
def test_odd_targets_are_read_too(target: str, driver: str, path: str) -> None:
    found, request = read_request(method="GET", target=target, origin="", headers={}, body=b"")
    assert (driver, path) == (found, request.path)


def test_only_a_form_has_fields() -> None:
    _, request = read_request(
        method="POST", target="/a/b", origin="", headers={"content-type": "text/xml"}, body=b"a=b"
    )
    assert {} == request.form
    assert b"a=b" == request.body


def test_bytes_that_are_no_text_do_no_harm() -> None:
    _, request = read_request(
        method="POST", target="/a/b?x=%ff", origin="", headers=FORM, body=b"y=\xff&%zz"
    )
    assert ({"x": "\ufffd"}, {"y": "\ufffd", "%zz": ""}) == (request.query, request.form)


def test_an_absurd_number_of_fields_is_none() -> None:
    assert {} == read_fields("&".join(f"f{number}=1" for number in range(201)))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://shop.example/cb", "https://shop.example/cb?a=1&b=x+y%2Bz"),
        ("https://shop.example/cb?", "https://shop.example/cb?a=1&b=x+y%2Bz"),
        ("https://shop.example/cb?own=1", "https://shop.example/cb?own=1&a=1&b=x+y%2Bz"),
        ("https://shop.example/cb?own=1&", "https://shop.example/cb?own=1&a=1&b=x+y%2Bz"),
        ("https://shop.example/cb#top", "https://shop.example/cb?a=1&b=x+y%2Bz#top"),
    ],
)
def test_a_query_is_added_to_what_is_there(url: str, expected: str) -> None:
    assert expected == add_query(url, {"a": "1", "b": "x y+z"})
    assert url == add_query(url, {})


def test_a_browser_leaves_by_get_with_a_query_and_by_post_with_a_form() -> None:
    fields = {"Token": "t"}
    url = "https://shop.example/cb?own=1"
    by_get = departure(Redirect(token="t", url=url, method="get", fields=fields))
    assert ("GET", url + "&Token=t", {}) == (by_get.method, by_get.url, by_get.form)
    by_post = departure(Redirect(token="t", url=url, method="post", fields=fields))
    assert ("POST", url, fields) == (by_post.method, by_post.url, by_post.form)
