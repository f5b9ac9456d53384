"""Compares our framing with that of h11, an independent HTTP/1.1 parser.

Cases come on standard input, each as a length (four bytes, little-endian) and bytes, what one client sends over one connection,
and then in the same way our verdict on it. One line goes out for each: "same", "stricter: <choice>", "lenient: <choice>", or
"unexplained: <h11's verdict>". A verdict is a list of words, the requests in order and then how it ends:

    <end>,<method>,<target>,<version>,<fields>,<names>,<values>,<k|c>   a whole request: where the next one begins, its number
                                          of fields, bytes of names and of values, and whether the connection is kept
    E   the bytes are used up             C   a request has asked for the connection to be closed
    R   what follows is refused           I   what follows is incomplete
    IR  incomplete, and refused as soon as the line and the section under way end; ours tells why: R:<why>, IR:<why>

h11 is asked for one request at a time, with a fresh connection for each. Two things it leaves to its user are done here: empty
lines before a request are passed over (RFC 9112, section 2.2), and HTTP/1.0 is kept open on request (section 9.3).
"""

import re
import sys

import h11

LIMIT = 64 << 10
TOKEN = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
TEXT = rb"[\t\x20-\x7e\x80-\xff]"
QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\' + TEXT + rb')*"'
SIZE_LINE = re.compile(
    rb"([0-9A-Fa-f]+)(?:[ \t]*;[ \t]*%s(?:[ \t]*=[ \t]*(?:%s|%s))?)*" % (TOKEN, TOKEN, QUOTED)
)
TRAILER = re.compile(rb"%s:%s*" % (TOKEN, TEXT))
HOST = re.compile(rb"(?:\[[0-9A-Za-z.:_~-]+\]|[-0-9A-Za-z._~!$&'()*+,;=%]*)(?::[0-9]{0,5})?")
URL = re.compile(rb"(?i:https?)://([^/?#]+)(?:[/?#].*)?")
END_OF_HEAD = re.compile(rb"\n\r?\n")


class Seen:
    """A request as plainly as can be, for finding out why it was refused."""

    def __init__(self, data):
        data = data.lstrip(b"\r\n")
        end = END_OF_HEAD.search(data)
        self.head, self.body = (data[: end.end()], data[end.end() :]) if end else (data, b"")
        lines = self.head.split(b"\n")
        self.line = lines[0].rstrip(b"\r")
        words = self.line.split(b" ")
        self.method, self.target, self.version = words if len(words) == 3 else (b"", b"", b"")
        self.folded = any(line[:1] in (b" ", b"\t") for line in lines[1:])
        fields = [line.partition(b":") for line in lines[1:] if b":" in line]
        self.fields = [(name.lower(), value.strip()) for name, _, value in fields]

    def all(self, name):
        return [value for found, value in self.fields if found == name]

    def is_chunked(self):
        return bool(self.all(b"transfer-encoding"))

    def lengths(self):
        return [int(part) for value in self.all(b"content-length") for part in value.split(b",") if part.strip().isdigit()]

    def chunks(self):
        """Takes the body apart: the sizes and trailer lines that are right, and what is wrong after them, if anything is."""
        at, sizes, trailers = 0, [], []
        while True:
            line, line_end, _ = self.body[at:].partition(b"\r\n")
            if not line_end:
                return sizes, trailers, "chunk" if b"\n" in line else None
            size = SIZE_LINE.fullmatch(line)
            if not size:
                return sizes, trailers, "chunk"
            sizes.append(size.group(1))
            at += len(line) + 2
            if int(sizes[-1], 16) == 0:
                break
            at += int(sizes[-1], 16)
            if not b"\r\n".startswith(self.body[at : at + 2]):
                return sizes, trailers, "chunk"
            at += 2
        while True:
            line, line_end, _ = self.body[at:].partition(b"\r\n")
            if not line or not line_end and b"\n" not in line:
                return sizes, trailers, None
            if not TRAILER.fullmatch(line):
                return sizes, trailers, "trailer"
            trailers.append(line)
            at += len(line) + 2


# What is refused on purpose although h11 takes it: our reason, what has to be so in the bytes, and why it is refused.
STRICTER = [
    ("line feed without carriage return", lambda seen: re.search(rb"(?<!\r)\n", seen.head)),  # 2.2: MAY be taken
    ("control character in the head", lambda seen: re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", seen.head)),  # RFC 9110, 5.5
    ("malformed field name", lambda seen: seen.folded),  # 5.2: obs-fold, MUST be refused or replaced
    ("Content-Length beside Transfer-Encoding", lambda seen: seen.lengths() and seen.is_chunked()),  # 6.3: MAY be refused
    ("more than one Content-Length", lambda seen: len(seen.all(b"content-length")) > 1),  # 6.3: MAY be taken when all are equal
    (
        "invalid Content-Length",  # the same in one field; and beyond what we count to
        lambda seen: any(b"," in value for value in seen.all(b"content-length")) or max(seen.lengths(), default=0) >= 1 << 64,
    ),
    ("Transfer-Encoding in HTTP/1.0", lambda seen: seen.version == b"HTTP/1.0" and seen.is_chunked()),  # 6.1: faulty framing
    ("only HTTP/1.0 and HTTP/1.1 are spoken here", lambda seen: seen.version not in (b"HTTP/1.0", b"HTTP/1.1")),
    ("no tunnels to elsewhere here", lambda seen: seen.method == b"CONNECT"),
    ("the target * is for OPTIONS", lambda seen: seen.target == b"*" and seen.method != b"OPTIONS"),  # 3.2.4
    (
        "illegal character in the request target",  # RFC 3986
        lambda seen: re.search(rb"#|%(?![0-9A-Fa-f]{2})", seen.target),
    ),
    (
        "the request target is neither a path nor an http URL",  # 3.2
        lambda seen: not seen.target.startswith(b"/")
        and not ((url := URL.fullmatch(seen.target)) and HOST.fullmatch(url.group(1))),
    ),
    ("invalid Host", lambda seen: not HOST.fullmatch(seen.all(b"host")[0])),  # 3.2: MUST be refused
    (
        "the only expectation met here is 100-continue",  # RFC 9110, 10.1.1
        lambda seen: any(value.lower() != b"100-continue" for value in seen.all(b"expect")),
    ),
    (
        "body too large",  # a limit
        lambda seen: sum(int(size, 16) for size in seen.chunks()[0]) > LIMIT
        if seen.is_chunked()
        else max(seen.lengths()) > LIMIT,
    ),
    ("chunk size too large", lambda seen: int(re.findall(rb"[0-9A-Fa-f]{17,}", seen.body)[0], 16) >= 1 << 64),  # counted to 2^64
    ("malformed chunk", lambda seen: seen.chunks()[2] == "chunk"),  # 7.1: extensions by the grammar, no space after the size
    ("malformed trailer field", lambda seen: seen.chunks()[2] == "trailer"),  # 7.1.2: as in the head
]

# What we take although h11 does not: it counts digits, we count what they say; it knows no space before an extension, which
# has to be taken (RFC 9112, section 7.1.1); and it judges trailer fields that we drop unread (RFC 9110, section 6.5.1).
LENIENT = [
    (
        "Content-Length of more than 20 digits",
        lambda seen: any(len(value) > 20 and int(value) < 1 << 64 for value in seen.all(b"content-length")),
    ),
    ("chunk size of more than 20 digits", lambda seen: any(len(size) > 20 for size in seen.chunks()[0])),
    (
        "framing field among the trailers",
        lambda seen: any(re.match(rb"(?i:content-length|transfer-encoding):", line) for line in seen.chunks()[1]),
    ),
    (
        "space before a chunk extension",
        lambda seen: re.search(rb"[0-9A-Fa-f][ \t]+;", seen.body) and not seen.chunks()[2],
    ),
]


def keeps(request):
    options = [
        option.strip().lower()
        for name, value in request.headers
        if name == b"connection"
        for option in value.split(b",")
    ]
    if b"close" in options:
        return False
    return request.http_version >= b"1.1" or b"keep-alive" in options


def closing(data):
    """What ends the line and the section under way."""
    return b"\n\r\n" if data.endswith(b"\r") else b"\r\n\r\n"


def one_request(data):
    """The first request in data and its length; "R" or "I" instead of it."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 30)
    request = None
    try:
        connection.receive_data(data)
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                return "I", 0
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.EndOfMessage):
                return request, len(data) - len(connection.trailing_data[0])
    except h11.RemoteProtocolError:
        return "R", 0


def verdicts(case):
    """h11's verdict word by word, each with the place of the bytes it is about."""
    at = 0
    while True:
        start = at
        while case.startswith(b"\r\n", at):
            at += 2
        rest = case[at:]
        if not rest or rest == b"\r":
            yield "E", start, at
            return
        request, length = one_request(rest)
        if request == "I":
            yield ("IR" if one_request(rest + closing(rest))[0] == "R" else "I"), start, len(case)
            return
        if request == "R":
            yield "R", start, len(case)
            return
        at += length
        fields = request.headers.raw_items()
        words = (at, request.method.decode(), request.target.decode(), request.http_version.decode(), len(fields))
        names, values = sum(len(name) for name, _ in fields), sum(len(value) for _, value in fields)
        kept = keeps(request)
        yield "%d,%s,%s,%s,%d" % words + ",%d,%d,%s" % (names, values, "k" if kept else "c"), start, at
        if not kept:
            yield "C", at, at
            return


def holds(condition, seen):
    try:
        return bool(condition(seen))
    except (IndexError, ValueError):
        return False


def compare(case, ours):
    refused = ("R", "IR")
    for mine, (theirs, start, end) in zip(ours, verdicts(case)):
        kind, _, why = mine.partition(":") if mine.startswith(("R:", "IR:")) else (mine, "", "")
        if kind == theirs:
            if kind in ("E", "C", "I", "R", "IR"):
                return "same"
            continue
        if kind in refused and theirs in refused:
            return "same"
        region = case[start:end]
        seen = Seen(region + closing(region) if theirs in ("I", "IR") else region)
        if kind in refused:
            for choice, condition in STRICTER:
                if choice == why.replace("_", " ") and holds(condition, seen):
                    return "stricter: " + choice
        elif theirs in refused:
            for choice, condition in LENIENT:
                if holds(condition, seen):
                    return "lenient: " + choice
        return "unexplained: h11 says " + theirs
    return "unexplained: not the same number of requests"


def main():
    read, write = sys.stdin.buffer.read, sys.stdout.buffer.write

    def block():
        length = read(4)
        return read(int.from_bytes(length, "little")) if len(length) == 4 else None

    while (case := block()) is not None:
        write(compare(case, block().decode().split(" ")).encode() + b"\n")


main()
