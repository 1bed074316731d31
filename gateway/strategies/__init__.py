"""How candidates are sampled and chosen, one file for each strategy; pure."""

from gateway.strategies.best_of_n import BestOfN
from gateway.strategies.contract import Strategy
from gateway.strategies.single import Single

STRATEGIES: dict[str, Strategy] = {"single": Single(), "best_of_n": BestOfN()}
