"""A small shop in Django that takes payments with az-iranian-bank-gateways, as its documentation shows it.

Runs under gunicorn in an environment of its own, which `bench.peers.running` makes. Beside the package's own row it
keeps one for the order, both in SQLite (WAL, synchronous=FULL, connections kept). `BANKS` is where the banks are,
`OURS` where this listens, `DATA` the database. All of it is in this file, because Django lets it be.
"""

import json
import os
from typing import Any

import django
from django.conf import settings

BANKS, OURS = os.environ["BANKS"], os.environ["OURS"]

settings.configure(
    SECRET_KEY="of a measurement",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "azbankgateways"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["DATA"],
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
            },
        }
    },
    TEMPLATES=[
        {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "DIRS": []}
    ],
    AZ_IRANIAN_BANK_GATEWAYS={
        "GATEWAYS": {"ZIBAL": {"MERCHANT_CODE": "zibal-demo"}},
        "IS_SAMPLE_FORM_ENABLE": False,
        "DEFAULT": "ZIBAL",
        "CURRENCY": "IRR",
        "TRACKING_CODE_QUERY_PARAM": "tc",
        "TRACKING_CODE_LENGTH": 16,
        "SETTING_VALUE_READER_CLASS": "azbankgateways.readers.DefaultReader",
        "BANK_PRIORITIES": [],
    },
)
django.setup()

from azbankgateways import bankfactories, models  # noqa: E402 - Django must be set up before
from azbankgateways.banks import Zibal  # noqa: E402
from azbankgateways.urls import az_bank_gateways_urls  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import (  # noqa: E402
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
)
from django.urls import path  # noqa: E402

PAGE = (
    '<!doctype html><html lang="en"><body><form method="get" action="{}">'
    '<button type="submit">Pay</button></form></body></html>'
)
_made = Zibal.__init__


def _made_for_the_simulator(self: Any, **given: Any) -> None:
    _made(self, **given)
    self._token_api_url = f"{BANKS}/zibal/v1/request"
    self._payment_url = BANKS + "/zibal/start/{}"
    self._verify_api_url = f"{BANKS}/zibal/v1/verify"


Zibal.__init__ = _made_for_the_simulator


def create(request: HttpRequest) -> HttpResponse:
    """`POST /v1/payments`"""
    order = json.loads(request.body)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO orders (amount, return_url) VALUES (%s, %s)",
            [order["amount"], order["return_url"]],
        )
        number = cursor.lastrowid
    answer = {"id": number, "status": "pending", "pay_url": f"{OURS}/pay/{number}"}
    return JsonResponse(answer, status=201)


def pay(request: HttpRequest, number: int) -> HttpResponse:
    """`GET /pay/{number}`"""
    with connection.cursor() as cursor:
        cursor.execute("SELECT amount FROM orders WHERE id = %s", [number])
        (amount,) = cursor.fetchone()
    bank = bankfactories.BankFactory().create(models.BankType.ZIBAL)
    bank.set_request(request)
    bank.set_amount(amount)
    bank.set_client_callback_url(f"/done/{number}")
    bank.ready()
    return HttpResponse(PAGE.format(bank.get_gateway()["url"]))


def done(request: HttpRequest, number: int) -> HttpResponse:
    """`GET /done/{number}`: where the package sends the customer after its verify."""
    record = models.Bank.objects.get(tracking_code=request.GET["tc"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT return_url FROM orders WHERE id = %s", [number])
        (return_url,) = cursor.fetchone()
    status = "paid" if record.is_success else "failed"
    return HttpResponseRedirect(f"{return_url}?payment_id={number}&status={status}")


urlpatterns = [
    path("v1/payments", create),
    path("pay/<int:number>", pay),
    path("done/<int:number>", done),
    path("bankgateways/", az_bank_gateways_urls()),
]

call_command("migrate", verbosity=0)
with connection.cursor() as at_start:
    at_start.execute(
        "CREATE TABLE IF NOT EXISTS orders"
        " (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL, return_url TEXT NOT NULL)"
    )
connection.close()
application = get_wsgi_application()
