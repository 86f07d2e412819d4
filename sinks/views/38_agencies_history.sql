CREATE OR REPLACE VIEW bi.agencies_history {on_cluster}
(
    agency_code String COMMENT 'Code of the unit',
    valid_from Date COMMENT 'First local day on which it holds; 1970-01-01: always',
    valid_to Date COMMENT 'Last local day on which it holds; 2149-06-06: still',
    name_zh String COMMENT 'Name in Chinese',
    name_en String COMMENT 'Name in English',
    level LowCardinality(String) COMMENT 'grid, community, street or district'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT agency_code, valid_from, valid_to, name_zh, name_en, level
FROM hub.dim_agency_editions FINAL
COMMENT 'Units with the days on which they were called so; bi.agencies has those of today';
