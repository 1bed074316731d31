from gateway.engines.pocket.job import Job, Sampling
from gateway.engines.pocket.schedule import Limits
from tests.fakes.counting_model import CountingModel
from tests.fakes.decoding import decode_all


def test_every_row_counts_for_itself() -> None:
    jobs = [Job("v", (1,), Sampling(max_tokens=k), seed=0) for k in (1, 3)]
    assert decode_all(CountingModel(), jobs, Limits()) == [["0 "], ["0 1 2 "]]
