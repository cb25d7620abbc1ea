"""Plans under uncertainty: what to promise for a day that may turn out in several ways.

types    scenarios, the uncertain day, the commitment and its costs
reduce   fewer scenarios that stand for many
program  one scenario's second stage as matrices, from `optimize.model`; the whole inside HiGHS
commit   both stages: the best commitment, and what any commitment costs
"""

from optimize.scenarios.reduce import reduce_scenarios
from optimize.scenarios.types import Commitment, CommitmentPlan, Scenario, UncertainDay

__all__ = ["Commitment", "CommitmentPlan", "Scenario", "UncertainDay", "reduce_scenarios"]
