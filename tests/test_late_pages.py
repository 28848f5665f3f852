"""Who paid too late, or twice, is told what becomes of his money before he goes back to the shop."""

from tests.web_stage import Answer, Web, web_stage

OVER = "This payment was over already"
COMES_BACK = "If money has left your account, it will be back there within 72 hours at most."


def is_over(page: Answer, *texts: str) -> None:
    """The page says this, and nothing of it is an error; its first form leads to the shop."""
    assert 200 == page.status
    for text in (OVER, COMES_BACK, *texts):
        assert text in page.text
    assert ["leave"] == [form.fields["action"] for form in page.forms]


async def leaves(web: Web, page: Answer) -> tuple[int, str]:
    """Back at the shop, with the payment's status."""
    answer = await web.submit(page.forms[0], page=web.base)
    assert "shop.example" == answer.location.host
    return answer.status, answer.location.query["status"]


async def test_who_pays_while_his_shop_cancels_is_told_that_his_money_comes_back() -> None:
    async with web_stage(only=["saman"]) as web:
        payment = await web.create(locale="en")
        back = web.play(await web.hand_over(payment))
        cancel = f"/v1/payments/{payment['id']}/cancel"
        await web.call("POST", cancel, headers={"Idempotency-Key": "c"})
        is_over(await web.come_back(back), "your order is not paid by it")
        page = await web.come_back(back)  # in a second tab, or after a reload
        is_over(page, "your order is not paid by it")
        assert (303, "cancelled") == await leaves(web, page)


async def test_who_pays_at_two_banks_is_told_which_of_both_comes_back() -> None:
    async with web_stage(only=["saman", "mellat"]) as web:
        payment = await web.create(locale="en")
        first = await web.hand_over(payment)
        web.clock.now += 21
        choice = await web.ask("GET", payment["pay_url"])
        another = next(form for form in choice.forms if form.fields["action"] == "another")
        second = (await web.submit(another, page=web.base)).forms[0]
        kept = await web.come_back(web.play(second))
        assert "paid" == kept.location.query["status"]
        page = await web.come_back(web.play(first))
        is_over(page, "Your order is paid by another payment")
        assert (303, "paid") == await leaves(web, page)


async def test_who_did_not_pay_goes_back_at_once_though_all_is_over() -> None:
    async with web_stage(only=["saman"]) as web:
        payment = await web.create(locale="en", amount=150_101)  # cancels at the bank
        back = web.play(await web.hand_over(payment))
        cancel = f"/v1/payments/{payment['id']}/cancel"
        await web.call("POST", cancel, headers={"Idempotency-Key": "c"})
        answer = await web.come_back(back)
        assert (303, "cancelled") == (answer.status, answer.location.query["status"])
