"""How agencies are put into tiers (分档). The table [tiers]."""

from typing import Self

from pydantic import Field, model_validator

from profiles.flows import RulesTable


class TierRules(RulesTable):
    """[tiers]. responded, on_time, solved, satisfied: weights of the four rates in the score, 0 to 100.

    mark_a, mark_b, mark_c: the least score of 好, 较好 and 一般; below is 需改进. rated_at_least: an agency with fewer rated
    orders in the month is placed nowhere (样本不足).
    """

    responded: float = Field(0.2, ge=0, le=100)
    on_time: float = Field(0.2, ge=0, le=100)
    solved: float = Field(0.3, ge=0, le=100)
    satisfied: float = Field(0.3, ge=0, le=100)
    mark_a: float = Field(95, ge=0, le=100)
    mark_b: float = Field(90, ge=0, le=100)
    mark_c: float = Field(80, ge=0, le=100)
    rated_at_least: int = Field(10, ge=1, le=100_000)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.mark_a > self.mark_b > self.mark_c:
            raise ValueError("mark_a must be above mark_b, and mark_b above mark_c")
        if self.responded + self.on_time + self.solved + self.satisfied <= 0:
            raise ValueError("give at least one of responded, on_time, solved, satisfied a weight above 0")
        return self
