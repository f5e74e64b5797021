"""A mail server that keeps each mail as a file: smtp_sink.py FOLDER PORT [MODE CERTIFICATE KEY USER PASSWORD]

MODE is "starttls" or "implicit"; then TLS and the login are required.
"""

import asyncio
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

folder, port = pathlib.Path(sys.argv[1]), int(sys.argv[2])
mode, certificate, key, user, password = (sys.argv[3:] + [None] * 5)[:5]


class Keep:
    count = 0

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        begun = folder / f"{self.count:03}.begun"
        begun.write_bytes(envelope.content)
        begun.rename(folder / f"{self.count:03}.eml")
        return "250 kept"


def knows(server, session, envelope, mechanism, login):
    return AuthResult(success=(login.login, login.password) == (user.encode(), password.encode()))


async def main():
    tls = None
    if mode:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
    keep, loop = Keep(), asyncio.get_running_loop()

    def serve():
        if not mode:
            return SMTP(keep, loop=loop)
        asked = {"authenticator": knows, "auth_required": True}
        if mode == "starttls":
            return SMTP(keep, loop=loop, tls_context=tls, require_starttls=True, **asked)
        return SMTP(keep, loop=loop, auth_require_tls=False, **asked)

    server = await loop.create_server(serve, "127.0.0.1", port, ssl=tls if mode == "implicit" else None)
    print("listening", flush=True)
    await server.serve_forever()


asyncio.run(main())
