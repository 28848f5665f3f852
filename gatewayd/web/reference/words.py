"""What the reference says in words, each in English and in Persian. A field means the same wherever it stands."""

from typing import Final

ABOUT: Final = (
    "Card payments through many bank gateways, as if they were one that never fails.",
    "پرداخت با کارت از راه چند درگاه بانکی، چنان‌که گویی یک درگاه است که هیچ‌گاه از کار نمی‌افتد.",
    "An API key of your shop: `gwk_live_…`, or `gwk_test_…` for gateways marked `test`.",
    "کلید فروشگاه شما: `gwk_live_…` یا `gwk_test_…` برای درگاه‌های آزمایشی.",
)
"""The daemon, and its keys."""

WEBHOOK: Final = (
    "Sent to your receivers for every event, signed as Standard Webhooks 1.0.0 has it.",
    "برای هر رویداد به گیرنده‌های شما فرستاده می‌شود، با امضای Standard Webhooks 1.0.0.",
)
WEBHOOK_TAKEN: Final = ("You have it.", "رسید.")

PAGE: Final = {
    "title": ("gatewayd: the API", "راهنمای API سرویس gatewayd"),
    "other": ("فارسی", "English"),
    "document": ("The same as an OpenAPI 3.1 document", "همین راهنما به شکل سند OpenAPI 3.1"),
    "key": ("API key", "کلید فروشگاه"),
    "needs": ("the key needs", "دسترسی لازم کلید"),
    "sent": ("What you send", "آنچه می‌فرستید"),
    "answered": ("What comes back", "آنچه می‌آید"),
    "list_of": ("list of", "فهرستی از"),
    "any_of": ("or", "یا"),
    "required": ("required", "الزامی"),
    "objects": ("Objects", "شیءها"),
    "webhook": ("Webhooks", "وب‌هوک‌ها"),
    "contents": ("Contents", "فهرست"),
}
"""The reference page's own."""

TYPES: Final = {
    "string": ("text", "متن"),
    "integer": ("whole number", "عدد صحیح"),
    "number": ("number", "عدد"),
    "boolean": ("true or false", "درست یا نادرست"),
    "object": ("object", "شیء"),
    "null": ("null", "null"),
    "date-time": ("time", "زمان"),
}

ROOMS: Final = {
    "payments": ("Payments", "پرداخت‌ها"),
    "refunds": ("Refunds", "بازپرداخت‌ها"),
    "invoices": ("Invoices", "صورت‌حساب‌ها"),
    "gateways": ("Gateways", "درگاه‌ها"),
    "events": ("Events", "رویدادها"),
    "health": ("Health", "سلامت سرویس"),
}

HEADERS: Final = {
    "Idempotency-Key": (
        "The same key and body again give the same answer and do nothing twice; kept for seven days.",
        "با تکرار همین کلید و همین بدنه همان پاسخ می‌آید و کاری دو بار انجام نمی‌شود؛ هفت روز می‌ماند.",
    ),
    "Location": ("Where the new object is.", "نشانی آنچه ساخته شد."),
    "Idempotent-Replayed": (
        "`true`: this is the answer of an earlier call with this key.",
        "`true`: این پاسخِ درخواست پیشین با همین کلید است.",
    ),
}

PROBLEMS: Final = {
    0: ("A problem, as RFC 9457 has it.", "خطا، به شکل RFC 9457."),
    400: (
        "The request cannot be read, or lacks its Idempotency-Key.",
        "درخواست خوانا نیست یا کلید یکتایی ندارد.",
    ),
    401: ("The API key is missing or wrong.", "کلید فروشگاه نیست یا نادرست است."),
    403: ("The API key is not for this.", "این کلید چنین اجازه‌ای ندارد."),
    404: ("There is no such object of yours.", "شما چنین چیزی ندارید."),
    408: ("The body did not come in time.", "بدنه‌ی درخواست به‌موقع نرسید."),
    409: (
        "What is wanted does not fit what has happened already; `code` says how.",
        "خواسته با آنچه تا کنون رخ داده نمی‌خواند؛ `code` می‌گوید چرا.",
    ),
    413: ("The body is too large.", "بدنه‌ی درخواست بزرگ است."),
    422: (
        "A field is wrong; `errors` names each.",
        "فیلدی نادرست است؛ `errors` یکایک را نام می‌برد.",
    ),
    429: (
        "Too many at once; `Retry-After` says when.",
        "درخواست‌ها زیاد است؛ `Retry-After` زمان را می‌گوید.",
    ),
    500: ("Something went wrong here; it is logged.", "اشکالی در سرویس؛ ثبت شد."),
    503: (
        "Not now; `Retry-After` says when.",
        "اکنون نمی‌شود؛ `Retry-After` زمان را می‌گوید.",
    ),
}

FIELDS: Final = {
    "id": ("What it is called in the API.", "شناسه در این API."),
    "object": ("What kind of thing it is.", "نوع شیء."),
    "status": ("Where it stands.", "وضعیت."),
    "money": (
        "Where the customer's money is, as far as we know.",
        "پول مشتری، تا جایی که می‌دانیم، کجاست.",
    ),
    "returns_by": (
        "By when money that was taken and not kept is back.",
        "پولی که برداشت شده و نگه داشته نشده تا کی برمی‌گردد.",
    ),
    "amount": ("In the payment's currency.", "مبلغ به واحد پول پرداخت."),
    "amount_rial": ("In rial.", "مبلغ به ریال."),
    "currency": ("`IRR` is rial, `IRT` toman.", "`IRR` ریال و `IRT` تومان است."),
    "order_id": ("The shop's own number of the order.", "شماره‌ی سفارش در فروشگاه."),
    "invoice_id": ("The invoice that it is for.", "صورت‌حسابی که برای آن است."),
    "lines": ("The rows of the invoice.", "سطرهای صورت‌حساب."),
    "quantity": ("How many.", "تعداد."),
    "unit_price": ("Of one, in the invoice's currency.", "بهای یکی، به واحد پول صورت‌حساب."),
    "discount": ("Taken off the whole row.", "تخفیف همه‌ی سطر."),
    "tax": ("Added to the whole row.", "مالیات همه‌ی سطر."),
    "payments": (
        "`one`: it is paid once; `many`: by as many as come, or by `payments_max`.",
        "`one`: یک بار پرداخت می‌شود؛ `many`: هر چند بار، یا تا `payments_max`.",
    ),
    "payments_max": (
        "After so many payments it is paid.",
        "پس از این تعداد، صورت‌حساب پرداخت‌شده است.",
    ),
    "payments_paid": ("How many of its payments are paid.", "تعداد پرداخت‌های انجام‌شده‌ی آن."),
    "paid_amount": ("What they come to.", "جمع مبلغ آن‌ها."),
    "paid_amount_rial": ("The same in rial.", "همان به ریال."),
    "due_at": (
        "By when it should be paid: a time, or a date in Tehran.",
        "مهلت پرداخت: یک زمان، یا روزی به وقت تهران.",
    ),
    "overdue": ("Its due time is over, and it can still be paid.", "مهلت آن گذشته و هنوز باز است."),
    "ended_at": (
        "When it stopped to take payments.",
        "زمانی که دیگر پرداختی نپذیرفت.",
    ),
    "return_url": (
        "Where the customer goes back to; its host must be on the shop's list.",
        "نشانی بازگشت مشتری؛ دامنه‌ی آن باید در فهرست فروشگاه باشد.",
    ),
    "pay_url": ("Where to send the customer.", "نشانی فرستادن مشتری برای پرداخت."),
    "tracking_code": ("The number to tell customers.", "کد پیگیری برای مشتری."),
    "gateway": ("The gateway's name.", "نام درگاه."),
    "gateways": ("Only these gateways.", "تنها از این درگاه‌ها."),
    "ref_num": ("The bank's reference.", "شماره‌ی ارجاع بانک."),
    "rrn": ("The switch's reference.", "شماره‌ی مرجع شتاب."),
    "trace_no": ("The bank's trace number.", "شماره‌ی پیگیری بانک."),
    "card": ("The card, masked.", "شماره‌ی کارت، پوشانده."),
    "attempts": ("The gateways that were tried.", "درگاه‌هایی که آزموده شدند."),
    "number": ("Counted from 1.", "شمارش از ۱."),
    "state": ("Where the attempt stands.", "وضعیت تلاش."),
    "bank_order": ("Our order number at the bank.", "شماره‌ی سفارش ما نزد بانک."),
    "error": ("The bank's no.", "پاسخ منفی بانک."),
    "cause": ("What kind of no.", "نوع پاسخ منفی."),
    "code": ("Stable, for programs.", "کد پایدار برای برنامه‌ها."),
    "message": ("For people.", "متن برای خواندن."),
    "capture": (
        "`automatic`, or `manual`: hold what is paid until you capture it.",
        "`automatic` یا `manual`: نگه‌داشتن پول پرداخت‌شده تا برداشت شما.",
    ),
    "capture_by": ("By when it must be captured.", "مهلت برداشت."),
    "refunded_amount": ("What was given back.", "آنچه بازگردانده شده."),
    "refundable_amount": ("What can still be given back.", "آنچه هنوز می‌توان بازگرداند."),
    "refunds": ("What goes back.", "بازپرداخت‌ها."),
    "needs_review": ("A person should look.", "کسی باید بررسی کند."),
    "description": ("For the bank's page.", "توضیح برای صفحه‌ی بانک."),
    "test": ("Made with a test key.", "با کلید آزمایشی."),
    "created_at": ("When it was made.", "زمان ساخت."),
    "updated_at": ("When it last changed.", "زمان آخرین تغییر."),
    "expires_at": ("When no new try begins any more.", "پس از این زمان تلاش تازه‌ای آغاز نمی‌شود."),
    "expires_in": ("Seconds until no new try begins any more.", "ثانیه تا پایان مهلت تلاش تازه."),
    "paid_at": ("When the money was ours.", "زمان قطعی شدن پرداخت."),
    "metadata": ("The shop's own.", "داده‌های خود فروشگاه."),
    "locale": ("Of the customer's pages.", "زبان صفحه‌های مشتری."),
    "payer": ("Who pays, as far as the shop knows.", "پرداخت‌کننده، تا جایی که فروشگاه می‌داند."),
    "mobile": ("The customer's mobile number.", "شماره‌ی همراه مشتری."),
    "email": ("The customer's e-mail address.", "ایمیل مشتری."),
    "name": ("The name.", "نام."),
    "national_id": (
        "Only cards of this person may pay.",
        "تنها کارت‌های این شخص می‌توانند بپردازند.",
    ),
    "allowed_cards": ("Only these cards may pay.", "تنها این کارت‌ها می‌توانند بپردازند."),
    "check_mobile": (
        "Only cards of this mobile's owner may pay.",
        "تنها کارت‌های صاحب این شماره‌ی همراه می‌توانند بپردازند.",
    ),
    "methods": ("How the customer may pay.", "راه‌های پرداخت."),
    "splits": ("Parts that are paid out elsewhere.", "سهم‌هایی که به حساب دیگری می‌رود."),
    "iban": ("An Iranian IBAN.", "شماره‌ی شبا."),
    "reason": ("Why, for people.", "دلیل، برای خواندن."),
    "kind": ("How the money goes back.", "راه بازگشت پول."),
    "payment_id": ("The payment.", "پرداخت."),
    "reference": ("The bank's number of it.", "شماره‌ی آن نزد بانک."),
    "needs": ("What a person needs to do it by hand.", "آنچه برای انجام دستی لازم است."),
    "why": ("Why a person is needed.", "چرا کسی باید دست به کار شود."),
    "ask_bank_first": (
        "It may have happened already: ask the bank before.",
        "شاید انجام شده باشد: نخست از بانک بپرسید.",
    ),
    "answer": ("What the bank said.", "پاسخ بانک."),
    "refund_order": ("Our number of the refund at the bank.", "شماره‌ی بازپرداخت ما نزد بانک."),
    "driver": ("The bank's protocol.", "پروتکل بانک."),
    "retired": ("It takes no new payments.", "پرداخت تازه نمی‌گیرد."),
    "score": ("How likely a customer sent there ends up paid.", "بخت موفقیت پرداخت در این درگاه."),
    "weight": ("The part of the payments it is to get.", "سهمی که باید بگیرد."),
    "share": ("The part it got lately.", "سهمی که به‌تازگی گرفته."),
    "breaker": ("Whether it is cut off.", "آیا از مدار خارج است."),
    "reasons": ("What keeps it from its full part.", "آنچه سهمش را کم کرده."),
    "window": ("The last ten minutes.", "ده دقیقه‌ی گذشته."),
    "started": ("With a token.", "آغازشده."),
    "returned": ("Came back.", "بازگشته."),
    "paid": ("Were paid.", "پرداخت‌شده."),
    "failed": ("Failed by the gateway.", "ناموفق از سوی درگاه."),
    "in_flight": ("Now at the bank.", "هم‌اکنون نزد بانک."),
    "token_success": ("Share of token calls that ended well.", "نسبت موفقیت گرفتن توکن."),
    "token_seconds": ("How long they take.", "مدت گرفتن توکن."),
    "return_seconds": ("Within which half of its customers are back.", "میانه‌ی زمان بازگشت مشتری."),
    "load_tps": ("Payments per second it is sent.", "پرداخت در ثانیه."),
    "ceiling_tps": ("What it is assumed to carry at most.", "بیشترین توان برآوردشده."),
    "verify_within_seconds": ("The bank's window for a verify.", "مهلت تأیید نزد بانک."),
    "reverse_within_seconds": ("The bank's window for a reversal.", "مهلت برگشت نزد بانک."),
    "unverified": (
        "What the bank does with what nobody verifies.",
        "سرنوشت پول تأییدنشده نزد بانک.",
    ),
    "type": ("What happened, or what kind of problem.", "چه رخ داد، یا نوع خطا."),
    "data": ("What it is about.", "موضوع."),
    "receivers": ("The receivers of webhooks.", "گیرنده‌های وب‌هوک."),
    "title": ("The problem in short.", "عنوان خطا."),
    "detail": ("The problem in a sentence.", "شرح خطا."),
    "instance": ("What to name when asking about it.", "شناسه‌ی خطا برای پیگیری."),
    "param": ("The first wrong field.", "نخستین فیلد نادرست."),
    "errors": ("Every wrong field.", "همه‌ی فیلدهای نادرست."),
    "path": ("The field.", "فیلد."),
    "checks": ("Each check: `ok`, or why not.", "هر بررسی: `ok` یا دلیل."),
    "created_from": ("Made at this time or later.", "ساخته‌شده از این زمان."),
    "created_to": ("Made before this time.", "ساخته‌شده پیش از این زمان."),
    "limit": ("How many at most.", "بیشترین تعداد."),
    "starting_after": (
        "Those after this one of the last page.",
        "از پسِ این یکی، واپسینِ صفحه‌ی پیش.",
    ),
    "after": ("Those after this event.", "از پسِ این رویداد."),
}
