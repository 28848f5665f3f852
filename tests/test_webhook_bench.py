"""The judge of the webhooks' bench sees what it is there to see."""

from typing import Any

import pytest

from bench.webhooks import judge, unanswered

TOLD = [
    {"id": f"evt_{n}", "type": "payment.paid", "data": {"id": f"pay_{payment}"}}
    for n, payment in ((1, 7), (2, 8), (3, 7))
]


def came(name: str, at: float, status: int = 200) -> dict[str, Any]:
    return {"id": name, "came": at, "at": at, "status": status}


ALL = [came("evt_1", 1.0), came("evt_2", 1.5, 500), came("evt_3", 2.0), came("evt_2", 3.0)]


def test_what_came_in_order_is_right() -> None:
    assert [] == judge(TOLD, ALL, [])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (ALL[:3], "evt_2 (payment.paid) never came"),
        ([*ALL, came("evt_9", 4.0)], "evt_9 came and never happened"),
        ([came("evt_1", 2.5), *ALL[1:]], "pay_7: out of order"),
        ([*ALL, came("evt_3", 9.0)], "evt_3 was taken twice without a cause"),
    ],
)
def test_what_is_wrong_is_seen(lines: list[dict[str, Any]], said: str) -> None:
    assert [said] == judge(TOLD, lines, [20.0])


@pytest.mark.parametrize(("deaths", "lost"), [([5.0], ""), ([], "evt_3")])
def test_a_second_time_after_a_death_or_a_lost_answer_has_its_cause(
    deaths: list[float], lost: str
) -> None:
    assert [] == judge(TOLD, [*ALL, came("evt_3", 9.0)], deaths, {lost})


def test_answers_that_were_lost_are_found_in_the_log() -> None:
    log = [
        '{"event":"webhook not taken","webhook":"evt_1","status":500}',
        '{"event":"webhook not taken","webhook":"evt_2","status":null,"cause":"timeout"}',
        '{"event":"created"}',
    ]
    assert {"evt_2"} == unanswered(log)
