"""Where the example configurations are: in a checkout beside the package, in an installed package inside it."""

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent.parent
PLACES: Final = (_PACKAGE / "_config", _PACKAGE.parent / "config")
"""The wheel's copy first: what stands beside an installed package is somebody else's."""


def example(name: str) -> Path:
    """The example configuration with this file name, such as `simulated.yaml`."""
    return next((path for place in PLACES if (path := place / name).is_file()), PLACES[-1] / name)
