"""A small process with the hub's metrics on `/metrics`, for the real Prometheus to scrape.

The argument is the port (0: any; the one taken is printed). A line `LAG_SECONDS stage=sink,topic=routed 900` on standard
input sets a gauge; the end of the input ends the process, so that it never outlives its test.
"""

import os
import sys

from prometheus_client import start_http_server

from monitoring import metrics


def main() -> None:
    """Serves until the input ends."""
    server, _ = start_http_server(int(sys.argv[1]), addr="127.0.0.1")
    print(server.server_port, flush=True)
    for line in sys.stdin:
        name, labels, value = line.split()
        getattr(metrics, name).labels(**dict(pair.split("=") for pair in labels.split(","))).set(float(value))
    os._exit(0)


if __name__ == "__main__":
    main()
