"""When somebody sets the wall clock, the journal's file says so ever after."""

from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from gatewayd.io.jumps import JUMPS_KEPT, JUMPS_KEY, Jumps


@dataclass
class Place:
    """A clock, a file and a log in one."""

    skew: float = 0.0
    now: float = 0.0
    kept: dict[str, bytes] = field(default_factory=dict)
    told: list[float] = field(default_factory=list)

    def wall(self) -> float:
        return 1_000.0 + self.now + self.skew

    def monotonic(self) -> float:
        return self.now

    async def named(self, key: str) -> bytes | None:
        return self.kept.get(key)

    async def name(self, key: str, value: bytes) -> None:
        self.kept[key] = value

    def info(self, event: str, **fields: Any) -> None:
        self.told.append(fields["seconds"])

    warning = error = info


def written(place: Place) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(place.kept.get(JUMPS_KEY, b"[]"))
    return found


@pytest.mark.parametrize("seconds", [-3_600.0, 5.5])
async def test_a_jump_is_told_and_written_down_once(seconds: float) -> None:
    place = Place()
    jumps = Jumps(place, place, place)
    place.skew, place.now = seconds, 10.0
    await jumps.look()
    await jumps.look()
    assert [{"at_ms": int(1_000 * (1_010.0 + seconds)), "seconds": seconds}] == written(place)
    assert [seconds] == place.told


async def test_without_a_jump_nothing_is_written() -> None:
    place = Place()
    jumps = Jumps(place, place, place)
    for place.now in range(1, 10):
        place.skew += 4.0
        await jumps.look()
    assert {} == place.kept


async def test_what_an_earlier_process_wrote_stays_but_the_list_does_not_grow_for_ever() -> None:
    place = Place()
    for turn in range(JUMPS_KEPT + 5):
        jumps = Jumps(place, place, place)
        place.skew += 10.0 + turn
        await jumps.look()
    assert JUMPS_KEPT == len(written(place))
    assert 10.0 + JUMPS_KEPT + 4 == written(place)[-1]["seconds"]
