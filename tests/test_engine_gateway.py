"""Gateways turn into what the banks know of them, in clear and grouped by bank."""

from gatewayd.core.secret import Secret
from gatewayd.engine.gateway import GatewaySettings, contracts
from gatewayd.gateways.mellat import Mellat
from gatewayd.gateways.parsian import Parsian
from gatewayd.gateways.saman import Saman


def test_contracts_are_grouped_by_driver_in_the_order_of_gateways() -> None:
    told = contracts(
        [
            GatewaySettings(name="b", driver=Saman(terminal_id="2")),
            GatewaySettings(
                name="m",
                driver=Mellat(terminal_id=7, username="u", password=Secret("p4ss")),
            ),
            GatewaySettings(name="a", driver=Saman(terminal_id="01"), retired=True, test=True),
        ]
    )
    assert ["saman", "mellat"] == list(told)
    assert ["2", "01"] == [contract["terminal_id"] for contract in told["saman"]]
    assert ("7", "u", "p4ss") == tuple(
        told["mellat"][0][name] for name in ("terminal_id", "username", "password")
    )


def test_truths_are_told_as_in_the_file_and_what_is_absent_is_left_out() -> None:
    told = contracts(
        [
            GatewaySettings(name="s", driver=Saman(terminal_id="1", receipt_call=True)),
            GatewaySettings(name="p", driver=Parsian(pin=Secret("x"), reverse_within_seconds=None)),
        ]
    )
    (saman,), (parsian,) = told["saman"], told["parsian"]
    assert ("true", "false") == (saman["receipt_call"], saman["discounts"])
    assert set() == {"report_user", "report_password", "reverse_within_seconds"} & parsian.keys()


def test_a_gateway_shows_no_secret_of_its_driver() -> None:
    gateway = GatewaySettings(name="p", driver=Parsian(pin=Secret("hunter2")))
    assert "hunter2" not in repr(gateway)
