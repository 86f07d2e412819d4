CREATE OR REPLACE VIEW bi.communities_history {on_cluster}
(
    community_code String COMMENT '12-digit community code',
    valid_from Date COMMENT 'First local day on which it holds; 1970-01-01: always',
    valid_to Date COMMENT 'Last local day on which it holds; 2149-06-06: still',
    community String COMMENT 'Name of the community',
    street_code LowCardinality(String) COMMENT '9-digit street code',
    street LowCardinality(String) COMMENT 'Name of the street',
    lon Float64 COMMENT 'Longitude of the point that stands for it, WGS-84, degrees',
    lat Float64 COMMENT 'Latitude of the point that stands for it, WGS-84, degrees',
    population UInt32 COMMENT 'Inhabitants'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT community_code, valid_from, valid_to, community, street_code, street, lon, lat, population
FROM hub.dim_community_editions FINAL
COMMENT 'Communities with the days on which they were so; bi.communities has those of today';
