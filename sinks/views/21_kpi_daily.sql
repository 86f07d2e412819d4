CREATE OR REPLACE VIEW bi.kpi_daily {on_cluster}
(
    day Date COMMENT 'Local day of reported_at',
{figure_dimension_columns},
{figure_sum_columns}
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT
    day, {figure_dimensions},
{figure_sums}
FROM bi.figures
GROUP BY day, {figure_dimensions}
COMMENT 'Figures of the orders reported on each day (cohort by acceptance): numerators and denominators to be summed before dividing; docs/kpi.md';
