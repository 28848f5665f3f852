"""Delivers what happened to the shops' receivers of webhooks: at least once, and in order per payment.

Rules:

* What is due, when again and when no more is decided in `core.delivery`; here things are only carried out.
* News are read from the journal after they have landed, in their order, from where each receiver's cursor stands. What
  is sent is made anew from the payment's events each time: nothing of it is kept in memory or written twice.
* A receiver has a few deliveries out at a time and its own line of them, so that one that is dead or slow holds up
  nobody else.
* What became of a delivery rides to the disk with the next commit. A crash before that makes it again.
* Lines in the log name the event and the receiver, never the address, which may hold a secret, nor what was sent.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from gatewayd.core.delivery import Answer, Changes, Delivery, Receiver, Rules, Standing, Verdict
from gatewayd.core.secret import Secret
from gatewayd.core.settings import ReceiverSettings, ShopSettings, WebhookSettings
from gatewayd.core.signing import signatures
from gatewayd.engine.bell import Bell
from gatewayd.engine.event_ids import ReadNotices, event_id
from gatewayd.engine.ports import Log
from gatewayd.engine.pump import Pump
from gatewayd.engine.records import ReadRows
from gatewayd.journal.journal import side
from gatewayd.journal.store import Notice, Row, Told

READ_MAX: Final = 200
"""News read at once for one receiver."""
GATHER_SECONDS: Final = 0.02
"""News that come within so short a time are read together."""
LOOK_EVERY_SECONDS: Final = 10.0
"""The wall clock may jump; nothing sleeps longer than this without looking at it."""
STOP_SECONDS: Final = 3.0
"""What is out when the daemon stops may end within this; the rest is made again at the next start."""

Render = Callable[[Told, Sequence[Row]], bytes]
"""From a notice and all events of what it is about to what is sent."""
Stored = Sequence[tuple[Standing, Sequence[Delivery]]]


class Sender(Protocol):
    """The way to the receivers."""

    async def send(self, receiver: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One delivery, within its time; never raises for what networks do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A configured receiver."""

    name: str
    """`shop/receiver`"""
    whose: str
    """The shop, as notices name it: with `/test` for its test payments."""
    url: str
    secrets: tuple[Secret, ...]
    wanted: frozenset[str]
    """Empty: everything."""
    private: bool

    def wants(self, news: str) -> bool:
        """Whether it is told of this."""
        return not self.wanted or news in self.wanted


def addresses(shops: Sequence[ShopSettings]) -> list[Address]:
    """All receivers of all shops."""
    return [_address(shop, receiver) for shop in shops for receiver in shop.webhooks]


def _address(shop: ShopSettings, receiver: ReceiverSettings) -> Address:
    test = shop.is_for_tests if receiver.test is None else receiver.test
    return Address(
        name=f"{shop.name}/{receiver.name}",
        whose=side(shop.name, test=test),
        url=receiver.url,
        secrets=receiver.secrets,
        wanted=frozenset(receiver.events),
        private=shop.private_webhooks,
    )


class Unknown(Exception):
    """There is no such receiver."""


class Outbox:
    """One per daemon whose shops have receivers."""

    def __init__(
        self,
        *,
        addresses: Sequence[Address],
        stored: Stored,
        settings: WebhookSettings,
        notices: ReadNotices,
        read_rows: ReadRows,
        render: Render,
        sender: Sender,
        pump: Pump,
        now_ms: Callable[[], int],
        wall: Callable[[], float],
        rng: random.Random,
        log: Log,
        on_answer: Callable[[Verdict], None] = lambda _verdict: None,
        look_every_seconds: float = LOOK_EVERY_SECONDS,
    ) -> None:
        """`stored` is how the addresses stood when the last process ended.

        `now_ms` is the wall clock as deadlines see it, by which things are due; `wall` is what receivers are told.
        """
        self._addresses = {each.name: each for each in addresses}
        rules = Rules(
            retry_ms=tuple(int(each * 1000) for each in settings.retry_seconds),
            jitter=settings.jitter,
            disable_after_ms=int(settings.disable_after_seconds * 1000),
            sending_max=settings.sending_max,
        )
        self.receivers: Mapping[str, Receiver] = {
            standing.name: Receiver(standing, unsettled, rules) for standing, unsettled in stored
        }
        self._of: dict[str, list[Receiver]] = {}
        for each in addresses:
            self._of.setdefault(each.whose, []).append(self.receivers[each.name])
        self._unread = dict.fromkeys(self.receivers.values())
        """Receivers for which there may be news that have not been read."""
        self._notices = notices
        self._read_rows = read_rows
        self._render = render
        self._sender = sender
        self._pump = pump
        self._now_ms = now_ms
        self._wall = wall
        self._rng = rng
        self._log = log
        self._on_answer = on_answer
        self._look_every_seconds = look_every_seconds
        self._wake = Bell()
        self._workers: set[asyncio.Task[None]] = set()
        self._stopping = False
        pump.post_by(self._changes)

    def noticed(self, whose: str) -> None:
        """There is news of this shop's."""
        if whose in self._of:
            self._unread.update(dict.fromkeys(self._of[whose]))
            self._wake.ring()

    # --- orders

    def receivers_of(self, whose: str) -> list[str]:
        """The names of a shop's receivers."""
        return [each.name for each in self._of.get(whose, ())]

    def resend(self, told: Told) -> list[str]:
        """Send this again to everybody who wants such news; their names."""
        names = []
        for receiver in self._of.get(told.notice.shop, ()):
            if self._addresses[receiver.name].wants(told.notice.type):
                receiver.send_again(_delivery(told, self._now_ms()))
                names.append(receiver.name)
        self._pump.post_soon()
        self._wake.ring()
        return names

    def replay(self, name: str, after: int) -> None:
        """Send everything after this place again. Unknown for a receiver that is not there."""
        receiver = self._known(name)
        receiver.replay(after)
        self._go_on(receiver)

    def enable(self, name: str) -> None:
        """Begin to deliver again. Unknown for a receiver that is not there."""
        receiver = self._known(name)
        receiver.enable(self._now_ms())
        self._log.info("webhook receiver enabled", receiver=name)
        self._go_on(receiver)

    def summary(self) -> list[dict[str, Any]]:
        """How every receiver stands."""
        return [
            {
                "receiver": each.name,
                "state": state_of(each),
                "waiting": each.waiting,
                "sending": each.sending,
                "oldest_ms": each.oldest_ms,
                "failing_since_ms": each.failing_since_ms,
                "disabled_ms": each.disabled_ms,
                "why": each.why,
                "now_ms": self._now_ms(),
            }
            for each in self.receivers.values()
        ]

    def _known(self, name: str) -> Receiver:
        receiver = self.receivers.get(name)
        if receiver is None:
            raise Unknown(name)
        return receiver

    def _go_on(self, receiver: Receiver) -> None:
        self._unread[receiver] = None
        self._pump.post_soon()
        self._wake.ring()

    # --- the loop

    async def run(self) -> None:
        """Deliver, until `stop`."""
        async with asyncio.TaskGroup() as tasks:
            while not self._stopping:
                self._wake.hush()
                more = await self._read_news()
                for receiver in self.receivers.values():
                    self._begin(tasks, receiver)
                if any(each.is_changed for each in self.receivers.values()):
                    self._pump.post_soon()
                if not more:
                    await self._rest()
            if self._workers:
                await asyncio.wait(self._workers, timeout=STOP_SECONDS)
            for worker in self._workers:
                worker.cancel()
        self._pump.post_now()

    def stop(self) -> None:
        """Begin no more deliveries; `run` ends when those that are out have, or soon."""
        self._stopping = True
        self._wake.ring()

    async def _read_news(self) -> bool:
        """Read what is new for everybody who has room; whether there is more."""
        more = False
        for receiver in list(self._unread):
            room, cursor = min(receiver.room, READ_MAX), receiver.cursor
            if room == 0:
                continue
            del self._unread[receiver]
            address = self._addresses[receiver.name]
            try:
                told = await self._notices(cursor, address.whose, room)
            except Exception as error:  # noqa: BLE001 - payments go on, and so do the other receivers
                fault = f"{type(error).__name__}: {error}"
                self._log.error("news not read", receiver=receiver.name, error=fault)
                self._unread[receiver] = None
                continue
            if receiver.cursor != cursor:  # it was told to begin again elsewhere
                self._unread[receiver] = None
                continue
            now_ms = self._now_ms()
            wanted = [_delivery(e, now_ms) for e in told if address.wants(e.notice.type)]
            receiver.take(wanted, told[-1].seq if told else cursor)
            if len(told) == room:
                self._unread[receiver] = None
                more |= receiver.room > 0
        return more

    async def _rest(self) -> None:
        """Until something is due or has happened."""
        now_ms = self._now_ms()
        due = [each for one in self.receivers.values() if (each := one.due_ms()) is not None]
        pause = min([self._look_every_seconds, *((each - now_ms) / 1000 for each in due)])
        alarm = asyncio.get_running_loop().call_later(max(0.0, pause), self._wake.ring)
        try:
            await self._wake.heard()
        finally:
            alarm.cancel()
        if self._unread and not self._stopping:
            await asyncio.sleep(GATHER_SECONDS)

    def _begin(self, tasks: asyncio.TaskGroup, receiver: Receiver) -> None:
        """Send what is due, as much at a time as may be."""
        while (delivery := receiver.next(self._now_ms())) is not None:
            worker = tasks.create_task(self._work(receiver, delivery), name=receiver.name)
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def _work(self, receiver: Receiver, delivery: Delivery) -> None:
        """Make one delivery after the other, as long as any is due."""
        going_on: Delivery | None = delivery
        while going_on is not None:
            await self._deliver(receiver, going_on)
            going_on = None if self._stopping else receiver.next(self._now_ms())
        self._wake.ring()

    async def _deliver(self, receiver: Receiver, delivery: Delivery) -> None:
        address = self._addresses[receiver.name]
        told = Told(
            delivery.seq,
            delivery.number,
            Notice(delivery.version, address.whose, delivery.type, delivery.at_ms),
        )
        name = event_id(told)
        try:
            answer = await self._sent(address, told, name)
        except Exception as error:  # noqa: BLE001 - a bug about one event must not stop the rest
            fault = f"{type(error).__name__}: {error}"
            self._log.error("webhook not made", webhook=name, error=fault)
            answer = Answer(status=None, cause="our fault")
        failing = receiver.failing_since_ms is not None
        verdict = receiver.answered(delivery.seq, answer, self._now_ms(), self._rng.random())
        self._pump.post_soon()
        self._on_answer(verdict)
        self._tell(receiver, delivery, name, answer, verdict, was_failing=failing)

    async def _sent(self, address: Address, told: Told, name: str) -> Answer:
        rows = await self._read_rows(told.number)
        body = self._render(told, rows)
        timestamp = int(self._wall())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signatures(address.secrets, name, timestamp, body),
        }
        return await self._sender.send(address.name, headers, body)

    def _tell(
        self,
        receiver: Receiver,
        delivery: Delivery,
        name: str,
        answer: Answer,
        verdict: Verdict,
        *,
        was_failing: bool,
    ) -> None:
        """A line for what went wrong, and for its end; deliveries that go well are only counted."""
        fields = {
            "receiver": receiver.name,
            "webhook": name,
            "status": answer.status,
            "cause": answer.cause,
            "tries": delivery.tries + 1,
        }
        match verdict:
            case Verdict.DELIVERED if was_failing and receiver.waiting == 0:
                self._log.info("webhook receiver takes everything again", receiver=receiver.name)
            case Verdict.DELIVERED:
                pass
            case Verdict.AGAIN:
                self._log.warning("webhook not taken", **fields)
            case Verdict.GIVEN_UP:
                self._log.error("webhook given up", **fields)
            case Verdict.DISABLED:
                why = receiver.why
                self._log.error("webhook receiver disabled", receiver=receiver.name, why=why)

    # --- pieces

    def _changes(self) -> tuple[Changes, ...]:
        return tuple(each.changes() for each in self.receivers.values() if each.is_changed)


def state_of(receiver: Receiver) -> str:
    """In a word."""
    if receiver.disabled_ms is not None:
        return "disabled"
    return "failing" if receiver.failing_since_ms is not None else "ok"


def _delivery(told: Told, due_ms: int) -> Delivery:
    notice = told.notice
    return Delivery(told.seq, told.number, notice.version, notice.type, notice.at_ms, due_ms)
