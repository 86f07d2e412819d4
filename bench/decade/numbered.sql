-- Report number n of {count}: when, where, what and by whom, out of hashes of n. {first} and {rows} say which.
WITH
    {count} AS total,
    toUnixTimestamp64Milli(now64(3, 'UTC')) AS ends,
    ends - 3652 * 86400000 AS begins,
    (SELECT groupArray((community_code, street_code, lon, lat)) FROM hub.dim_communities FINAL) AS places,
    (SELECT groupArray((matter_kind, family)) FROM hub.dim_matters FINAL) AS kinds,
    (SELECT groupArray(agency_code) FROM hub.dim_agencies FINAL) AS agencies,
    ['hotline12345', 'hotline12345', 'hotline12345', 'hotline12345', 'police110', 'citymgmt', 'wechat', 'hotline12345', 'police110', 'video'] AS feeds,
    number AS n,
    feeds[cityHash64(n, 'feed') % 10 + 1] AS feed,
    concat(feed, '-', lower(hex(sipHash128(n)))) AS report_id,
    fromUnixTimestamp64Milli(toInt64(begins + intDiv(n * 3652 * 86400000, total) + cityHash64(n, 'time') % 3600000), 'UTC') AS told_at,
    places[cityHash64(n, 'place') % length(places) + 1] AS place,
    kinds[toUInt32(pow(cityHash64(n, 'kind') % 10007 / 10007, 2) * length(kinds)) + 1] AS kind,
    n > 5000 AND cityHash64(n, 'again') % 6 = 0 AS again,
    n - 1 - cityHash64(n, 'whom') % 3000 AS partner,
    again AND partner >= {first} AND cityHash64(partner, 'again') % 6 != 0 AND feed != 'video' AND feeds[cityHash64(partner, 'feed') % 10 + 1] != 'video' AS linked,
    concat(feeds[cityHash64(partner, 'feed') % 10 + 1], '-', lower(hex(sipHash128(partner)))) AS partner_id
