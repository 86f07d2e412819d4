INSERT INTO hub.progress
(
    progress_id, report_id, feed, channel, upstream_id, step, occurred_at, received_at, unit, level, solved, satisfaction,
    _topic, _partition, _offset, _timestamp
)
{numbered},
    [
        ('accept', 300), ('dispatch', 1800), ('sign', 7200), ('respond', 18000), ('handle', 86400),
        ('close', 90000 + cityHash64(n, 'close') % 700000), ('revisit', 900000 + cityHash64(n, 'visit') % 300000)
    ] AS life,
    (cityHash64(n, 'open') % 1000 < 8) AS open,
    arrayFilter(
        s -> told_at + toIntervalSecond(s.2) < now64(3, 'UTC') AND NOT (open AND s.1 IN ('close', 'revisit'))
            AND NOT (s.1 = 'revisit' AND cityHash64(n, 'asked') % 5 = 0) AND NOT (s.1 = 'sign' AND n % 3 = 0), life
    ) AS steps,
    arrayJoin(steps) AS one
SELECT
    lower(hex(sipHash64(n, one.1))), report_id, feed, concat('demo-', feed), toString(n), one.1, told_at + toIntervalSecond(one.2),
    told_at + toIntervalSecond(one.2), if(one.1 = 'dispatch', '承办单位', NULL), ['grid', 'community', 'street', 'district'][cityHash64(n, 'did') % 4 + 1],
    if(one.1 = 'revisit', cityHash64(n, 'solved') % 20 != 0, NULL),
    if(one.1 = 'revisit', ['satisfied', 'satisfied', 'satisfied', 'basic', 'dissatisfied'][cityHash64(n, 'glad') % 5 + 1], NULL),
    'progress', n % 12, n * 8 + cityHash64(one.1) % 8, told_at + toIntervalSecond(one.2)
FROM numbers({first}, {rows})
WHERE feed != 'video'
