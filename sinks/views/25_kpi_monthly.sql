CREATE OR REPLACE VIEW bi.kpi_monthly {on_cluster}
(
    month Date COMMENT 'First day of the local month in which they were reported',
{figure_dimension_columns},
{figure_sum_columns}
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT
    toStartOfMonth(day) AS month, {figure_dimensions},
{figure_resums}
FROM bi.kpi_daily AS days
GROUP BY month, {figure_dimensions}
COMMENT 'Figures of the orders reported in each month (cohort by acceptance): numerators and denominators to be summed before dividing; docs/kpi.md';
