-- Festivals that move with the moon, so that a year can be compared with another by their days. Written by sinks.dimensions, as the
-- tables of 0002.

CREATE TABLE IF NOT EXISTS hub.dim_festivals {on_cluster}
(
    day Date COMMENT 'Local day on which it falls',
    festival LowCardinality(String) COMMENT 'spring_festival: 正月初一',
    year UInt16 COMMENT 'Year of the calendar in which that is',
    _version UInt64 COMMENT 'Time of loading, milliseconds, but above every earlier one; the last loading stands',
    _deleted UInt8 COMMENT '1 for a row that is no longer loaded'
)
ENGINE = {replicated}ReplacingMergeTree(_version, _deleted)
ORDER BY day
COMMENT 'Days of festivals by the lunar calendar, 2000 to 2061';
