"""How a command of the learning loop ends."""

import asyncio
import os
import signal

import pytest
import typer

from finetune.command_line import obeyed


def test_who_stops_it_hears_so_at_once_and_what_to_do_next(capsys: pytest.CaptureFixture[str]) -> None:
    heard: list[str] = []

    async def step() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.sleep(60)
        finally:  # as a training that ends its step
            heard.append(capsys.readouterr().err)

    with pytest.raises(typer.Exit) as ended:
        obeyed(step())
    assert (ended.value.exit_code, heard) == (1, ["stopping after the step under way\n"])
    assert capsys.readouterr().err == "stopped; the same command goes on from what is done\n"
