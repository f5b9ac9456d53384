"""An HTTP upstream that is not ours: Python's standard library.

The path says how a request is treated; everything seen is told on standard output, one JSON object a line. Ends with its
standard input, so that it does not outlive the test that started it.

    python3 python.py [CERTIFICATE KEY]
"""

import http.server
import itertools
import json
import os
import random
import select
import ssl
import sys
import threading
import time

# What most JSON libraries would write anew in other words: the bytes have to come through as they are.
BODY = '\r\n\t { "big": 123456789012345678901234567890,"e":1.50E+400 , "zero" :-0.0,"b":1,"a":2,"a":3,"é":"\\u00e9\\/"}\n \n'

TELLING = threading.Lock()


def tell(**event):
    with TELLING:
        print(json.dumps({**event, "at": time.monotonic()}), flush=True)


class Gone(Exception):
    """The client has closed the connection."""


class Upstream(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        attempt = self.headers.get("x-attempt")
        fields = {name.lower(): value for name, value in self.headers.items()}
        tell(event="request", connection=self.server.numbers[self.client_address], path=self.path, fields=fields)
        path, _, seconds = self.path.strip("/").partition("/")
        if path == "hangs":
            self.linger(None)
        elif path == "last-wins":
            # It takes its time, so that all three begin.
            self.linger(0.2 if attempt == "2" else None)
        elif path == "answers-after":
            self.linger(float(seconds))
        self.answer()
        if path == "closes-idle":
            # Without having said so, and sometimes when the next request is on its way or here already, unread.
            time.sleep(random.uniform(0, 0.003))
            self.close_connection = True

    def answer(self):
        body = BODY.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def linger(self, seconds):
        """Waits so long, or for ever, and no longer than the client does."""
        if select.select([self.connection], [], [], seconds)[0] and not self.connection.recv(1):
            raise Gone

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512
    tls = None

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.connections = itertools.count()
        self.numbers = {}

    def finish_request(self, request, client_address):
        # On the connection's own thread, as the handshake has to be.
        number = self.numbers[client_address] = next(self.connections)
        try:
            if self.tls:
                request = self.tls.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)
        except (Gone, OSError):
            pass
        finally:
            tell(event="gone", connection=number)
            request.close()

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", 0), Upstream)
if len(sys.argv) > 1:
    Server.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    Server.tls.load_cert_chain(*sys.argv[1:])
threading.Thread(target=server.serve_forever, daemon=True).start()
tell(event="listening", port=server.server_port, body=BODY)
sys.stdin.read()
os._exit(0)
