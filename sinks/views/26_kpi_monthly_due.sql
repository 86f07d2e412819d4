CREATE OR REPLACE VIEW bi.kpi_monthly_due {on_cluster}
(
    month Date COMMENT 'First day of the local month of the effective due time',
{figure_dimension_columns},
{figure_sum_columns}
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT
    toStartOfMonth(day) AS month, {figure_dimensions},
{figure_resums}
FROM bi.kpi_daily_due AS days
GROUP BY month, {figure_dimensions}
COMMENT 'Figures of the orders due in each month (cohort by due time): numerators and denominators to be summed before dividing; docs/kpi.md';
