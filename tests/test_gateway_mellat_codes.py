"""What Mellat's codes mean, by operation: the whole table once more, so that no slip stays unseen."""

import pytest

from gatewayd.core.terms import CodeClass, Operation
from gatewayd.gateways.mellat import EXCEPTIONS, class_of

CLASSES = {
    CodeClass.OK: {0},
    CodeClass.CANCELLED: {17},
    CodeClass.DECLINED: {11, 12, 13, 14, 15, 16, 18, 19, 98, 114, 419, 995},
    CodeClass.ISSUER: {111, 112, 113},
    CodeClass.GATEWAY: {31, 34, 61, 416},
    CodeClass.MERCHANT_CONFIG: {21, 23, 24, 33, 62, 421},
    CodeClass.OUR_FAULT: {25, 32, 35, 41, 44, 47, 49, 51, 55, 412, 413, 414, 417, 418},
    CodeClass.NOT_PAID: {42, 48, 54},
    CodeClass.UNKNOWN: {43, 45, 46, 415, 1, 999},
}
PLACES: list[Operation | None] = [*Operation, None]


@pytest.mark.parametrize(
    ("code", "kind"), [(code, kind) for kind, codes in CLASSES.items() for code in sorted(codes)]
)
def test_a_code_means_the_same_wherever_no_exception_is_made(code: int, kind: CodeClass) -> None:
    said_at = {
        class_of(place, str(code)) for place in PLACES if (place, str(code)) not in EXCEPTIONS
    }
    assert {kind} == said_at


def test_some_codes_mean_something_else_elsewhere() -> None:
    already = {
        (place, code)
        for place in PLACES
        for code in ("43", "45", "48")
        if class_of(place, code) is CodeClass.ALREADY_DONE
    }
    assert {
        (Operation.VERIFY, "43"),
        (Operation.VERIFY, "45"),
        (Operation.SETTLE, "45"),
        (Operation.REVERSE, "48"),
    } == already
    assert class_of(None, "415") is CodeClass.CANCELLED
    assert class_of(Operation.REFUND, "12") is CodeClass.MERCHANT_CONFIG
