-- Facts by year and in small granules. By month a look-up by report read a granule of 8 192 rows in each of 120 months of ten years; and
-- FINAL leaves a partition out only by columns of the key, whose last one is the time that says which. docs/decisions/0024.
--
-- A table of the new layout takes the name, and the rows follow; they have identities, so that a row that comes twice is one. A
-- crash in between does no harm: the names change in one statement, and what is still to be copied has a name of its own.

WHEN SELECT count() FROM system.tables WHERE database = 'hub' AND name = 'routed' AND partition_key LIKE 'toYYYYMM%'
DO CREATE TABLE IF NOT EXISTS hub.routed_by_year {on_cluster} AS hub.routed
ENGINE = {replicated}ReplacingMergeTree(_version)
PARTITION BY toYear(reported_at)
ORDER BY (report_id, intake_topic, intake_partition, intake_offset, reported_at)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000
COMMENT 'Decisions of the worker with the report decided on, one row per intake record; topic routed';
WHEN SELECT count() FROM system.tables WHERE database = 'hub' AND name = 'routed' AND partition_key LIKE 'toYYYYMM%'
DO RENAME TABLE hub.routed TO hub.routed_by_month, hub.routed_by_year TO hub.routed {on_cluster};
WHEN SELECT count() FROM system.tables WHERE database = 'hub' AND name = 'routed_by_month'
DO INSERT INTO hub.routed SELECT * FROM hub.routed_by_month SETTINGS max_partitions_per_insert_block = 0;
DROP TABLE IF EXISTS hub.routed_by_month {on_cluster} SYNC;
DROP TABLE IF EXISTS hub.routed_by_year {on_cluster} SYNC;

WHEN SELECT count() FROM system.tables WHERE database = 'hub' AND name = 'sealed_originals' AND partition_key LIKE 'toYYYYMM%'
DO CREATE TABLE IF NOT EXISTS hub.sealed_originals_by_year {on_cluster} AS hub.sealed_originals
ENGINE = {replicated}ReplacingMergeTree(_version)
PARTITION BY toYear(reported_at)
ORDER BY (report_id, intake_topic, intake_partition, intake_offset, reported_at)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000
COMMENT 'Sealed original messages, apart from hub.routed so that reading reports never reads them; topic routed';
WHEN SELECT count() FROM system.tables WHERE database = 'hub' AND name = 'sealed_originals' AND partition_key LIKE 'toYYYYMM%'
DO RENAME TABLE hub.sealed_originals TO hub.sealed_originals_by_month, hub.sealed_originals_by_year TO hub.sealed_originals {on_cluster};
WHEN SELECT count() FROM system.tables WHERE database = 'hub' AND name = 'sealed_originals_by_month'
DO INSERT INTO hub.sealed_originals SELECT * FROM hub.sealed_originals_by_month SETTINGS max_partitions_per_insert_block = 0;
DROP TABLE IF EXISTS hub.sealed_originals_by_month {on_cluster} SYNC;
DROP TABLE IF EXISTS hub.sealed_originals_by_year {on_cluster} SYNC;

WHEN SELECT count() FROM system.tables WHERE database = 'hub' AND name = 'progress' AND partition_key LIKE 'toYYYYMM%'
DO CREATE TABLE IF NOT EXISTS hub.progress_by_year {on_cluster} AS hub.progress
ENGINE = {replicated}ReplacingMergeTree(_version)
PARTITION BY toYear(occurred_at)
ORDER BY (report_id, occurred_at, progress_id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000
COMMENT 'Steps in the life of cases, one row per progress_id; topic progress';
WHEN SELECT count() FROM system.tables WHERE database = 'hub' AND name = 'progress' AND partition_key LIKE 'toYYYYMM%'
DO RENAME TABLE hub.progress TO hub.progress_by_month, hub.progress_by_year TO hub.progress {on_cluster};
WHEN SELECT count() FROM system.tables WHERE database = 'hub' AND name = 'progress_by_month'
DO INSERT INTO hub.progress SELECT * FROM hub.progress_by_month SETTINGS max_partitions_per_insert_block = 0;
DROP TABLE IF EXISTS hub.progress_by_month {on_cluster} SYNC;
DROP TABLE IF EXISTS hub.progress_by_year {on_cluster} SYNC;

WHEN SELECT count() FROM system.tables WHERE database = 'hub' AND name = 'changes' AND partition_key LIKE 'toYYYYMM%'
DO CREATE TABLE IF NOT EXISTS hub.changes_by_year {on_cluster} AS hub.changes
ENGINE = {replicated}ReplacingMergeTree(_version)
PARTITION BY toYear(changed_at)
ORDER BY (intake_topic, intake_partition, intake_offset, number, changed_at)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000
COMMENT 'What steps and rulings changed in matters and cases, one row each; topic routed, beside hub.routed';
WHEN SELECT count() FROM system.tables WHERE database = 'hub' AND name = 'changes' AND partition_key LIKE 'toYYYYMM%'
DO RENAME TABLE hub.changes TO hub.changes_by_month, hub.changes_by_year TO hub.changes {on_cluster};
WHEN SELECT count() FROM system.tables WHERE database = 'hub' AND name = 'changes_by_month'
DO INSERT INTO hub.changes SELECT * FROM hub.changes_by_month SETTINGS max_partitions_per_insert_block = 0;
DROP TABLE IF EXISTS hub.changes_by_month {on_cluster} SYNC;
DROP TABLE IF EXISTS hub.changes_by_year {on_cluster} SYNC;

WHEN SELECT count() FROM system.tables WHERE database = 'hub' AND name = 'alerts' AND partition_key LIKE 'toYYYYMM%'
DO CREATE TABLE IF NOT EXISTS hub.alerts_by_year {on_cluster} AS hub.alerts
ENGINE = {replicated}ReplacingMergeTree(_version)
PARTITION BY toYear(raised_at)
ORDER BY (alert_id, raised_at)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000
COMMENT 'Alerts raised by streams and supervision, one row per alert_id; topic alerts';
WHEN SELECT count() FROM system.tables WHERE database = 'hub' AND name = 'alerts' AND partition_key LIKE 'toYYYYMM%'
DO RENAME TABLE hub.alerts TO hub.alerts_by_month, hub.alerts_by_year TO hub.alerts {on_cluster};
WHEN SELECT count() FROM system.tables WHERE database = 'hub' AND name = 'alerts_by_month'
DO INSERT INTO hub.alerts SELECT * FROM hub.alerts_by_month SETTINGS max_partitions_per_insert_block = 0;
DROP TABLE IF EXISTS hub.alerts_by_month {on_cluster} SYNC;
DROP TABLE IF EXISTS hub.alerts_by_year {on_cluster} SYNC;
