-- Who is confidential, and by whose id the matter goes that such a report began: the views that must hide it look it up here, and not
-- among all facts. Written by sinks/cases.py with the cases; what stood before is computed anew by the sink, and hidden until then.

CREATE TABLE IF NOT EXISTS hub.hidden_reports {on_cluster}
(
    report_id String COMMENT 'Report that was confidential (保密/匿名举报) in any of its revisions',
    heir String COMMENT 'First report of the matter it began that is not confidential; empty when there is none',
    _version UInt64 COMMENT 'Time at which the facts were read, microseconds since 1970 by the server''s clock: the newest reading stands'
)
ENGINE = {replicated}ReplacingMergeTree(_version)
ORDER BY report_id
SETTINGS non_replicated_deduplication_window = 0
COMMENT 'Confidential reports and the heirs of their matters';

INSERT INTO hub.hidden_reports (report_id, heir, _version)
SELECT DISTINCT report_id, '', 0 FROM hub.routed WHERE outcome = 'routed' AND confidential;

ALTER TABLE hub.cases {on_cluster}
    ADD COLUMN IF NOT EXISTS decided_at DateTime64(3, 'UTC') DEFAULT received_at COMMENT 'When the hub decided on it first, UTC' AFTER received_at;
