"""The queries that lists are read by, newest first, each by the index that says most.

Numbers are given in the order of time, so that a range of times is a range of numbers and what lies outside is not
looked at.
"""

from typing import Final

from gatewayd.engine.ids import number_floor
from gatewayd.journal.filters import Filter

FOUND_MAX: Final = 1_000
"""Payments, invoices or notices in one answer."""
AHEAD_MS: Final = 3_600_000
"""How far numbers may have run ahead of the wall clock that they are made of, after it was set back."""


def payments_query(wanted: Filter) -> tuple[str, list[object]]:
    """The query that finds payments, and its values."""
    given: list[tuple[str, str | None, str]] = [
        ("gateway", wanted.gateway, "search_by_gateway"),
        ("status", wanted.status, "search_by_status"),
        ("order_id", wanted.order_id, "search_by_order"),
    ]
    if wanted.gateway is not None:  # a rare pair among two million is no scan
        given[1] = ("status", wanted.status, "search_by_status_and_gateway")
    return _query("search", "search_by_shop", given, wanted)


def invoices_query(wanted: Filter) -> tuple[str, list[object]]:
    """The query that finds invoices, and its values."""
    given: list[tuple[str, str | None, str]] = [
        ("status", wanted.status, "invoices_by_status"),
        ("order_id", wanted.order_id, "invoices_by_order"),
    ]
    return _query("invoices", "invoices_of_shop", given, wanted)


def _query(
    table: str, index: str, given: list[tuple[str, str | None, str]], wanted: Filter
) -> tuple[str, list[object]]:
    tests, values = ["shop = ?"], list[object]([wanted.shop])
    for column, value, own_index in given:
        if value is not None:
            index = own_index  # of several the last, which is the most telling
            tests.append(f"{column} = ?")
            values.append(value)
    if wanted.created_from_ms is not None:
        tests += ["number >= ?", "created_ms >= ?"]
        values += [number_floor(wanted.created_from_ms), wanted.created_from_ms]
    if wanted.created_to_ms is not None:
        tests += ["number < ?", "created_ms < ?"]
        values += [number_floor(wanted.created_to_ms) + AHEAD_MS, wanted.created_to_ms]
    if wanted.before_number is not None:
        tests.append("number < ?")
        values.append(wanted.before_number)
    query = (
        f"SELECT number FROM {table} INDEXED BY {index}"  # noqa: S608 - fixed words only, values are bound
        f" WHERE {' AND '.join(tests)} ORDER BY number DESC LIMIT ?"
    )
    return query, [*values, min(wanted.limit, FOUND_MAX)]
