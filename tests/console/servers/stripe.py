"""Stripe for tests: localstripe on 127.0.0.1, and the one page that it lacks, where a customer enters a card.

    stripe.py

The first line of output is PORT=…. The process ends when its standard input is closed.

    POST /v1/checkout/sessions   creates such a page, in setup mode, and answers its URL
    POST /checkout/SESSION       the customer enters card=NUMBER there
    GET  /_seen                  the idempotency keys of all requests for payment intents
"""

import asyncio
import logging
import socket
import sys
import threading

from aiohttp import web
from localstripe import resources

listed = resources.PaymentMethod._api_list_all


def newest_first(url, **form):
    """Stripe lists the newest first; localstripe does not."""
    found = listed(url, **form)
    found._list.reverse()
    return found


resources.PaymentMethod._api_list_all = newest_first
from localstripe import server, webhooks  # noqa: E402: it binds the lists when it is imported

logging.disable(logging.CRITICAL)
sessions = {}
seen = []


class Session(resources.StripeObject):
    object = "checkout.session"
    _id_prefix = "cs_"

    def __init__(self, customer, success_url):
        super().__init__()
        self.customer = customer
        self.success_url = success_url
        self.mode = "setup"


async def make_session(request):
    form = await request.post()
    resources.Customer._api_retrieve(form["customer"])
    assert form["mode"] == "setup"
    session = Session(form["customer"], form["success_url"])
    sessions[session.id] = session
    address = f"http://{request.host}/checkout/{session.id}"
    return web.json_response({"id": session.id, "object": "checkout.session", "url": address})


async def enter_card(request):
    session = sessions[request.match_info["id"]]
    form = await request.post()
    card = {"number": form["card"], "exp_month": "12", "exp_year": "2030", "cvc": "123"}
    method = resources.PaymentMethod(type="card", card=card)
    resources.PaymentMethod._api_attach(method.id, customer=session.customer)
    webhooks.schedule_webhook(resources.Event("checkout.session.completed", session))
    raise web.HTTPSeeOther(session.success_url)


@web.middleware
async def remember(request, handler):
    if request.method == "POST" and request.path == "/v1/payment_intents":
        seen.append(request.headers.get("Idempotency-Key"))
    return await handler(request)


async def tell(request):
    return web.json_response(seen)


async def main():
    app = server.app
    app.middlewares.append(remember)
    app.router.add_post("/v1/checkout/sessions", make_session)
    app.router.add_post("/checkout/{id}", enter_card)
    app.router.add_get("/_seen", tell)
    runner = web.AppRunner(app)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    print(f"PORT={listener.getsockname()[1]}", flush=True)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    # The tests hold our standard input open for as long as they run.
    watch = threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(over.set)), daemon=True)
    watch.start()
    await over.wait()


asyncio.run(main())
