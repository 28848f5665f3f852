"""GraphQL as far as a bank's panel needs it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.simulator.graphql import (
    GraphqlError,
    GraphqlOperation,
    Selected,
    choose,
    read_graphql,
)


def read(query: Any, variables: Any = None) -> GraphqlOperation:
    return read_graphql({"query": query, "variables": variables})


def field(name: str, *fields: Selected, alias: str = "", **arguments: Any) -> Selected:
    return Selected(name, alias or name, arguments, fields)


@pytest.mark.parametrize(
    ("query", "variables", "operation"),
    [
        ("{ Me { id } }", None, GraphqlOperation("query", (field("Me", field("id")),))),
        ("query{Me}", {}, GraphqlOperation("query", (field("Me"),))),
        (
            (
                "mutation R($s: ID!, $a: [Int!] = [1]) { resource: Add(s: $s, a: $a, m: CARD, "
                't: "a \\"b\\" é", n: -7, y: true, z: null, l: [1, $s]) { id, t { at } } }'
            ),
            {"s": "385"},
            GraphqlOperation(
                "mutation",
                (
                    field(
                        "Add",
                        field("id"),
                        field("t", field("at")),
                        alias="resource",
                        s="385",
                        a=None,
                        m="CARD",
                        t='a "b" é',
                        n=-7,
                        y=True,
                        z=None,
                        l=[1, "385"],
                    ),
                ),
            ),
        ),
        (
            "# a comment\nquery S { a: Session b: Session(id: 1) }\n# the end",
            None,
            GraphqlOperation(
                "query", (field("Session", alias="a"), field("Session", alias="b", id=1))
            ),
        ),
    ],
)
def test_an_operation_is_read(query: str, variables: Any, operation: GraphqlOperation) -> None:
    assert read(query, variables) == operation


@pytest.mark.parametrize(
    ("query", "variables", "why"),
    [
        (None, None, "no query"),
        ("x" * 20_001, None, "no query"),
        ("{ a }", [1], "Variables"),
        ("", None, "EOF"),
        ("{ a", None, "EOF"),
        ("{ a(b: ", None, "EOF"),
        ("{ a(b 1) }", None, "Expected :"),
        ("{ 7 }", None, "Expected Name"),
        ("{ a(b: }) }", None, "Unexpected }"),
        ("subscription { a }", None, "subscription"),
        ("{ a } %", None, "character '%'"),
        ('{ a(b: "\\q") }', None, "string"),
        ("{a" * 30 + "}" * 30, None, "too deep"),
        ("{ a(b: " + "[" * 30 + "]" * 30 + ") }", None, "too deep"),
    ],
)
def test_what_is_not_understood_is_an_error(query: Any, variables: Any, why: str) -> None:
    with pytest.raises(GraphqlError, match=why):
        read(query, variables)


def test_the_selected_is_chosen_under_its_alias() -> None:
    selection = read("{ s { a b: c { d } } }").fields[0].fields
    rows = [{"a": 1, "c": {"d": 2, "e": 3}, "f": 4}, {"a": None, "c": None}]
    assert choose(selection, rows) == [{"a": 1, "b": {"d": 2}}, {"a": None, "b": None}]


def test_a_field_that_there_is_not() -> None:
    with pytest.raises(GraphqlError, match='Cannot query field "x"'):
        choose(read("{ s { x } }").fields[0].fields, {"a": 1})


@given(st.text(alphabet='{}()[]:$!"=,# \nab1-\\', max_size=40))
def test_any_query_is_read_or_refused(query: str) -> None:
    try:
        operation = read(query, {"a": 1})
    except GraphqlError:
        return
    assert operation.kind in {"query", "mutation"}
