"""A scripted engine on a fixed port, so that it can be killed and come back: `python -m … PORT`.

As vLLM does, it forgets every adapter when it dies.
"""

import sys

import uvicorn

from tests.fakes.engine import FakeEngine

if __name__ == "__main__":
    uvicorn.run(FakeEngine(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", lifespan="off")
