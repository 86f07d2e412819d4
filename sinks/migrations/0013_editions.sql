-- What codes meant on a day: units, communities and kinds change their names. hub.dim_agencies, _communities and _matters hold what they
-- mean today. Written by sinks.dimensions, as the tables of 0002; docs/decisions/0032.

CREATE TABLE IF NOT EXISTS hub.dim_agency_editions {on_cluster}
(
    agency_code String COMMENT 'Code of the unit',
    valid_from Date COMMENT 'First local day on which it holds; 1970-01-01: always',
    valid_to Date COMMENT 'Last local day on which it holds; 2149-06-06: still',
    name_zh String COMMENT 'Name in Chinese',
    name_en String COMMENT 'Name in English',
    level LowCardinality(String) COMMENT 'grid, community, street or district',
    _version UInt64 COMMENT 'Time of loading, milliseconds, but above every earlier one; the last loading stands',
    _deleted UInt8 COMMENT '1 for a row that left the profile'
)
ENGINE = {replicated}ReplacingMergeTree(_version, _deleted)
ORDER BY (agency_code, valid_from)
COMMENT 'Units as they were and are (profile file agencies.csv)';

CREATE TABLE IF NOT EXISTS hub.dim_community_editions {on_cluster}
(
    community_code String COMMENT '12-digit community code',
    valid_from Date COMMENT 'First local day on which it holds; 1970-01-01: always',
    valid_to Date COMMENT 'Last local day on which it holds; 2149-06-06: still',
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
ORDER BY (community_code, valid_from)
COMMENT 'Communities as they were and are (profile file places.csv)';

CREATE TABLE IF NOT EXISTS hub.dim_matter_editions {on_cluster}
(
    matter_kind String COMMENT 'Kind of matter',
    valid_from Date COMMENT 'First local day on which it holds; 1970-01-01: always',
    valid_to Date COMMENT 'Last local day on which it holds; 2149-06-06: still',
    name_zh String COMMENT 'Name in Chinese',
    name_en String COMMENT 'Name in English',
    family LowCardinality(String) COMMENT '诉求类别: livelihood, development or enforcement',
    _version UInt64 COMMENT 'Time of loading, milliseconds, but above every earlier one; the last loading stands',
    _deleted UInt8 COMMENT '1 for a row that left the profile'
)
ENGINE = {replicated}ReplacingMergeTree(_version, _deleted)
ORDER BY (matter_kind, valid_from)
COMMENT 'Kinds of matter as they were and are (profile file matters.csv)';
