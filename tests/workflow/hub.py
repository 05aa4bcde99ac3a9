"""A server on loopback that answers as the Hub does, for repositories in a folder."""

import hashlib
import json
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0" * 40


class Hub:
    """Repositories below `root`/{datasets,models}/OWNER/NAME/REVISION/.

    Attributes:
        root: the folder.
        cut: send only this share of the first large file that is asked for, then drop the line.
        sent: bytes of files that were sent.

    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cut: float | None = None
        self.sent = 0

    def find(self, path: str) -> tuple[Path, str] | None:
        """The folder of a revision, and what follows it in an address."""
        kind = "datasets" if path.startswith("/datasets/") else "models"
        path = path.removeprefix("/datasets").removeprefix("/models").strip("/")
        parts = path.split("/")
        if len(parts) < 4:
            # What a client asks beside files, of itself.
            return None
        owner, name, _, revision, *rest = parts
        folder = self.root / kind / owner / name / revision
        return (folder, "/".join(rest)) if folder.is_dir() else None


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that left: commands of the tests share this process's streams."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _answer(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

        def do_HEAD(self) -> None:
            self.do_GET(body=False)

        def do_GET(self, body: bool = True) -> None:
            path = unquote(urlsplit(self.path).path)
            if path.startswith("/api/"):
                self._tree(path.removeprefix("/api"))
            else:
                self._file(path, body)

        def _tree(self, path: str) -> None:
            found = hub.find(path)
            if found is None:
                self._missing("RevisionNotFound")
                return
            folder, _ = found
            if "/tree/" not in path:
                self._json({"id": "/".join(folder.parts[-3:-1]), "sha": COMMIT, "siblings": []})
                return
            entries = [
                {
                    "type": "file",
                    "path": file.relative_to(folder).as_posix(),
                    "size": file.stat().st_size,
                    "oid": COMMIT,
                    "lfs": {
                        "oid": hashlib.sha256(file.read_bytes()).hexdigest(),
                        "size": file.stat().st_size,
                        "pointerSize": 130,
                    },
                }
                for file in sorted(folder.rglob("*"))
                if file.is_file()
            ]
            self._json(entries)

        def _json(self, answer: object) -> None:
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _file(self, path: str, body: bool) -> None:
            found = hub.find(path)
            if found is None or not (file := found[0] / found[1]).is_file():
                self._missing("EntryNotFound")
                return
            content = file.read_bytes()
            etag = hashlib.sha256(content).hexdigest()
            start = int((self.headers.get("Range") or "bytes=0-")[6:].split("-")[0])
            self.send_response(206 if start else 200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{etag}"')
            self.send_header("X-Linked-ETag", f'"{etag}"')
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("Accept-Ranges", "bytes")
            if start:
                span = f"bytes {start}-{len(content) - 1}/{len(content)}"
                self.send_header("Content-Range", span)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            if not body:
                return
            part = content[start:]
            if hub.cut is not None and len(content) > 10_000:
                part = part[: int(hub.cut * len(part))]
                self.close_connection = True
            hub.sent += len(part)
            self.wfile.write(part)

        def _missing(self, code: str) -> None:
            self.send_response(404)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Handler


@contextmanager
def serve(hub: Hub):
    """Serve on a free port of this machine; gives the address."""
    server = _Server(("127.0.0.1", 0), _answer(hub))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
