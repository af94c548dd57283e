-- beam-dynamodb query --file examples/query.sql --table orders=… --table customers=…
SELECT c.country, count(*) AS orders, sum(o.total) AS total
FROM orders o JOIN customers c ON c.id = o.customer
GROUP BY c.country
ORDER BY total DESC
