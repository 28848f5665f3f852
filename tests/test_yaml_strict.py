"""The strict reader gives plain data with lines, or complaints with lines, whatever the bytes are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.io.yaml_strict import BYTES_MAX, DEPTH_MAX, Document, plain, read, spell
from tests.config_text import written


def data(text: str) -> object:
    document = read(text.encode())
    assert [] == document.complaints
    assert document.complete
    return document.data


def texts(document: Document) -> list[tuple[int, str, str]]:
    return [(each.line, each.path, each.text) for each in document.complaints]


@pytest.mark.parametrize(
    "text",
    [
        "0123",
        "-07",
        "00.5",
        "+5",
        "12:30:45",
        "1:30",
        "2026-11-21",
        "0x1F",
        "0o17",
        "0b11",
        "1e3",
        "1_",
        "1__0",
        ".5",
        "5.",
        ".inf",
        ".nan",
        "no",
        "No",
        "off",
        "yes",
        "on",
        "y",
        "True",
        "FALSE",
        "Null",
        "NULL",
        "9223372036854775808",
        "9" * 5_000,
        "9" * 400 + ".0",
        "1٢",
        "1\n2",
    ],
)
def test_what_is_no_plain_number_or_truth_stays_the_text_it_is(text: str) -> None:
    assert text == plain(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("-1", -1),
        ("7654321", 7_654_321),
        ("500_000_000_000", 500_000_000_000),
        ("9223372036854775807", 2**63 - 1),
        ("0.5", 0.5),
        ("-2.25", -2.25),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_plain_numbers_truths_and_nothing_are_read(text: str, expected: object) -> None:
    assert expected == plain(text)
    assert type(expected) is type(plain(text))


def test_quotes_and_blocks_make_text_of_anything() -> None:
    assert {"a": "12", "b": "true", "c": "", "d": "5\n", "e": "x y\n"} == data(
        "a: '12'\nb: \"true\"\nc: ''\nd: |\n  5\ne: >\n  x\n  y\n"
    )


def test_every_value_has_the_line_of_its_key() -> None:
    document = read(b"a: 1\nb:\n  - x\n  - c:\n      2\nd: {e:\n  3}\n")
    assert {
        (): 1,
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 1): 4,
        ("b", 1, "c"): 4,
        ("d",): 6,
        ("d", "e"): 6,
    } == document.lines
    assert 4 == document.line(("b", 1, "c", "nothing", "there"))


def test_a_key_that_stands_twice_is_named_with_both_lines_and_the_first_counts() -> None:
    document = read(b"a: 1\nb: 2\na: {x: [3]}\nc: 4\n")
    assert [(3, "a", "stands twice, the first time in line 1")] == texts(document)
    assert {"a": 1, "b": 2, "c": 4} == document.data
    assert document.complete


def test_keys_are_told_apart_as_text() -> None:
    assert {"1": "a", "true": "b", "null": "c"} == data("1: a\ntrue: b\nnull: c\n")


@pytest.mark.parametrize(
    ("text", "line", "path", "start"),
    [
        ("a: &x 1\n", 1, "a", "anchors"),
        ("a: 1\nb: *x\n", 2, "b", "aliases"),
        ("a: !secret x\n", 1, "a", "tags"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "a", "tags"),
        ("- &x {}\n", 1, "0", "anchors"),
        ("? [a]\n: 1\n", 1, "", "a key must be text"),
        ("*x : 1\n", 1, "", "a key must be text"),
        ("a: 1\n---\nb: 2\n", 2, "", "a second document"),
        ("a: 1\n...\n---\n", 3, "", "a second document"),
        ("a: 1\nb: [1\nc: 2\n", 3, "", "not YAML"),
        ("a: 'x\n", 2, "", "not YAML"),
        ("\ta: 1\n", 1, "", "not YAML: there is a tab here; YAML indents with blanks"),
        ('a: "\\ud800"\n', 1, "a", "holds half a character"),
        ('a: 1\nb: "\\UFFFFFFFF"\n', 2, "", "not YAML"),
        ("a: 1\nb: \x00\n", 2, "", "there is a control character"),
        ("a: 1\nb: x\u2028y\n", 2, "", "there is a control character"),
    ],
)
def test_what_is_refused_is_refused_with_its_line(
    text: str, line: int, path: str, start: str
) -> None:
    (complaint,) = read(text.encode()).complaints
    assert (line, path) == (complaint.line, complaint.path)
    assert complaint.text.startswith(start)


def test_bytes_that_are_no_text_are_refused_with_their_line() -> None:
    assert [(2, "", "this is not UTF-8 text")] == texts(read(b"a: 1\nb: \xff\n"))


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert {"a": 1} == read(b"\xef\xbb\xbfa: 1\n").data


def test_size_and_depth_are_limited() -> None:
    assert not read(b"#" * (BYTES_MAX + 1)).complete
    assert read(b"[" * DEPTH_MAX + b"]" * DEPTH_MAX).complete
    too_deep = read(b"[" * 100_000)
    assert not too_deep.complete
    assert f"more than {DEPTH_MAX} levels deep" == too_deep.complaints[0].text


def test_a_value_with_a_complaint_is_known_to_be_spoilt() -> None:
    assert {("a", "b")} == read(b"a: {b: !x 1, c: 2}\n").spoilt


def test_a_complaint_never_quotes_what_may_be_a_secret() -> None:
    for text in ("p: !hunter2 x", "p: &hunter2 x", "p: *hunter2", "p: !hunter2!x y", "p: 'hunter2"):
        for complaint in read(text.encode()).complaints:
            assert "hunter2" not in complaint.text


def test_an_empty_file_is_nothing_at_all() -> None:
    assert (None, True) == (read(b"# only a comment\n").data, read(b"").complete)


def test_a_path_with_unprintable_parts_is_written_escaped() -> None:
    assert "a.'b\\nc'.3" == spell(("a", "b\nc", 3))


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_give_data_or_complaints_with_lines(raw: bytes) -> None:
    document = read(raw)
    assert document.complete or document.complaints
    lines = raw.count(b"\n") + raw.count(b"\r") + 5 * len(raw) + 1
    assert all(1 <= each.line <= lines for each in document.complaints)


ALPHABET = st.text(alphabet="ab:-[]{}&*!|>'\"#%@,?~0 1.\n\t\\x\u2028\x85", max_size=60)


@given(ALPHABET)
def test_any_indicators_give_data_or_complaints(text: str) -> None:
    document = read(text.encode())
    assert document.complete or document.complaints


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]))
LEAVES = st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | TEXT
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(TREES)
def test_what_a_yaml_writer_wrote_is_read_back(tree: object) -> None:
    assert tree == data(written(tree))
