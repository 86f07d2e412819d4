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
{figure_ones}
FROM bi.figures
WHERE due_day IS NOT NULL
COMMENT 'Figures of the orders by the day they are due on (cohort by due time), orders without one left out; an order a row, to be summed; docs/kpi.md';
