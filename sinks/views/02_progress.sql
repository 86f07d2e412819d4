CREATE OR REPLACE VIEW bi.progress {on_cluster}
(
    progress_id String COMMENT 'Hub-wide id of the step',
    report_id String COMMENT 'The report whose life this is',
    feed LowCardinality(String) COMMENT 'Feed that carried it',
    channel LowCardinality(String) COMMENT 'Channel that published it',
    upstream_id String COMMENT 'The number the source gave the case',
    step LowCardinality(String) COMMENT 'accept 受理, register 立案, dispatch 派单, sign 签收, respond 响应, handle 办理, feedback 反馈, revisit 回访, close 办结, rate 评价, return 退单, redispatch 改派, extend 延期, redo 重办, verify 核实, check 核查, rework 返工, suspend 挂账, resume 恢复, collect 采集, object 申诉, supplement 补充, supervise 督办, cancel 作废',
    occurred_at DateTime64(3, 'UTC') COMMENT 'When the step happened at the source, UTC',
    received_at DateTime64(3, 'UTC') COMMENT 'When the gateway received it, UTC',
    unit Nullable(String) COMMENT '经办单位 as the source names it',
    level LowCardinality(Nullable(String)) COMMENT 'Level that did the step: grid, community, street, district',
    contacted Nullable(Bool) COMMENT '是否联系',
    solved Nullable(Bool) COMMENT '是否解决; NULL when it could not be asked',
    satisfaction LowCardinality(Nullable(String)) COMMENT '满意度: satisfied 满意, basic 基本满意, dissatisfied 不满意, unrated 未评价',
    extended_to Nullable(DateTime64(3, 'UTC')) COMMENT 'New due time granted by an extension, UTC',
    note Nullable(String) COMMENT '办理情况, personal data masked',
    extra Map(String, String) COMMENT 'Further fields of the source, personal data masked'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT
    progress_id, report_id, feed, channel, upstream_id, step, occurred_at, received_at, unit, level, contacted, solved,
    satisfaction, extended_to, note, extra
FROM hub.progress FINAL {of_reports}
COMMENT 'Steps in the life of cases';
