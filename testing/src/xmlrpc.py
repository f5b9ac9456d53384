"""An XML-RPC server that is not ours: Python's standard library.

Everything seen is told on standard output, one JSON object a line. Ends with its standard input, so that it does not outlive
the test that started it.

    python3 xmlrpc.py [CERTIFICATE KEY]
"""

import json
import os
import select
import socketserver
import ssl
import sys
import threading
import xmlrpc.client
import xmlrpc.server

TELLING = threading.Lock()
CURRENT = threading.local()


def tell(**event):
    with TELLING:
        print(json.dumps(event), flush=True)


def dump_int(self, value, write):
    """As Python's own, with i8 for what does not fit."""
    kind = "int" if xmlrpc.client.MININT <= value <= xmlrpc.client.MAXINT else "i8"
    write(f"<value><{kind}>{value}</{kind}></value>\n")


xmlrpc.client.Marshaller.dispatch[int] = dump_int


class Methods:
    def echo(self, value):
        """Returns what it is given."""
        return value

    def seen(self, *values):
        """What the values are in Python."""
        return [f"{type(value).__name__} {value.data if hasattr(value, 'data') else value!r}" for value in values]

    def add(self, one, other):
        return one + other

    def text(self, length):
        return "x" * length

    def nested(self, levels):
        value = []
        for _ in range(levels):
            value = [value]
        return value

    def refuse(self):
        raise xmlrpc.client.Fault(-42, "no <such> thing & no other")

    def fail(self):
        raise ValueError("went wrong")

    def hang(self):
        """Waits until the client has gone."""
        tell(event="hanging", connection=CURRENT.number)
        select.select([CURRENT.connection], [], [])
        tell(event="left", connection=CURRENT.number)


class Handler(xmlrpc.server.SimpleXMLRPCRequestHandler):
    rpc_paths = ("/RPC2",)
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        fields = {name.lower(): value for name, value in self.headers.items()}
        CURRENT.connection, CURRENT.number = self.connection, self.client_address[1]
        tell(event="request", connection=CURRENT.number, fields=fields)
        super().do_POST()


class Server(socketserver.ThreadingMixIn, xmlrpc.server.SimpleXMLRPCServer):
    request_queue_size = 128
    daemon_threads = True
    tls = None

    def finish_request(self, request, client_address):
        # On the connection's own thread, as the handshake has to be.
        try:
            if self.tls:
                request = self.tls.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)
        except OSError:
            pass
        finally:
            tell(event="gone", connection=client_address[1])
            request.close()

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", 0), Handler, logRequests=False, allow_none=True)
server.register_instance(Methods())
server.register_introspection_functions()
server.register_multicall_functions()
if len(sys.argv) > 1:
    Server.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    Server.tls.load_cert_chain(*sys.argv[1:])
threading.Thread(target=server.serve_forever, daemon=True).start()
tell(event="listening", port=server.server_address[1])
sys.stdin.read()
os._exit(0)
