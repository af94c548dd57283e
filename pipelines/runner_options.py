"""Options that Beam's Java job servers take and its Python SDK does not know.

The names are those of Beam 2.77's FlinkPipelineOptions, SparkPipelineOptions and their
parents, as a job server spells them. A job server that runs is asked for its own.
https://beam.apache.org/documentation/runners/flink/#pipeline-options-for-the-flink-runner
"""

__all__ = ["RUNNER_OPTIONS"]

RUNNER_OPTIONS = frozenset(
    {
        "allow_non_restored_state",
        "attached_mode",
        "auto_balance_write_files_sharding_enabled",
        "auto_watermark_interval",
        "batch_interval_millis",
        "bundle_size",
        "cache_disabled",
        "cache_side_input_materialization",
        "checkpoint_dir",
        "checkpoint_duration_millis",
        "checkpoint_timeout_millis",
        "checkpointing_interval",
        "checkpointing_mode",
        "disable_metrics",
        "enable_spark_metric_sinks",
        "enable_stable_input_drain",
        "execution_mode_for_batch",
        "execution_retry_delay",
        "externalized_checkpoints_enabled",
        "faster_copy",
        "file_input_split_max_size_m_b",
        "files_to_stage",
        "finish_bundle_before_checkpointing",
        "flink_conf_dir",
        "force_slot_sharing_group",
        "force_unaligned_checkpoint_enabled",
        "job_check_interval_in_secs",
        "latency_tracking_interval",
        "max_bundle_size",
        "max_bundle_time_mills",
        "max_records_per_batch",
        "min_pause_between_checkpoints",
        "min_read_time_millis",
        "num_concurrent_checkpoints",
        "number_of_execution_retries",
        "object_reuse",
        "operator_chaining",
        "prefer_group_by_key_to_handle_hot_keys",
        "read_time_percentage",
        "report_checkpoint_duration",
        "retain_externalized_checkpoints_on_cancellation",
        "savepoint_path",
        "shutdown_sources_after_idle_ms",
        "spark_history_dir",
        "spark_master",
        "state_backend",
        "state_backend_factory",
        "state_backend_storage_path",
        "storage_level",
        "timeout",
        "tolerable_checkpoint_failure_number",
        "unaligned_checkpoint_enabled",
    }
)
