"""Which gateway a payment is sent to, and in what order the others are tried: the one object the engine talks to.

It learns only through these calls and never looks at a clock: periodic work is done inside them as `now` passes. The
same calls with the same `now` and the same dice give the same answers. It never refuses: a gateway that is cut off,
full or taken out is tried last, because with nobody else left a bad gateway is better than none; only what an
operator forced open is never tried.
"""

import random
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from gatewayd.routing import delays, shares
from gatewayd.routing.attempts import Attempt, Attempts, Outcome
from gatewayd.routing.breaker import Breaker, BreakerState, Failure
from gatewayd.routing.crowd import Crowd, readiness
from gatewayd.routing.draw import Dice
from gatewayd.routing.health import GatewayHealth, reasons
from gatewayd.routing.meter import Meter
from gatewayd.routing.score import Score
from gatewayd.routing.settings import Limits, RoutingSettings

__all__ = [
    "BreakerState",
    "Failure",
    "GatewayHealth",
    "Limits",
    "Ranking",
    "Router",
    "RoutingSettings",
]

HEALTH_MEMORY: Final = 0.1
"""How far one token call moves the running share of those that ended well."""

Verdict = Literal["paid", "payer", "issuer", "gateway"]
FAVOURED: Final = 4.0
"""How many times its weight a gateway has for a payer whom it served well before."""
FAVOURED_LEAST: Final = 0.97
"""Of the best score: below it a gateway is not favoured, however well the payer knows its page."""
OUTCOMES: Final = {
    "paid": Outcome.PAID,
    "payer": Outcome.PAYER,
    "issuer": Outcome.PAYER,
    "gateway": Outcome.FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """In which order gateways are to be tried for one payment."""

    order: tuple[str, ...]
    """All that may be tried: drawn ones first, then those that are full, cut off or taken out, best first."""
    probability: Mapping[str, float]
    """With which each of them was to come first."""
    reason: str
    """Why the first is first: `weights`, `fixed` (the kill switch is on), `favourite` (by weights, the payer's own
    gateway favoured), `half_open` (a trial), `limits`, `open`, `taken_out`, or `none`."""
    weighed: str = ""
    """What the decision was made from, to be kept with it: of each gateway name, score, weight, and in one word why
    it could not be drawn, where it could not: `saman 0.861 0.3120, mellat 0.204 0.0040 open`."""


LEAST: Final = 1e-6
"""A second choice's least weight, so that every order can be drawn."""
CONTRACT_TRIAL_SECONDS: Final = 60.0
"""A gateway that refused our contract is tried again by one payment after this: a refusal costs it a moment only…"""
CONTRACT_TRIAL_SECONDS_MAX: Final = 3_600.0
"""…and then after ever longer pauses, up to this: what was mended at the bank must not wait for us to notice."""


class _Gateway:
    """What the router keeps of one gateway."""

    def __init__(
        self, name: str, limits: Limits, settings: RoutingSettings, rng: random.Random
    ) -> None:
        self.name = name
        self.limits = limits
        self.breaker = Breaker(settings, rng)
        self.meter = Meter(limits)
        self.known = Score()
        self.taken_out = ""
        self.taken_out_at = self.trial_at = 0.0
        self.trial_pause = CONTRACT_TRIAL_SECONDS
        self.token_health = 1.0
        self.token_seconds = 0.0
        self.weight = 1.0
        self.score = 0.0
        self.told = name
        """Name, score and weight as they are kept with decisions."""

    def trial_due(self, now: float, amount: int) -> bool:
        """Whether a payment should try if our contract is right again; it is taken out."""
        well = self.breaker.state(now) is BreakerState.CLOSED
        return well and now >= self.trial_at and not self.meter.full(now, amount)

    def begin_trial(self, now: float) -> None:
        """A payment tries it first, with the others behind."""
        if self.taken_out:
            self.trial_pause = min(2 * self.trial_pause, CONTRACT_TRIAL_SECONDS_MAX)
            self.trial_at = now + self.trial_pause
        else:
            self.breaker.take_slot(now)


class Router:
    """Scores gateways, draws orders and cuts off what fails. `now` is in seconds and only ever grows."""

    def __init__(
        self, gateways: Mapping[str, Limits], settings: RoutingSettings, *, rng: random.Random
    ) -> None:
        self._gateways = {
            name: _Gateway(name, limits, settings, rng) for name, limits in gateways.items()
        }
        self._attempts = Attempts(settings)
        self._dice = Dice(rng)
        known = list(self._gateways.values())
        self._crowd = Crowd(
            [gateway.known for gateway in known], [gateway.limits for gateway in known], rng
        )
        self._stale = True
        self._fixed = settings.mode == "fixed"
        self._told_mode: Literal["learned", "fixed"] | None = None

    def rank(
        self,
        now: float,
        eligible: Collection[str] | None = None,
        *,
        amount: int = 0,
        favourite: str = "",
    ) -> Ranking:
        """The order in which to try the gateways for a payment of `amount` rial; takes a half-open trial's slot.

        `favourite` is the gateway by which this payer paid before: it is preferred while it is as good as any.
        """
        self._advance(now)
        if self._stale and self._gateways:
            self._weigh(now)
        usable: list[_Gateway] = []
        full: list[_Gateway] = []
        cut_off: list[_Gateway] = []
        taken_out: list[_Gateway] = []
        trial: _Gateway | None = None
        for gateway in self._gateways.values():
            if eligible is not None and gateway.name not in eligible:
                continue
            state = gateway.breaker.state(now)
            if state is BreakerState.FORCED_OPEN:
                continue
            if gateway.taken_out and (trial or not gateway.trial_due(now, amount)):
                taken_out.append(gateway)
            elif gateway.taken_out:
                trial = gateway
            elif state is BreakerState.OPEN:
                cut_off.append(gateway)
            elif gateway.meter.limited and gateway.meter.full(now, amount):
                full.append(gateway)
            elif state is not BreakerState.HALF_OPEN:
                usable.append(gateway)
            elif trial is None and gateway.breaker.slot_free(now):
                trial = gateway
            else:
                cut_off.append(gateway)
        weights = [gateway.weight for gateway in usable]
        reason = "fixed" if self._fixed else "weights"
        if favourite and self._favour(favourite, usable, weights):
            reason = "favourite"
        drawn = self._draw(usable, weights)
        total = sum(weights)
        probability = {
            gateway.name: weight / total for gateway, weight in zip(usable, weights, strict=True)
        }
        weighed = [gateway.told for gateway in usable]
        if trial is not None:
            trial.begin_trial(now)
            drawn.insert(0, trial)
            probability = {trial.name: 1.0} | dict.fromkeys(probability, 0.0)
            reason = "half_open"
            weighed.append(f"{trial.told} {reason}")
        for group, why in ((full, "limits"), (cut_off, "open"), (taken_out, "taken_out")):
            if group:
                reason = reason if drawn else why
                group.sort(key=lambda gateway: -gateway.score)
                for gateway in group:
                    probability[gateway.name] = 0.0 if drawn else 1.0
                    weighed.append(f"{gateway.told} {why}")
                    drawn.append(gateway)
        if not drawn:
            return Ranking(order=(), probability={}, reason="none")
        drawn[0].meter.promise(now)
        return Ranking(
            order=tuple([gateway.name for gateway in drawn]),
            probability=probability,
            reason=reason,
            weighed=", ".join(weighed),
        )

    def started(
        self,
        now: float,
        attempt: Hashable,
        gateway: str,
        *,
        ok: bool,
        seconds: float = 0.0,
        amount: int = 0,
        failure: Failure = Failure.UNANSWERED,
    ) -> None:
        """The token step of an attempt for `amount` rial ended after `seconds`.

        `ok` False is a dial or TLS failure, a time-out, a 5xx, garbage or a technical refusal, and `failure` says
        which; a refusal because our contract there is wrong is `take_out`, not this.
        """
        self._advance(now)
        to = self._gateways[gateway]
        to.meter.called(now)
        to.token_health += HEALTH_MEMORY * (ok - to.token_health)
        before = to.breaker.state(now)
        if ok:
            to.breaker.succeeded(now, seconds)
        else:
            to.breaker.failed(now, seconds, failure)
        if to.breaker.state(now) is not before:
            self._stale = True
        if not ok:
            return
        if to.taken_out and now - seconds >= to.taken_out_at:  # the contract is right again
            to.taken_out = ""
            self._stale = True
        to.token_seconds += HEALTH_MEMORY * (seconds - to.token_seconds)
        self._attempts.add(now, attempt, Attempt(now, to.known.window.begin(now), to.meter, amount))

    def returned(self, now: float, attempt: Hashable, outcome: str) -> None:
        """A payer came back: `paid`, `payer` (cancelled, declined), `issuer` or `gateway`. Unknown attempts pass."""
        self._advance(now)
        known = self._attempts.get(attempt)
        filed = OUTCOMES[outcome]
        if known is not None and (known.outcome is Outcome.AWAY or known.outcome is Outcome.PAYER):
            known.file(now, filed)

    def verified(self, now: float, attempt: Hashable, *, ok: bool) -> None:
        """A verify ended: with a receipt, or without. Without one, only an attempt said to be paid has failed."""
        self._advance(now)
        known = self._attempts.get(attempt)
        if known is None:
            return
        if ok:
            known.file(now, Outcome.PAID)
        elif known.outcome is Outcome.PAID:
            known.file(now, Outcome.FAILED)

    def force(self, now: float, gateway: str, to: Literal["open", "closed", "auto"]) -> None:
        """An operator's word: never use it, always use it, or judge by yourself. The last two put it back."""
        self._advance(now)
        self._stale = True
        known = self._gateways[gateway]
        match to:
            case "open":
                known.breaker.force(now, BreakerState.FORCED_OPEN)
            case "closed":
                known.breaker.force(now, BreakerState.FORCED_CLOSED)
                known.taken_out = ""
            case "auto":
                known.breaker.force(now, None)
                known.taken_out = ""

    def take_out(self, now: float, gateway: str, reason: str) -> None:
        """Our contract there is wrong (address, password, terminal): tried last, but for a payment now and then.

        It is back with the first token. Neither score nor breaker moves: the bank is fine, and is as good as before
        once the contract is mended.
        """
        self._advance(now)
        self._stale = True
        out = self._gateways[gateway]
        if not out.taken_out:
            out.trial_pause = CONTRACT_TRIAL_SECONDS
            out.trial_at = now + CONTRACT_TRIAL_SECONDS
        out.taken_out, out.taken_out_at = reason or "contract", now

    def put_back(self, now: float, gateway: str) -> None:
        """The contract is right again."""
        self._advance(now)
        self._stale = True
        self._gateways[gateway].taken_out = ""

    def is_taken_out(self, gateway: str) -> bool:
        """Whether our contract there was refused, and no token was given since."""
        return bool(self._gateways[gateway].taken_out)

    def is_cut_off(self, now: float, gateway: str) -> bool:
        """Whether a gateway is open just now, by its breaker or by an operator's word."""
        state = self._gateways[gateway].breaker.state(now)
        return state in {BreakerState.OPEN, BreakerState.FORCED_OPEN}

    def set_mode(self, now: float, mode: Literal["learned", "fixed"]) -> None:
        """An operator's word on the kill switch: draw by the contracts' own weights, or by what was learnt."""
        self._advance(now)
        self._stale = True
        self._fixed = mode == "fixed"
        self._told_mode = mode

    def breaker(self, now: float, gateway: str) -> BreakerState:
        """One gateway's breaker at `now`."""
        return self._gateways[gateway].breaker.state(now)

    def snapshot(self, now: float) -> Mapping[str, GatewayHealth]:
        """Every gateway's health at `now`."""
        self._advance(now)
        if self._stale and self._gateways:
            self._weigh(now)
        counts = {
            name: [
                sum(bucket.started for bucket in gateway.known.window.buckets),
                sum(bucket.returned for bucket in gateway.known.window.buckets),
                sum(bucket.paid for bucket in gateway.known.window.buckets),
                sum(bucket.failed for bucket in gateway.known.window.buckets),
            ]
            for name, gateway in self._gateways.items()
        }
        started = sum(count[0] for count in counts.values()) or 1
        weights = sum(gateway.weight for gateway in self._gateways.values())
        return {
            name: GatewayHealth(
                score=gateway.score,
                weight=gateway.weight / weights,
                share=counts[name][0] / started,
                breaker=gateway.breaker.state(now),
                started=counts[name][0],
                returned=counts[name][1],
                paid=counts[name][2],
                failed=counts[name][3],
                in_flight=gateway.meter.in_flight,
                token_health=gateway.token_health,
                token_seconds=gateway.token_seconds,
                ceiling=gateway.known.ceiling.cap,
                load=gateway.known.rate,
                return_seconds=delays.median(gateway.known.curve),
                reasons=tuple(
                    reasons(
                        gateway.breaker.state(now),
                        gateway.taken_out,
                        gateway.meter.full(now),
                        gateway.known,
                        gateway.token_health,
                    )
                ),
            )
            for name, gateway in self._gateways.items()
        }

    def state(self, now: float) -> dict[str, Any]:
        """What a restart should know, as plain JSON. Open attempts are not in it: their returns pass unheard."""
        self._advance(now)
        return {
            "version": 1,
            "mode": self._told_mode,
            "delays": self._crowd.dump(),
            "gateways": {
                name: {
                    "score": gateway.known.dump(),
                    "breaker": gateway.breaker.dump(now),
                    "meter": gateway.meter.dump(now),
                    "taken_out": gateway.taken_out,
                    "token_health": gateway.token_health,
                    "token_seconds": gateway.token_seconds,
                }
                for name, gateway in self._gateways.items()
            },
        }

    def restore(self, now: float, state: Mapping[str, Any], *, elapsed: float = 0.0) -> None:
        """Takes up, before anything else is asked, what `state` gave `elapsed` seconds ago (by the wall clock).

        Gateways that are not configured any more are passed over; so is a state of another version.
        """
        if state.get("version") != 1:
            return
        self._crowd.load(state["delays"])
        self._stale = True
        if state.get("mode") is not None:
            self.set_mode(now, state["mode"])
        for name, dump in state["gateways"].items():
            gateway = self._gateways.get(name)
            if gateway is None:
                continue
            gateway.known.load(now, dump["score"], elapsed)
            gateway.breaker.load(now, dump["breaker"], elapsed)
            gateway.meter.load(now, dump["meter"], elapsed)
            gateway.taken_out = str(dump["taken_out"])
            gateway.taken_out_at = gateway.trial_at = now  # whoever mends a contract restarts
            gateway.token_health = float(dump["token_health"])
            gateway.token_seconds = float(dump["token_seconds"])

    def _advance(self, now: float) -> None:
        """Does the periodic work that is due."""
        if self._crowd.advance(now):
            self._attempts.forget(now)
            self._stale = True

    def _weigh(self, now: float) -> None:
        """Works out the weights anew, after a round or a change of a breaker."""
        self._stale = False
        gateways = list(self._gateways.values())
        usable = [
            not gateway.taken_out
            and gateway.breaker.state(now) in {BreakerState.CLOSED, BreakerState.FORCED_CLOSED}
            for gateway in gateways
        ]
        ready = [readiness(gateway.token_health, gateway.token_seconds) for gateway in gateways]
        if self._fixed:
            parts = shares.within([1.0] * len(gateways), [each.limits for each in gateways])
        else:
            parts = self._crowd.shares(now, usable, ready)
        for gateway, part, well in zip(gateways, parts, ready, strict=True):
            gateway.weight = part * gateway.breaker.warmth(now)
            gateway.score = gateway.known.value * well
            gateway.told = f"{gateway.name} {gateway.score:.3f} {gateway.weight:.4f}"

    def _draw(self, usable: list[_Gateway], weights: list[float]) -> list[_Gateway]:
        if not usable:
            return []
        # as second choices: whose tokens fail is no help to a payment whose token just failed
        later = [gateway.weight * gateway.token_health * gateway.token_health for gateway in usable]
        order = self._dice.order(weights, [max(LEAST, weight) for weight in later])
        return [usable[index] for index in order]

    def _favour(self, favourite: str, usable: list[_Gateway], weights: list[float]) -> bool:
        """Raises the weight of a payer's own gateway, unless another is better or it has all that it can carry."""
        for index, gateway in enumerate(usable):
            if gateway.name == favourite:
                known = gateway.known
                best = max([each.score for each in usable])
                if gateway.score < FAVOURED_LEAST * best or known.rate > known.ceiling.limit():
                    return False
                weights[index] *= FAVOURED
                return True
        return False
