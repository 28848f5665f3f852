"""What Parsian's codes mean, by operation: the whole table once more, so that no slip stays unseen."""

import pytest

from gatewayd.core.terms import CodeClass, Operation
from gatewayd.gateways.parsian import EXCEPTIONS, class_of

CLASSES = {
    CodeClass.OK: "0",
    CodeClass.CANCELLED: "-138 17",
    CodeClass.DECLINED: """
        -122 -123 -124 -125 -139 -140 -141 -142 -160 -1621 -1689 1 4 5 7 12 14 15 31 33 34 36 38 39
        41 42 43 44 51 52 53 54 55 56 57 59 61 62 65 69 75 78 79 80 81 97 98""",
    CodeClass.ISSUER: "84 91",
    CodeClass.GATEWAY: """
        -1 -500 -501 -502 -1000 -1001 -1002 -1003 -1004 -1005 -1006 -1007 -1527 -1529 -1536 -1540
        -1548 -1561 -1585 6 19 20 21 22 23 30 63 68 77 83 85 86 87 88 89 90 92 93 96 99""",
    CodeClass.MERCHANT_CONFIG: """
        -5 -100 -101 -103 -104 -105 -106 -107 -108 -109 -110 -126 -127 -128 -143 -144 -145 -155
        -157 -158 -159 -1530 -1626 3 40 58""",
    CodeClass.OUR_FAULT: """
        -111 -112 -113 -114 -115 -116 -117 -118 -119 -120 -121 -129 -131 -132 -148 -152 -153 -156
        13 45 64""",
    CodeClass.UNKNOWN: """
        -1425 -1500 -1502 -1503 -1504 -1505 -1538 -1539 -1542 -1544 -1549 -1550 -1552 -1625 -32768
        9 10 32 94 200 12345""",
}
PLACES: list[Operation | None] = [*Operation, None]
"""None is the return."""


@pytest.mark.parametrize(
    ("code", "kind"), [(code, kind) for kind, codes in CLASSES.items() for code in codes.split()]
)
def test_a_code_means_the_same_wherever_no_exception_is_made(code: str, kind: CodeClass) -> None:
    assert {kind} == {class_of(place, code) for place in PLACES if (place, code) not in EXCEPTIONS}


@pytest.mark.parametrize("code", ["-102", "-1507", "-1528", "-1531", "-130", "-131", "25"])
def test_nothing_to_confirm_is_a_definite_no(code: str) -> None:
    assert class_of(Operation.VERIFY, code) is CodeClass.NOT_PAID


def test_done_before_is_said_by_other_codes_for_each_operation() -> None:
    codes = [code for _, code in EXCEPTIONS]
    already = {p: {c for c in codes if class_of(p, c) is CodeClass.ALREADY_DONE} for p in PLACES}
    assert {
        Operation.VERIFY: {"2", "-1506", "-1532", "-1533"},
        Operation.REVERSE: {"-102", "-1507", "-1551"},
    } == {place: found for place, found in already.items() if found}
