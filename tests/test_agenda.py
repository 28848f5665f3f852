"""The agenda against the plainest thing that does the same: a dictionary of times."""

from hypothesis import given
from hypothesis import strategies as st

from gatewayd.engine.agenda import STALE_MIN, Agenda

NUMBERS = st.integers(0, 5)
TIMES = st.integers(0, 50)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("note"), NUMBERS, TIMES),
        st.tuples(st.just("strike"), NUMBERS, TIMES),
        st.tuples(st.just("take"), NUMBERS, TIMES),
    ),
    max_size=300,
)


@given(STEPS)
def test_what_is_taken_is_what_is_due_the_longest_and_each_only_once(
    steps: list[tuple[str, int, int]],
) -> None:
    agenda, noted = Agenda(), dict[int, int]()
    for what, number, at_ms in steps:
        match what:
            case "note":
                agenda.note(number, at_ms)
                noted[number] = at_ms
            case "strike":
                agenda.strike(number)
                noted.pop(number, None)
            case _:
                due = min(
                    ((due, each) for each, due in noted.items() if due <= at_ms), default=None
                )
                assert (due and due[1]) == agenda.take(at_ms)
                if due:
                    del noted[due[1]]


def test_a_note_says_whether_it_is_the_first_now() -> None:
    agenda = Agenda()
    assert agenda.note(7, 1_000)
    assert not agenda.note(8, 1_000), "the lower number comes first of two at one time"
    assert agenda.note(6, 999)
    assert not agenda.note(6, 999), "noted already"
    assert 999 == agenda.first_ms()


def test_nothing_is_due_on_an_empty_agenda() -> None:
    assert (None, None) == (Agenda().take(10**15), Agenda().first_ms())


def test_notes_of_another_time_do_not_pile_up() -> None:
    agenda = Agenda()
    for at_ms in range(10_000):
        agenda.note(1, at_ms)
    assert len(agenda._heap) <= 2 + STALE_MIN
    assert (1, None) == (agenda.take(9_999), agenda.take(9_999))
