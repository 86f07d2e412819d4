-- What is asked of the views: a name, and its question. The first three are those of the targets.

-- last month by agency
SELECT agency_code, sum(accepted), sum(on_time_numerator) / nullIf(sum(on_time_denominator), 0), sum(satisfied_numerator) / nullIf(sum(satisfied_denominator), 0) FROM bi.kpi_daily WHERE day BETWEEN toStartOfMonth(today() - toIntervalMonth(1)) AND toStartOfMonth(today()) - 1 GROUP BY 1 ORDER BY 2 DESC;

-- year on year by domain
SELECT family, matter_kind, sumIf(accepted, toYear(day) = toYear(today())) AS present, sumIf(accepted, toYear(day) = toYear(today()) - 1 AND toDayOfYear(day) <= toDayOfYear(today())) AS past, (present - past) / nullIf(past, 0) FROM bi.kpi_daily WHERE day >= makeDate(toYear(today()) - 1, 1, 1) GROUP BY 1, 2;

-- hot points today
SELECT * FROM bi.hot_points ORDER BY method, rank;

-- all figures of last month
SELECT * EXCEPT (day) FROM (SELECT toStartOfMonth(day) AS day, sum(accepted), sum(solved_numerator) FROM bi.kpi_daily WHERE day BETWEEN toStartOfMonth(today() - toIntervalMonth(1)) AND toStartOfMonth(today()) - 1 GROUP BY day);

-- solved last month by grid
SELECT grid_code, avg(solved), count(solved) FROM bi.figures WHERE day BETWEEN toStartOfMonth(today() - toIntervalMonth(1)) AND toStartOfMonth(today()) - 1 GROUP BY 1;

-- due last month by street
SELECT street_code, sum(on_time_numerator) / nullIf(sum(on_time_denominator), 0) FROM bi.kpi_daily_due WHERE day BETWEEN toStartOfMonth(today() - toIntervalMonth(1)) AND toStartOfMonth(today()) - 1 GROUP BY 1;

-- intake of today by hour
SELECT hour, feed, sum(accepted) FROM bi.kpi_hourly WHERE hour >= now() - toIntervalDay(1) GROUP BY 1, 2;

-- overdue now by agency
SELECT agency_code, countIf(is_overdue), count() FROM bi.cases WHERE is_open AND appeal_type != 'alarm' GROUP BY 1;

-- supervision
SELECT rule, count() FROM bi.supervision GROUP BY 1;

-- emerging topics
SELECT * FROM bi.emerging_topics;

-- seasonal warnings
SELECT * FROM bi.seasonal_warnings WHERE is_due;

-- alerts as they should stand
SELECT rule, count() FROM bi.firing GROUP BY 1;

-- latest reports
SELECT report_id, title, reported_at FROM bi.reports WHERE reported_at >= now() - toIntervalDay(1) ORDER BY reported_at DESC LIMIT 50;

-- one report
SELECT * FROM bi.reports WHERE report_id = {id:String};

-- steps of one report
SELECT * FROM bi.progress WHERE report_id = {id:String};

-- matters joined lately
SELECT * FROM bi.joint_matters WHERE last_at > now() - toIntervalDay(1) ORDER BY reports DESC LIMIT 20;

-- alarms folded today
SELECT * FROM bi.episodes WHERE started_at > now() - toIntervalDay(1) LIMIT 100;

-- changes lately
SELECT * FROM bi.changes ORDER BY changed_at DESC LIMIT 50;

-- review queue
SELECT count() FROM bi.review_queue;

-- open alerts
SELECT * FROM bi.alerts WHERE is_open;
