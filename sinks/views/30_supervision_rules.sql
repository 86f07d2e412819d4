CREATE OR REPLACE VIEW bi.supervision_rules {on_cluster}
(
    rule String COMMENT 'Name of the rule, as in bi.alerts',
    name_zh String COMMENT 'Name in Chinese',
    name_en String COMMENT 'Name in English',
    severity String COMMENT 'info, warning or critical',
    fires_zh String COMMENT 'When it fires; the numbers are those of the profile',
    clears_zh String COMMENT 'When it ends',
    fires_en String COMMENT 'When it fires, in English',
    clears_en String COMMENT 'When it ends, in English'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT told.1 AS rule, told.2 AS name_zh, told.3 AS name_en, told.4 AS severity, told.5 AS fires_zh, told.6 AS clears_zh, told.7 AS fires_en, told.8 AS clears_en
FROM
(
    SELECT arrayJoin([
        ('yellow_card', '黄牌', 'Yellow card', 'warning', '未办结，距到期不足一个工作日', '办结、作废、延期，或到期（转红牌）', 'open, less than one working day before it is due', 'closed, cancelled, extended, or due (red card)'),
        ('red_card', '红牌', 'Red card', 'critical', '未办结，已过到期时间', '办结、作废，或延期获准', 'open past its due time', 'closed, cancelled or extended'),
        ('no_response', '逾时未响应', 'No response', 'warning', '派单后超过响应时限仍未联系诉求人', '已联系、办结或作废', 'dispatched, and nobody reached within the limit of response', 'somebody was reached, closed or cancelled'),
        ('no_feedback', '逾时未反馈', 'No feedback', 'warning', '派单后多日没有反馈办理情况', '已反馈、办结或作废', 'dispatched, and for days nobody told what was done', 'feedback came, closed or cancelled'),
        ('dissatisfied', '多次不满意', 'Repeatedly dissatisfied', 'warning', '回访或评价多次不满意', '最近一次评价不再是不满意', 'several revisits or ratings say dissatisfied', 'the last rating says otherwise'),
        ('reminder', '提醒函', 'Reminder', 'warning', '超期满一个工作日', '办结、作废、延期，或升为通报', 'overdue for one working day', 'closed, cancelled, extended, or named in the bulletin'),
        ('bulletin', '通报', 'Named in the bulletin', 'critical', '超期达到通报的工作日数', '办结、作废、延期，或升为提级督办', 'overdue by the working days of the bulletin', 'closed, cancelled, extended, or taken up a level'),
        ('level_up', '提级督办', 'Taken up a level', 'critical', '超期达到提级的工作日数', '办结后经评价已解决，或评价期满', 'overdue by the working days of the next level', 'closed and rated solved, or the time for rating is over'),
        ('unresolved', '久拖不决挂牌', 'Listed: long unresolved', 'critical', '长期未办结', '办结或作废', 'open for long', 'closed or cancelled'),
        ('rebound', '重复反弹挂牌', 'Listed: rebounds', 'critical', '办结后同一事项多次再次反映', '全部办结，且一段时间无人再反映', 'told again and again after closure', 'all closed, and nobody came back for a while'),
        ('escalation', '矛盾升级挂牌', 'Listed: escalation', 'critical', '多人反映的事项已提级办理', '事项全部办结', 'a matter of many persons went up a level', 'all cases of the matter closed'),
        ('false_closure', '虚假办结', 'False closure', 'warning', '办结后回访未解决，或短期内再次反映', '再次办结并回访已解决，或超过观察期', 'closed, then not solved by revisit or told again soon', 'closed again and solved, or the time of watching is over'),
        ('hot_point', '热点点位', 'Hot point', 'warning', '多名诉求人在近处反映同类问题，或网格量明显高于往期', '不再达到', 'many persons on one kind near one place, or a grid far above the weeks before', 'no longer so'),
        ('emerging', '苗头性话题', 'Emerging topic', 'warning', '街道某类问题明显高于往期', '不再达到', 'a kind in a street far above the spans before', 'no longer so'),
        ('seasonal', '季节性预警', 'Seasonal warning', 'info', '历史高发季临近', '高发季结束', 'the season of a kind comes near, by the years before', 'the season is over')
    ]) AS told
)
COMMENT 'The rules of 督办 and 未诉先办: when each fires, and its own rule of clearing';
