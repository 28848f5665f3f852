"""The attempts whose outcome may still come: bounded in number and in age, since many never return.

An attempt is filed under what it is now known to be; a later word that says more (a genuine return after a forged
one, a verify after a claim) moves it, so that the window always counts each attempt once.
"""

from collections import OrderedDict, deque
from collections.abc import Hashable
from enum import Enum, auto

from gatewayd.routing.meter import Meter
from gatewayd.routing.settings import RoutingSettings
from gatewayd.routing.window import BUCKET_SECONDS, Bucket


class Outcome(Enum):
    """What became of an attempt, as far as the score cares."""

    AWAY = auto()
    """The payer has not come back."""
    PAID = auto()
    PAYER = auto()
    """The payer came back without paying, by his own or his bank's doing: the gateway worked."""
    FAILED = auto()
    """The gateway failed."""


class Attempt:
    """One attempt after its token step."""

    __slots__ = ("amount", "began_at", "bucket", "in_flight", "meter", "outcome")

    def __init__(self, now: float, bucket: Bucket, meter: Meter, amount: int) -> None:
        self.began_at = now
        self.bucket = bucket
        self.meter = meter
        self.amount = amount
        self.in_flight = True
        self.outcome = Outcome.AWAY

    def file(self, now: float, outcome: Outcome) -> None:
        """Moves the attempt from what it was counted as to `outcome`."""
        if outcome is self.outcome:
            return
        bucket = self.bucket
        if self.outcome is Outcome.AWAY:
            bucket.returned += 1
            bucket.delays.append(int((now - self.began_at) // BUCKET_SECONDS))
        bucket.paid += (outcome is Outcome.PAID) - (self.outcome is Outcome.PAID)
        bucket.failed += (outcome is Outcome.FAILED) - (self.outcome is Outcome.FAILED)
        if self.amount:
            counted = self.outcome is Outcome.AWAY or self.outcome is Outcome.PAID
            counts = outcome is Outcome.PAID
            if counts is not counted:
                self.meter.add(now, self.amount if counts else -self.amount)
        self.outcome = outcome
        self.land()

    def land(self) -> None:
        """The payer is not at the bank any more."""
        if self.in_flight:
            self.in_flight = False
            self.meter.in_flight -= 1


class Attempts:
    """All attempts that may still return, oldest first."""

    def __init__(self, settings: RoutingSettings) -> None:
        self._settings = settings
        self._known: OrderedDict[Hashable, Attempt] = OrderedDict()
        self._flying: deque[Attempt] = deque()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: Hashable) -> Attempt | None:
        """The attempt, or None if it is unknown or was forgotten."""
        return self._known.get(key)

    def add(self, now: float, key: Hashable, attempt: Attempt) -> None:
        """An attempt whose payer goes to the bank now. One with the same key is replaced."""
        earlier = self._known.pop(key, None)
        if earlier is not None:
            self._drop(now, earlier)
        if len(self._known) >= self._settings.attempts_max:
            self._drop(now, self._known.popitem(last=False)[1])
        attempt.meter.in_flight += 1
        attempt.meter.add(now, attempt.amount)
        self._known[key] = attempt
        self._flying.append(attempt)

    def forget(self, now: float) -> None:
        """Lets go of what is too old: payers who left, attempts that never return."""
        left_before = now - self._settings.in_flight_seconds
        while self._flying and (
            not self._flying[0].in_flight or self._flying[0].began_at < left_before
        ):
            self._flying.popleft().land()
        lapsed_before = now - self._settings.attempt_seconds
        while self._known:
            key, attempt = next(iter(self._known.items()))
            if attempt.began_at >= lapsed_before:
                break
            del self._known[key]
            self._drop(now, attempt)

    def _drop(self, now: float, attempt: Attempt) -> None:
        attempt.land()
        if attempt.outcome is Outcome.AWAY and attempt.amount:
            attempt.meter.add(now, -attempt.amount)
