-- Each case is looked at once, and what holds of it is unfolded from a list of rules. A rule ends when its condition does
-- (bi.supervision_rules says it in words); where it ends later than it began, the condition says so.

CREATE OR REPLACE VIEW bi.supervision {on_cluster}
(
    rule String COMMENT 'Rule that holds now, see bi.supervision_rules',
    subject_type String COMMENT 'report, or matter for those about several reports',
    subject String COMMENT 'report_id or matter_id',
    onset String COMMENT 'Tells two occurrences of one rule on one subject apart',
    since DateTime64(3, 'UTC') COMMENT 'When it became true, UTC',
    value Float64 COMMENT 'The figure that crossed the threshold',
    threshold Float64 COMMENT 'The threshold in force',
    unit String COMMENT 'Unit of both: hours, days, working_days, times or persons',
    report_ids Array(String) COMMENT 'Reports that make it true, at most 20',
    matter_id String COMMENT 'The matter, see bi.joint_matters',
    upstream_id String COMMENT '工单编号 of the report; of a matter that of its last report',
    title String COMMENT 'Title of that report, personal data masked',
    matter_kind LowCardinality(String) COMMENT 'Kind of matter, see bi.matters; empty when unknown',
    agency_code LowCardinality(Nullable(String)) COMMENT '主办单位, see bi.agencies; NULL in the manual queue',
    agency_name LowCardinality(Nullable(String)) COMMENT 'Its name',
    street_code LowCardinality(Nullable(String)) COMMENT '9-digit street code',
    community_code LowCardinality(Nullable(String)) COMMENT '12-digit community code, see bi.communities',
    due_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Effective due time of that report, UTC'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
WITH
    (SELECT CAST((groupArray(name), groupArray(toFloat64OrZero(value))), 'Map(String, Float64)') FROM hub.parameters FINAL) AS limits,
    ifNull(nullIf((SELECT value FROM hub.parameters FINAL WHERE name = 'timezone'), ''), 'UTC') AS zone,
    now64(3, 'UTC') AS now,
    (SELECT toInt64(max(working_days)) FROM hub.dim_days FINAL WHERE day <= toDate(now64(3, 'UTC'), zone)) AS working_days_now,
    limits['supervision.bulletin_working_days'] AS bulletin_days,
    limits['supervision.level_up_working_days'] AS level_up_days,
    watched AS
    (
        SELECT
            report_id, matter_id, upstream_id, title, matter_kind, agency_code, agency_name, street_code, community_code, due_at,
            redo_steps, is_open, cancelled_at, satisfaction, solved, responded_at, handled_at, dissatisfactions, reported_at,
            ifNull(due_at, now) AS due,
            is_open AND due_at IS NOT NULL AND due_at <= now AS is_late,
            is_open AND due_at IS NOT NULL AND due_at > now AS is_awaited,
            dispatched_at IS NOT NULL AND is_open AS is_dispatched,
            ifNull(dispatched_at, now) AS dispatched,
            closed_at IS NOT NULL AND cancelled_at IS NULL AS is_closed,
            ifNull(closed_at, now) AS closed,
            ifNull(retold_at, now + toIntervalYear(100)) AS retold,
            -- The same hour of the working day before the one on which it is due.
            addDays(due, dateDiff('day', due_days.day, due_days.working_day_before)) AS yellow_at,
            if(is_closed, toInt64(closed_days.working_days), working_days_now) - toInt64(due_days.working_days) AS working_days_late,
            dateDiff('millisecond', dispatched, now) / 86400000 AS days_dispatched,
            dateDiff('millisecond', reported_at, now) / 86400000 AS days_known,
            dateDiff('millisecond', closed, now) / 86400000 AS days_closed,
            greatest(ifNull(revisited_at, reported_at), ifNull(rated_at, reported_at)) AS told_at
        FROM hub.cases AS cases FINAL
        LEFT JOIN hub.dim_days AS due_days FINAL ON due_days.day = toDate(cases.due_at, zone)
        LEFT JOIN hub.dim_days AS closed_days FINAL ON closed_days.day = toDate(cases.closed_at, zone)
        WHERE appeal_type != 'alarm' AND (is_open OR closed_at > now - toIntervalDay(toUInt32(limits['prevention.false_closure_days'])))
    )
SELECT
    held.1 AS rule, 'report' AS subject_type, report_id AS subject,
    concat(toString(toUnixTimestamp64Milli(held.3)), '/', toString(redo_steps)) AS onset,
    held.3 AS since, held.4 AS value, held.5 AS threshold, held.6 AS unit, [report_id] AS report_ids,
    matter_id, upstream_id, title, matter_kind, agency_code, agency_name, street_code, community_code, due_at
FROM watched
ARRAY JOIN arrayFilter(rule -> rule.2, [
    ('yellow_card', is_awaited AND now >= yellow_at, yellow_at, round(dateDiff('minute', now, due) / 60, 1), 0., 'hours'),
    ('red_card', is_late, due, round(dateDiff('minute', due, now) / 60, 1), 0., 'hours'),
    (
        'no_response', is_dispatched AND responded_at IS NULL AND days_dispatched * 24 > limits['respond_within_hours'],
        addMilliseconds(dispatched, toInt64(limits['respond_within_hours'] * 3600000)),
        round(days_dispatched * 24, 1), limits['respond_within_hours'], 'hours'
    ),
    (
        'no_feedback', is_dispatched AND handled_at IS NULL AND days_dispatched > limits['supervision.feedback_days'],
        addMilliseconds(dispatched, toInt64(limits['supervision.feedback_days'] * 86400000)),
        round(days_dispatched, 1), limits['supervision.feedback_days'], 'days'
    ),
    (
        'dissatisfied',
        dissatisfactions >= limits['supervision.dissatisfied'] AND ifNull(satisfaction = 'dissatisfied', false),
        told_at, toFloat64(dissatisfactions), limits['supervision.dissatisfied'], 'times'
    ),
    (
        'reminder', is_late AND working_days_late >= 1 AND working_days_late < bulletin_days,
        due, toFloat64(working_days_late), 1., 'working_days'
    ),
    (
        'bulletin', is_late AND working_days_late >= bulletin_days AND working_days_late < level_up_days,
        due, toFloat64(working_days_late), bulletin_days, 'working_days'
    ),
    (
        -- Closing it is not enough to get down again: somebody must say that it is solved, or the time to say so must be over.
        'level_up',
        working_days_late >= level_up_days
            AND (is_late OR (is_closed AND closed > due AND NOT ifNull(solved, false) AND days_closed < limits['cases.rating_timeout_days'])),
        due, toFloat64(working_days_late), level_up_days, 'working_days'
    ),
    (
        'unresolved', is_open AND days_known > limits['supervision.unresolved_days'],
        addMilliseconds(reported_at, toInt64(limits['supervision.unresolved_days'] * 86400000)),
        round(days_known, 1), limits['supervision.unresolved_days'], 'days'
    ),
    (
        'false_closure',
        is_closed AND days_closed < limits['prevention.false_closure_days']
            AND (ifNull(NOT solved, false) OR dateDiff('millisecond', closed, retold) < limits['prevention.false_closure_days'] * 86400000),
        closed, round(days_closed, 1), limits['prevention.false_closure_days'], 'days'
    )
]) AS held

UNION ALL

-- A matter that is told again and again after closure is listed until nobody came back for a while.
SELECT
    'rebound' AS rule, 'matter' AS subject_type, matter_id AS subject, toString(toUnixTimestamp64Milli(arrayMax(rebounds))) AS onset,
    arrayElement(arraySort(rebounds), toUInt32(limits['supervision.rebounds'])) AS since,
    toFloat64(length(rebounds)) AS value, limits['supervision.rebounds'] AS threshold, 'times' AS unit, report_ids,
    matter_id, last.1 AS upstream_id, last.2 AS title, last.3 AS matter_kind, last.4 AS agency_code, last.5 AS agency_name,
    last.6 AS street_code, last.7 AS community_code, last.8 AS due_at
FROM
(
    SELECT
        matter_id,
        groupArrayIf(reported_at, relation = 'rebound') AS rebounds,
        groupArrayIf(20)(report_id, relation = 'rebound') AS report_ids,
        countIf(is_open) AS open,
        argMax(tuple(upstream_id, title, matter_kind, agency_code, agency_name, street_code, community_code, due_at), (reported_at, report_id)) AS last
    FROM hub.cases FINAL
    WHERE appeal_type != 'alarm' AND reported_at > now - toIntervalDay(toUInt32(limits['supervision.rebound_days']))
    GROUP BY matter_id
    HAVING length(rebounds) >= limits['supervision.rebounds']
        AND (open > 0 OR arrayMax(rebounds) > now - toIntervalDay(toUInt32(limits['supervision.quiet_days'])))
)

UNION ALL

-- A matter of many persons whose case went above the level it was routed to.
SELECT
    'escalation' AS rule, 'matter' AS subject_type, matter_id AS subject, toString(reopened) AS onset, since,
    toFloat64(persons) AS value, limits['supervision.persons'] AS threshold, 'persons' AS unit, report_ids,
    matter_id, last.1 AS upstream_id, last.2 AS title, last.3 AS matter_kind, last.4 AS agency_code, last.5 AS agency_name,
    last.6 AS street_code, last.7 AS community_code, last.8 AS due_at
FROM
(
    SELECT
        matter_id,
        sum(redo_steps) AS reopened,
        min(reported_at) AS since,
        uniqExact(nullIf(ifNull(reporter_key, ''), '')) AS persons,
        groupArray(20)(report_id) AS report_ids,
        argMax(tuple(upstream_id, title, matter_kind, agency_code, agency_name, street_code, community_code, due_at), (reported_at, report_id)) AS last
    FROM hub.cases FINAL
    WHERE appeal_type != 'alarm' AND matter_id IN
    (
        SELECT matter_id FROM hub.cases FINAL
        WHERE is_open AND appeal_type != 'alarm'
            AND indexOf(['grid', 'community', 'street', 'district'], ifNull(level, '')) > indexOf(['grid', 'community', 'street', 'district'], ifNull(routed_level, 'district'))
    )
    GROUP BY matter_id
    HAVING persons >= limits['supervision.persons']
)
COMMENT '督办: cards, rungs and listings that hold now, one row for each rule and subject';
