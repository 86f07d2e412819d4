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
{figure_ones}
FROM bi.figures
COMMENT 'Figures of the orders by the day they were reported on (cohort by acceptance): an order a row, numerators and denominators to be summed before dividing; docs/kpi.md';
