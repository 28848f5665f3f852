"""What the README says is so: its commands exist, its calls are answered as it says, its tables are the code's."""

import ast
import asyncio
import json
import re
import shlex
import tomllib
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
import typer.main
from aiohttp import ClientResponse
from typer.core import TyperGroup
from typer.exceptions import TyperException

from gatewayd import cli, cli_journal, cli_operators
from gatewayd.client import AsyncClient, Client
from gatewayd.core.invoices import InvoiceStatus
from gatewayd.core.news import NEWS
from gatewayd.core.secret import Secret
from gatewayd.core.settings import ShopKey, ShopSettings
from gatewayd.core.status import Status
from gatewayd.demo.browser import Browser
from gatewayd.io.metrics import Metrics
from gatewayd.simulator.faults import Kind
from gatewayd.simulator.payers import Script
from gatewayd.web.bodies import PaymentBody
from gatewayd.web.invoice_bodies import InvoiceBody
from gatewayd.web.problems import INVALID
from tests.demo_stage import DemoStage, demo_stage
from tests.readme_parts import README, filled

ROOT: Final = README.parent
TEXT: Final = README.read_text()
BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OF_THE_README: Final = "pay_217466681880"
"""The payment that the examples are about."""


def blocks(language: str) -> list[str]:
    """The code blocks in one language."""
    return [found[2] for found in BLOCK.finditer(TEXT) if found[1] == language]


def commands() -> Iterator[list[str]]:
    """Every line of shell as words."""
    for block in blocks("sh"):
        for line in block.replace("\\\n", " ").replace("\n       ", " ").splitlines():
            for command in line.split(" && "):
                yield shlex.split(command)


def gatewayd_calls() -> Iterator[list[str]]:
    """The arguments of every call of `gatewayd`, in blocks and in the text."""
    inline = [shlex.split(found[1]) for found in re.finditer(r"`(gatewayd [a-z][^`]*)`", TEXT)]
    for words in [*commands(), *inline]:
        if "-m" in words and words[words.index("-m") + 1] == "gatewayd":
            yield words[words.index("-m") + 2 :]
        elif words and words[0].rpartition("/")[2] == "gatewayd":
            yield words[1 : words.index(">")] if ">" in words else words[1:]


def command_names(group: TyperGroup, *above: str) -> Iterator[str]:
    """Every command of the command line in full: `journal verify`."""
    for name, each in group.commands.items():
        if isinstance(each, TyperGroup):
            yield from command_names(each, *above, name)
        else:
            yield " ".join((*above, name))


def command_line() -> TyperGroup:
    """All of it."""
    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)
    return group


def parse(arguments: list[str]) -> str:
    """Parse a command line as the program would, without running it; the command's full name."""
    group, rest, names = command_line(), list(arguments), list[str]()
    while True:
        names.append(rest.pop(0))
        found = group.commands.get(names[-1])
        assert found is not None, f"there is no `gatewayd {' '.join(names)}`"
        if not isinstance(found, TyperGroup):
            found.make_context(" ".join(names), rest)
            return " ".join(names)
        group = found


# --- made from code


def test_the_tables_that_are_made_from_code_are_as_the_code_is() -> None:
    assert filled(TEXT) == TEXT, "python3 -m tests.readme_parts writes them anew"


@pytest.mark.parametrize("text", ["", "<!-- states: made by tests.readme_parts -->"])
def test_a_readme_without_a_place_for_a_table_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no place for states"):
        filled(text)


def test_every_status_has_its_row() -> None:
    assert set() == {str(status) for status in Status} - _first_cells("| status | meaning |")


def test_every_field_of_a_new_payment_has_its_row() -> None:
    known = set(PaymentBody.__dataclass_fields__)
    assert known == _first_cells("| field | meaning |")


def test_every_field_and_status_of_an_invoice_has_its_row() -> None:
    known = set(InvoiceBody.__dataclass_fields__)
    assert known <= _first_cells("| invoice field | meaning |")
    statuses = _first_cells("| invoice `status` | meaning |")
    assert {str(status) for status in InvoiceStatus} == statuses


def test_every_type_of_event_has_its_row() -> None:
    (table,) = [part for part in TEXT.split("\n\n") if part.startswith("| type | told when |")]
    told = re.findall(r"`([a-z]+\.[a-z_]+)`", table)
    assert sorted(NEWS) == sorted(told)


def test_every_script_of_the_simulated_payers_has_its_row() -> None:
    (table,) = [part for part in TEXT.split("\n\n") if part.startswith("| amount ends in |")]
    assert [int(script) for script in Script] == [
        int(row.split("|")[1]) for row in table.splitlines()[2:]
    ]


def test_every_kind_of_fault_is_named() -> None:
    assert [] == [str(kind) for kind in Kind if f"`{kind}`" not in TEXT]


def test_every_error_code_has_its_row_and_no_other() -> None:
    (table,) = [part for part in TEXT.split("\n\n") if part.startswith("| HTTP status |")]
    told = [
        code
        for row in table.splitlines()[2:]
        for code in re.findall(r"`([a-z_]+)`", row.split("|")[2])
    ]
    assert sorted(set(told)) == sorted(told)
    assert codes_in_the_source() == set(told)


def codes_in_the_source() -> set[str]:
    """Every code that an error of the API can have."""
    places = {"Problem": 1, "_refused": 0, "FieldError": 2}
    found: set[object] = {INVALID}
    for path in (ROOT / "gatewayd" / "web").glob("*.py"):
        if path.name == "operators.py":  # not for shops
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id=name), args=args) if name in places:
                    found |= {
                        a.value for a in args[places[name] :][:1] if isinstance(a, ast.Constant)
                    }
                case ast.Dict(keys=[ast.Constant(value=int()), *_], values=values):
                    found |= {value.value for value in values if isinstance(value, ast.Constant)}
                case _:
                    pass
    return {code for code in found if isinstance(code, str)}


def test_every_exit_code_has_its_row() -> None:
    known = {
        value
        for module in (cli, cli_journal, cli_operators)
        for name, value in vars(module).items()
        if name.startswith("EX_")
    }
    (table,) = [part for part in TEXT.split("\n\n") if part.startswith("| exit code |")]
    assert {0, 1, 2} | known == {int(row.split("|")[1]) for row in table.splitlines()[2:]}


def test_every_metric_that_is_named_exists() -> None:
    named = set(re.findall(r"`(gatewayd_\w+)`", TEXT))
    rendered = Metrics().render().decode()
    assert named
    assert [] == sorted(name for name in named if f"# TYPE {name} " not in rendered)


# --- commands and links


def test_every_command_line_in_it_is_understood() -> None:
    calls = list(gatewayd_calls())
    assert len(calls) > 15
    named = {parse(call) for call in calls}
    assert set(command_names(command_line())) <= named


@pytest.mark.parametrize("wrong", [["no-such-command"], ["demo", "--no-such-option"]])
def test_a_command_line_that_is_wrong_is_not_understood(wrong: list[str]) -> None:
    with pytest.raises((AssertionError, TyperException)):
        parse(wrong)


def test_modules_and_files_that_are_started_or_copied_exist() -> None:
    for words in commands():
        for flag, module in pairwise(words):
            if flag == "-m" and not module.isdecimal() and module not in {"venv", "pip"}:
                place = ROOT.joinpath(*module.split("."))
                assert place.is_dir() or place.with_suffix(".py").is_file(), module
            if flag == "-r":
                assert (ROOT / module).is_file()
        for word in words:
            if word.startswith(("config/", "systemd/")):
                assert (ROOT / word).is_file(), word


def test_the_first_command_installs_all_that_the_program_needs_by_hash() -> None:
    first = blocks("sh")[0]
    assert "--require-hashes -r requirements.txt" in first
    assert first.rstrip().endswith("-m gatewayd demo")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    wanted = {re.split(r"[<>=~! ]", each)[0] for each in project["dependencies"]}
    assert set() == wanted - set(pinned)


def test_both_commands_stand_on_the_first_screen() -> None:
    screen = "\n".join(TEXT.splitlines()[:40])
    assert "-m gatewayd demo" in screen
    assert "python3 -m tests\n" in screen


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    anchors = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    }
    assert links
    for link in links:
        if link.startswith("#"):
            assert link[1:] in anchors
        else:
            assert (ROOT / link).exists(), link


def test_files_that_are_named_exist() -> None:
    named = re.findall(r"`((?:gatewayd|tests|config|systemd|bench)/[\w./-]+\.\w+)`", TEXT)
    assert named
    assert [] == [name for name in named if not (ROOT / name).is_file()]


# --- the API


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[DemoStage]:
    async with demo_stage(tmp_path) as made:
        yield made


async def curl(stage: DemoStage, words: list[str], payment_id: str) -> ClientResponse:
    """Do what this line of curl does, at this stage."""
    method, url, headers, body = "", "", {}, None
    rest = iter(words[1:])
    for word in rest:
        match word:
            case "-X":
                method = next(rest)
            case "-H":
                name, _, value = next(rest).partition(": ")
                headers[name] = value
            case "-d":
                body = next(rest)
            case _:
                url = word
    url = url.replace("http://127.0.0.1:8080", stage.setting.daemon)
    url = url.replace("http://127.0.0.1:9100", stage.setting.banks)
    url = url.replace(OF_THE_README.removeprefix("pay_"), payment_id.removeprefix("pay_"))
    method = method or ("POST" if body is not None else "GET")
    answer = await stage.session.request(method, url, headers=headers, data=body)
    await answer.read()
    return answer


async def paid(stage: DemoStage) -> dict[str, str]:
    """A customer pays in the demo's shop; what he brings back there."""
    customer = Browser(stage.session)
    pay_url = await stage.till.order(1_750_000, "cup")
    assert pay_url is not None
    page = await customer.open(pay_url)
    page = await customer.submit(page, page.forms[0])
    page = await customer.submit(page, page.forms[0], {"choice": "paid"})
    while page.origin != stage.setting.shop:
        page = await customer.submit(page, page.forms[0])
    return dict(page.url.query)


async def test_every_curl_example_works_in_its_order(stage: DemoStage) -> None:
    statuses, payment_id, paid_id = [], OF_THE_README, ""
    created: dict[str, Any] | None = None
    for words in commands():
        if words and words[0] == "curl":
            about = payment_id
            if any("refunds" in word for word in words):
                paid_id = paid_id or (await paid(stage))["payment_id"]
                about = paid_id
            answer = await curl(stage, words, about)
            statuses.append(answer.status)
            if created is None:
                created = await answer.json()
                payment_id = created["id"]
    assert [201, 201, 200, 200, 200, 200, 201, 200, 200, 200, 201, 200, 201, 204] == statuses
    assert created is not None
    sample = json.loads(blocks("json")[0])
    assert list(sample) == list(created)
    same = {"amount", "currency", "amount_rial", "order_id", "status", "money", "test"}
    assert {name: sample[name] for name in same} == {name: created[name] for name in same}


async def test_an_error_looks_as_the_readme_shows_it(stage: DemoStage) -> None:
    words = next(words for words in commands() if words and words[0] == "curl")
    body = json.loads(words[words.index("-d") + 1]) | {"amount": "385000"}
    words[words.index("-d") + 1] = json.dumps(body)
    answer = await curl(stage, words, "")
    shown, real = json.loads(blocks("json")[1]), await answer.json()
    assert shown.keys() == real.keys()
    assert {**shown, "instance": None} == {**real, "instance": None}


async def test_the_readmes_python_knows_a_genuine_return_from_another(stage: DemoStage) -> None:
    scope: dict[str, Any] = {}
    program, _ = blocks("python")
    exec(compile(program, "README.md", "exec"), scope)
    query, secret = await paid(stage), stage.setting.return_secret
    assert scope["is_genuine"](query, secret)
    for name in ("payment_id", "order_id", "status", "timestamp", "signature"):
        assert not scope["is_genuine"]({**query, name: "0"}, secret)
        assert not scope["is_genuine"]({n: v for n, v in query.items() if n != name}, secret)
    assert not scope["is_genuine"](query, "another secret")


async def test_the_readmes_client_makes_a_payment(stage: DemoStage) -> None:
    _, program = blocks("python")
    program = program.replace("http://127.0.0.1:8080", stage.setting.daemon)
    scope: dict[str, Any] = {}
    await asyncio.to_thread(exec, compile(program, "README.md", "exec"), scope)
    assert ("pending", False) == (scope["payment"]["status"], scope["sell"])
    assert scope["send_the_customer_to"].startswith(stage.setting.daemon)
    assert "payment.created" in scope["happened"]


def test_the_readme_names_every_method_of_the_client() -> None:
    named = set(re.findall(r"`(\w+)`", TEXT))
    for kind in (Client, AsyncClient):
        methods = {name for name in vars(kind) if not name.startswith("_")} - {"close"}
        assert set() == methods - named


def test_keys_are_made_as_the_daemon_wants_them() -> None:
    command = re.search(r'`python3 -c "([^`]+)"`', TEXT)
    assert command is not None
    made: list[str] = []
    exec(command[1], {"print": made.append})
    ShopSettings(
        name="main",
        keys=(ShopKey(id="k1", secret=Secret(made[0])),),
        return_secret=Secret("0123456789abcdef"),
        return_hosts=("shop.example",),
    )
    assert re.fullmatch(r"gwk_live_[\x21-\x7e]{22,200}", made[0])


def _first_cells(head: str) -> set[str]:
    """The words in the first column of the table that begins like this."""
    (table,) = [part for part in TEXT.split("\n\n") if part.startswith(head)]
    return {
        word for row in table.splitlines()[2:] for word in re.findall(r"`(\w+)`", row.split("|")[1])
    }
