"""What may stand in a shop's part of the configuration: keys, limits, webhooks."""

import hashlib
from datetime import UTC, datetime

import pytest

from tests.config_text import LIVE_KEY, changed, complaints, read

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
