"""The parts of the README that are made from code: `python3 -m tests.readme_parts` writes them anew.

Each stands between two comments that name it, and a test holds both together.
"""

import ast
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final

from gatewayd.core import states
from gatewayd.core.states import TRANSITIONS, State
from gatewayd.core.terms import Ask, IfUnverified
from gatewayd.gateways.registry import DRIVERS
from tests.stage import plain_drivers

README: Final = Path(__file__).parent.parent / "README.md"
MINUTE: Final = 60
HOUR: Final = 3_600


def states_table() -> str:
    """The table of transitions, a row per state; what moves nothing is left out."""
    meanings = _meanings()
    lines = ["| state | what it means | what moves it on |", "| --- | --- | --- |"]
    for state in State:
        moves: defaultdict[State, list[str]] = defaultdict(list)
        for trigger, following in TRANSITIONS[state].items():
            moves[following].append(f"`{trigger}`")
        told = [
            f"to `{following}`: {', '.join(triggers)}"
            for following, triggers in moves.items()
            if following is not state
        ]
        lines.append(f"| `{state}` | {meanings[state.name]} | {'<br>'.join(told) or 'nothing'} |")
    return "\n".join(lines)


def gateways_table() -> str:
    """What each driver needs and what its bank does, a row per driver."""
    lines = [
        "| driver | values it needs | what nobody verifies | asked without the payer | given back |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, kind in DRIVERS.items():
        traits = plain_drivers()[name].traits
        known: Any = kind
        needed = ", ".join(f"`{each.name}`" for each in fields(known) if each.default is MISSING)
        within = _span(traits.verify_within_seconds)
        if traits.unverified is IfUnverified.HELD:
            unverified = f"is held; verified within {within}"
        else:
            unverified = f"goes back after {within}"
        asked = {
            Ask.NOTHING: "no",
            Ask.VERIFY: "by a verify",
            Ask.INQUIRY: "by an inquiry",
        }[traits.ask]
        reverse = traits.reverse_within_seconds
        ways = [f"reverse within {_span(reverse)}"] if reverse is not None else []
        back = ", ".join([*ways, *(["refund"] if traits.refunds else [])]) or "no"
        lines.append(f"| `{name}` | {needed} | {unverified} | {asked} | {back} |")
    return "\n".join(lines)


def routing_table() -> str:
    """What `bench.routing` measured at five payments a second, and what it is held to, as it wrote it."""
    text = (README.parent / "bench" / "results" / "routing.md").read_text()
    _, _, rest = text.partition("### Gaps at 5 payments a second\n\n")
    table, _, _ = rest.partition("\n### ")
    if not table:
        raise ValueError("bench/results/routing.md has no table for five payments a second")
    return table.strip()


PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "states": states_table,
    "gateways": gateways_table,
    "routing": routing_table,
}


def filled(readme: str) -> str:
    """The README with every part as the code has it."""
    for name, make in PARTS.items():
        begins, ends = f"<!-- {name}: made by tests.readme_parts -->", f"<!-- {name}: end -->"
        before, found, rest = readme.partition(begins)
        _, ended, after = rest.partition(ends)
        if not (found and ended) or begins in rest:
            raise ValueError(f"the README has no place for {name}, or several")
        readme = f"{before}{begins}\n{make()}\n{ends}{after}"
    return readme


def _span(seconds: int) -> str:
    return f"{seconds // HOUR} h" if seconds >= 2 * HOUR else f"{seconds // MINUTE} min"


def _meanings() -> Mapping[str, str]:
    """What stands below each state in its source."""
    (kind,) = [
        node
        for node in ast.parse(Path(states.__file__).read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == State.__name__
    ]
    found: dict[str, str] = {}
    name = ""
    for node in kind.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]):
                found[name] = ""
            case ast.Expr(value=ast.Constant(value=str(text))) if name:
                found[name] = " ".join(text.split())
            case _:
                pass
    return found


def main() -> None:
    """Write them into the README."""
    README.write_text(filled(README.read_text()))


if __name__ == "__main__":
    main()
