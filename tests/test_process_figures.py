"""What the process tells of itself is what prometheus_client would tell of it."""

from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gatewayd.io.process_figures import process_figures


def told(text: bytes) -> dict[str, tuple[str, str, float]]:
    """By name: kind, meaning, value."""
    return {
        sample.name: (family.type, family.documentation, sample.value)
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_names_kinds_and_meanings_are_the_known_ones() -> None:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    theirs, ours = told(generate_latest(registry)), told(process_figures())

    assert {name: each[:2] for name, each in theirs.items()} == {
        name: each[:2] for name, each in ours.items()
    }


def test_what_does_not_change_is_the_same_and_what_grows_is_no_less() -> None:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    theirs, ours = told(generate_latest(registry)), told(process_figures())

    assert theirs["process_max_fds"] == ours["process_max_fds"]
    began = "process_start_time_seconds"  # the kernel reckons its own start anew each time
    assert abs(theirs[began][2] - ours[began][2]) < 5
    name = "process_cpu_seconds_total"
    assert theirs[name][2] <= ours[name][2]
    assert ours["process_resident_memory_bytes"][2] > 1_000_000
    assert ours["process_resident_memory_bytes"][2] < ours["process_virtual_memory_bytes"][2]
    assert ours["process_open_fds"][2] > 0


def test_a_machine_that_does_not_tell_is_no_error(tmp_path: Path) -> None:
    assert b"" == process_figures(tmp_path)
