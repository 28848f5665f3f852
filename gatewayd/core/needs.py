"""What a payment needs of a gateway beside taking its amount, and whether a contract can give it.

Whatever a shop asks for that a bank must enforce (who may pay, how, and where the money goes) binds the payment to the
gateways that can. What only helps (a mobile for the bank's list of saved cards) binds it to none.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gatewayd.core.terms import Capture, Method, Payer, Split, Traits
from gatewayd.core.values import changed

PERCENT: Final = 100
_NOBODY: Final = frozenset[str]()


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a gateway must be able to do."""

    methods: frozenset[Method] = frozenset()
    """One of these; empty: any."""
    checks: frozenset[str] = _NOBODY
    """Which of `mobile` and `national_id` must be the card owner's own."""
    cards: int = 0
    """Only one of so many cards may pay; 0: any card."""
    splits: tuple[Split, ...] = ()
    proves: bool = False
    """Prove the payment without taking it."""

    def met_by(self, traits: Traits, amount: int) -> bool:
        """Whether this contract can give all of it for `amount` rial."""
        return (
            (not self.methods or bool(self.methods & traits.methods))
            and self.checks <= traits.payer_checks
            and len(self.checks) <= traits.owner_checks_max
            and (
                not self.cards
                or ("allowed_cards" in traits.payer_checks and self.cards <= traits.cards_max)
            )
            and (not self.splits or _pays_out(traits, self.splits, amount))
            and (traits.proves or not self.proves)
        )

    def each(self) -> Iterator[tuple[str, str, "Needs"]]:
        """Every single need: the field that asks for it, what a gateway cannot do, and the rest without it."""
        if self.methods:
            yield "methods", "takes any of these methods", changed(self, methods=frozenset())
        for check, path in (("mobile", "payer.check_mobile"), ("national_id", "payer.national_id")):
            if check in self.checks:
                says = f"makes sure that the card is of the owner of this {check.replace('_', ' ')}"
                yield path, says, changed(self, checks=self.checks - {check})
        if self.cards:
            says = f"lets only {'this card' if self.cards == 1 else 'these cards'} pay"
            yield "payer.allowed_cards", says, changed(self, cards=0)
        if self.splits:
            yield "splits", "pays out to other accounts in these parts", changed(self, splits=())
        if self.proves:
            says = "proves a payment without taking it"
            yield "capture", says, changed(self, proves=False)


NONE: Final = Needs()
"""Of most payments."""


def needs_of(
    *,
    payer: Payer | None,
    methods: Iterable[str],
    splits: tuple[Split, ...],
    capture: Capture,
) -> Needs:
    """What a payment with these wishes needs."""
    checks = _NOBODY
    cards = 0
    if payer is not None:
        cards = len(payer.allowed_cards)
        if payer.national_id:
            checks |= {"national_id"}
        if payer.check_mobile:
            checks |= {"mobile"}
    proves = capture is Capture.MANUAL
    if not (checks or cards or methods or splits or proves):
        return NONE
    return Needs(
        methods=frozenset(Method(method) for method in methods),
        checks=checks,
        cards=cards,
        splits=splits,
        proves=proves,
    )


def payer_of(fields: Mapping[str, Any] | None) -> Payer | None:
    """The payer of a payment's private part; None where the shop said nothing of him, or he was erased."""
    if not fields:
        return None
    return Payer(**{**fields, "allowed_cards": tuple(fields.get("allowed_cards", ()))})


def _pays_out(traits: Traits, splits: tuple[Split, ...], amount: int) -> bool:
    """Whether this contract pays out in these parts of `amount`."""
    return (
        traits.splits
        and len(splits) <= traits.splits_max
        and min(split.amount for split in splits) >= traits.split_min
        and sum(split.amount for split in splits) * PERCENT <= amount * traits.splits_percent_max
    )
