import java.util.Map;
import org.apache.hadoop.dynamodb.DynamoDBItemWritable;
import org.apache.hadoop.dynamodb.read.DynamoDBInputFormat;
import org.apache.hadoop.dynamodb.write.DynamoDBOutputFormat;
import org.apache.hadoop.io.Text;
import org.apache.hadoop.mapred.JobConf;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaSparkContext;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;

/**
 * The bench's works by emr-dynamodb-connector on Spark.
 *
 * <p>Arguments: work, endpoint, items, warm-up items. The warm-up (0 for none) does the same work
 * first, so that the JVM has compiled what the measured part runs. The connector has no fan-out:
 * two targets are two scans.
 */
public final class EmrCopy {
  public static void main(String[] arguments) {
    String work = arguments[0], endpoint = arguments[1];
    SparkConf conf = new SparkConf().setMaster("local[2]").setAppName("emr").set("spark.ui.enabled", "false");
    try (JavaSparkContext spark = new JavaSparkContext(conf)) {
      spark.setLogLevel("ERROR");
      int warmUp = Integer.parseInt(arguments[3]);
      if (warmUp > 0) {
        run(spark, work, endpoint, warmUp);
      }
      run(spark, work, endpoint, Integer.parseInt(arguments[2]));
    }
  }

  private static void run(JavaSparkContext spark, String work, String endpoint, int items) {
    if (work.equals("scan")) {
      long found = scan(spark, endpoint, items).count();
      if (found != items) {
        throw new IllegalStateException("scanned " + found + " of " + items + " items");
      }
      return;
    }
    int targets = work.equals("copy-1-2") ? 2 : 1;
    for (int target = 0; target < targets; target++) {
      JavaPairRDD<Text, DynamoDBItemWritable> source = scan(spark, endpoint, items);
      if (work.equals("copy-filter")) {
        source = source.filter(pair -> keeps(pair._2.getItem()));
      }
      source.saveAsHadoopDataset(writing(endpoint, items, target == 0 ? "us-west-2" : "us-east-1"));
    }
  }

  private static boolean keeps(Map<String, AttributeValue> item) {
    return item.get("day").s().compareTo("2013-07-01") >= 0;
  }

  private static JavaPairRDD<Text, DynamoDBItemWritable> scan(JavaSparkContext spark, String endpoint, int items) {
    JobConf conf = job(endpoint, "eu-west-1");
    conf.set("dynamodb.input.tableName", "bench-" + items);
    conf.set("dynamodb.throughput.read", "100000000");
    conf.set("dynamodb.throughput.read.percent", "1");
    conf.set("dynamodb.scan.segments", "16");
    conf.set("dynamodb.max.map.tasks", "2");
    return spark.hadoopRDD(conf, DynamoDBInputFormat.class, Text.class, DynamoDBItemWritable.class);
  }

  private static JobConf writing(String endpoint, int items, String region) {
    JobConf conf = job(endpoint, region);
    conf.set("dynamodb.output.tableName", "target-" + items);
    conf.set("dynamodb.throughput.write", "100000000");
    conf.set("dynamodb.throughput.write.percent", "1");
    conf.setOutputFormat(DynamoDBOutputFormat.class);
    return conf;
  }

  private static JobConf job(String endpoint, String region) {
    JobConf conf = new JobConf();
    conf.set("dynamodb.endpoint", endpoint);
    conf.set("dynamodb.regionid", region);
    conf.set("dynamodb.awsAccessKeyId", "stub");
    conf.set("dynamodb.awsSecretAccessKey", "stub-secret");
    conf.set("dynamodb.yarn.enabled", "false");
    conf.set("dynamodb.throughput.read.autoscaling", "false");
    conf.set("dynamodb.throughput.write.autoscaling", "false");
    return conf;
  }
}
