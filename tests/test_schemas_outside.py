"""Generated requests against the real daemon: every answer fits the document that it serves."""

from bench.schemas import run


def test_generated_requests_find_nothing_that_the_document_does_not_say() -> None:
    assert 0 == run(cases=5, seed=1)
