package io.github.beamdynamodb.sql;

import java.util.Map;
import org.apache.beam.sdk.expansion.ExternalTransformRegistrar;
import org.apache.beam.sdk.extensions.sql.SqlTransform;
import org.apache.beam.sdk.transforms.ExternalTransformBuilder;
import org.apache.beam.sdk.transforms.PTransform;
import org.apache.beam.sdk.values.PCollection;
import org.apache.beam.sdk.values.PInput;
import org.apache.beam.sdk.values.Row;

/** Knows SqlTransform by the name that Python's `apache_beam.transforms.sql` asks for. */
public final class SqlRegistrar implements ExternalTransformRegistrar {
  private static final String URN = "beam:external:java:sql:v1";

  @Override
  public Map<String, ExternalTransformBuilder<?, ?, ?>> knownBuilderInstances() {
    return Map.of(URN, new Builder());
  }

  /** What Python says of a query: a field of it is set by the method of its name. */
  public static final class Configuration {
    private String query;
    private String ddl;

    public void setQuery(String query) {
      this.query = query;
    }

    public void setDdl(String ddl) {
      this.ddl = ddl;
    }

    /** Python still sends it; Beam has one dialect left. */
    public void setDialect(String dialect) {}
  }

  /** Makes the transform of a query. */
  public static final class Builder
      implements ExternalTransformBuilder<Configuration, PInput, PCollection<Row>> {
    @Override
    public PTransform<PInput, PCollection<Row>> buildExternal(Configuration said) {
      SqlTransform transform = SqlTransform.query(said.query);
      return said.ddl == null ? transform : transform.withDdlString(said.ddl);
    }
  }
}
