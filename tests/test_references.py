"""References in the configuration lead to the environment, to files and to credentials, or say why not."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.io.references import BYTES_MAX, Filled, Sources, Unresolved


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "bank.password").write_text("p4ss\r\n")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text("k3y\n\n")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "latin").write_bytes(b"\xe9")
    (tmp_path / "large").write_bytes(b"x" * (BYTES_MAX + 1))
    return Sources(
        environ={
            "USER_NAME": "sh0p",
            "EMPTY": "",
            "LATIN": os.fsdecode(b"\xe9"),
            "NESTED": "${env:USER_NAME}",
            "CREDENTIALS_DIRECTORY": str(credentials),
        },
        directory=tmp_path,
    )


def why(sources: Sources, text: str) -> str:
    with pytest.raises(Unresolved) as caught:
        sources.fill(text)
    return str(caught.value)


def test_a_whole_value_comes_from_the_environment(sources: Sources) -> None:
    assert Filled(text="sh0p", references=("env:USER_NAME",), secrets=("sh0p",)) == sources.fill(
        "${env:USER_NAME}"
    )


def test_references_stand_inside_text_too(sources: Sources) -> None:
    filled = sources.fill("a ${env:USER_NAME}:${credential:bank.password}@b")
    assert "a sh0p:p4ss@b" == filled.text
    assert ("env:USER_NAME", "credential:bank.password") == filled.references


def test_a_file_is_relative_to_the_configuration_and_loses_one_newline(sources: Sources) -> None:
    assert "k3y\n" == sources.fill("${file:secrets/key}").text
    absolute = sources.directory / "secrets" / "key"
    assert "k3y\n" == sources.fill(f"${{file:{absolute}}}").text


def test_a_credential_loses_a_windows_newline(sources: Sources) -> None:
    assert "p4ss" == sources.fill("${credential:bank.password}").text


def test_what_came_in_is_not_looked_at_again(sources: Sources) -> None:
    assert "${env:USER_NAME}" == sources.fill("${env:NESTED}").text


def test_an_escaped_reference_stays_text(sources: Sources) -> None:
    assert Filled(text="a${env:USER_NAME}") == sources.fill("a$${env:USER_NAME}")
    assert Filled(text="$ {} $$ $x") == sources.fill("$ {} $$ $x")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("${env:NOT_SET}", "the environment variable NOT_SET is not set"),
        ("${env:EMPTY}", "the environment variable EMPTY is empty"),
        ("${env:LATIN}", "the environment variable LATIN is not UTF-8 text"),
        ("${file:nowhere}", "file nowhere cannot be read: No such file or directory"),
        ("${file:secrets}", "file secrets is not a regular file"),
        ("${file:/dev/zero}", "file /dev/zero is not a regular file"),
        ("${file:empty}", "file empty is empty"),
        ("${file:latin}", "file latin is not UTF-8 text"),
        ("${file:large}", f"file large is larger than {BYTES_MAX} bytes"),
        ("${credential:none}", "credential none cannot be read: No such file or directory"),
    ],
)
def test_a_reference_that_leads_nowhere_says_why(sources: Sources, text: str, reason: str) -> None:
    assert reason == why(sources, text)


@pytest.mark.parametrize(
    "text",
    [
        "${}",
        "${hunter2}",
        "${env}",
        "${env:}",
        "${env:hunter 2}",
        "${file:}",
        "${file:hunter2\x07}",
        "${credential:../hunter2}",
        "${credential:..}",
        "${credential:a/hunter2}",
        "${vault:hunter2}",
        "${env:${env:hunter2}}",
        "x${hunter2",
    ],
)
def test_what_is_no_reference_is_refused_without_repeating_it(sources: Sources, text: str) -> None:
    assert "reference" in why(sources, text)
    assert "hunter2" not in why(sources, text)


def test_without_a_credentials_directory_the_reason_names_it(sources: Sources) -> None:
    bare = Sources(environ={}, directory=sources.directory)
    assert "CREDENTIALS_DIRECTORY is not set" in why(bare, "${credential:bank.password}")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_value_of_a_variable_comes_through_unchanged(value: str) -> None:
    sources = Sources(environ={"V": value}, directory=Path())
    if value:
        assert f"<{value}>" == sources.fill("<${env:V}>").text


@given(st.text(alphabet="${}:envfile credntialx/.\x00\n", max_size=30))
def test_any_text_is_filled_or_unresolved(text: str) -> None:
    sources = Sources(environ={"e": "1"}, directory=Path("/nonexistent"))
    with suppress(Unresolved):
        assert isinstance(sources.fill(text), Filled)
