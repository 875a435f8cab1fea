"""A mail server for tests. It stores every email as a JSON file, and the local part of the recipient selects a fault.

    smtp.py DIRECTORY [--user NAME --password WORD] [--plain]

The first lines that it prints are PORT=… and CA=… (a file with the certificate to trust).
It offers STARTTLS for the names localhost and 127.0.0.1; --plain leaves that out.
With --user it requires authentication. The process ends when its standard input is closed.

    busy-451@…   451 to the recipient           drop@…    the connection ends in the middle of DATA
    gone-550@…   550 to the recipient           slow@…    the answer to DATA takes 5 seconds (times TEST_TIME_SCALE)
    421@…        421 to the recipient           flaky@…   451 the first time, accepted from then on

Email to any other recipient is accepted. A suffix after a plus sign is ignored: flaky+1@… and flaky+2@… are two
recipients, and each is refused once.
"""

import argparse
import asyncio
import email
import email.policy
import json
import logging
import os
import pathlib
import signal
import ssl
import tempfile
import threading

import trustme
from aiosmtpd.smtp import SMTP, AuthResult

REFUSALS = {
    "busy-451": "451 4.3.0 the server is busy, try again later",
    "gone-550": "550 5.1.1 no such mailbox here",
    "421": "421 4.3.2 the service is going down",
}


def kind(address):
    return address.partition("@")[0].partition("+")[0].lower()


class Post(SMTP):
    """Like its parent, but drops the connection during a message to drop@."""

    async def smtp_DATA(self, arg):
        if any(kind(to) == "drop" for to in self.envelope.rcpt_tos):
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            await self._reader.readline()
            self.transport.abort()
            # The end of the connection cancels this, so that the rest of the buffer is not read as commands.
            await asyncio.Event().wait()
        await super().smtp_DATA(arg)


class Letterbox:
    def __init__(self, directory):
        self.directory = directory
        self.count = 0
        self.refused_once = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        who = kind(address)
        if who == "421":
            # After 421 the server closes the connection (RFC 5321).
            server.loop.call_later(0.1, server.transport.close)
        if who in REFUSALS:
            return REFUSALS[who]
        if who == "flaky" and address not in self.refused_once:
            self.refused_once.add(address)
            return "451 4.2.0 not this time"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if any(kind(to) == "slow" for to in envelope.rcpt_tos):
            await asyncio.sleep(5 * float(os.environ.get("TEST_TIME_SCALE", 1)))
        self.keep(session, envelope)
        return "250 2.0.0 taken"

    def keep(self, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)

        def part(kind):
            body = mail.get_body(preferencelist=(kind,))
            return body.get_content() if body else None

        self.count += 1
        record = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "encrypted": session.ssl is not None,
            "user": session.auth_data,
            "headers": [[name, str(value)] for name, value in mail.items()],
            "text": part("plain"),
            "html": part("html"),
            "raw": envelope.content.decode("utf-8", "backslashreplace"),
        }
        # Renamed when complete, so that a reader never sees a partial file.
        target = self.directory / f"{self.count:04}.json"
        draft = target.with_suffix(".draft")
        draft.write_text(json.dumps(record, indent=2))
        draft.rename(target)


def authenticator(user, password):
    def check(server, session, envelope, mechanism, data):
        name, word = data.login.decode(), data.password.decode()
        if (name, word) != (user, password):
            return AuthResult(success=False, handled=False, message="535 5.7.8 wrong user or password")
        return AuthResult(success=True, auth_data=name)

    return check


def certificate(directory):
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    path = pathlib.Path(directory) / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return context, path


async def serve(args, scratch):
    loop = asyncio.get_running_loop()
    args.directory.mkdir(parents=True, exist_ok=True)
    context, ca = certificate(scratch)
    letterbox = Letterbox(args.directory)
    options = {"hostname": "localhost", "tls_context": None if args.plain else context, "loop": loop}
    if args.user:
        options |= {
            "authenticator": authenticator(args.user, args.password),
            "auth_required": True,
            "auth_require_tls": not args.plain,
        }
    server = await loop.create_server(lambda: Post(letterbox, **options), "127.0.0.1", 0)
    print(f"PORT={server.sockets[0].getsockname()[1]}\nCA={ca}", flush=True)

    over = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    loop.add_signal_handler(signal.SIGINT, over.set)
    threading.Thread(target=wait_for_parent, args=(loop, over), daemon=True).start()
    await over.wait()


def wait_for_parent(loop, over):
    """Detects the end of the test process, which closes its end of the pipe."""
    while os.read(0, 1024):
        pass
    loop.call_soon_threadsafe(over.set)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--plain", action="store_true")
    # The library warns of its own use of a deprecated name.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="guildhall-smtp.") as scratch:
        asyncio.run(serve(parser.parse_args(), scratch))


main()
