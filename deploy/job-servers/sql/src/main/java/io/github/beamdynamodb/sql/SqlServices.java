package io.github.beamdynamodb.sql;

import org.apache.beam.fn.harness.ExternalWorkerService;
import org.apache.beam.sdk.expansion.service.ExpansionServer;
import org.apache.beam.sdk.expansion.service.ExpansionService;
import org.apache.beam.sdk.options.PipelineOptionsFactory;

/** One process that expands SqlTransform and runs the Java steps of the pipelines. */
public final class SqlServices {
  /** Says where it listens (a port of the loopback that the system picked), and stays. */
  public static void main(String[] words) throws Exception {
    try (var workers = new ExternalWorkerService(PipelineOptionsFactory.create()).start()) {
      String[] environment = {
        "--defaultEnvironmentType=EXTERNAL",
        "--defaultEnvironmentConfig=" + workers.getApiServiceDescriptor().getUrl(),
      };
      var service = new ExpansionService(environment);
      try (var server = ExpansionServer.create(service, "localhost", 0)) {
        System.out.println("SqlTransform is expanded on localhost:" + server.getPort());
        Thread.currentThread().join();
      }
    }
  }
}
