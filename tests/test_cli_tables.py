"""What operators are shown is whole, however narrow the place that it is shown in."""

import pytest

from gatewayd.cli_operators import console, folding, whole

ORDER = "2026-11-22/spring-tea/0000000000017"


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    table = folding(whole("payment"), "order", "shop", "rial", "status", "next", "review")
    reason = "the bank's receipt has the same reference as that of pay_217512345678"
    table.add_row("pay_217512345678", ORDER, "main", "1,234,567", "processing", "verify", reason)
    console().print(table)
    return capsys.readouterr().out


def test_into_a_pipe_an_order_stands_on_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert ORDER in printed(capsys)


def test_in_a_narrow_terminal_nothing_is_cut_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = printed(capsys)
    assert "…" not in out
    assert "pay_217512345678" in out
