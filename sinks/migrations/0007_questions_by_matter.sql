-- The questions about a matter are looked up by it, as its reports are.

ALTER TABLE hub.routed {on_cluster}
    ADD INDEX IF NOT EXISTS review_matter review_matter TYPE bloom_filter(0.01) GRANULARITY 1;
