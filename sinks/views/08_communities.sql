CREATE OR REPLACE VIEW bi.communities {on_cluster}
(
    community_code String COMMENT '12-digit community code',
    community String COMMENT 'Name of the community',
    street_code LowCardinality(String) COMMENT '9-digit street code',
    street LowCardinality(String) COMMENT 'Name of the street',
    lon Float64 COMMENT 'Longitude of the point that stands for it, WGS-84, degrees',
    lat Float64 COMMENT 'Latitude of the point that stands for it, WGS-84, degrees',
    population UInt32 COMMENT 'Inhabitants'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT community_code, community, street_code, street, lon, lat, population
FROM hub.dim_communities FINAL
COMMENT 'Communities of this deployment';
