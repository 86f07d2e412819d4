CREATE OR REPLACE VIEW bi.alerts {on_cluster}
(
    alert_id String COMMENT 'The same for the same rule, subject and onset',
    rule LowCardinality(String) COMMENT 'Name of the rule, as in mass_appeal 群诉',
    severity LowCardinality(String) COMMENT 'info, warning or critical',
    subject_type LowCardinality(String) COMMENT 'matter, agency, channel or device',
    subject String COMMENT 'Id of the subject',
    place_key String COMMENT 'Place key of the subject; empty when it has none',
    raised_at DateTime64(3, 'UTC') COMMENT 'When the rule became true, UTC',
    cleared_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When it ceased to be true, UTC; NULL while it holds',
    is_open Bool COMMENT 'Not cleared',
    value Nullable(Float64) COMMENT 'The figure that crossed the threshold',
    threshold Nullable(Float64) COMMENT 'The threshold in force',
    summary String COMMENT 'One sentence for the person who must act',
    report_ids Array(String) COMMENT 'Reports that made it true, at most 20',
    rule_version LowCardinality(String) COMMENT 'Version of the rule'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT
    alert_id, rule, severity, subject_type, subject, place_key, raised_at, cleared_at, toBool(cleared_at IS NULL) AS is_open,
    value, threshold, summary, report_ids, rule_version
FROM hub.alerts FINAL
COMMENT 'Alerts, one row each, cleared or not';
