"""What aiohttp's server says of its own accord, without what anybody outside can make it say.

It logs requests that are no HTTP, as errors with what was sent. Anybody could fill the log with them, and what was sent
may hold a token. They are answered with 400 all the same. What points to a bug of ours is still said.
"""

import logging
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

SERVER_LOG: Final = logging.getLogger("gatewayd.web.server")


def _is_ours(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | web.RequestPayloadError)


SERVER_LOG.addFilter(_is_ours)
