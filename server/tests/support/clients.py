"""Real clients: each exercise is a function, named by the first argument; the second is the URL of the proxy.

Fails with an exception. What it prints on standard output is for the test to compare.
"""

import io
import sys


def content(length):
    return bytes(at * 7 % 251 for at in range(length))


def with_requests(url):
    import requests

    with requests.Session() as session:
        session.trust_env = False
        for _ in range(3):
            answer = session.get(url + "/file", params={"a": "b c", "d": ["e", "f/g"]})
            assert (answer.status_code, answer.content) == (200, content(300_000)), answer
        assert session.head(url + "/file").headers["content-length"] == "300000"
        with session.get(url + "/file", stream=True) as answer:
            assert b"".join(answer.iter_content(1_000)) == content(300_000)
        answer = session.get(url + "/file", headers={"Range": "bytes=299990-"})
        assert (answer.status_code, answer.content) == (206, content(300_000)[299_990:]), answer
        assert session.post(url + "/json", json={"a": [1, None]}).json() == {"a": [1, None]}
        pieces = (content(10_000) for _ in range(20))
        assert session.post(url + "/stream", data=pieces).content == content(10_000) * 20
        answer = session.put(url + "/upload", files={"f": ("n.bin", io.BytesIO(content(200_000)))})
        assert content(200_000) in answer.content and b'filename="n.bin"' in answer.content
        assert session.get(url + "/none").status_code == 404


def with_urllib3(url):
    import urllib3

    pool = urllib3.PoolManager(retries=False)
    for _ in range(3):
        answer = pool.request("GET", url + "/file")
        assert (answer.status, answer.data) == (200, content(300_000)), answer.status
    answer = pool.request("GET", url + "/file", preload_content=False)
    assert b"".join(answer.stream(7_000)) == content(300_000)
    answer.release_conn()
    assert pool.request("POST", url + "/fields", fields={"a": "b"}).status == 201
    body = io.BytesIO(content(1_000_000))
    assert pool.request("PUT", url + "/chunked", body=body, chunked=True).data == content(1_000_000)
    assert pool.request("PUT", url + "/empty", body=b"").data == b""


def websocket_server(_):
    from websockets.sync.server import serve

    def echo(socket):
        for message in socket:
            if message == "close":
                socket.close(4321, "as asked")
                return
            socket.send(message)

    server = serve(echo, "127.0.0.1", 0)
    print(server.socket.getsockname()[1], flush=True)
    server.serve_forever()


def websocket(url):
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    with connect(url.replace("http:", "ws:") + "/chat?a=b", max_size=None, proxy=None) as socket:
        for message in ["hello", b"\x00\xff", "", content(1_000_000), "gr\u00fcn"]:
            socket.send(message)
            assert socket.recv(timeout=20) == message
        assert socket.ping(b"here").wait(20), "no pong"
        socket.send("close")
        try:
            socket.recv(timeout=20)
            raise AssertionError("still open")
        except ConnectionClosed as closed:
            assert (closed.rcvd.code, closed.rcvd.reason) == (4321, "as asked"), closed


def wheel(path):
    """Writes a package that pip can install."""
    import zipfile

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("headstart_demo.py", "ANSWER = 42\n")
        about = "headstart_demo-1.0.dist-info/"
        archive.writestr(about + "METADATA", "Metadata-Version: 2.1\nName: headstart-demo\nVersion: 1.0\n")
        archive.writestr(about + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        names = ["headstart_demo.py", about + "METADATA", about + "WHEEL", about + "RECORD"]
        archive.writestr(about + "RECORD", "".join(name + ",,\n" for name in names))


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
