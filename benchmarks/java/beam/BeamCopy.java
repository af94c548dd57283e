import java.net.URI;
import java.util.List;
import java.util.Map;
import org.apache.beam.sdk.Pipeline;
import org.apache.beam.sdk.PipelineResult.State;
import org.apache.beam.sdk.coders.MapCoder;
import org.apache.beam.sdk.coders.StringUtf8Coder;
import org.apache.beam.sdk.io.aws2.dynamodb.AttributeValueCoder;
import org.apache.beam.sdk.io.aws2.dynamodb.DynamoDBIO;
import org.apache.beam.sdk.io.aws2.options.AwsOptions;
import org.apache.beam.sdk.options.PipelineOptionsFactory;
import org.apache.beam.sdk.transforms.Count;
import org.apache.beam.sdk.transforms.Filter;
import org.apache.beam.sdk.transforms.ParDo;
import org.apache.beam.sdk.transforms.DoFn;
import org.apache.beam.sdk.values.KV;
import org.apache.beam.sdk.values.PCollection;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;
import software.amazon.awssdk.services.dynamodb.model.PutRequest;
import software.amazon.awssdk.services.dynamodb.model.ScanRequest;
import software.amazon.awssdk.services.dynamodb.model.WriteRequest;

/**
 * The bench's works by Beam Java's DynamoDBIO on the direct runner, its checks of immutability and
 * encodability off.
 *
 * <p>Arguments: work, endpoint, items.
 */
public final class BeamCopy {
  public static void main(String[] arguments) {
    String work = arguments[0], table = "bench-" + arguments[2];
    AwsOptions options =
        PipelineOptionsFactory.fromArgs(
                "--enforceImmutability=false", "--enforceEncodability=false", "--targetParallelism=2")
            .as(AwsOptions.class);
    options.setEndpoint(URI.create(arguments[1]));
    options.setAwsRegion(Region.EU_WEST_1);
    options.setAwsCredentialsProvider(
        StaticCredentialsProvider.create(AwsBasicCredentials.create("stub", "stub-secret")));
    Pipeline pipeline = Pipeline.create(options);
    PCollection<Map<String, AttributeValue>> items = scan(pipeline, table);
    if (work.equals("copy-filter")) {
      items = items.apply("Filter", Filter.by(item -> item.get("day").s().compareTo("2013-07-01") >= 0));
    }
    int targets = work.equals("scan") ? 0 : work.equals("copy-1-2") ? 2 : 1;
    for (int target = 0; target < targets; target++) {
      items.apply(
          "Write " + target,
          DynamoDBIO.<Map<String, AttributeValue>>write()
              .withWriteRequestMapperFn(BeamCopy::put));
    }
    if (targets == 0) {
      items.apply(Count.globally());
    }
    if (pipeline.run().waitUntilFinish() != State.DONE) {
      throw new IllegalStateException("the pipeline did not end well");
    }
  }

  private static PCollection<Map<String, AttributeValue>> scan(Pipeline pipeline, String table) {
    return pipeline
        .apply(
            DynamoDBIO.<List<Map<String, AttributeValue>>>read()
                .withScanRequestFn(
                    nothing -> ScanRequest.builder().tableName(table).totalSegments(16).build())
                .items())
        .apply(
            "Items of a page",
            ParDo.of(
                new DoFn<List<Map<String, AttributeValue>>, Map<String, AttributeValue>>() {
                  @ProcessElement
                  public void process(
                      @Element List<Map<String, AttributeValue>> page,
                      OutputReceiver<Map<String, AttributeValue>> out) {
                    page.forEach(out::output);
                  }
                }))
        .setCoder(MapCoder.of(StringUtf8Coder.of(), AttributeValueCoder.of()));
  }

  private static KV<String, WriteRequest> put(Map<String, AttributeValue> item) {
    PutRequest request = PutRequest.builder().item(item).build();
    return KV.of("target", WriteRequest.builder().putRequest(request).build());
  }
}
