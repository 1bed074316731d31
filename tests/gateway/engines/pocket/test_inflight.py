from gateway.engines.pocket.decode import Outcome
from gateway.engines.pocket.inflight import InFlight
from gateway.engines.pocket.job import Job, Sampling
from gateway.engines.pocket.schedule import Limits
from tests.fakes.counting_model import CountingModel
from tests.fakes.decoding import decode_all


def job(n: int = 1, answer: int = 3, *, prompt: int = 1) -> Job:
    return Job("v", (prompt,), Sampling(max_tokens=answer), seed=0, n=n)


def run(flight: InFlight) -> list[Outcome]:
    outcomes = []
    while flight.busy:
        outcomes.append(flight.step())
    return outcomes


def test_a_job_is_over_when_its_last_choice_is() -> None:
    flight = InFlight(CountingModel(), Limits(rows=2))
    flight.add(three := job(3))
    outcomes = run(flight)
    assert (three.started, three.finished) == (3, 3)
    assert not any(outcome.failures for outcome in outcomes)


def test_whoever_leaves_is_dropped_before_the_next_forward_pass() -> None:
    flight = InFlight(model := CountingModel(), Limits())
    flight.add(leaving := job(4, answer=100))
    flight.add(job(answer=4))
    flight.step()
    flight.leave(leaving)
    run(flight)
    assert model.stepped == [5, 1, 1]


def test_whoever_leaves_while_waiting_is_never_admitted() -> None:
    flight = InFlight(model := CountingModel(), Limits())
    flight.add(leaving := job())
    flight.leave(leaving)
    run(flight)
    assert model.admitted == []


def test_choices_not_yet_started_go_with_a_job_that_failed() -> None:
    flight = InFlight(model := CountingModel(), Limits(rows=2))
    model.poison = 13
    flight.add(poisoned := job(8, prompt=13))
    flight.add(job())
    outcomes = run(flight)
    assert list(outcomes[0].failures) == [poisoned]
    assert model.admitted == [1]


def test_all_texts_come_back_in_order() -> None:
    texts = decode_all(CountingModel(), [job(2, answer=k) for k in (3, 1, 2)], Limits(rows=3))
    assert texts == [["0 1 2 "] * 2, ["0 "] * 2, ["0 1 "] * 2]
