"""Why an exchange with a bank was lost: a small closed vocabulary for logs, metrics and the router.

The phrases are fixed and hold no data, so they may stand anywhere. The first group certainly never reached the bank
when it is the only thing that happened; the second may have.
"""

from enum import StrEnum


class LostCause(StrEnum):
    """What the network did, or did not do."""

    NO_TIME = "no time left"
    STOPPING = "client closed"
    UNSENDABLE = "request not sendable"
    """An address, method or header that HTTP does not allow: our own mistake."""
    PLAIN_HTTP = "plain http refused"
    POOL_FULL = "connection pool full"
    DNS = "DNS lookup failed"
    REFUSED = "connection refused"
    UNREACHABLE = "host unreachable"
    CONNECT_TIMEOUT = "timeout while connecting"
    TLS_UNTRUSTED = "TLS: certificate not trusted"
    TLS_HOSTNAME = "TLS: certificate for another host"
    TLS_EXPIRED = "TLS: certificate expired"
    TLS_FAILED = "TLS: handshake failed"

    REPLY_TIMEOUT = "timeout after sending"
    CLOSED = "closed before a reply"
    CUT = "reply cut short"
    STALLED = "reply stalled"
    NOT_HTTP = "reply not HTTP"
    TOO_LARGE = "reply too large"
