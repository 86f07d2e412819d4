-- What version 2 of the Avro Report adds: how sure the place is, professional grids, the parts of an assembled report.

ALTER TABLE hub.routed {on_cluster}
    ADD COLUMN IF NOT EXISTS location_confidence Nullable(Float64) COMMENT 'How sure the place is, 0 to 1; NULL when none was found' AFTER location_method,
    ADD COLUMN IF NOT EXISTS professional_grids Array(String) COMMENT 'Professional grids (专业网格) in force at reported_at that hold the point' AFTER grid_code,
    ADD COLUMN IF NOT EXISTS part_ids Array(String) COMMENT 'report_id of each message it was assembled from, in order; empty when it is one message' AFTER report_id,
    COMMENT COLUMN grid_code 'Base grid in force at reported_at that holds the point, else as the source gives it',
    COMMENT COLUMN location_method 'How the place was found: code, register, coordinates, name, gazetteer, text, sea, outside; NULL when it was not';
