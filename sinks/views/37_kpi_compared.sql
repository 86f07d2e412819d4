-- 同比 and 环比. Sums by day and slice become sums by period; each period then stands three times: as itself, as the one before the
-- next, and as the one a year before a later one. A period that runs now is counted up to yesterday, and the others as many days.
-- docs/decisions/0026-comparisons.md. The slices are made in sinks/figures.py.

CREATE OR REPLACE VIEW bi.kpi_compared {on_cluster}
(
    period LowCardinality(String) COMMENT 'week (from Monday), month, quarter, year, or festival: 7 days before 正月初一 to 15 days after it',
    period_start Date COMMENT 'First local day of the period (cohort by acceptance)',
    period_end Date COMMENT 'Last local day of the period',
    is_running Bool COMMENT 'Not over yet: counted up to yesterday, and the other periods as many days of theirs',
    slice LowCardinality(String) COMMENT 'What is told apart: district (all orders), street, community, agency, channel, family or matter_kind',
    slice_code String COMMENT 'Its code; empty for the district and for what is unknown',
    slice_name String COMMENT 'Its name in Chinese where the profile has one',
    figure LowCardinality(String) COMMENT 'accepted, matters, per_10000 (万人诉求比), or a figure of docs/kpi.md',
    figure_zh LowCardinality(String) COMMENT 'Its name in Chinese',
    unit LowCardinality(String) COMMENT 'count, per_10000, share, weighted (a share with weights) or hours',
    more_is_better Nullable(Bool) COMMENT 'Whether a rise is good; NULL of counts',
    numerator Float64 COMMENT 'Of this period',
    denominator Nullable(UInt64) COMMENT 'Of this period; NULL of counts, and of per_10000 where no inhabitants are known',
    value Nullable(Float64) COMMENT 'numerator / denominator, of per_10000 times 10 000, of counts the numerator; NULL where the denominator is 0',
    days UInt16 COMMENT 'Days of this period that are counted',
    before_start Date COMMENT '环比: first day of the period before; of a festival the 23 days before it',
    before_days UInt16 COMMENT 'Days of it that are counted',
    before_numerator Float64 COMMENT 'Of the period before',
    before_denominator Nullable(UInt64) COMMENT 'Of the period before',
    before_value Nullable(Float64) COMMENT 'Of the period before',
    before_change Nullable(Float64) COMMENT '环比: of shares the difference in percentage points (百分点), of all others in percent of the value before; NULL where there is none',
    year_start Date COMMENT '同比: first day of the same period a year ago: the same month, quarter or festival; of weeks 52 weeks ago, so that weekdays meet',
    year_days UInt16 COMMENT 'Days of it that are counted',
    year_numerator Float64 COMMENT 'Of the period a year ago',
    year_denominator Nullable(UInt64) COMMENT 'Of the period a year ago',
    year_value Nullable(Float64) COMMENT 'Of the period a year ago',
    year_change Nullable(Float64) COMMENT '同比: as before_change'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
WITH
    ifNull(nullIf((SELECT value FROM hub.parameters FINAL WHERE name = 'timezone'), ''), 'UTC') AS zone,
    toDate(now64(3, 'UTC'), zone) AS today,
    7 AS days_ahead,
    23 AS festival_days,
    -- First days of the festival's windows: that of the year 2000 is the first of them.
    (SELECT groupArray(day - days_ahead) FROM (SELECT day FROM hub.dim_festivals FINAL WHERE festival = 'spring_festival' ORDER BY day)) AS windows,
{figure_list} AS figures,
    known AS
    (
        SELECT 'agency' AS known_slice, agency_code AS known_code, name_zh AS name, 0 AS people FROM bi.agencies
        UNION ALL
        SELECT 'matter_kind', matter_kind, name_zh, 0 FROM bi.matters
        UNION ALL
        SELECT place.1, place.2, place.3, sum(population)
        FROM bi.communities
        ARRAY JOIN [('district', '', ''), ('street', street_code, street), ('community', community_code, community)] AS place
        GROUP BY place
    ),
    by_day AS
    (
{figure_slices}
    ),
    by_period AS
    (
        SELECT
            slice, slice_code, one.1 AS of, one.2 AS first, one.3 AS ahead,
            -- Whether the day belongs to as much of its period as is over of the one that runs now.
            one.4 < one.5 AS early,
{figure_sum_arrays}
        FROM by_day AS days
        ARRAY JOIN arrayFilter(
            one -> one.4 >= 0 AND one.4 < if(one.1 = 'festival', festival_days, 366),
            [
                ('week', toMonday(day), false, day - toMonday(day), today - toMonday(today)),
                ('month', toStartOfMonth(day), false, day - toStartOfMonth(day), today - toStartOfMonth(today)),
                ('quarter', toStartOfQuarter(day), false, day - toStartOfQuarter(day), today - toStartOfQuarter(today)),
                ('year', toStartOfYear(day), false, day - toStartOfYear(day), today - toStartOfYear(today)),
                ('festival', windows[toYear(day) - 1999], false, day - windows[toYear(day) - 1999], today - windows[toYear(today) - 1999]),
                -- The days before a festival's window, some of them in the year before.
                (
                    'festival', windows[toYear(day + festival_days) - 1999], true,
                    day + festival_days - windows[toYear(day + festival_days) - 1999], today - windows[toYear(today) - 1999]
                )
            ]
        ) AS one
        GROUP BY slice, slice_code, of, first, ahead, early
    ),
    by_role AS
    (
        SELECT
            slice, slice_code, of AS period, role.2 AS period_start,
            sumForEachIf(numerators, role.1 = 'this') AS this_numerators, sumForEachIf(denominators, role.1 = 'this') AS this_denominators,
            sumForEachIf(numerators, role.1 = 'before') AS before_numerators, sumForEachIf(denominators, role.1 = 'before') AS before_denominators,
            sumForEachIf(numerators, role.1 = 'year') AS year_numerators, sumForEachIf(denominators, role.1 = 'year') AS year_denominators
        FROM by_period
        ARRAY JOIN
            multiIf(
                of = 'week', [('this', first), ('before', first + 7), ('year', first + 364)],
                of = 'month', [('this', first), ('before', addMonths(first, 1)), ('year', addYears(first, 1))],
                of = 'quarter', [('this', first), ('before', addMonths(first, 3)), ('year', addYears(first, 1))],
                of = 'year', [('this', first), ('before', addYears(first, 1)), ('year', addYears(first, 1))],
                ahead, [('before', first)],
                [('this', first), ('year', windows[toYear(first) - 1998])]
            ) AS role
        WHERE period_start < today
            AND (
                early OR period_start != multiIf(
                    of = 'week', toMonday(today), of = 'month', toStartOfMonth(today), of = 'quarter', toStartOfQuarter(today),
                    of = 'year', toStartOfYear(today), windows[toYear(today) - 1999]
                )
            )
        GROUP BY slice, slice_code, period, period_start
    ),
    dated AS
    (
        SELECT
            *,
            multiIf(
                period = 'week', period_start + 7, period = 'month', addMonths(period_start, 1), period = 'quarter', addMonths(period_start, 3),
                period = 'year', addYears(period_start, 1), period_start + festival_days
            ) AS next_start,
            multiIf(
                period = 'week', period_start - 7, period = 'month', addMonths(period_start, -1), period = 'quarter', addMonths(period_start, -3),
                period = 'year', addYears(period_start, -1), period_start - festival_days
            ) AS before_start,
            multiIf(
                period = 'week', period_start - 364, period = 'festival', windows[toYear(period_start) - 2000], addYears(period_start, -1)
            ) AS year_start,
            multiIf(
                period = 'week', 7, period = 'month', addMonths(year_start, 1) - year_start, period = 'quarter', addMonths(year_start, 3) - year_start,
                period = 'year', addYears(year_start, 1) - year_start, festival_days
            ) AS year_length,
            next_start > today AS is_running,
            least(next_start, today) - period_start AS days,
            known.name AS slice_name,
            nullIf(known.people, 0) AS population
        FROM by_role
        LEFT ANY JOIN known ON known.known_slice = by_role.slice AND known.known_code = by_role.slice_code
    ),
    by_figure AS
    (
        SELECT
            *,
            told,
            told.3 AS unit,
            multiIf(unit = 'count', NULL, unit = 'per_10000', population, this_denominators[n]) AS denominator,
            multiIf(unit = 'count', NULL, unit = 'per_10000', population, before_denominators[n]) AS before_denominator,
            multiIf(unit = 'count', NULL, unit = 'per_10000', population, year_denominators[n]) AS year_denominator,
            if(unit = 'per_10000', 10000, 1) AS times,
            round(this_numerators[n], 6) AS numerator,
            round(before_numerators[n], 6) AS before_numerator,
            round(year_numerators[n], 6) AS year_numerator,
            if(unit = 'count', numerator, numerator / nullIf(denominator, 0) * times) AS value,
            if(unit = 'count', before_numerator, before_numerator / nullIf(before_denominator, 0) * times) AS before_value,
            if(unit = 'count', year_numerator, year_numerator / nullIf(year_denominator, 0) * times) AS year_value,
            unit IN ('share', 'weighted') AS in_points
        FROM dated
        ARRAY JOIN figures AS told, arrayEnumerate(figures) AS n
        WHERE unit != 'per_10000' OR slice IN ('district', 'street', 'community')
    )
SELECT
    period, period_start, next_start - 1 AS period_end, toBool(is_running) AS is_running, slice, slice_code,
    slice_name, told.1 AS figure, told.2 AS figure_zh, unit, told.4 AS more_is_better,
    numerator, denominator, value, days,
    before_start, if(is_running, least(days, period_start - before_start), period_start - before_start) AS before_days,
    before_numerator, before_denominator, before_value,
    round(if(in_points, (value - before_value) * 100, (value / nullIf(before_value, 0) - 1) * 100), 4) AS before_change,
    year_start, if(is_running, least(days, year_length), year_length) AS year_days,
    year_numerator, year_denominator, year_value,
    round(if(in_points, (value - year_value) * 100, (value / nullIf(year_value, 0) - 1) * 100), 4) AS year_change
FROM by_figure
COMMENT '同比 and 环比 of every figure by week, month, quarter, year and Spring Festival, for the district, its areas, agencies, channels and kinds';
