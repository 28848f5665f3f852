"""Where a face's customer goes back to: the shop's callback with its own query, and the bank's claim.

What stands there proves nothing, as at the services: the shop's verify does.
"""

from typing import Final
from urllib.parse import quote, unquote_plus

from gatewayd.core.payment import Payment
from gatewayd.web.facade.names import Names
from gatewayd.web.facade.standing import Standing, standing_of
from gatewayd.web.facade.zibal_wire import status_code
from gatewayd.web.shops import with_query

ZARINPAL: Final = "zarinpal"
ZARINPAL_SANDBOX: Final = "zarinpal_sandbox"
"""Asked for at the sandbox's host: its authority begins with another letter."""
ZIBAL: Final = "zibal"
_ORDER: Final = "orderId"
_SAYS_PAID: Final = frozenset({Standing.PAID, Standing.VERIFIED})


def face_of(payment: Payment) -> str:
    """The face that a payment was asked for at; empty for our own API."""
    return payment.hold.face if payment.hold is not None else ""


def authority_of(payment: Payment, names: Names) -> str:
    """The authority that the shop was given."""
    return names.authority(payment.number, sandbox=face_of(payment) == ZARINPAL_SANDBOX)


def callback_url(payment: Payment, names: Names) -> str:
    """The address to send the customer to."""
    standing = standing_of(payment)
    paid = standing in _SAYS_PAID
    if face_of(payment) == ZIBAL:
        url = with_query(
            payment.return_url,
            {
                "trackId": str(names.track_id(payment.number)),
                "success": "1" if paid else "0",
                "status": str(status_code(payment, standing)),
            },
        )
        return _with_order(url, payment.order_id)
    claim = {"Authority": authority_of(payment, names), "Status": "OK" if paid else "NOK"}
    return with_query(payment.return_url, claim)


def _with_order(url: str, order_id: str) -> str:
    """`url` with the order at its end, as the service echoes it.

    Plugins find their order by an `orderId` of their own in the callback's query: it stays before ours, and where they
    named no order, no empty one comes after it, which many languages would read in its place.
    """
    query = url.partition("?")[2]
    own = any(unquote_plus(part.partition("=")[0]) == _ORDER for part in query.split("&"))
    return url if own and not order_id else f"{url}&{_ORDER}={quote(order_id, safe='')}"
