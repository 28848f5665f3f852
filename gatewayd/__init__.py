"""gatewayd: many bank gateways, one that never fails."""

__version__ = "0.1.0"
