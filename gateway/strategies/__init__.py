"""How candidates are sampled and chosen, one file for each strategy; pure."""

from gateway.strategies.adaptive import Adaptive
from gateway.strategies.best_of_n import BestOfN
from gateway.strategies.best_of_poisson import BestOfPoisson
from gateway.strategies.blockwise import Blockwise
from gateway.strategies.contract import Strategy
from gateway.strategies.majority import Majority
from gateway.strategies.pessimism import Pessimism
from gateway.strategies.self_certainty import SelfCertainty
from gateway.strategies.single import Single
from gateway.strategies.soft_best_of_n import SoftBestOfN
from gateway.strategies.speculative_rejection import SpeculativeRejection

STRATEGIES: dict[str, Strategy] = {
    "single": Single(),
    "best_of_n": BestOfN(),
    "adaptive": Adaptive(),
    "speculative_rejection": SpeculativeRejection(),
    "blockwise": Blockwise(),
    "soft_best_of_n": SoftBestOfN(),
    "best_of_poisson": BestOfPoisson(),
    "pessimism": Pessimism(),
    "majority": Majority(),
    "self_certainty": SelfCertainty(),
}
