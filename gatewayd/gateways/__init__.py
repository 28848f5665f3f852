"""The banks' protocols as pure flows: one file per driver, no I/O anywhere."""
