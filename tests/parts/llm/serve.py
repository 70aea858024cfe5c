"""Serves a model by llama.cpp's own server: serve.py MODEL PORT PREFIX. Below PREFIX are the addresses of OpenAI's API, with
and without /v1, so that one like /openai/deployments/NAME is Azure's path. Any key will do."""

import os
import signal
import sys

import xllamacpp

model, port, prefix = sys.argv[1:]
# It would take every core from the tests beside it.
os.nice(10)
parameters = xllamacpp.CommonParams()
parameters.model.path = model
parameters.model_alias = {"qwen2.5-coder-0.5b-instruct"}
parameters.hostnames, parameters.port, parameters.api_prefix = ["127.0.0.1"], int(port), prefix
# One answer at a time, none without an end, and nothing remembered of the one before.
parameters.n_ctx, parameters.n_parallel, parameters.n_predict, parameters.cache_ram_mib = 8192, 1, 1024, 0
parameters.fit_params = parameters.ui = False
parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = len(os.sched_getaffinity(0))
server = xllamacpp.Server(parameters)
print(server.listening_address, flush=True)
# It serves in threads of its own until a signal ends the process.
signal.pause()
