"""What an operator may set, beside gateways and routing: every limit with its default and its reason.

These are plain frozen dataclasses; the configuration file is read into them, and nothing re-reads it afterwards.
Durations are seconds unless the name says otherwise, money is rial.
"""

from dataclasses import dataclass, field

from gatewayd.core.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopKey:
    """One API key of a shop. `secret` is the whole key, `gwk_live_…` or `gwk_test_…`."""

    id: str
    secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopSettings:
    """One shop in front of the daemon."""

    name: str
    keys: tuple[ShopKey, ...]
    return_secret: Secret
    """Signs what the customer's browser carries back to the shop."""
    return_hosts: tuple[str, ...]
    """Hosts (without port) that a payment's return_url may have."""
    allow_http: bool = False
    """Whether return_url may be http on hosts that are not loopback."""
    offer_retry: bool = True
    """Whether a customer whose payment failed is offered another gateway."""
    gateways: tuple[str, ...] = ()
    """Which gateways this shop may use; empty: all."""
    title: str = ""
    """What customers see as the shop's name; empty: the host they return to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSettings:
    """How payments live."""

    amount_min: int = 1_000
    """Below this no bank takes a payment."""
    amount_max: int = 2_000_000_000
    """The daily cap per payer is 200 million toman; more is a mistake in the shop."""
    expires_in_default: int = 1_200
    expires_in_min: int = 60
    expires_in_max: int = 86_400
    attempts_max: int = 8
    """A customer who failed this often will not succeed by one more try."""
    returns_max: int = 20
    """Distinct returns journaled per attempt, so that nobody can make the journal grow without bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How long the engine waits for banks, and how often it asks again."""

    start_deadline_seconds: float = 8.0
    """All token tries of one hand-over together; a customer leaves after about ten seconds."""
    connect_seconds: float = 3.0
    start_seconds: float = 5.0
    """One token call; leaves room for a second gateway within the deadline."""
    verify_seconds: float = 10.0
    """Verify, settle, reverse and refund: issuers behind the bank can be slow."""
    inquire_seconds: float = 5.0
    ask_before_retry_seconds: float = 2.0
    """How long a new attempt waits for word on the earlier ones; no answer is unknown."""
    return_wait_seconds: float = 8.0
    """How long a returning customer waits for the verify before the shop is told `processing`."""
    repeat_first_seconds: float = 1.0
    """The pause before a lost verify is asked again; it doubles each time…"""
    repeat_max_seconds: float = 60.0
    """…up to this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    """The journal's file and its limits."""

    path: str = "var/gatewayd.db"
    low_water_bytes: int = 268_435_456
    """Below this much free disk new payments are refused; what is open still fits."""
    ballast_bytes: int = 67_108_864
    """A file kept to be dropped when the disk is full all the same."""
    pace_seconds: float = 0.002
    """The least time between two commits: 500 a second at most; commits cost, events hardly."""
    queue_max: int = 100_000
    """Events waiting for a commit; beyond this new payments are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """The public listener's limits."""

    body_max_bytes: int = 65_536
    connections_per_address_max: int = 256
    """Not for trusted proxies, whose addresses stand for many customers."""
    requests_in_flight_max: int = 2_000
    """Above this new payments are refused before anything else suffers."""
    drain_seconds: float = 30.0
    """How long a stopping daemon lets what is in flight finish."""
    same_token_seconds: float = 20.0
    """A reload of the hand-over page within this time hands over the same token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """Everything but gateways and routing."""

    public_url: str
    shops: tuple[ShopSettings, ...]
    listen: str = "127.0.0.1:8080"
    internal_listen: str = "127.0.0.1:8081"
    trusted_proxies: tuple[str, ...] = ()
    payments: PaymentSettings = field(default_factory=PaymentSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    journal: JournalSettings = field(default_factory=JournalSettings)
    web: WebSettings = field(default_factory=WebSettings)
