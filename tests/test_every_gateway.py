"""One list of stories, played by every driver at its bank, in-process and over HTTP."""

from typing import Final

import pytest

from tests.stage import DRIVERS, NOWHERE, Way, full_drivers, stage
from tests.stories import (
    EVERYBODYS,
    WRONG,
    Story,
    cancels,
    late_verify,
    pays,
    taken,
    verifies_twice,
    verify_reply_is_lost,
)
from tests.stories_of_powers import never_settled, powers


def stories(name: str) -> list[Story]:
    """All that this driver can tell, in a fixed order."""
    return [*EVERYBODYS, *sorted(powers(name), key=lambda story: story.__name__)]


@pytest.mark.parametrize(
    ("name", "story", "way"),
    [
        pytest.param(name, story, way, id=f"{name}-{story.__name__}-{way}")
        for name in DRIVERS
        for story in stories(name)
        for way in Way
    ],
)
async def test_scenario(name: str, story: Story, way: Way) -> None:
    async with stage(name, way) as at:
        await story(at)


SWITCHED: Final = (
    ("saman", {"duplicate_success": "true", "duplicate_detail": "present"}),
    ("saman", {"page_header": "on"}),
    ("saman", {"return_token": "absent"}),
    ("saman", {"return": "receipt"}),
    ("mellat", {"unsettled": "reverse"}),
    ("parsian", {"confirm_again": "-1533"}),
    ("sadad", {"late": "1105"}),
    ("sadad", {"numbers": "number"}),
    ("zibal", {"double_verify": "bare"}),
    ("zibal", {"unverified": "held"}),
    ("zarinpal", {"unverified": "auto_reverse"}),
)
"""Where the sources disagree, each driver lives with either."""


@pytest.mark.parametrize(
    ("name", "switches", "story"),
    [
        pytest.param(name, switches, story, id=f"{name}-{'-'.join(switches)}-{story.__name__}")
        for name, switches in SWITCHED
        for story in (
            pays,
            cancels,
            verifies_twice,
            verify_reply_is_lost,
            late_verify,
            never_settled,
        )
        if story is not never_settled or story in powers(name)
        if (story, switches) != (cancels, {"return": "receipt"})  # it does not say why
    ],
)
async def test_scenario_where_sources_disagree(
    name: str, switches: dict[str, str], story: Story
) -> None:
    async with stage(name, Way.IN_PROCESS, switches=switches) as at:
        await story(at)


@pytest.mark.parametrize("name", DRIVERS)
async def test_two_runs_of_one_seed_are_one_history(name: str) -> None:
    histories = []
    for _ in range(2):
        async with stage(name, Way.IN_PROCESS) as at:
            await taken(at)
            histories.append((at.book(), at.replies))
    assert histories[0] == histories[1]


def test_every_driver_has_its_wrong_credentials() -> None:
    assert set(DRIVERS) == set(WRONG) == set(full_drivers(NOWHERE))
