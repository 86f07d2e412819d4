-- Working days and hours, so that figures can be told in them. Written by sinks.dimensions, as the tables of 0002.

CREATE TABLE IF NOT EXISTS hub.dim_days {on_cluster}
(
    day Date COMMENT 'Local day',
    is_working Bool COMMENT 'Whether people work on it: 调休 and public holidays are regarded',
    working_days UInt32 COMMENT 'Working days since 2000-01-01, this day included',
    working_minutes UInt32 COMMENT 'Working minutes since 2000-01-01, up to the beginning of this day; those of the day itself lie in the parameter work_spans',
    working_day_before Date COMMENT 'The last working day before it',
    _version UInt64 COMMENT 'Time of loading, milliseconds, but above every earlier one; the last loading stands',
    _deleted UInt8 COMMENT '1 for a row that left the profile'
)
ENGINE = {replicated}ReplacingMergeTree(_version, _deleted)
ORDER BY day
COMMENT 'Calendar of this deployment (holidays and profile file calendar.csv), 2000 to 2060';
