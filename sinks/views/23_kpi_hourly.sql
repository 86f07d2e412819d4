CREATE OR REPLACE VIEW bi.kpi_hourly {on_cluster}
(
    hour DateTime('UTC') COMMENT 'Hour in which they were reported, UTC',
{figure_dimension_columns},
{figure_sum_columns}
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT
    hour, {figure_dimensions},
{figure_sums}
FROM bi.figures
GROUP BY hour, {figure_dimensions}
COMMENT 'Figures of the orders reported in each hour (cohort by acceptance); docs/kpi.md';
