"""What may go wrong in a world and how often: every fault is an option, and none of them may cost anybody a rial.

A chance is per occasion (a call, a payer, a payment); a number ending in `_an_hour` is how often it is to be expected
in one hour. The defaults are far worse than any real day.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Final, Self

LIMITS: Final = {"payments": 100_000, "crashes": 1_000, "hours": 1_000}


class BadOption(ValueError):
    """An option that there is not, or a value that it cannot have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One world's troubles."""

    hours: float = 1.0
    """How long people come and things go wrong; what follows is quiet."""
    payments: int = 60
    """In all of that time together."""
    crashes: int = 3
    """Deaths at a random step: an await, a write that lands, is torn or not begun, a call that leaves or not."""
    crash_in_recovery: float = 0.25
    """A process that has just come back dies again at one of its first steps."""

    # the network, per call of ours to a bank
    refused: float = 0.02
    """Nobody listens."""
    connect_timeout: float = 0.01
    reset_before: float = 0.01
    """The connection is lost before anything was sent."""
    reset_after: float = 0.015
    """…after everything was sent, without effect."""
    timeout_before: float = 0.015
    """No answer in time, and no effect."""
    timeout_after: float = 0.02
    """No answer in time, but it took effect."""
    late_effect: float = 0.01
    """No answer in time, and it takes effect when we have long given up on it."""
    lost_reply: float = 0.03
    """It takes effect, and the connection ends instead of an answer."""
    slow: float = 0.04
    """The answer needs seconds."""
    drip: float = 0.005
    """The answer begins and never ends."""
    truncated: float = 0.005
    empty: float = 0.005
    html_before: float = 0.005
    """A page of HTML instead of an effect."""
    html_after: float = 0.01
    """A page of HTML after the effect."""
    wrong_charset: float = 0.005
    error_500_before: float = 0.01
    error_500_after: float = 0.01
    outages_an_hour: float = 2.0
    """A bank that for minutes refuses, hangs, drops replies, shows HTML, loses payers or declines them all."""

    # the banks
    panel_verifies: float = 0.01
    """Somebody at the bank's panel verifies a payment before us: "already verified"."""
    other_amount: float = 0.01
    """The bank takes another amount than was ordered."""
    settle_refused: float = 0.03
    """The bank gives a verified payment back instead of settling it."""
    reverse_refused: float = 0.03
    """The bank has paid out already what it is to give back."""
    reverse_late: float = 0.03
    """The bank's time for giving back is over before ours."""
    receipts_repeat: float = 0.01
    """The bank's receipt bears the RRN of an older one."""

    # the shops' receivers of webhooks
    shop_is_told: float = 0.5
    """Whether one of the shops has a receiver at all, in a world."""
    receiver_refuses: float = 0.08
    """Nobody listens, or it says that it cannot, or that this is too much."""
    receiver_dallies: float = 0.04
    """It takes what it is told, after seconds."""
    receiver_forgets_to_answer: float = 0.05
    """It takes what it is told, and does not say so, or so late that nobody listens any more."""
    receiver_outages_an_hour: float = 0.7
    """For minutes it is not there at all."""

    # the disk
    fsync_errors_an_hour: float = 0.4
    """A commit fails, written or not, and the process stops."""
    disk_full_an_hour: float = 0.2
    """For a minute or so nothing can be written."""
    slow_disk: float = 0.02
    """A commit takes up to a second."""

    # the machine and its operators
    reloads_an_hour: float = 0.7
    """The daemon is stopped in order and started with other settings, perhaps with a gateway retired."""
    clock_jumps_an_hour: float = 1.0
    """The wall clock jumps, back or forth, by seconds or minutes."""
    clock_jumps_again: float = 0.3
    """…and once more within a minute."""
    forcings_an_hour: float = 1.0
    """An operator forces a gateway open or closed, or takes that back."""
    orders_an_hour: float = 3.0
    """An operator asks a bank about a payment, or gives its money back."""

    journal_verified: float = 0.05
    """In the end an operator has the whole journal verified, written into a file as it came."""

    # payers
    cancels: float = 0.05
    declined: float = 0.08
    leaves: float = 0.06
    """Closes the tab without having paid."""
    closes_the_tab: float = 0.09
    """Pays and never comes back."""
    dawdles: float = 0.06
    """Takes minutes, or more time than the bank gives."""
    returns_late: float = 0.04
    """The browser comes back minutes or hours after the payment."""
    returns_twice: float = 0.08
    """From two tabs at once, or again later."""
    returns_reordered: float = 0.03
    """The browser comes back only after it has come back from the next attempt, if there is one."""
    references_reused: float = 0.02
    """Brings the reference of an old receipt with a return that is genuine otherwise."""
    clicks_twice: float = 0.08
    """On whatever leads to our page."""
    second_tab: float = 0.12
    """Opens the payment again elsewhere, and may pay there as well."""
    hangs_up: float = 0.03
    """Does not wait for our answer."""
    forges: float = 0.12
    """Sends made-up returns to genuine addresses, before, instead of or after paying."""

    # shops
    shop_cancels: float = 0.08
    shop_polls: float = 0.15
    shop_holds: float = 0.1
    """Wants to capture by itself what is paid."""
    shop_has_a_face: float = 0.12
    """Speaks as a face's caller does: nothing is taken before it verifies."""
    shop_verifies_twice: float = 0.15
    """…at once, as a customer who reloads its page makes it."""
    shop_reverses: float = 0.2
    """A face's shop wants all of a verified payment to go back, at once or an hour later, and asks again."""
    shop_reverses_twice: float = 0.2
    """…twice at the same time."""
    shop_dallies: float = 0.2
    """Gives its word minutes or hours after the payment."""
    shop_forgets: float = 0.2
    """Never gives its word."""
    shop_invoices: float = 0.03
    """Makes an invoice instead, for one payment, for so many or for as many as come."""
    shop_stops_invoices: float = 0.25
    """…and stops it, perhaps while a customer pays."""
    comes_to_old_invoices: float = 0.2
    """Presses an invoice's button when its time is over."""
    shop_repeats: float = 0.06
    """Creates the same order twice at the same time."""
    shop_refunds: float = 0.2
    """Asks for what was paid back: all of it, parts, too much, several times over, twice with one key."""

    @classmethod
    def calm(cls, **more: float) -> Self:
        """Nothing goes wrong and everybody pays, but for what is given."""
        kept = {"hours", "payments"}
        quiet = {each.name: 0 for each in fields(cls) if each.name not in kept}
        return cls(**{**quiet, **more})  # type: ignore[arg-type]  # by name, and all are numbers

    def changed(self, texts: Iterable[str]) -> Self:
        """With `name=value` texts carried out; BadOption for one that makes no sense."""
        changes: dict[str, float] = {}
        for text in texts:
            name, equals, value = text.partition("=")
            known = {each.name: each.type for each in fields(self)}
            if not equals or name not in known:
                raise BadOption(
                    f"{text!r} is not like lost_reply=0.1; there are {', '.join(known)}"
                )
            try:
                number = int(value) if known[name] is int else float(value)
            except ValueError:
                raise BadOption(f"{name}: {value!r} is not a number") from None
            most = LIMITS.get(name, 1_000 if name.endswith("_an_hour") else 1)
            if not 0 <= number <= most:
                raise BadOption(f"{name}: must be between 0 and {most}")
            changes[name] = number
        return replace(self, **changes)  # type: ignore[arg-type]  # by name, each of its type

    def differing(self) -> list[str]:
        """The options that are not as they usually are, as texts."""
        return [
            f"{each.name}={getattr(self, each.name):g}"
            for each in fields(self)
            if getattr(self, each.name) != each.default
        ]
