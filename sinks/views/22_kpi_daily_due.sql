CREATE OR REPLACE VIEW bi.kpi_daily_due {on_cluster}
(
    day Date COMMENT 'Local day of the effective due time',
{figure_dimension_columns},
{figure_sum_columns}
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT
    assumeNotNull(due_day) AS day, {figure_dimensions},
{figure_sums}
FROM bi.figures
WHERE due_day IS NOT NULL
GROUP BY day, {figure_dimensions}
COMMENT 'Figures of the orders due on each day (cohort by due time), orders without one left out; docs/kpi.md';
