"""The simulator's own addresses below `/_simulator`: contracts, ledger, faults. No bank has them."""

from typing import Any, Final

import orjson

from gatewayd.gateways.contract import Reply
from gatewayd.simulator.faults import BadFault, read_fault
from gatewayd.simulator.host import Banks

PREFIX: Final = "_simulator"


def control(banks: Banks, method: str, path: str, body: bytes, now: float) -> Reply:
    """The answer to a request for `path`, which begins after the prefix: `/ledger`."""
    match method, path.rstrip("/"):
        case "GET", "/contracts":
            return _json(banks.contracts)
        case "GET", "/ledger":
            return _json(banks.book.ledger(now))
        case "GET", "/faults":
            return _json(banks.faults.listed(now))
        case "POST", "/faults":
            return _add_fault(banks, body, now)
        case "DELETE", "/faults":
            banks.faults.clear()
            return Reply(status=204)
        case _, "/contracts" | "/ledger":
            return _json({"error": "only GET"}, status=405)
        case _, "/faults":
            return _json({"error": "only GET, POST and DELETE"}, status=405)
        case _:
            return _json({"error": "there are contracts, ledger and faults"}, status=404)


def _add_fault(banks: Banks, body: bytes, now: float) -> Reply:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _json({"field": "", "error": "the body must be JSON"}, status=400)
    try:
        fault = read_fault(document, frozenset(banks.dialects))
        banks.faults.add(fault, now)
    except BadFault as error:
        return _json({"field": error.field, "error": str(error)}, status=400)
    return _json(banks.faults.listed(now)[-1], status=201)


def _json(document: Any, status: int = 200) -> Reply:
    return Reply(
        status=status,
        body=orjson.dumps(document, default=dict),
        headers={"content-type": "application/json"},
    )
