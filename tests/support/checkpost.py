"""A door before an S3 server that knows which access keys are good today, and says too much where one is not."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = re.compile(r"Credential=([^/]+)/")
HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}
EXPIRED = (400, "ExpiredToken", "The provided token has expired.")
UNSIGNED = (403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")


class CheckPost:
    """Listens on the loopback before `upstream`. `refusals` maps an access key to (status, code, message)."""

    def __init__(self, upstream: int) -> None:
        self.refusals: dict[str, tuple[int, str, str]] = {}
        self.refused: list[str] = []
        self._upstream = upstream
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def endpoint(self) -> str:
        """The endpoint_url."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> CheckPost:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def verdict(self, authorization: str) -> tuple[int, str, str] | None:
        """Why that request is refused, or None."""
        named = KEY.search(authorization)
        refusal = self.refusals.get(named[1]) if named else None
        if refusal is not None and named is not None:
            self.refused.append(named[1])
        return refusal

    def _handler(self) -> Callable[..., BaseHTTPRequestHandler]:
        post = self

        class Handler(BaseHTTPRequestHandler):
            """One request: refused with everything that it came with, or passed on."""

            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                refusal = post.verdict(self.headers.get("Authorization", ""))
                if refusal is None:
                    self._pass_on(body)
                else:
                    self._refuse(*refusal)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any

            def _pass_on(self, body: bytes) -> None:
                upstream = http.client.HTTPConnection("127.0.0.1", post._upstream, timeout=60)
                headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
                upstream.request(self.command, self.path, body, headers)
                answer = upstream.getresponse()
                content = answer.read()
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in HOP - {"date"}:
                        self.send_header(name, value)
                length = answer.getheader("Content-Length") if self.command == "HEAD" else None
                self.send_header("Content-Length", length or str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                upstream.close()

            def _refuse(self, status: int, code: str, message: str) -> None:
                said = self.headers
                xml = (
                    f"<Error><Code>{code}</Code><Message>{message}</Message>"
                    f"<AWSAccessKeyId>{said.get('Authorization', '')}</AWSAccessKeyId>"
                    f"<StringToSign>AWS4-HMAC-SHA256 {said.get('X-Amz-Date', '')}</StringToSign>"
                    f"<SignatureProvided>{said.get('Authorization', '')}</SignatureProvided>"
                    f"<Token-0>{said.get('X-Amz-Security-Token', '')}</Token-0></Error>"
                ).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(xml)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(xml)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        return Handler
