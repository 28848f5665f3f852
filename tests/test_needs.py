"""What binds a payment to some gateways: a table of needs and contracts."""

from typing import Any

import pytest

from gatewayd.core.cards import may_be
from gatewayd.core.needs import NONE, Needs, needs_of, payer_of
from gatewayd.core.terms import Capture, Method, Payer, Split, Traits
from tests.histories import traits

AMOUNT = 1_000_000
IBAN = "IR710570029971601460641001"


def parts(*amounts: int) -> tuple[Split, ...]:
    return tuple(Split(iban=IBAN, amount=amount) for amount in amounts)


def wanted(**wishes: Any) -> Needs:
    plain: dict[str, Any] = {
        "payer": None,
        "methods": (),
        "splits": (),
        "capture": Capture.AUTOMATIC,
    }
    return needs_of(**{**plain, **wishes})


EVERYTHING = traits(
    payer_checks=frozenset({"mobile", "national_id", "allowed_cards"}), splits=True, proves=True
)
OWNER = Payer(mobile="09121234567", national_id="0012345679", check_mobile=True)
CARDS = Payer(allowed_cards=("6219861034529007", "5022291000005995"))


def test_a_plain_payment_needs_nothing_and_nothing_is_made_for_it() -> None:
    assert NONE is wanted()
    assert NONE is wanted(payer=Payer(mobile="09121234567", email="a@b.example", name="A"))
    assert NONE.met_by(traits(), AMOUNT)
    assert [] == list(NONE.each())


@pytest.mark.parametrize(
    ("needs", "can", "cannot"),
    [
        (wanted(methods=("wallet", "card")), traits(), traits(methods=frozenset({Method.CREDIT}))),
        (
            wanted(payer=Payer(national_id="0012345679")),
            traits(payer_checks=frozenset({"national_id"})),
            traits(payer_checks=frozenset({"mobile", "allowed_cards"})),
        ),
        (
            wanted(payer=Payer(mobile="09121234567", check_mobile=True)),
            traits(payer_checks=frozenset({"mobile"})),
            traits(payer_checks=frozenset({"national_id", "allowed_cards"})),
        ),
        (
            wanted(payer=OWNER),
            EVERYTHING,
            traits(payer_checks=frozenset({"mobile", "national_id"}), owner_checks_max=1),
        ),
        (wanted(payer=CARDS), EVERYTHING, traits()),
        (
            wanted(payer=CARDS),
            traits(payer_checks=frozenset({"allowed_cards"}), cards_max=2),
            traits(payer_checks=frozenset({"allowed_cards"}), cards_max=1),
        ),
        (wanted(splits=parts(1)), EVERYTHING, traits()),
        (
            wanted(splits=parts(1, 2)),
            traits(splits=True, splits_max=2),
            traits(splits=True, splits_max=1),
        ),
        (
            wanted(splits=parts(10_000, 20_000)),
            traits(splits=True, split_min=10_000),
            traits(splits=True, split_min=10_001),
        ),
        (
            wanted(splits=parts(990_000)),
            traits(splits=True, splits_percent_max=99),
            traits(splits=True, splits_percent_max=98),
        ),
        (wanted(splits=parts(AMOUNT)), EVERYTHING, traits(splits=True, splits_percent_max=99)),
        (wanted(capture=Capture.MANUAL), EVERYTHING, traits()),
    ],
)
def test_a_need_is_met_by_who_can_and_by_nobody_else(
    needs: Needs, can: Traits, cannot: Traits
) -> None:
    assert needs.met_by(can, AMOUNT)
    assert not needs.met_by(cannot, AMOUNT)


def test_a_faces_payment_needs_no_proof() -> None:
    assert NONE is wanted(capture=Capture.ON_VERIFY)


def test_every_need_is_named_by_its_field_and_can_be_left_out() -> None:
    payer = Payer(
        mobile="09121234567",
        national_id="0012345679",
        check_mobile=True,
        allowed_cards=("6219861034529007",),
    )
    needs = wanted(payer=payer, methods=("card",), splits=parts(5), capture=Capture.MANUAL)
    named = {path: rest for path, _, rest in needs.each()}
    assert [
        "methods",
        "payer.check_mobile",
        "payer.national_id",
        "payer.allowed_cards",
        "splits",
        "capture",
    ] == list(named)
    for path, rest in named.items():
        assert path not in {other for other, _, _ in rest.each()}
        assert len(named) - 1 == len(list(rest.each()))


def test_a_payer_who_was_erased_binds_nothing() -> None:
    assert payer_of(None) is None
    assert payer_of({}) is None
    assert NONE is wanted(payer=payer_of({}))


ALLOWED = ("6219861034529007", "5022291000005995")


@pytest.mark.parametrize(
    ("masked", "expected"),
    [
        ("621986******9007", True),
        ("621986****9007", True),
        ("62198****07", True),
        ("502229******5995", True),
        ("6219861034529007", True),
        ("621986******5995", False),
        ("502229******9007", False),
        ("621986******9008", False),
        ("621985******9007", False),
        ("6219861034529008", False),
        ("****9007", True),
        ("****9008", False),
        ("", False),
        ("****", True),
    ],
)
def test_a_masked_card_may_be_one_that_is_allowed(masked: str, expected: bool) -> None:
    assert expected is may_be(masked, ALLOWED)
