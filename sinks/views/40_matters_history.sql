CREATE OR REPLACE VIEW bi.matters_history {on_cluster}
(
    matter_kind String COMMENT 'Kind of matter',
    valid_from Date COMMENT 'First local day on which it holds; 1970-01-01: always',
    valid_to Date COMMENT 'Last local day on which it holds; 2149-06-06: still',
    name_zh String COMMENT 'Name in Chinese',
    name_en String COMMENT 'Name in English',
    family LowCardinality(String) COMMENT '诉求类别: livelihood, development or enforcement'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT matter_kind, valid_from, valid_to, name_zh, name_en, family
FROM hub.dim_matter_editions FINAL
COMMENT 'Kinds of matter with the days on which they were called so; bi.matters has those of today';
