"""/metrics and /health of a process without an HTTP server of its own."""

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


def serve_health(host: str, port: int, healthy: Callable[[], bool]) -> ThreadingHTTPServer:
    """Serves /metrics, and /health with 200 or 503, in a thread; port 0 takes a free one. `shutdown()` ends it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest())
            elif path == "/health":
                alive = healthy()
                self._answer(200 if alive else 503, "text/plain; charset=utf-8", b"ok\n" if alive else b"no progress\n")
            else:
                self._answer(404, "text/plain; charset=utf-8", b"/metrics and /health are here\n")

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Requests of a scraper every few seconds are no news."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
