"""llama.cpp's own HTTP server, on a model file, until it is told to end: `llama_server.py MODEL`. Prints its URL."""

import signal
import sys
import threading

import xllamacpp  # type: ignore[import-not-found]  # beside the packages of .venv, see scripts/test_tools.py

NAME = "tiny-random"


def main(model: str) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx, params.n_parallel = 2048, 2
    params.n_batch = params.n_ubatch = 64
    params.cache_ram_mib = 0
    params.n_threads_http = 4
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    stop.wait()


if __name__ == "__main__":
    main(sys.argv[1])
