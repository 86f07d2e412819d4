-- What version 2 of the Avro DeadLetter adds: the address below the channel's, which may name a device.

ALTER TABLE hub.dead_letters {on_cluster}
    ADD COLUMN IF NOT EXISTS tail Nullable(String) COMMENT 'What followed the channel''s address, which may name a device; NULL when nothing did' AFTER replay_count;
