"""One file per bank: what that bank answers on the wire."""
