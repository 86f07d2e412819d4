CREATE OR REPLACE VIEW bi.kpi_yearly_due {on_cluster}
(
    year Date COMMENT 'First day of the local year of the effective due time',
{figure_dimension_columns},
{figure_sum_columns}
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT
    toStartOfYear(day) AS year, {figure_dimensions},
{figure_resums}
FROM bi.kpi_daily_due AS days
GROUP BY year, {figure_dimensions}
COMMENT 'Figures of the orders due in each year (cohort by due time): numerators and denominators to be summed before dividing; docs/kpi.md';
