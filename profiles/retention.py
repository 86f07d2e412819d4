"""How long ClickHouse keeps what it holds: the profile's [retention]."""

from typing import Self

from pydantic import Field, model_validator

from profiles.flows import RulesTable


class Retention(RulesTable):
    """[retention]. Both times count from the broker's time of the record: what is told late is not lost when it comes.

    facts_years: reports, steps, changes, alerts and cases stay so many whole years after the end of the year they came in.
    originals_days: sealed originals and those of dead letters; the letter itself stays as a fact does.
    """

    facts_years: int = Field(10, ge=1, le=100)
    originals_days: int = Field(365, ge=1, le=3650)

    @model_validator(mode="after")
    def _original_goes_first(self) -> Self:
        if self.originals_days > self.facts_years * 365:
            raise ValueError(
                "originals_days must not be longer than facts_years: an original is never kept without its report"
            )
        return self
