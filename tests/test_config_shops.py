"""What may stand in a shop's part of the configuration: keys, limits, webhooks."""

import hashlib
from datetime import UTC, datetime

import pytest

from gatewayd.io.config import secrets_of
from tests.config_text import LIVE_KEY, changed, complaints, read, tree, written

DIGEST = hashlib.sha256(LIVE_KEY.encode()).hexdigest()


def keys_complaints(*keys: dict[str, object]) -> list[str]:
    found = complaints(changed("shops.0.keys", [dict(each) for each in keys]))
    return [each.partition(": ")[2] for each in found]


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ({"id": "k"}, "shops.0.keys.0: either secret or sha256 is wanted"),
        ({"id": "k", "secret": LIVE_KEY, "sha256": DIGEST}, "shops.0.keys.0: either secret or"),
        ({"id": "k", "sha256": DIGEST[1:]}, "shops.0.keys.0.sha256: must be like"),
        ({"id": "k", "secret": LIVE_KEY, "test": True}, "shops.0.keys.0.test: is for a key given"),
        ({"id": "k", "secret": LIVE_KEY, "scopes": ["all"]}, "shops.0.keys.0.scopes.0: must be"),
        (
            {"id": "k", "secret": LIVE_KEY, "not_after": "2027-03-21T00:00:00"},
            "shops.0.keys.0.not_after: a time with its zone is wanted",
        ),
    ],
)
def test_a_key_is_given_in_one_way_and_for_known_scopes(
    key: dict[str, object], complaint: str
) -> None:
    (found,) = keys_complaints(key)
    assert found.startswith(complaint)


def test_a_key_and_its_digest_are_the_same_key() -> None:
    assert ["shops.0.keys.1.sha256: another key is the same"] == keys_complaints(
        {"id": "a", "secret": LIVE_KEY}, {"id": "b", "sha256": DIGEST}
    )


def test_a_key_given_by_its_digest_is_recognised_and_not_known() -> None:
    key = {"id": "k", "sha256": DIGEST, "not_after": "2027-03-21T00:00:00+03:30"}
    shop = read(changed("shops.0.keys", [key])).service.shops[0]
    (found,) = shop.keys
    assert (bytes.fromhex(DIGEST), False, None) == (found.digest, found.is_test, found.secret)
    assert datetime(2027, 3, 20, 20, 30, tzinfo=UTC).timestamp() == found.ends_at


@pytest.mark.parametrize(
    "limits", [{"amount_min": 5_000, "amount_max": 4_000}, {"amount_max": 999}]
)
def test_limits_that_leave_no_amount_are_refused(limits: dict[str, int]) -> None:
    (found,) = complaints(changed("shops.0.limits", limits))
    assert found.endswith("shops.0.limits: leave no amount that could be paid")


HOOK: dict[str, object] = {
    "url": "https://shop.example/hooks",
    "secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
}


def hook_complaints(*receivers: dict[str, object], **shop: object) -> list[str]:
    data = tree()
    data["shops"][0] |= {"webhooks": list(receivers), **shop}
    return [each.partition(": ")[2] for each in complaints(written(data))]


@pytest.mark.parametrize(
    "receiver",
    [
        {},
        {"name": "stock", "events": ["payment.paid", "refund.created"], "test": True},
        {"url": "https://shop.example:8443/hooks?a=b"},
        {"secrets": ["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]},
    ],
)
def test_receivers_of_the_right_form_are_taken(receiver: dict[str, object]) -> None:
    assert [] == hook_complaints({**HOOK, **receiver})


@pytest.mark.parametrize(
    ("receiver", "complaint"),
    [
        ({"url": "ftp://shop.example/"}, "url: an address such as"),
        ({"url": "https://user:pw@shop.example/"}, "url: an address such as"),
        ({"url": "https://shop.example/#x"}, "url: an address such as"),
        ({"url": "http://shop.example/"}, "url: must begin with https, unless"),
        ({"url": "https://127.0.0.1/"}, "url: is within our own network"),
        ({"url": "https://localhost/"}, "url: is within our own network"),
        ({"secrets": []}, "secrets: at least 1 is wanted"),
        ({"secrets": ["whsec_MfKQ"]}, "secrets.0: whsec_ and the Base64 of 24 to 64"),
        ({"secrets": ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]}, "secrets.0: whsec_ and the Base64"),
        ({"secrets": ["whsec_!!!!9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]}, "secrets.0: whsec_ and the"),
        ({"events": ["payment.payed"]}, "events.0: one of payment.created, "),
    ],
)
def test_receivers_that_could_not_work_are_refused(
    receiver: dict[str, object], complaint: str
) -> None:
    (found,) = hook_complaints({**HOOK, **receiver})
    assert found.startswith(f"shops.0.webhooks.0.{complaint}")


def test_a_shop_in_the_same_network_may_say_so() -> None:
    for url in ("http://shop.example/", "http://127.0.0.1:8090/", "https://10.0.0.7/"):
        assert [] == hook_complaints({**HOOK, "url": url}, private_webhooks=True)


def test_receivers_of_a_shop_have_names_of_their_own() -> None:
    assert ["shops.0.webhooks.1.name: another of its receivers is so"] == [
        each.replace("webhooks.1: ", "webhooks.1.name: ") for each in hook_complaints(HOOK, HOOK)
    ]


def test_secrets_of_receivers_are_hidden_like_all_others() -> None:
    data = tree()
    data["shops"][0]["webhooks"] = [HOOK]
    known = {secret.reveal() for secret in secrets_of(read(written(data)))}
    assert "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" in known
