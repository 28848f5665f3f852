"""What every test stands on: how hard hypothesis tries, which event loops, and aioresponses.

`HYPOTHESIS_PROFILE` chooses: `dev` (the default) looks at new examples each time, `ci` at the same
ones every time, `night` at a great many. None has a deadline, for no test here judges speed.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any
from unittest.mock import Mock

import aioresponses.core
import pytest
import uvloop
from aiohttp import ClientResponse
from hypothesis import HealthCheck, settings

# helpers whose assertions are to show their values, as those in test files do
pytest.register_assert_rewrite("tests.stage", "tests.stories", "tests.stories_of_powers")

settings.register_profile(
    "base",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # judged by the clock, and machines differ
)
settings.register_profile("dev", settings.get_profile("base"), max_examples=50)
settings.register_profile("ci", settings.get_profile("base"), max_examples=200, derandomize=True)
settings.register_profile("night", settings.get_profile("base"), max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


class MockedResponse(ClientResponse):
    """aiohttp 3.14 wants to know who wrote the request; aioresponses 0.7.9 does not say."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


# what it builds its answers from; it imports the name but does not export it
aioresponses.core.ClientResponse = MockedResponse  # type: ignore[attr-defined]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Function
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Python's own loop; a file that says `BOTH_LOOPS = True` runs on uvloop as well."""
    if getattr(item.module, "BOTH_LOOPS", False):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}
