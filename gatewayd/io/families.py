"""Counters, gauges and histograms as plain numbers, written in Prometheus' text format when somebody asks for them.

The same words as prometheus_client's, whose own cost a payment twenty times as much (locks, label checks, a value
object for each): here a count is a dictionary look-up and an addition. They are used by one thread, that of the event
loop.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
_INFINITY: Final = "+Inf"


class Registry:
    """Families in the order in which they were made."""

    def __init__(self) -> None:
        self._families: list[_Family] = []

    def add(self, family: "_Family") -> None:
        """Show this one, too."""
        self._families.append(family)

    def render(self) -> bytes:
        """All of them in the text format."""
        return "".join(line for family in self._families for line in family.lines()).encode()


class _Family:
    """A metric with all its labels; without labels it is its own only child."""

    kind = ""

    def __init__(
        self, name: str, meaning: str, labels: Sequence[str] = (), *, registry: Registry
    ) -> None:
        self.name = name
        self.meaning = meaning
        self._labels = tuple(labels)
        self._children: dict[tuple[str, ...], _Number | _Spread] = {}
        registry.add(self)

    def lines(self) -> Iterator[str]:
        """The family in the text format."""
        yield f"# HELP {self.name} {self.meaning}\n# TYPE {self.name} {self.kind}\n"
        for values, child in self._children.items():
            pairs = zip(self._labels, values, strict=True)
            yield from child.lines(
                self.name, [f'{name}="{text.translate(_ESCAPES)}"' for name, text in pairs]
            )

    def clear(self) -> None:
        """Forget every child."""
        self._children.clear()


class _Number:
    """One number."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0

    def inc(self, by: float = 1) -> None:
        """Add to it."""
        self.value += by

    def set(self, value: float) -> None:
        """It is this now."""
        self.value = value

    def lines(self, name: str, labels: list[str]) -> Iterator[str]:
        """Its one sample."""
        yield f"{name}{_braced(labels)} {float(self.value)!r}\n"


class _Spread:
    """How many observations were at most so much."""

    __slots__ = ("_buckets", "_counts", "_sum")

    def __init__(self, buckets: tuple[float, ...]) -> None:
        self._buckets = buckets
        self._counts = [0] * (len(buckets) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._buckets, value)] += 1
        self._sum += value

    def lines(self, name: str, labels: list[str]) -> Iterator[str]:
        """Its buckets, each with all that is below, then sum and count."""
        so_far = 0
        for bound, count in zip(
            [*map(repr, map(float, self._buckets)), _INFINITY], self._counts, strict=True
        ):
            so_far += count
            limit = f'le="{bound}"'
            yield f"{name}_bucket{_braced([*labels, limit])} {float(so_far)!r}\n"
        yield f"{name}_sum{_braced(labels)} {self._sum!r}\n"
        yield f"{name}_count{_braced(labels)} {float(so_far)!r}\n"


class _Numbers(_Family):
    """A family of numbers."""

    def __init__(
        self, name: str, meaning: str, labels: Sequence[str] = (), *, registry: Registry
    ) -> None:
        super().__init__(name, meaning, labels, registry=registry)
        if not labels:
            self.labels()  # what has not happened yet is shown as 0

    def labels(self, *values: str) -> _Number:
        """The child with these values of its labels."""
        child = self._children.get(values)
        if child is None:
            assert len(values) == len(self._labels), f"{self.name} has other labels"
            child = self._children[values] = _Number()
        assert isinstance(child, _Number)
        return child

    def inc(self, by: float = 1) -> None:
        """Of a family without labels."""
        self.labels().value += by


class Counter(_Numbers):
    """What only ever grows. Its name ends in `_total`."""

    kind = "counter"


class Gauge(_Numbers):
    """What goes up and down."""

    kind = "gauge"

    def set(self, value: float) -> None:
        """Of a family without labels."""
        self.labels().value = value


class Histogram(_Family):
    """How much or how long, in buckets."""

    kind = "histogram"

    def __init__(
        self,
        name: str,
        meaning: str,
        labels: Sequence[str] = (),
        *,
        buckets: Sequence[float],
        registry: Registry,
    ) -> None:
        super().__init__(name, meaning, labels, registry=registry)
        self._buckets = tuple(buckets)
        if not labels:
            self.labels()

    def labels(self, *values: str) -> _Spread:
        """The child with these values of its labels."""
        child = self._children.get(values)
        if child is None:
            assert len(values) == len(self._labels), f"{self.name} has other labels"
            child = self._children[values] = _Spread(self._buckets)
        assert isinstance(child, _Spread)
        return child

    def observe(self, value: float) -> None:
        """Of a family without labels."""
        self.labels().observe(value)


def _braced(labels: list[str]) -> str:
    return f"{{{','.join(labels)}}}" if labels else ""
