"""What an operator may set, beside gateways and routing: each limit with its default and reason.

These are plain frozen dataclasses; the configuration file is read into them, and nothing re-reads
it afterwards. Durations are seconds unless the name says otherwise, money is rial. The annotations
hold the bounds that the reader of the file enforces; what must hold between fields is checked there
too. Code that builds one by hand is trusted.
"""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from gatewayd.core.hosts import host, is_host, listen, network, origin
from gatewayd.core.news import NEWS
from gatewayd.core.secret import Secret
from gatewayd.core.signing import webhook_secret

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Rial = Annotated[int, Field(ge=1, le=2**53)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Bytes = Annotated[int, Field(ge=0, le=2**40)]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
"""What shops, gateways and keys are called; it stands in logs, metrics and addresses."""
Host = Annotated[str, AfterValidator(host)]
Listen = Annotated[str, AfterValidator(listen)]
Network = Annotated[str, AfterValidator(network)]
Origin = Annotated[str, AfterValidator(origin)]

TEST_KEY: Final = "gwk_test_"
"""How keys begin that move no real money."""
_KEY = re.compile(r"gwk_(?:test_[\x21-\x7e]{4,200}|live_[\x21-\x7e]{22,200})")
"""22 random characters of 64 are 128 bits; a test key guards nothing but must not be empty."""


def shop_key(secret: Secret) -> Secret:
    """A shop's key, if it is of the right form."""
    if not _KEY.fullmatch(secret.reveal()):
        raise ValueError("gwk_live_ and 22 random characters are wanted, or gwk_test_ and 4")
    return secret


def moment(text: str) -> str:
    """A time of day and date that is the same everywhere."""
    try:
        known = datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        known = False
    if not known:
        raise ValueError("a time with its zone is wanted, such as 2027-03-21T00:00:00Z")
    return text


class Scope(StrEnum):
    """What a key may be used for."""

    PAYMENTS_READ = "payments:read"
    PAYMENTS_WRITE = "payments:write"
    """Create, capture, cancel."""
    REFUNDS_WRITE = "refunds:write"
    GATEWAYS_READ = "gateways:read"
    EVENTS_READ = "events:read"
    EVENTS_WRITE = "events:write"
    """Have events sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopKey:
    """One API key of a shop: the whole of it (`gwk_live_…` or `gwk_test_…`), or its SHA-256 alone.

    Plain SHA-256 is right here, unlike for passwords: 128 random bits are not found by trying, and every request
    would pay for a slow hash.
    """

    id: Name
    secret: Annotated[Secret, AfterValidator(shop_key)] | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """In place of `secret`: whoever reads the configuration cannot use the key."""
    test: bool = False
    """With `sha256`, which does not tell: whether it is a test key."""
    scopes: tuple[Scope, ...] = ()
    """What it may be used for; empty: everything."""
    not_after: Annotated[str, AfterValidator(moment)] | None = None
    """From when on it is no good any more."""

    @property
    def is_test(self) -> bool:
        """Whether it reaches test gateways, and only those."""
        return self.test if self.secret is None else self.secret.reveal().startswith(TEST_KEY)

    @property
    def digest(self) -> bytes:
        """What it is recognised by."""
        if self.secret is None:
            return bytes.fromhex(self.sha256 or "")
        return hashlib.sha256(self.secret.reveal().encode()).digest()

    @property
    def ends_at(self) -> float | None:
        """`not_after` in seconds since 1970 UTC."""
        return (
            None if self.not_after is None else datetime.fromisoformat(self.not_after).timestamp()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopLimits:
    """What one shop may do, within what the service allows."""

    payments_per_minute: Count | None = None
    """New payments, live and test together; so many may come at once after a quiet minute."""
    amount_min: Rial | None = None
    amount_max: Rial | None = None


def receiver_url(text: str) -> str:
    """Where a receiver of webhooks listens."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and is_host(parts.hostname or "")
        usable &= parts.port != 0 and "@" not in parts.netloc and "#" not in text
    except ValueError:
        usable = False
    if not usable or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("an address such as https://shop.example/hooks is wanted")
    return text


def news(name: str) -> str:
    """What a receiver of webhooks can be told of."""
    if name not in NEWS:
        raise ValueError(f"one of {', '.join(NEWS)} is wanted")
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverSettings:
    """One address of a shop that is told what happens."""

    url: Annotated[str, AfterValidator(receiver_url)]
    secrets: Annotated[
        tuple[Annotated[Secret, AfterValidator(webhook_secret)], ...], Field(min_length=1)
    ]
    """Each signs every webhook, so that they can be changed without a pause."""
    name: Name = "main"
    """What it is called in logs and commands; what is not delivered yet is kept under it."""
    events: tuple[Annotated[str, AfterValidator(news)], ...] = ()
    """What it is told of; empty: everything."""
    test: bool | None = None
    """Whether it is told of test payments instead of live ones; None: if the shop has test keys only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZarinpalFace:
    """The shop speaks ZarinPal v4 to this daemon."""

    merchant_id: Annotated[str, Field(pattern=r"^[a-f0-9]{8}(-[a-f0-9]{4}){3}-[a-f0-9]{12}$")]
    """By which the shop is known; whoever has it can ask for payments in its name."""
    test: bool | None = None
    """Only gateways with `test: true`, and no others. None: if the shop has test keys only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZibalFace:
    """The shop speaks Zibal v1 to this daemon."""

    merchant: Annotated[str, Field(min_length=1, max_length=100)]
    """By which the shop is known."""
    test: bool | None = None
    """As ZarinpalFace's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faces:
    """What else than its own API the daemon speaks to a shop."""

    zarinpal: ZarinpalFace | None = None
    zibal: ZibalFace | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopSettings:
    """One shop in front of the daemon."""

    name: Name
    keys: Annotated[tuple[ShopKey, ...], Field(min_length=1)]
    return_secret: Secret
    """Signs what the customer's browser carries back to the shop."""
    return_hosts: Annotated[tuple[Host, ...], Field(min_length=1)]
    """Hosts (without port) that a payment's return_url may have."""
    allow_http: bool = False
    """Whether return_url may be http on hosts that are not loopback."""
    offer_retry: bool = True
    """Whether a customer whose payment failed is offered another gateway."""
    gateways: tuple[str, ...] = ()
    """Which gateways this shop may use; empty: all."""
    title: str = ""
    """What customers see as the shop's name; empty: the host they return to."""
    limits: ShopLimits = field(default_factory=ShopLimits)
    faces: Faces = field(default_factory=Faces)
    """Services whose protocol this shop may speak instead of our own API."""
    webhooks: tuple[ReceiverSettings, ...] = ()
    private_webhooks: bool = False
    """Whether its webhooks may go to addresses within our own network, and there by plain http."""

    @property
    def is_for_tests(self) -> bool:
        """Whether it cannot move real money."""
        return all(key.is_test for key in self.keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSettings:
    """How payments live."""

    amount_min: Rial = 1_000
    """Below this no bank takes a payment."""
    amount_max: Rial = 2_000_000_000
    """The daily cap per payer is 200 million toman; more is a mistake in the shop."""
    expires_in_default: Annotated[int, Field(ge=60, le=86_400)] = 1_200
    expires_in_min: Annotated[int, Field(ge=60, le=86_400)] = 60
    expires_in_max: Annotated[int, Field(ge=60, le=86_400)] = 86_400
    attempts_max: Count = 8
    """A customer who failed this often will not succeed by one more try."""
    returns_max: Count = 20
    """Distinct returns journaled per attempt: nobody can make the journal grow without bound."""

    def amounts_of(self, shop: ShopSettings) -> tuple[int, int]:
        """The least and the largest payment of a shop, in rial; nothing can be paid where the first is more."""
        limits = shop.limits
        least = max(self.amount_min, limits.amount_min or 0)
        return least, min(self.amount_max, limits.amount_max or self.amount_max)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceSettings:
    """How long invoices live, and how large they may be."""

    expires_in_default: Annotated[int, Field(ge=60, le=31_536_000)] = 2_592_000
    """Seconds, where its shop names neither a due date nor an end: thirty days."""
    expires_in_max: Annotated[int, Field(ge=60, le=315_360_000)] = 31_536_000
    """A year: who pays later should be asked anew."""
    lines_max: Annotated[int, Field(ge=1, le=500)] = 100
    """Rows: more than a page on a phone should hold, and a body of 64 KiB can."""
    payments_max: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    """The most payments that one that takes so many can want; each is a look at the journal when the next begins."""
    open_max: Count = 10_000
    """Payments of one that takes as many as come that may be open at a time: some 20 megabytes."""
    begun_per_minute: Count = 60
    """New payments that one address may begin by invoices' pages, which ask for no key: many customers of a mobile
    network share one, and a machine that does nothing else must not fill the journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How long the engine waits for banks, and how often it asks again."""

    start_deadline_seconds: Seconds = 8.0
    """All token tries of one hand-over together; a customer leaves after about ten seconds."""
    connect_seconds: Seconds = 3.0
    start_seconds: Seconds = 5.0
    """One token call; leaves room for a second gateway within the deadline."""
    verify_seconds: Seconds = 10.0
    """Verify, settle, reverse and refund: issuers behind the bank can be slow."""
    inquire_seconds: Seconds = 5.0
    ask_before_retry_seconds: Seconds = 2.0
    """How long a new attempt waits for word on the earlier ones; no answer is unknown."""
    return_wait_seconds: Seconds = 8.0
    """How long a returning customer waits for the verify before the shop is told `processing`."""
    repeat_first_seconds: Seconds = 1.0
    """The pause before a lost verify is asked again; it doubles each time…"""
    repeat_max_seconds: Seconds = 60.0
    """…up to this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """How the daemon connects to one gateway's bank."""

    connections_max: Annotated[int, Field(ge=1, le=1_024)] = 64
    """Open at once; banks cut off addresses that open hundreds."""
    waiting_max: Annotated[int, Field(ge=0, le=1_000_000)] = 256
    """Calls that wait for a connection; more could not be served before their deadlines anyway."""
    warm: Annotated[int, Field(ge=0, le=64)] = 2
    """Connections opened at start per address, so that the first customers wait for no handshake."""
    idle_seconds: Seconds = 15.0
    """How long a connection is kept unused: less than the 20 s after which common Java servers close it."""
    reply_pause_seconds: Seconds = 3.0
    """The longest pause within a reply; before its first byte only the operation's own time counts."""
    resolve_seconds: Seconds = 60.0
    """How long an address is believed before the name is looked up again."""
    ca_file: Text | None = None
    """Certificates (PEM) to trust instead of the system's; an absolute path once read."""
    ciphers: Text | None = None
    """OpenSSL's cipher list, such as `DEFAULT@SECLEVEL=1` for banks with old servers."""
    allow_http: bool = False
    """Whether calls may go over plain http to hosts that are not loopback."""
    user_agent: str | None = None
    """None: our name and version. Empty: an empty header, which one bank wants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    """The journal's file and its limits."""

    path: Text = "var/gatewayd.db"
    """Relative to the directory that the daemon is started in."""
    low_water_bytes: Bytes = 268_435_456
    """Below this much free disk new payments are refused; what is open still fits."""
    ballast_bytes: Bytes = 67_108_864
    """A file kept to be dropped when the disk is full all the same."""
    pace_seconds: Annotated[float, Field(ge=0, le=1)] = 0.002
    """The least time between two commits: 500 a second at most; commits cost, events hardly."""
    queue_max: Count = 100_000
    """Events waiting for a commit; beyond this new payments are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """The public listener's limits."""

    body_max_bytes: Annotated[int, Field(ge=1_024, le=16_777_216)] = 65_536
    connections_max: Count = 16_384
    """Of everybody together: a quarter of the descriptors that the service unit gives."""
    connections_per_address_max: Count = 256
    """And requests at the same time. Not for trusted proxies, whose addresses stand for many customers."""
    head_seconds: Seconds = 10.0
    """How long a new connection may take until its first request's head is there: the worst mobile network needs 3."""
    body_seconds: Seconds = 10.0
    """The same for a request's body, from when its handler begins to read."""
    requests_in_flight_max: Count = 2_000
    """Above this new payments are refused before anything else suffers."""
    drain_seconds: Seconds = 30.0
    """How long a stopping daemon lets what is in flight finish."""
    same_token_seconds: Seconds = 20.0
    """A reload of the hand-over page within this time hands over the same token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """How webhooks are delivered and repeated."""

    timeout_seconds: Seconds = 15.0
    """One delivery; a receiver should take it and think afterwards."""
    retry_seconds: Annotated[tuple[Seconds, ...], Field(min_length=1)] = (
        *(5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0),
    )
    """The pauses after the first, second, … failure: three days together, over a weekend."""
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.2
    """By which part of itself a pause may be longer."""
    disable_after_seconds: Annotated[float, Field(gt=0, le=31_536_000)] = 432_000.0
    """A receiver that takes nothing for five days is not asked any more."""
    sending_max: Annotated[int, Field(ge=1, le=64)] = 8
    """Deliveries to one receiver at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverloadSettings:
    """When new payments wait or are refused, so that those that were begun are served in time."""

    in_flight_min: Count = 32
    """So many requests in progress are never too many: with fewer the loop is late for another reason."""
    lag_low_seconds: Seconds = 0.003
    """While the loop is less late than this, more may be in progress."""
    lag_high_seconds: Seconds = 0.005
    """From here on less may: each step of a return waits for the loop a dozen times, and may take 0.25 s."""
    wait_seconds: Seconds = 1.0
    """How long a new payment waits until there is room, before it is refused: a burst passes, too many do not."""
    waiting_max: Count = 1_000
    """So many wait at most."""
    commit_seconds: Seconds = 0.5
    """While a commit takes longer than this, new payments are refused: each waits for two before the bank is seen."""
    retry_after_seconds: Count = 5
    """When who was refused is asked to come again, up to as much later again: long enough for a queue to be gone."""
    calm_seconds: Seconds = 5.0
    """So long after the last refusal the daemon still calls itself overloaded, so that the word does not flicker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """Everything but gateways and routing."""

    public_url: Origin
    shops: Annotated[tuple[ShopSettings, ...], Field(min_length=1)]
    listen: Listen = "127.0.0.1:8080"
    internal_listen: Listen = "127.0.0.1:8081"
    trusted_proxies: tuple[Network, ...] = ()
    payments: PaymentSettings = field(default_factory=PaymentSettings)
    invoices: InvoiceSettings = field(default_factory=InvoiceSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    journal: JournalSettings = field(default_factory=JournalSettings)
    web: WebSettings = field(default_factory=WebSettings)
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)
    overload: OverloadSettings = field(default_factory=OverloadSettings)
