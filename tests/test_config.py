"""The configuration is read into settings, or every mistake is named by its line; secrets never are."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core.secret import Secret
from gatewayd.core.settings import EngineSettings, JournalSettings, ServiceSettings, ShopSettings
from gatewayd.gateways.mellat import Mellat
from gatewayd.gateways.registry import DRIVERS
from gatewayd.gateways.saman import Saman
from gatewayd.io.config import ConfigError, load, parse
from gatewayd.io.config_rules import LITERAL
from gatewayd.routing.router import Limits, RoutingSettings
from tests.certificates import self_signed
from tests.config_text import (
    LIVE_KEY,
    SMALL,
    changed,
    complaints,
    read,
    tree,
    with_gateways,
    written,
)

LEADING_ZERO = "a whole number is wanted, found text: it begins with a zero or is too long"
SAMAN = {"name": "s", "driver": "saman", "terminal_id": "12345678"}
ZARINPAL = {
    "name": "z",
    "driver": "zarinpal",
    "merchant_id": "11111111-2222-3333-4444-555555555555",
}


def key_text(shop: ShopSettings) -> str:
    """The shop's first key."""
    secret = shop.keys[0].secret
    assert secret is not None
    return secret.reveal()


def test_what_is_left_out_has_its_default() -> None:
    config = read()
    assert ServiceSettings(public_url=config.service.public_url, shops=config.service.shops) == (
        config.service
    )
    assert RoutingSettings() == config.routing
    (gateway,) = config.gateways
    assert Saman(terminal_id="12345678") == gateway.driver
    assert Limits() == gateway.limits
    assert (False, False, None, {}) == (
        gateway.test,
        gateway.retired,
        gateway.public_url,
        dict(gateway.labels),
    )


def test_what_is_said_is_read() -> None:
    text = SMALL + (
        "    limits: {max_tps: 20, max_in_flight: 200, daily_amount: 500_000_000_000}\n"
        "    labels: {account: '0012'}\n"
        "    public_url: https://pay.other.example/\n"
        "  - {name: m, driver: mellat, terminal_id: 7654321, username: u, password: '0123'}\n"
        "engine: {verify_seconds: 12, connect_seconds: 2.5}\n"
        "routing: {breaker_failures: 4}\n"
        "trusted_proxies: [127.0.0.1, 10.0.0.0/8]\n"
    )
    config = read(text)
    saman, mellat = config.gateways
    assert Limits(max_tps=20, max_in_flight=200, daily_amount=500_000_000_000) == saman.limits
    assert {"account": "0012"} == saman.labels
    assert "https://pay.other.example" == saman.public_url
    assert Mellat(terminal_id=7_654_321, username="u", password=Secret("0123")) == mellat.driver
    assert EngineSettings(verify_seconds=12, connect_seconds=2.5) == config.service.engine
    assert RoutingSettings(breaker_failures=4) == config.routing
    assert ("127.0.0.1", "10.0.0.0/8") == config.service.trusted_proxies


@pytest.mark.parametrize("text", ["journal: x/y.db\n", "journal: {path: x/y.db}\n"])
def test_the_journal_may_be_given_by_its_path_alone(text: str) -> None:
    assert JournalSettings(path="x/y.db") == read(SMALL + text).service.journal


@pytest.mark.parametrize("section", ["payments", "engine", "journal", "web", "routing"])
def test_a_section_in_which_everything_is_a_comment_is_as_good_as_none(section: str) -> None:
    assert read() == read(SMALL + f"{section}:\n  # nothing here\n")


def test_references_are_filled_in_and_remembered() -> None:
    text = changed("shops.0.return_secret", "${env:RETURN}").replace(LIVE_KEY, "${env:KEY}")
    config = read(text, RETURN="fedcba9876543210", KEY=LIVE_KEY)
    (shop,) = config.service.shops
    assert ("fedcba9876543210", LIVE_KEY) == (
        shop.return_secret.reveal(),
        key_text(shop),
    )
    assert {
        "shops.0.return_secret": ("env:RETURN",),
        "shops.0.keys.0.secret": ("env:KEY",),
    } == config.references


def test_a_reference_may_bring_a_number_or_a_truth_where_one_is_wanted() -> None:
    text = SMALL + (
        "  - {name: m, driver: mellat, terminal_id: '${env:T}', username: '${env:T}', password: p,"
        " test: '${env:TEST}', limits: {weight: '${env:W}'}}\n"
    )
    mellat = read(text, T="7654321", TEST="true", W="2.5").gateways[1]
    assert Mellat(terminal_id=7_654_321, username="7654321", password=Secret("p")) == mellat.driver
    assert (True, 2.5) == (mellat.test, mellat.limits.weight)
    assert [f"11: gateways.1.terminal_id: {LEADING_ZERO}"] == complaints(
        text, T="07654321", TEST="true", W="2.5"
    )


def test_the_file_is_read_with_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(LIVE_KEY + "\n")
    path = tmp_path / "gatewayd.yaml"
    path.write_text(SMALL.replace(LIVE_KEY, '"${file:key}"'))
    config = load(path, {})
    assert path == config.path
    assert LIVE_KEY == key_text(config.service.shops[0])


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_a_file_that_cannot_be_read_is_a_complaint(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / name, {})
    (complaint,) = caught.value.complaints
    assert complaint.startswith(f"{tmp_path / name}:1: cannot be read: ")


def test_all_complaints_come_at_once_in_the_order_of_lines() -> None:
    text = """\
listen: 8080
public_url: http://pay.shop.example
journal: ${env:NOWHERE}
shops:
  - name: Main Shop
    keys: [{id: k1, secret: 12345678}]
    return_secret: s
    return_hosts: ["*.shop.example"]
    allow_http: no
gateways:
  - {name: a, driver: saman, terminal_id: 12345678, limits: {max_tps: -1, max_inflight: 3}}
  - {name: b, driver: melat}
  - name: c
    driver: zarinpal
    merchant_id: nonsense
    timout: 3
  - name: d
    driver: mellat
    terminal_id: 0123456
    username: u
payments: {attempts_max: 0, expires_in_max: 12:30:45}
zzz: 1
"""
    assert [
        "1: listen: text is wanted, found a number: put it in quotes",
        "2: public_url: must begin with https; http is for this very machine only",
        "3: journal: the environment variable NOWHERE is not set",
        "5: shops.0.name: must be like ^[a-z0-9-]{1,40}$",
        "6: shops.0.keys.0.secret: text is wanted, found a number: put it in quotes",
        "8: shops.0.return_hosts.0: a bare host in small letters is wanted: no https://, no port, no *",
        "9: shops.0.allow_http: true or false is wanted, found text; write true or false",
        "11: gateways.0.limits.max_inflight: unknown key, did you mean max_in_flight?",
        "11: gateways.0.terminal_id: text is wanted, found a number: put it in quotes",
        f"12: gateways.1.driver: one of {', '.join(sorted(DRIVERS))} is wanted",
        "16: gateways.2.timout: unknown key",
        "17: gateways.3.password: is missing",
        f"19: gateways.3.terminal_id: {LEADING_ZERO}",
        "21: payments.attempts_max: must be at least 1",
        "21: payments.expires_in_max: a whole number is wanted, found text",
        "22: zzz: unknown key",
    ] == complaints(text)


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("engine.conect_seconds", 3, "unknown key, did you mean connect_seconds?"),
        ("shops.0.return_host", [], "unknown key, did you mean return_hosts?"),
        ("shops.0.keys.0.sercet", "x", "unknown key, did you mean secret?"),
        ("gateways.0.termnal_id", "1", "unknown key, did you mean terminal_id?"),
        ("gateways.0.retierd", True, "unknown key, did you mean retired?"),
        ("routing.breaker_failure", 3, "unknown key, did you mean breaker_failures?"),
        ("gatways", [], "unknown key, did you mean gateways?"),
        ("engine", 5, "a mapping is wanted, found a number"),
        ("shops", {}, "a list is wanted, found a mapping"),
        ("shops", [], "at least 1 is wanted"),
        ("shops.0", "main", "a mapping is wanted, found text"),
        ("shops.0.keys", [], "at least 1 is wanted"),
        ("shops.0.keys.0.id", "", "must be like ^[a-z0-9-]{1,40}$"),
        ("shops.0.name", "x" * 41, "must be like ^[a-z0-9-]{1,40}$"),
        ("shops.0.return_hosts", [], "at least 1 is wanted"),
        ("shops.0.return_secret", "", "must not be empty"),
        ("shops.0.return_secret", None, "text is wanted, found nothing"),
        ("shops.0.return_secret", "short", "at least 16 random characters are wanted"),
        ("shops.0.gateways", ["saman-mian"], "no gateway has this name"),
        ("gateways", [], "a list with at least one gateway is wanted"),
        ("gateways", {}, "a list with at least one gateway is wanted"),
        ("gateways.0.name", "Saman", "must be like ^[a-z0-9-]{1,40}$"),
        ("gateways.0.terminal_id", "12x", "terminal_id: must be a number of at most 18 digits"),
        ("gateways.0.limits.max_tps", 0, "must be above zero; leave it out for no limit"),
        ("gateways.0.base_url", "https://sep.example/", "without a slash at its end"),
        ("gateways.0.base_url", "https://sandbox.bank.example", "is a sandbox: that is for"),
        ("gateways.0.base_url", "http://sep.example", "must begin with https; http is for"),
        ("gateways.0.public_url", "https://a.example/b", "must be a host without a path"),
        (
            "gateways.0.connections.ca_file",
            "nowhere.pem",
            "cannot be read: No such file or directory",
        ),
        ("gateways.0.connections.ca_file", __file__, "does not hold PEM certificates"),
        ("gateways.0.connections.ciphers", "NONSENSE", "OpenSSL knows no such ciphers"),
        ("gateways.0.connections.warm", 65, "must be at most 64"),
        (
            "gateways.0.connections",
            {"warm": 2, "connections_max": 1},
            "must be at most connections_max",
        ),
        ("gateways.0.labels", {"A": "x"}, "must be like ^[a-z0-9-]{1,40}$"),
        ("gateways.0.labels", {"a": 1}, "text is wanted, found a number: put it in quotes"),
        ("gateways.0.retired", "yes", "true or false is wanted, found text; write true or false"),
        ("listen", "8080", "host and port are wanted, such as 127.0.0.1:8080"),
        ("internal_listen", "127.0.0.1:8080", "is the same as listen"),
        ("public_url", "https://pay.shop.example/x", "must be a host without a path"),
        ("trusted_proxies", ["10.0.0.1/8"], "an address such as 10.0.0.1 or 10.0.0.0/8 is wanted"),
        ("trusted_proxies", ["::/0"], "everybody is too many"),
        ("payments.amount_min", 10**12, "must be at most amount_max"),
        ("payments.expires_in_min", 1_201, "must be at most expires_in_default"),
        ("payments.expires_in_max", 1_199, "must be at most expires_in_max"),
        ("engine.connect_seconds", 5.5, "must be at most start_seconds"),
        ("engine.start_seconds", 9, "must be at most start_deadline_seconds"),
        ("engine.repeat_first_seconds", 61, "must be at most repeat_max_seconds"),
        ("engine.verify_seconds", 0, "must be more than 0"),
        ("engine.verify_seconds", "10", "a number is wanted, found text: take the quotes away"),
        ("journal.path", "", "must not be empty"),
        ("journal", 5, "a mapping is wanted, found a number"),
        ("web.body_max_bytes", 1.5, "a whole number is wanted, found a number"),
        ("overload.lag_low_seconds", 0.006, "must be at most lag_high_seconds"),
        ("routing.breaker_jitter", -1, "must not be negative"),
        ("routing.attempts_max", 0, "must be at least 1"),
    ],
)
def test_one_mistake_is_one_complaint(path: str, value: object, complaint: str) -> None:
    (found,) = complaints(changed(path, value))
    assert complaint in found


def key_complaint(secret: str) -> list[str]:
    return complaints(changed("shops.0.keys.0.secret", secret))


@pytest.mark.parametrize("secret", [LIVE_KEY, "gwk_test_demo", "gwk_test_" + "x" * 200])
def test_keys_of_the_right_form_are_taken(secret: str) -> None:
    assert [] == key_complaint(secret)


@pytest.mark.parametrize(
    "secret",
    ["gwk_live_demo", "gwk_live_" + "x" * 21, "gwk_test_abc", "sk_live_" + "x" * 40, "gwk_live_" +
     "x" * 201, "gwk_test_de mo", "gwk_test_démo", "x gwk_test_demo"],
)  # fmt: skip
def test_keys_that_can_be_guessed_or_sent_wrongly_are_not(secret: str) -> None:
    (complaint,) = key_complaint(secret)
    assert complaint.endswith("gwk_live_ and 22 random characters are wanted, or gwk_test_ and 4")


def test_names_ids_and_keys_stand_once() -> None:
    data = tree()
    data["shops"].append(data["shops"][0])
    data["gateways"].append({**data["gateways"][0], "terminal_id": "2"})
    assert [
        "gateways.1.name: another gateway has this name",
        "shops.1.keys.0.id: another key has this id",
        "shops.1.keys.0.secret: another key is the same",
        "shops.1.name: another shop has this name",
    ] == sorted(each.partition(": ")[2] for each in complaints(written(data)))


def test_two_gateways_never_share_a_contract() -> None:
    """A reference that is kept by one of them must not pass at the other, whatever else was bought for it."""
    for more in ({}, {"receipt_call": True}, {"discounts": True}):
        (complaint,) = complaints(with_gateways(SAMAN, {**SAMAN, "name": "t", **more}))
        assert "gateways.1: another gateway has the same contract" in complaint
    elsewhere = {"name": "t", "base_url": "https://elsewhere.example"}
    assert [] == complaints(with_gateways(SAMAN, {**SAMAN, **elsewhere}))


def test_promised_shares_fit_into_one() -> None:
    half = {"limits": {"min_share": 0.6}}
    other = {"name": "t", "terminal_id": "2"}
    (complaint,) = complaints(with_gateways({**SAMAN, **half}, {**SAMAN, **half, **other}))
    assert complaint.endswith("gateways: the limits' min_share add up to more than 1")
    retired = {**SAMAN, **half, **other, "retired": True}
    assert [] == complaints(with_gateways({**SAMAN, **half}, retired))


@pytest.mark.parametrize(
    "sandbox",
    [
        {"name": "z", "driver": "zibal", "merchant": "zibal"},
        {**ZARINPAL, "base_url": "https://sandbox.zarinpal.com"},
    ],
)
def test_sandboxes_are_for_tests_only(sandbox: dict[str, object]) -> None:
    (complaint,) = complaints(with_gateways(SAMAN, sandbox))
    assert complaint.endswith("that is for gateways with test: true")
    assert [] == complaints(with_gateways(SAMAN, {**sandbox, "test": True}))


def test_an_address_of_a_bank_ends_without_a_slash_for_every_driver() -> None:
    gateways = [
        {**each, "base_url": "https://bank.example/", "name": f"g{i}"}
        for i, each in enumerate(ALL_DRIVERS)
    ]
    found = complaints(with_gateways(*gateways))
    assert {f"gateways.{i}.base_url" for i in range(6)} <= {each.split(": ")[1] for each in found}


def test_a_driver_says_which_of_its_fields_is_wrong() -> None:
    (complaint,) = complaints(with_gateways({**ZARINPAL, "merchant_id": "x"}))
    assert complaint.endswith("gateways.0.merchant_id: must be a UUID of 36 lower-case characters")


def test_certificates_are_looked_for_beside_the_file(tmp_path: Path) -> None:
    pem = self_signed(tmp_path, datetime(2100, 1, 1, tzinfo=UTC))
    text = changed("gateways.0.connections.ca_file", pem.name)
    config = parse(text.encode(), path=tmp_path / "gatewayd.yaml", environ={})
    assert str(pem) == config.gateways[0].connections.ca_file


def test_plain_http_to_a_bank_is_allowed_only_where_it_is_said_and_is_warned_of() -> None:
    plain = {**SAMAN, "base_url": "http://bank.internal", "connections": {"allow_http": True}}
    (warning,) = (each for each in warnings(with_gateways(plain)) if "clear" in each)
    assert warning.endswith("gateways.0.connections.allow_http: credentials may travel in clear")


def warnings(text: str, **environ: str) -> list[str]:
    return [each.removeprefix("config.yaml:") for each in read(text, **environ).warnings]


def test_secrets_in_the_file_itself_are_warned_of_and_not_repeated() -> None:
    assert [
        f"4: shops.0.keys.0.secret: {LITERAL}",
        f"5: shops.0.return_secret: {LITERAL}",
    ] == warnings(SMALL + "trusted_proxies: [127.0.0.1]\n")
    text = changed("shops.0.return_secret", "${env:R}").replace(LIVE_KEY, "${env:K}")
    text += "trusted_proxies: [127.0.0.1]\n"
    assert [] == warnings(text, R="fedcba9876543210", K=LIVE_KEY)


def test_secrets_of_tests_are_nothing_to_be_warned_of() -> None:
    data = tree()
    data["gateways"] = [{"name": "p", "driver": "parsian", "pin": "x", "test": True}]
    data["shops"][0]["keys"][0]["secret"] = "gwk_test_demo"
    data["shops"][0]["return_secret"] = "s"
    data["public_url"] = "http://127.0.0.1:8080"
    assert [] == warnings(written(data))


@pytest.mark.parametrize(
    ("path", "value", "warning"),
    [
        ("public_url", "http://localhost", "public_url: http is for trying out"),
        ("internal_listen", "0.0.0.0:81", "internal_listen: metrics and debugging can be reached"),
        ("trusted_proxies", [], "trusted_proxies: is empty: limits per address take all"),
        ("gateways.0.retired", True, "gateways: all are retired: nothing can be paid"),
        ("gateways.0.test", True, "there is no gateway without test: true that this key may use"),
        ("shops.0.keys.0.secret", "gwk_test_demo", "there is no gateway with test: true that"),
    ],
)
def test_what_works_and_should_not_stay_so_is_warned_of(
    path: str, value: object, warning: str
) -> None:
    assert any(warning in each for each in warnings(changed(path, value)))


SHAPE = re.compile(r"config\.yaml:[1-9][0-9]*: \S.*")


def judge(text: str, environ: dict[str, str]) -> tuple[str, ...]:
    """The complaints, which have their form; reading raises nothing else."""
    try:
        parse(text.encode(), path=Path("config.yaml"), environ=environ)
    except ConfigError as error:
        return shaped(error.complaints)
    return ()


def shaped(complaints: tuple[str, ...]) -> tuple[str, ...]:
    assert complaints
    assert [] == [each for each in complaints if not SHAPE.fullmatch(each)]
    return complaints


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_a_configuration_or_complaints(text: str) -> None:
    judge(text, {})
    judge(SMALL + text, {})


KEYS = st.sampled_from(
    "name driver shops gateways keys secret limits labels public_url listen routing engine journal"
    " base_url terminal_id password merchant_id path test ca_file trusted_proxies x".split()
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-5, 10**20)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["saman", "mellat", "zibal", "${env:A}", "${", "https://[", "a.b/", "0.0.0.0/0"]
    )
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, TREES), st.sampled_from(["gateways.0", "shops.0", "engine", "shops"]))
def test_any_tree_of_known_words_is_a_configuration_or_complaints(
    data: dict[str, object], path: str
) -> None:
    judge(written(data), {"A": "1"})
    judge(changed(path, data), {"A": "1"})
    judge(written({**tree(), **data}), {"A": "1"})


PLACES = st.sampled_from(
    "listen internal_listen public_url trusted_proxies.0 journal journal.path engine.verify_seconds"
    " shops.0.name shops.0.keys.0.id shops.0.keys.0.secret shops.0.return_secret"
    " shops.0.return_hosts.0 shops.0.gateways shops.0.title gateways.0.name gateways.0.driver"
    " gateways.0.terminal_id gateways.0.base_url gateways.0.public_url gateways.0.labels"
    " gateways.0.test gateways.0.limits.max_tps gateways.0.connections.ca_file gateways.1.key gateways.1.user_agent"
    " gateways.1.terminal_id gateways.2.merchant_id gateways.2.access_token gateways.3.merchant"
    " gateways.4.pin gateways.4.report_separator gateways.5.password routing.attempts_max".split()
)
ALL_DRIVERS: tuple[dict[str, object], ...] = (
    dict(SAMAN),
    {"name": "d", "driver": "sadad", "merchant_id": "1", "terminal_id": "1", "key": "x" * 32},
    dict(ZARINPAL),
    {"name": "zz", "driver": "zibal", "merchant": "m"},
    {"name": "p", "driver": "parsian", "pin": "x"},
    {"name": "m", "driver": "mellat", "terminal_id": 1, "username": "u", "password": "p"},
)


@given(PLACES, st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20))
def test_no_secret_stands_in_a_complaint_wherever_it_was_put(place: str, rest: str) -> None:
    secret = f"hunter2{rest}"
    data = yaml.safe_load(with_gateways(*ALL_DRIVERS))
    data |= {"trusted_proxies": [""], "journal": {}, "engine": {}, "routing": {}}
    data["gateways"][0] |= {"limits": {}, "connections": {}}
    for value, environ in ((secret, {}), ("${env:S}", {"S": secret})):
        *way, last = (int(part) if part.isdecimal() else part for part in place.split("."))
        inner = data
        for part in way:
            inner = inner[part]
        inner[last] = value
        assert "hunter2" not in "".join(judge(written(data), environ))
