#!/usr/bin/env bash
# What: HuggingFaceInferenceAPIEmbedding embeds one query; the next, of the same object, raises
# RuntimeError "Event loop is closed" though the service has answered both.
# Versions: llama-index-embeddings-huggingface-api 0.6.0, llama-index-core 0.14.25, huggingface_hub 2.4.0.
# Seen on: Linux x86-64, CPython 3.11.
# By the docs: get_query_embedding embeds a query, and may be called again.
# Seen: two requests arrive and are answered with 200; the first call gives its vector, the
# second raises. Each call runs an event loop of its own over one client, whose connection
# belongs to the first.
#
# Exit status: 0 while it is as seen, 1 once it is not.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place"
"$place/bin/pip" install --quiet --disable-pip-version-check \
  llama-index-embeddings-huggingface-api==0.6.0 llama-index-core==0.14.25 huggingface_hub==2.4.0

"$place/bin/python" - <<'PROGRAM'
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from llama_index.embeddings.huggingface_api import HuggingFaceInferenceAPIEmbedding

asked = []


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open, as services keep them

    def do_POST(self):
        asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        content = b"[[0.6, 0.8]]"
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("llama-index-embeddings-huggingface-api", version("llama-index-embeddings-huggingface-api"))
model = HuggingFaceInferenceAPIEmbedding(
    model_name=f"http://127.0.0.1:{server.server_port}", token="none"
)
print("first", model.get_query_embedding("a cat"))
try:
    second = model.get_query_embedding("the moon")
except RuntimeError as error:
    second = str(error)
print("second", second, "of", asked)
server.shutdown()
seen = second == "Event loop is closed" and len(asked) == 2
sys.exit(None if seen else "it is no longer as it was seen")
PROGRAM
