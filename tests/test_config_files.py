"""The example configurations, the code and the README say the same.

In config/gatewayd.yaml a line `#key: value` shows a key that may be left out, with its default.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from gatewayd.core.secret import Secret
from gatewayd.core.settings import ServiceSettings, ShopKey, ShopSettings
from gatewayd.engine.gateway import GatewayOptions, contracts
from gatewayd.gateways.registry import DRIVERS
from gatewayd.io.config import load, parse
from gatewayd.io.yaml_strict import Place, read
from gatewayd.routing.router import RoutingSettings

ROOT = Path(__file__).parent.parent
PRODUCTION = ROOT / "config" / "gatewayd.yaml"
SIMULATED = ROOT / "config" / "simulated.yaml"
COMMENTED_OUT = re.compile(r"^( *)#(?=[a-z])", re.MULTILINE)
CREDENTIALS = {
    "shop_key": "gwk_live_0123456789abcdefghijkl",
    "shop_return_secret": "0123456789abcdef",
    "mellat_user": "shop01",
    "mellat_password": "12345678",
    "parsian_pin": "aB3dE5fG7hJ9kL1mN2pQ",
    "parsian_report_password": "secret",
    "sadad_key": "ASNFZ4mrze/+3LqYdlQyEA8eLTxLWml4",
    "zarinpal_merchant": "11111111-2222-3333-4444-555555555555",
    "mellat_national_id_key": "133457799BBCDFF1",
    "zarinpal_token": "token",
    "zibal_merchant": "zibal-demo",
    "zibal_token": "token",
    "webhook_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}

Pattern = tuple[str, ...]


def keys_of(kind: Any, above: Pattern = ()) -> Iterator[Pattern]:
    """Every key that code reads into a `kind`, list positions as `*`."""
    if is_dataclass(kind) and kind is not Secret:
        for name, hint in get_type_hints(kind).items():
            if name in {field.name for field in fields(kind)}:
                yield (*above, name)
                yield from keys_of(hint, (*above, name))
    elif get_origin(kind) is tuple:
        yield from keys_of(get_args(kind)[0], (*above, "*"))
    elif get_origin(kind) in {Union, UnionType}:
        for each in get_args(kind):
            yield from keys_of(each, above)


def known() -> set[Pattern]:
    """Every key of the configuration; a driver's under its name."""
    keys = {("gateways",), ("routing",), ("gateways", "*", "driver")}
    keys |= set(keys_of(ServiceSettings)) | set(keys_of(RoutingSettings, ("routing",)))
    keys |= set(keys_of(GatewayOptions, ("gateways", "*")))
    for name, kind in DRIVERS.items():
        keys |= set(keys_of(kind, ("gateways", name)))
    return keys


def shown(data: Any, lines: Mapping[Place, int]) -> dict[Pattern, int]:
    """Every key in the file with the line where it first stands; labels are anybody's own."""
    options = {field.name for field in fields(GatewayOptions)} | {"driver"}
    found: dict[Pattern, int] = {}
    for place, line in sorted(lines.items(), key=lambda item: item[1]):
        if not place or isinstance(place[-1], int) or "labels" in place[:-1]:
            continue
        pattern = tuple("*" if isinstance(part, int) else part for part in place)
        if place[0] == "gateways" and len(place) > 2 and place[2] not in options:
            pattern = ("gateways", data["gateways"][place[1]]["driver"], *pattern[2:])
        found.setdefault(pattern, line)
    return found


def full_text() -> str:
    """The production example with everything that is commented out put in."""
    return COMMENTED_OUT.sub(r"\1", PRODUCTION.read_text())


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    """What systemd would give to a unit with these credentials."""
    for name, text in CREDENTIALS.items():
        (tmp_path / name).write_text(text + "\n")
    return MappingProxyType({"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_the_production_example_shows_every_key_and_no_other() -> None:
    document = read(full_text().encode())
    assert [] == document.complaints
    assert known() == set(shown(document.data, document.lines))


def test_every_key_of_the_production_example_has_a_comment_of_its_own() -> None:
    document = read(full_text().encode())
    text = PRODUCTION.read_text().splitlines()
    for pattern, line in shown(document.data, document.lines).items():
        above = text[line - 2]
        assert re.match(r" *# \S.*[.…]$", above), f"{'.'.join(pattern)} in line {line}"


def test_every_default_that_the_production_example_shows_is_the_real_one() -> None:
    text = full_text().splitlines()
    original = PRODUCTION.read_text().splitlines()
    document = read(full_text().encode())
    compared = 0
    for place, line in document.lines.items():
        if original[line - 1] == text[line - 1] or not place or "labels" in place[:-1]:
            continue
        default = default_of(place, document.data)
        if default not in (None, "", (), {}):
            found = value_at(document.data, place)
            found = tuple(found) if isinstance(found, list) else found
            assert (place, default) == (place, found)
            compared += 1
    assert compared > 40


def default_of(place: Place, data: Any) -> object:
    """The default in code of the key at `place`; None for members of lists."""
    kind: Any = ServiceSettings
    way = list(place)
    match place:
        case ("routing", *rest):
            kind, way = RoutingSettings, rest
        case ("gateways", int(i), str(key), *rest):
            options = {field.name for field in fields(GatewayOptions)}
            driver = DRIVERS[data["gateways"][i]["driver"]]
            kind, way = (GatewayOptions if key in options else driver), [key, *rest]
        case _:
            pass
    for part in way[:-1]:
        kind = get_args(kind)[0] if isinstance(part, int) else get_type_hints(kind)[part]
        kind = get_args(kind)[0] if get_origin(kind) is UnionType else kind
    last = way[-1]
    if isinstance(last, int):
        return None
    (found,) = [field for field in fields(kind) if field.name == last]
    return None if found.default is MISSING else found.default


def value_at(data: Any, place: Place) -> object:
    for part in place:
        data = data[part]
    return data


def test_the_production_example_is_read_with_its_credentials(environ: Mapping[str, str]) -> None:
    config = load(PRODUCTION, environ)
    assert () == config.warnings
    assert set(DRIVERS) == {gateway.driver.driver for gateway in config.gateways}
    assert RoutingSettings() == config.routing


def test_putting_every_default_in_changes_nothing_that_runs(environ: Mapping[str, str]) -> None:
    text = re.sub(r"\n *ca_file:.*", "", full_text())  # there is no such file
    config, full = load(PRODUCTION, environ), parse(text.encode(), path=PRODUCTION, environ=environ)
    assert (config.routing, config.service.engine) == (full.routing, full.service.engine)
    assert (config.service.payments, config.service.web, config.service.journal) == (
        full.service.payments,
        full.service.web,
        full.service.journal,
    )
    assert [gateway.limits for gateway in config.gateways] == [
        each.limits for each in full.gateways
    ]


def test_the_simulated_configuration_holds_the_contracts_of_the_simulated_banks() -> None:
    config = load(SIMULATED, {})
    assert () == config.warnings
    known_contracts = {
        "saman": {"terminal_id": "13579246"},
        "mellat": {"terminal_id": "7654321", "username": "shop01", "password": "12345678"},
        "parsian": {"pin": "aB3dE5fG7hJ9kL1mN2pQ"},
        "sadad": {
            "merchant_id": "000000140300001",
            "terminal_id": "Z9X8C7V6",
            "key": "ASNFZ4mrze/+3LqYdlQyEA8eLTxLWml4",
        },
        "zarinpal": {"merchant_id": "11111111-2222-3333-4444-555555555555"},
        "zibal": {"merchant": "zibal-demo"},
    }
    told = contracts(config.gateways)
    assert list(known_contracts) == list(told)
    for driver, credentials in known_contracts.items():
        (contract,) = told[driver]
        expected = {**credentials, "base_url": f"http://127.0.0.1:9100/{driver}"}
        assert expected == {name: contract[name] for name in expected}


def test_the_simulated_configuration_limits_nobody_on_this_machine() -> None:
    config = load(SIMULATED, {})
    (shop,) = config.service.shops
    assert ["saman", "mellat", "parsian", "sadad", "zarinpal", "zibal"] == [
        gateway.name for gateway in config.gateways
    ]
    assert {GatewayOptions(name="x").limits} == {gateway.limits for gateway in config.gateways}
    assert all(gateway.test for gateway in config.gateways)
    assert "127.0.0.1" in config.service.trusted_proxies
    assert ("127.0.0.1:8080", "http://127.0.0.1:8080") == (
        config.service.listen,
        config.service.public_url,
    )
    assert ["gwk_test_demo"] == [key.secret.reveal() for key in shop.keys if key.secret]
    assert ("127.0.0.1", "localhost") == shop.return_hosts


def test_no_driver_has_a_field_that_every_gateway_has() -> None:
    shared = {field.name for field in fields(GatewayOptions)} | {"driver"}
    for kind in DRIVERS.values():
        assert set() == shared & set(get_type_hints(kind)) - {"driver"}


def test_secrets_are_never_of_a_type_that_shows_them() -> None:
    telling = re.compile(r"password|secret|token$|^key$|pin$")
    found = {
        f"{kind.__name__}.{name}": Secret in {hint, *get_args(hint)}
        for kind in (*DRIVERS.values(), ShopSettings, ShopKey)
        for name, hint in get_type_hints(kind).items()
        if telling.search(name)
    }
    assert {"Mellat.password", "Parsian.pin", "Sadad.key", "ShopKey.secret"} <= found.keys()
    assert [] == [name for name, hidden in found.items() if not hidden]


def test_the_readme_names_every_part_of_the_configuration() -> None:
    readme = (ROOT / "README.md").read_text()
    if not re.search(r"^#+ .*configur", readme, re.IGNORECASE | re.MULTILINE):
        pytest.skip("the README has no heading on configuration")
    parts = {pattern[0] for pattern in known()}
    missing = {
        part for part in parts if not re.search(rf"`{part}[`:]|^{part}:", readme, re.MULTILINE)
    }
    assert set() == missing
    assert {"config/gatewayd.yaml", "config/simulated.yaml"} <= set(
        re.findall(r"config/\w+\.yaml", readme)
    )
