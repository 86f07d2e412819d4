CREATE OR REPLACE VIEW bi.matters {on_cluster}
(
    matter_kind String COMMENT 'Kind of matter',
    name_zh String COMMENT 'Name in Chinese',
    name_en String COMMENT 'Name in English',
    family LowCardinality(String) COMMENT '诉求类别: livelihood, development or enforcement'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT matter_kind, name_zh, name_en, family
FROM hub.dim_matters FINAL
COMMENT 'Kinds of matter of this deployment';
