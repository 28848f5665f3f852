"""The real ports: clock, connections, disk, logs, service manager."""
