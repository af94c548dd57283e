module beam-dynamodb/benchmarks/stub

go 1.21
