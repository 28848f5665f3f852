"""What goes wrong at the banks, on order: faults as data, and which of them strikes a request.

Pure: `now` and the dice come in as arguments. A fault strikes one driver or all, one operation or
all, with a probability, and lasts for some seconds or until it is taken back.
"""

import random
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from gatewayd.core.terms import Operation

EVERY_DRIVER: Final = "*"
FAULTS_MAX: Final = 1000
"""More at once is a loop gone wrong, and each of them costs every request a little."""
SECONDS_MAX: Final = 10_000_000.0
SLOW_SECONDS: Final = 5.0
"""How slow `slow` and `slow_drip` are without a value."""


class Kind(StrEnum):
    """What can go wrong."""

    REFUSE = "refuse"
    """The connection is reset at the request line: nothing happened."""
    HANG = "hang"
    """The request is taken and never answered: nothing happened."""
    RESET_AFTER_SEND = "reset_after_send"
    """The connection is reset after the whole request came: nothing happened, but who can tell."""
    ERROR500 = "error500"
    """HTTP 500 with a web server's error page: nothing happened."""
    HTML = "html"
    """HTTP 200 with a page that says that the service is being maintained: nothing happened."""
    CAPACITY = "capacity"
    """Up to `value` calls a second succeed; what is beyond gets HTTP 503 and has no effect."""
    SLOW = "slow"
    """It happens at once, and the answer comes `value` seconds later."""
    SLOW_DRIP = "slow_drip"
    """It happens at once, and the answer's body drips in over `value` seconds."""
    DROP_REPLY = "drop_reply"
    """It happens, and the connection is cut instead of an answer."""
    TRUNCATED = "truncated"
    """It happens, and half of the answer's body comes."""
    EMPTY = "empty"
    """It happens, and the answer's body is empty."""
    WRONG_CHARSET = "wrong_charset"
    """It happens, and the answer comes in UTF-16 under its old label."""
    PAGE_DOWN = "page_down"
    """The payment page is dead: payers never come back."""
    BROWNOUT = "brownout"
    """Payers who try to pay fail at the switch."""


PAYER_KINDS: Final = frozenset({Kind.PAGE_DOWN, Kind.BROWNOUT})
"""Strike payers, not merchants' calls."""
NEEDS_VALUE: Final = frozenset({Kind.CAPACITY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One order for trouble."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    driver: str
    """A driver's name, or `*` for all."""
    kind: Kind
    operation: Operation | None = None
    """None: every call; payers' kinds have none."""
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    seconds: Annotated[float, Field(gt=0, le=SECONDS_MAX)] | None = None
    """How long it lasts; None: until it is taken back."""
    value: Annotated[float, Field(ge=0, le=SECONDS_MAX)] | None = None
    """Calls a second for `capacity`, seconds for `slow` and `slow_drip`."""


class BadFault(ValueError):
    """An order that cannot be carried out; `field` names what is wrong in it."""

    def __init__(self, field_name: str, message: str) -> None:
        super().__init__(f"{field_name}: {message}" if field_name else message)
        self.field = field_name
        self.message = message


_READER: Final = TypeAdapter(Fault)


def read_fault(document: object, drivers: frozenset[str]) -> Fault:
    """The order in a JSON document; BadFault names the field that is wrong."""
    if not isinstance(document, dict):
        raise BadFault("", "the body must be a JSON object")
    try:
        fault = _READER.validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadFault(str(first["loc"][0]), first["msg"]) from None
    if fault.driver != EVERY_DRIVER and fault.driver not in drivers:
        known = ", ".join(sorted(drivers))
        raise BadFault("driver", f"must be {EVERY_DRIVER!r} or one of {known}")
    if fault.kind in NEEDS_VALUE and fault.value is None:
        raise BadFault("value", f"{fault.kind} needs a value")
    if fault.kind in PAYER_KINDS and fault.operation is not None:
        raise BadFault("operation", f"{fault.kind} strikes payers, not calls")
    return fault


@dataclass(slots=True)
class _Active:
    """A fault at work."""

    fault: Fault
    until: float | None
    second: int = 0
    """The second that `calls` counts."""
    calls: int = 0

    def full(self, now: float) -> bool:
        """Whether this second's capacity is used up; counts the call if not."""
        assert self.fault.value is not None
        if int(now) != self.second:
            self.second, self.calls = int(now), 0
        if self.calls >= self.fault.value:
            return True
        self.calls += 1
        return False


class Faults:
    """The faults at work, in the order in which they were given; the first that strikes counts."""

    def __init__(self) -> None:
        self._active: list[_Active] = []

    def add(self, fault: Fault, now: float) -> None:
        """Let it begin; BadFault where there are too many already."""
        self._expire(now)
        if len(self._active) >= FAULTS_MAX:
            raise BadFault("", f"there are {FAULTS_MAX} faults already")
        until = None if fault.seconds is None else now + fault.seconds
        self._active.append(_Active(fault, until))

    def clear(self) -> None:
        """End all of them."""
        self._active.clear()

    def listed(self, now: float) -> list[dict[str, Any]]:
        """The faults at work as they were given, each with what is left of its seconds."""
        self._expire(now)
        return [
            asdict(active.fault)
            | {"seconds_left": None if active.until is None else active.until - now}
            for active in self._active
        ]

    def strike_call(
        self, driver: str, operation: Operation | None, now: float, rng: random.Random
    ) -> Fault | None:
        """What goes wrong with this call of a merchant, if anything."""
        if not self._active:
            return None
        self._expire(now)
        for active in self._active:
            fault = active.fault
            if (
                fault.kind not in PAYER_KINDS
                and fault.driver in (EVERY_DRIVER, driver)
                and fault.operation in (None, operation)
                and _happens(fault, rng)
                and (fault.kind is not Kind.CAPACITY or active.full(now))
            ):
                return fault
        return None

    def strikes_payer(self, kind: Kind, driver: str, now: float, rng: random.Random) -> bool:
        """Whether this payer at this bank meets that kind of trouble."""
        assert kind in PAYER_KINDS
        if not self._active:
            return False
        self._expire(now)
        return any(
            active.fault.kind is kind
            and active.fault.driver in (EVERY_DRIVER, driver)
            and _happens(active.fault, rng)
            for active in self._active
        )

    def _expire(self, now: float) -> None:
        self._active = [a for a in self._active if a.until is None or now < a.until]


def _happens(fault: Fault, rng: random.Random) -> bool:
    return fault.probability >= 1 or rng.random() < fault.probability
