-- 万人诉求比. Orders without a known place count for the district alone.

CREATE OR REPLACE VIEW bi.per_10000 {on_cluster}
(
    month Date COMMENT 'First day of the local month in which the orders were reported (cohort by acceptance)',
    area_type LowCardinality(String) COMMENT 'district, street or community',
    area String COMMENT 'Code of the area; empty for the district',
    area_name String COMMENT 'Its name; empty for the district and for an area that left the profile',
    accepted UInt64 COMMENT '受理量: numerator',
    population Nullable(UInt64) COMMENT 'Inhabitants: denominator; NULL where none are known',
    per_10000 Nullable(Float64) COMMENT '万人诉求比: accepted / population x 10 000; NULL without population'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
WITH
    inhabitants AS
    (
        SELECT place.1 AS area_type, place.2 AS area, place.3 AS area_name, nullIf(sum(population), 0) AS population
        FROM bi.communities
        ARRAY JOIN [('district', '', ''), ('street', street_code, street), ('community', community_code, community)] AS place
        GROUP BY area_type, area, area_name
    ),
    orders AS
    (
        SELECT month, place.1 AS area_type, place.2 AS area, sum(days.accepted) AS accepted
        FROM
        (
            SELECT toStartOfMonth(day) AS month, street_code, community_code, sum(accepted) AS accepted
            FROM bi.kpi_daily
            GROUP BY month, street_code, community_code
        ) AS days
        ARRAY JOIN [('district', ''), ('street', street_code), ('community', community_code)] AS place
        WHERE area_type = 'district' OR area != ''
        GROUP BY month, area_type, area
    )
SELECT
    orders.month AS month, orders.area_type AS area_type, orders.area AS area, inhabitants.area_name AS area_name,
    orders.accepted AS accepted, inhabitants.population AS population,
    round(orders.accepted / inhabitants.population * 10000, 4) AS per_10000
FROM orders
LEFT JOIN inhabitants ON inhabitants.area_type = orders.area_type AND inhabitants.area = orders.area
COMMENT '万人诉求比: orders of a month for every 10 000 inhabitants, by community, street and for the whole district';
