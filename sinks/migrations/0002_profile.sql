-- What the views need of the deployment's profile. Written by sinks.dimensions at every start of a sink: rows that left
-- the profile get _deleted = 1, which FINAL leaves out.

CREATE TABLE IF NOT EXISTS hub.parameters {on_cluster}
(
    name String COMMENT 'basic_satisfied_weight, respond_within_hours or timezone',
    value String COMMENT 'The value as text',
    _version UInt64 COMMENT 'Time of loading, milliseconds, but above every earlier one; the last loading stands',
    _deleted UInt8 COMMENT '1 for a row that left the profile'
)
ENGINE = {replicated}ReplacingMergeTree(_version, _deleted)
ORDER BY name
COMMENT 'Numbers of the profile that the figures depend on';

CREATE TABLE IF NOT EXISTS hub.dim_matters {on_cluster}
(
    matter_kind String COMMENT 'Kind of matter',
    name_zh String COMMENT 'Name in Chinese',
    name_en String COMMENT 'Name in English',
    family LowCardinality(String) COMMENT '诉求类别: livelihood, development or enforcement',
    _version UInt64 COMMENT 'Time of loading, milliseconds, but above every earlier one; the last loading stands',
    _deleted UInt8 COMMENT '1 for a row that left the profile'
)
ENGINE = {replicated}ReplacingMergeTree(_version, _deleted)
ORDER BY matter_kind
COMMENT 'Kinds of matter (profile file matters.csv)';

CREATE TABLE IF NOT EXISTS hub.dim_communities {on_cluster}
(
    community_code String COMMENT '12-digit community code',
    community String COMMENT 'Name of the community',
    street_code LowCardinality(String) COMMENT '9-digit street code',
    street LowCardinality(String) COMMENT 'Name of the street',
    lon Float64 COMMENT 'Longitude of the point that stands for it, WGS-84, degrees',
    lat Float64 COMMENT 'Latitude of the point that stands for it, WGS-84, degrees',
    population UInt32 COMMENT 'Inhabitants',
    _version UInt64 COMMENT 'Time of loading, milliseconds, but above every earlier one; the last loading stands',
    _deleted UInt8 COMMENT '1 for a row that left the profile'
)
ENGINE = {replicated}ReplacingMergeTree(_version, _deleted)
ORDER BY community_code
COMMENT 'Communities (profile file places.csv)';

CREATE TABLE IF NOT EXISTS hub.dim_agencies {on_cluster}
(
    agency_code String COMMENT 'Code of the unit',
    name_zh String COMMENT 'Name in Chinese',
    name_en String COMMENT 'Name in English',
    level LowCardinality(String) COMMENT 'grid, community, street or district',
    _version UInt64 COMMENT 'Time of loading, milliseconds, but above every earlier one; the last loading stands',
    _deleted UInt8 COMMENT '1 for a row that left the profile'
)
ENGINE = {replicated}ReplacingMergeTree(_version, _deleted)
ORDER BY agency_code
COMMENT 'Units that can be given a case (profile file agencies.csv)';
