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
{figure_ones}
FROM bi.figures
COMMENT 'Figures of the orders by the hour they were reported in (cohort by acceptance): an order a row, to be summed; docs/kpi.md';
