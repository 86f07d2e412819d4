"""Limits of 督办 and 未诉先办: when a case or a place needs somebody's eye. The tables [supervision] and [prevention]."""

from pydantic import Field

from profiles.flows import RulesTable


class SupervisionRules(RulesTable):
    """[supervision]. Rungs and listings of 督办; days are natural days unless they say working.

    feedback_days: dispatched, and nobody told what was done for so long. dissatisfied: so many revisits or ratings not
    satisfied. unresolved_days: 久拖不决, open for so long. rebounds, rebound_days: 重复反弹, told again after closure so often
    within so long. quiet_days: a listing for rebounds ends when nobody came back for so long. persons: 矛盾升级, so many
    persons on a matter whose case went up a level. bulletin_working_days, level_up_working_days: an overdue case is named
    in the bulletin (通报), then goes up (提级), so many working days after its due day.
    """

    feedback_days: float = Field(3, gt=0, le=60)
    dissatisfied: int = Field(2, ge=1, le=20)
    unresolved_days: float = Field(30, gt=0, le=1000)
    rebounds: int = Field(2, ge=1, le=20)
    rebound_days: float = Field(90, gt=0, le=1000)
    quiet_days: float = Field(30, gt=0, le=1000)
    persons: int = Field(5, ge=2, le=1000)
    bulletin_working_days: int = Field(2, ge=1, le=60)
    level_up_working_days: int = Field(5, ge=1, le=120)


class PreventionRules(RulesTable):
    """[prevention]. What 未诉先办 looks for before people have to call.

    season_ratio, season_at_least: a week of the year is in season where, over the years known, it has so many times the mean
    of all weeks, and so many reports a year with its two neighbours. lead_weeks: how long before it is warned of.
    emerging_days, emerging_at_least, emerging_sigmas: a kind that in so many days had so many reports in a street, so far
    above the eight spans before. hot_days, hot_callers, hot_metres: so many persons on one kind within so many metres and
    days are a hot point; hot_sigmas: or a grid so far above the spans before. false_closure_days: told again so soon after
    办结 was no closure.
    """

    season_ratio: float = Field(1.5, gt=1, le=20)
    season_at_least: int = Field(12, ge=2, le=100_000)
    lead_weeks: int = Field(4, ge=1, le=26)
    emerging_days: int = Field(7, ge=1, le=60)
    emerging_at_least: int = Field(5, ge=2, le=100_000)
    emerging_sigmas: float = Field(3, gt=0, le=20)
    hot_days: int = Field(7, ge=1, le=60)
    hot_callers: int = Field(5, ge=2, le=1000)
    hot_metres: float = Field(250, ge=20, le=5000)
    hot_sigmas: float = Field(3, gt=0, le=20)
    false_closure_days: float = Field(30, gt=0, le=366)
