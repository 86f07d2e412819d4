CREATE OR REPLACE VIEW hub.told_cases {on_cluster}
DEFINER = {definer} SQL SECURITY DEFINER
AS
WITH
    ifNull(nullIf((SELECT value FROM hub.parameters FINAL WHERE name = 'timezone'), ''), 'UTC') AS zone,
    ifNull(life.level, 0) AS step_level,
    ['grid', 'community', 'street', 'district'] AS levels,
    coalesce(reports.source_due_at, reports.list_due_at) AS base_due,
    arrayMap(x -> x.2, arrayFilter(x -> x.1 <= base_due, life.extensions)) AS extended,
    if(
        step_level = 0,
        greatest(indexOf(levels, ifNull(reports.level, '')), indexOf(levels, ifNull(reports.routed_level, ''))),
        step_level
    ) AS highest,
    if(life.reopened_at > life.last_closed_at, NULL, life.last_closed_at) AS closed
SELECT
    reports.*,
    life.registered_at AS registered_at,
    life.accepted_at AS accepted_at,
    life.dispatched_at AS dispatched_at,
    life.signed_at AS signed_at,
    life.responded_at AS responded_at,
    life.handled_at AS handled_at,
    life.first_closed_at AS first_closed_at,
    closed AS closed_at,
    life.reopened_at AS reopened_at,
    life.cancelled_at AS cancelled_at,
    life.revisited_at AS revisited_at,
    life.rated_at AS rated_at,
    life.suspended_at AS suspended_at,
    life.resumed_at AS resumed_at,
    life.collected_at AS collected_at,
    life.verified_at AS verified_at,
    life.checked_at AS checked_at,
    -- A report that was told before it was closed is no telling again, however late it came.
    if(
        closed IS NULL OR reports.appeal_type = 'alarm', NULL,
        arrayReduce('minOrNull', arrayFilter(
            told -> told > assumeNotNull(closed),
            groupArrayIf(reports.reported_at, reports.appeal_type != 'alarm') OVER (PARTITION BY reports.matter_id)
        ))
    ) AS retold_at,
    -- An alarm is told alone: its matter is not computed with it.
    if(reports.appeal_type = 'alarm', 0, toUInt32(countIf(reports.appeal_type != 'alarm') OVER (PARTITION BY reports.matter_id))) AS matter_orders,
    life.first_unit AS first_unit,
    ifNull(life.sign_steps, 0) AS sign_steps,
    ifNull(life.revisit_steps, 0) AS revisit_steps,
    ifNull(life.return_steps, 0) AS return_steps,
    ifNull(life.redispatch_steps, 0) AS redispatch_steps,
    ifNull(life.extend_steps, 0) AS extend_steps,
    ifNull(life.redo_steps, 0) AS redo_steps,
    ifNull(life.rework_steps, 0) AS rework_steps,
    ifNull(life.supervise_steps, 0) AS supervise_steps,
    ifNull(life.object_steps, 0) AS object_steps,
    ifNull(life.dissatisfactions, 0) AS dissatisfactions,
    ifNull(life.steps, 0) AS steps,
    base_due AS base_due_at,
    if(empty(extended), base_due, arrayMax(extended)) AS due_at,
    if(highest = 0, NULL, levels[highest]) AS max_level,
    life.satisfaction AS satisfaction,
    life.solved AS solved,
    toBool(closed IS NULL AND life.cancelled_at IS NULL) AS is_open,
    toDate(reports.reported_at, zone) AS day
FROM hub.told_reports AS reports
LEFT JOIN
(
    SELECT
        report_id,
        count() AS steps,
        minOrNullIf(occurred_at, step = 'register') AS registered_at,
        minOrNullIf(occurred_at, step = 'accept') AS accepted_at,
        minOrNullIf(occurred_at, step = 'dispatch') AS dispatched_at,
        minOrNullIf(occurred_at, step = 'sign') AS signed_at,
        minOrNullIf(occurred_at, step = 'respond' AND ifNull(hub.progress.contacted, true)) AS responded_at,
        minOrNullIf(occurred_at, step IN ('handle', 'feedback')) AS handled_at,
        minOrNullIf(occurred_at, step = 'close') AS first_closed_at,
        maxOrNullIf(occurred_at, step = 'close') AS last_closed_at,
        maxOrNullIf(occurred_at, step = 'redo') AS reopened_at,
        maxOrNullIf(occurred_at, step = 'cancel') AS cancelled_at,
        maxOrNullIf(occurred_at, step = 'revisit') AS revisited_at,
        maxOrNullIf(occurred_at, step = 'rate') AS rated_at,
        maxOrNullIf(occurred_at, step = 'suspend') AS suspended_at,
        maxOrNullIf(occurred_at, step = 'resume') AS resumed_at,
        minOrNullIf(occurred_at, step = 'collect') AS collected_at,
        minOrNullIf(occurred_at, step = 'verify') AS verified_at,
        minOrNullIf(occurred_at, step = 'check') AS checked_at,
        argMinOrNullIf(unit, (occurred_at, received_at, progress_id), step = 'dispatch' AND unit IS NOT NULL) AS first_unit,
        countIf(step = 'sign') AS sign_steps,
        countIf(step = 'revisit') AS revisit_steps,
        countIf(step = 'return') AS return_steps,
        countIf(step = 'redispatch') AS redispatch_steps,
        countIf(step = 'extend') AS extend_steps,
        countIf(step = 'redo') AS redo_steps,
        countIf(step = 'rework') AS rework_steps,
        countIf(step = 'supervise') AS supervise_steps,
        countIf(step = 'object') AS object_steps,
        countIf(step IN ('revisit', 'rate', 'redo') AND ifNull(hub.progress.satisfaction = 'dissatisfied', false)) AS dissatisfactions,
        groupArrayIf((occurred_at, assumeNotNull(extended_to)), step = 'extend' AND extended_to IS NOT NULL) AS extensions,
        max(indexOf(['grid', 'community', 'street', 'district'], ifNull(hub.progress.level, ''))) AS level,
        argMaxOrNullIf(
            hub.progress.solved, (occurred_at, received_at, progress_id), step IN ('revisit', 'rate', 'redo') AND hub.progress.solved IS NOT NULL
        ) AS solved,
        argMaxOrNullIf(
            toNullable(toString(hub.progress.satisfaction)),
            (occurred_at, received_at, progress_id),
            step IN ('revisit', 'rate', 'redo') AND hub.progress.satisfaction IN ('satisfied', 'basic', 'dissatisfied')
        ) AS satisfaction
    FROM hub.progress FINAL {of_reports}
    GROUP BY report_id
) AS life ON life.report_id = reports.report_id
COMMENT 'Reports with their cases as the facts tell them; docs/kpi.md';
