"""People read of a gateway's trouble when it begins and when it ends, and not every second between."""

from dataclasses import replace

from gatewayd.io.health_log import HealthLog
from tests.shop import Log
from tests.test_metrics import HEALTH


def test_a_trouble_is_told_when_it_begins_and_when_it_ends() -> None:
    log = Log()
    lines = HealthLog(log)
    bad = replace(HEALTH, reasons=("payments fail: 60% instead of 95%",))
    worse = replace(HEALTH, score=0.1, reasons=("payments fail: 50% instead of 95%",))
    for health in (HEALTH, bad, worse, worse, HEALTH, HEALTH):
        lines.look({"saman": health})
    assert [list(bad.reasons), []] == [line["reasons"] for line in log.of("gateway health")]


def test_each_gateway_has_lines_of_its_own() -> None:
    log = Log()
    bad = replace(HEALTH, reasons=("breaker open",))
    HealthLog(log).look({"saman": HEALTH, "mellat": bad})
    (line,) = log.of("gateway health")
    assert ("mellat", ["breaker open"], 0.75) == (line["gateway"], line["reasons"], line["score"])
