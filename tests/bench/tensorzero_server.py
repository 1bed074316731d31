"""TensorZero's gateway, out of its Python wheel, as an HTTP server; it chooses its port and tells it in a file.

python tensorzero_server.py CONFIG FILE
"""

import sys
import time
from pathlib import Path

import tensorzero  # type: ignore[import-not-found]

gateway = tensorzero._start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
)
Path(sys.argv[2]).write_text(gateway.base_url)
while True:
    time.sleep(3600)
