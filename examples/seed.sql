-- beam-dynamodb hive examples/seed.sql
-- One table in Ireland, read at a tenth of its capacity, to two tables in the US.
DROP TABLE IF EXISTS source;
CREATE EXTERNAL TABLE source (uuid_hash string, day string, name string, value double)
STORED BY 'org.apache.hadoop.hive.dynamodb.DynamoDBStorageHandler'
TBLPROPERTIES (
  "dynamodb.table.name" = "testtable",
  "dynamodb.region" = "eu-west-1",
  "dynamodb.throughput.read.percent" = ".1000",
  "dynamodb.column.mapping" = "uuid_hash:uuid_hash,day:day,name:name,value:value"
);

DROP TABLE IF EXISTS useast;
CREATE EXTERNAL TABLE useast (uuid_hash string, day string, name string, value double)
STORED BY 'org.apache.hadoop.hive.dynamodb.DynamoDBStorageHandler'
TBLPROPERTIES (
  "dynamodb.table.name" = "kgpai.useast.test",
  "dynamodb.region" = "us-east-1",
  "dynamodb.throughput.write.percent" = ".4000",
  "dynamodb.column.mapping" = "uuid_hash:uuid_hash,day:day,name:name,value:value"
);

DROP TABLE IF EXISTS uswest;
CREATE EXTERNAL TABLE uswest (uuid_hash string, day string, name string, value double)
STORED BY 'org.apache.hadoop.hive.dynamodb.DynamoDBStorageHandler'
TBLPROPERTIES (
  "dynamodb.table.name" = "kgpai.uswest.test",
  "dynamodb.region" = "us-west-2",
  "dynamodb.throughput.write.percent" = ".4000",
  "dynamodb.column.mapping" = "uuid_hash:uuid_hash,day:day,name:name,value:value"
);

-- One INSERT reads the table for one target.
INSERT OVERWRITE TABLE uswest SELECT * FROM source WHERE day >= '2013-06-01';

-- This form reads it once for both.
FROM source
INSERT OVERWRITE TABLE useast SELECT *
INSERT OVERWRITE TABLE uswest SELECT * WHERE day >= '2013-06-01' AND value > 60;
