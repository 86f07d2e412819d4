-- Weeks are counted from 1 January, seven days each: 1 to 52, the last with a day or two more. Each week of the year is averaged over
-- the years in which anything is known of it, the current week of this year left out since it is not over.

CREATE OR REPLACE VIEW bi.seasonal_warnings {on_cluster}
(
    area_type String COMMENT 'district, street or community',
    area String COMMENT 'Code of the area; empty for the district',
    matter_kind LowCardinality(String) COMMENT 'Kind of matter, see bi.matters',
    first_week UInt8 COMMENT 'First week of the season, 1 to 52, counted in sevens of days from 1 January',
    last_week UInt8 COMMENT 'Last week of it; before first_week when it goes over the new year',
    lead_weeks UInt8 COMMENT 'How many weeks before it is warned of',
    expected Float64 COMMENT 'Reports a week in the season, mean of the years known',
    usual Float64 COMMENT 'Reports a week over the whole year, mean of the years known',
    years UInt8 COMMENT 'Years known',
    starts_on Date COMMENT 'Local day on which the next or present season begins',
    ends_on Date COMMENT 'Its last local day',
    warn_from Date COMMENT 'Local day from which it is warned of',
    is_due Bool COMMENT 'It is warned of today'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
WITH
    (SELECT CAST((groupArray(name), groupArray(toFloat64OrZero(value))), 'Map(String, Float64)') FROM hub.parameters FINAL) AS limits,
    ifNull(nullIf((SELECT value FROM hub.parameters FINAL WHERE name = 'timezone'), ''), 'UTC') AS zone,
    toDate(now64(3, 'UTC'), zone) AS today,
    toUInt8(limits['prevention.lead_weeks']) AS lead,
    -- By day first: the weeks of 3 652 days are few, those of all reports are not.
    days AS (SELECT day FROM hub.cases FINAL WHERE appeal_type != 'alarm' AND day <= today GROUP BY day),
    known AS
    (
        SELECT groupArray(week) AS weeks, groupArray(years) AS counts, max(years) AS most
        FROM
        (
            SELECT week, count() AS years
            FROM (SELECT DISTINCT toYear(day) AS year, least(intDiv(toDayOfYear(day) - 1, 7), 51) AS week FROM days)
            WHERE NOT (year = toYear(today) AND week = least(intDiv(toDayOfYear(today) - 1, 7), 51))
            GROUP BY week
        )
    ),
    history AS
    (
        SELECT matter_kind, street_code, community_code, least(intDiv(toDayOfYear(day) - 1, 7), 51) AS week, count() AS reports
        FROM hub.cases FINAL
        WHERE appeal_type != 'alarm' AND matter_kind != '' AND day <= today
            AND NOT (toYear(day) = toYear(today) AND least(intDiv(toDayOfYear(day) - 1, 7), 51) = least(intDiv(toDayOfYear(today) - 1, 7), 51))
        GROUP BY matter_kind, street_code, community_code, week
    ),
    counted AS
    (
        SELECT area_type, area, matter_kind, (groupArray(week), groupArray(reports_of_week)) AS by_week
        FROM
        (
            SELECT place.1 AS area_type, place.2 AS area, matter_kind, week, sum(reports) AS reports_of_week
            FROM history
            ARRAY JOIN [('district', ''), ('street', ifNull(street_code, '')), ('community', ifNull(community_code, ''))] AS place
            WHERE place.1 = 'district' OR place.2 != ''
            GROUP BY area_type, area, matter_kind, week
        )
        GROUP BY area_type, area, matter_kind
    ),
    -- In steps: a name used inside a lambda is computed again for each element.
    means AS
    (
        SELECT
            area_type, area, matter_kind, (SELECT (weeks, counts) FROM known) AS of_years,
            -- Mean of the years in which the week is known; 0 where none does.
            arrayMap(
                w -> by_week.2[indexOf(by_week.1, w)] / greatest(1, of_years.2[indexOf(of_years.1, w)]),
                range(52)
            ) AS week_means,
            arraySum(week_means) / greatest(1, length(of_years.1)) AS usual
        FROM counted
    ),
    threes AS
    (
        SELECT *, arrayMap((before, at, after) -> before + at + after, arrayRotateRight(week_means, 1), week_means, arrayRotateLeft(week_means, 1)) AS sums
        FROM means
    ),
    marked AS
    (
        SELECT
            *, arrayMap(n -> n >= limits['prevention.season_at_least'] AND n >= limits['prevention.season_ratio'] * 3 * usual, sums) AS in_season,
            arrayFilter((w, is, was) -> is AND NOT was, range(52), in_season, arrayRotateRight(in_season, 1)) AS starts
        FROM threes
    ),
    curves AS (SELECT * FROM marked WHERE notEmpty(starts)),
    seasons AS
    (
        SELECT
            area_type, area, matter_kind, usual, arrayJoin(starts) AS first,
            -- How many weeks it lasts: it ends, since no curve is above its own mean all year.
            arrayFirstIndex(n -> NOT in_season[(first + n) % 52 + 1], range(52)) - 1 AS weeks,
            arrayAvg(n -> week_means[(first + n) % 52 + 1], range(toUInt64(weeks))) AS expected
        FROM curves
    ),
    dated AS
    (
        SELECT
            *,
            arrayFirst(
                start -> start + 7 * weeks > today,
                arrayMap(y -> makeDate(toYear(today) + y, 1, 1) + 7 * first, [-1, 0, 1])
            ) AS start
        FROM seasons
    )
SELECT
    area_type, area, matter_kind, first + 1 AS first_week, (first + weeks - 1) % 52 + 1 AS last_week, lead AS lead_weeks,
    round(expected, 2) AS expected, round(usual, 2) AS usual, (SELECT most FROM known) AS years,
    start AS starts_on, start + 7 * weeks - 1 AS ends_on, start - 7 * lead AS warn_from, toBool(today >= start - 7 * lead) AS is_due
FROM dated
COMMENT '未诉先办: in which weeks of the year a kind of trouble comes, by district, street and community, and which are near';
