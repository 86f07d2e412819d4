CREATE OR REPLACE VIEW bi.kpi_daily {on_cluster}
(
    day Date COMMENT 'Local day of reported_at',
    feed LowCardinality(String) COMMENT 'Feed that carried the orders',
    street_code LowCardinality(String) COMMENT '9-digit street code; empty when unknown',
    accepted UInt64 COMMENT 'Orders: distinct reports, alarms left out',
    responded_numerator UInt64 COMMENT '响应率: first response in time after the first dispatch',
    responded_denominator UInt64 COMMENT '响应率: orders dispatched',
    on_time_numerator UInt64 COMMENT '按时办结率: closed by the effective due time',
    on_time_denominator UInt64 COMMENT '按时办结率: orders with a due time that are closed or past it',
    closed_numerator UInt64 COMMENT '办结率: closed orders',
    closed_denominator UInt64 COMMENT '办结率: orders',
    solved_numerator UInt64 COMMENT '解决率: the latest revisit or rating that could tell says solved',
    solved_denominator UInt64 COMMENT '解决率: orders with a revisit or rating that could tell',
    satisfied_numerator Float64 COMMENT '满意率: satisfied + basic x weight of the profile',
    satisfied_denominator UInt64 COMMENT '满意率: orders rated satisfied, basic or dissatisfied',
    in_grid_numerator UInt64 COMMENT '网格内办结率: closed orders that never went above the grid',
    in_grid_denominator UInt64 COMMENT '网格内办结率: closed orders',
    repeats_numerator UInt64 COMMENT '重复诉求率: orders that are repeat, joined or rebound',
    repeats_denominator UInt64 COMMENT '重复诉求率: orders'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
WITH
    assumeNotNull((SELECT toFloat64(value) FROM hub.parameters FINAL WHERE name = 'basic_satisfied_weight')) AS basic_weight
SELECT
    cases.day AS day,
    cases.feed AS feed,
    ifNull(cases.street_code, '') AS street_code,
    count() AS accepted,
    countIf(cases.responded_in_time) AS responded_numerator,
    count(cases.responded_in_time) AS responded_denominator,
    countIf(cases.closed_on_time) AS on_time_numerator,
    count(cases.closed_on_time) AS on_time_denominator,
    countIf(cases.is_closed) AS closed_numerator,
    count() AS closed_denominator,
    countIf(cases.solved) AS solved_numerator,
    count(cases.solved) AS solved_denominator,
    countIf(cases.satisfaction = 'satisfied') + basic_weight * countIf(cases.satisfaction = 'basic') AS satisfied_numerator,
    count(cases.satisfaction) AS satisfied_denominator,
    countIf(cases.closed_in_grid) AS in_grid_numerator,
    count(cases.closed_in_grid) AS in_grid_denominator,
    countIf(cases.is_repeat) AS repeats_numerator,
    count() AS repeats_denominator
FROM bi.cases AS cases
WHERE cases.appeal_type != 'alarm'
GROUP BY day, feed, street_code
COMMENT 'Headline figures by day, feed and street: numerators and denominators to be summed before dividing; docs/kpi.md';
