CREATE OR REPLACE VIEW bi.agencies {on_cluster}
(
    agency_code String COMMENT 'Code of the unit',
    name_zh String COMMENT 'Name in Chinese',
    name_en String COMMENT 'Name in English',
    level LowCardinality(String) COMMENT 'grid, community, street or district'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT agency_code, name_zh, name_en, level
FROM hub.dim_agencies FINAL
COMMENT 'Units of this deployment that can be given a case';
