"""A pylm web worker: functions behind HTTP, on pylm's own debug server."""

import argparse
import time
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

from pylm.remote.server import DebugServer, RequestHandler, WSGIApplication

import peer


def handler(name, delay):
    class Functions(RequestHandler):
        def foo(self, payload):
            time.sleep(delay)
            return name.encode() + b" processed " + payload

        def echo(self, payload):
            time.sleep(delay)
            return payload

        def wait(self, payload):
            """Sleep as many seconds as the payload says."""
            time.sleep(float(payload))
            return payload

        def fail(self, payload):
            raise ValueError("refused on purpose")

    return Functions


class Threads(ThreadingMixIn, WSGIServer):
    """As a real WSGI server: several calls at one time."""

    daemon_threads = True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that foo and echo take")
    parser.add_argument("--threads", action="store_true", help="a thread for each call, in place of pylm's debug server")
    options = parser.parse_args()
    peer.end_with_stdin()

    functions = handler(options.name, options.delay)
    if options.threads:
        server = make_server("127.0.0.1", options.port, WSGIApplication(functions), server_class=Threads)
    else:
        server = DebugServer("127.0.0.1", options.port, functions).httpd
    peer.say(f"ready {options.name} http://127.0.0.1:{server.server_port}/")
    server.serve_forever()


if __name__ == "__main__":
    main()
