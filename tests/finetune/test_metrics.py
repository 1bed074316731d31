"""What a training measures, as Prometheus gets it: scraped and pushed, over real sockets."""

import logging
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from finetune.errors import FinetuneFailed
from finetune.metrics import FIGURES, JOB, Metered, MetricsRules, TrainingMetrics, metered, pushed, scraped
from finetune.progress import Silence

ALIAS = "assistant"


def values(text: str) -> dict[str, float]:
    """Each figure of the alias, by its name."""
    return {
        sample.name.removeprefix("trimtab_training_"): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels["alias"] == ALIAS
    }


@contextmanager
def push_gateway(
    status: int = 202, asked: list[str | None] | None = None
) -> Iterator[tuple[str, list[tuple[str, dict[str, float]]]]]:
    """Something that takes pushes, or refuses them: its address, and where and what it was given; `asked`: by whom."""
    asked = [] if asked is None else asked
    taken: list[tuple[str, dict[str, float]]] = []

    class Taking(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            asked.append(self.headers["authorization"])
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            taken.append((self.path, values(body)))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Taking) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", taken
        finally:
            server.shutdown()
            thread.join()


def test_what_was_measured_can_be_scraped() -> None:
    metrics = TrainingMetrics()
    with scraped(metrics.registry, "127.0.0.1", 0) as port:
        Metered(Silence(), metrics, ALIAS).measured({"loss": 0.5, "kl": 0.01, "step": 3})
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            found = values(answer.read().decode())
    assert (found["loss"], found["kl"], found["step"]) == (0.5, 0.01, 3)
    assert time.time() - found["measured_at"] < 60


def test_a_figure_of_no_known_name_is_left_out() -> None:
    metrics = TrainingMetrics()
    metrics.set(ALIAS, {"colour": 7.0, **dict.fromkeys(FIGURES, 1.0)})
    names = {family.name.removeprefix("trimtab_training_") for family in metrics.registry.collect()}
    assert names == {*FIGURES, "measured_at"}


def test_what_is_new_is_pushed_under_its_alias_and_what_is_not_is_not_pushed_again() -> None:
    metrics = TrainingMetrics()
    with push_gateway() as (url, taken), pushed(metrics, url, ALIAS, 0.02):
        metrics.set(ALIAS, {"loss": 0.5})
        waited_for(lambda: len(taken) == 1)
        time.sleep(0.1)
        assert len(taken) == 1
        metrics.set(ALIAS, {"loss": 0.25})
        waited_for(lambda: len(taken) == 2)
    assert {path for path, _ in taken} == {f"/metrics/job/{JOB}/alias/{ALIAS}"}
    assert [found["loss"] for _, found in taken] == [0.5, 0.25]


def test_the_last_figures_are_pushed_at_the_end() -> None:
    with push_gateway() as (url, taken):
        rules = MetricsRules(push=url, push_every_seconds=600)
        with metered(rules, ALIAS, Silence()) as progress:
            progress.measured({"loss": 0.125})
    assert [found["loss"] for _, found in taken] == [0.125]


def test_a_push_gateway_that_refuses_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with push_gateway(500) as (url, taken), caplog.at_level(logging.WARNING):
        metrics = TrainingMetrics()
        with pushed(metrics, url, ALIAS, 0.02):
            metrics.set(ALIAS, {"loss": 0.5})
            waited_for(lambda: len(taken) >= 3)
    assert [record.message for record in caplog.records] == [
        f"finetune.metrics.push: {url} takes no metrics: HTTPError: HTTP Error 500: Internal Server Error"
    ]


def test_a_password_in_the_address_is_sent_and_never_told(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[str | None] = []
    with push_gateway(500, asked) as (url, taken), caplog.at_level(logging.WARNING):
        metrics = TrainingMetrics()
        with pushed(metrics, url.replace("http://", "http://us:s%40cret@"), ALIAS, 0.02):
            metrics.set(ALIAS, {"loss": 0.5})
            waited_for(lambda: taken)
    assert set(asked) == {f"Basic {b64encode(b'us:s@cret').decode()}"}
    assert "cret" not in caplog.text
    assert f"{url} takes no metrics" in caplog.text


def test_a_push_gateway_that_does_not_answer_holds_nothing_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes connections, and says nothing
        rules = MetricsRules(push=f"http://127.0.0.1:{deaf.getsockname()[1]}", push_every_seconds=0.01)
        manager = metered(rules, ALIAS, Silence())
        progress = manager.__enter__()
        progress.measured({"loss": 1.0})
        time.sleep(0.1)  # by now a push is under way
        began = time.monotonic()
        for step in range(1000):
            progress.measured({"step": step})
        assert time.monotonic() - began < 1
        deaf.close()
        manager.__exit__(None, None, None)


def test_without_a_port_and_an_address_nothing_is_opened() -> None:
    silence = Silence()
    with metered(MetricsRules(), ALIAS, silence) as progress:
        assert progress is silence


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(FinetuneFailed, match=rf"finetune\.metrics\.port: 127\.0\.0\.1 port {port}"),
            metered(MetricsRules(port=port), ALIAS, Silence()),
        ):
            pass


def waited_for(condition: object, seconds: float = 5.0) -> None:
    """Wait until something holds."""
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.005)
