CREATE OR REPLACE VIEW bi.kpi_yearly {on_cluster}
(
    year Date COMMENT 'First day of the local year in which they were reported',
{figure_dimension_columns},
{figure_sum_columns}
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT
    toStartOfYear(day) AS year, {figure_dimensions},
{figure_resums}
FROM bi.kpi_daily AS days
GROUP BY year, {figure_dimensions}
COMMENT 'Figures of the orders reported in each year (cohort by acceptance): numerators and denominators to be summed before dividing; docs/kpi.md';
