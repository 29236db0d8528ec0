"""What cAdvisor exports, by the list in its `docs/storage/prometheus.md`, and why some of it is not
here."""

from __future__ import annotations

from typing import Final

_NAMES: Final = """
container_blkio_device_usage_total container_cpu_cfs_periods_total
container_cpu_cfs_throttled_periods_total container_cpu_cfs_throttled_seconds_total
container_cpu_load_average_10s container_cpu_schedstat_run_periods_total
container_cpu_schedstat_runqueue_seconds_total container_cpu_schedstat_run_seconds_total
container_cpu_system_seconds_total container_cpu_usage_seconds_total
container_cpu_user_seconds_total container_file_descriptors container_fs_inodes_free
container_fs_inodes_total container_fs_io_current container_fs_io_time_seconds_total
container_fs_io_time_weighted_seconds_total container_fs_limit_bytes container_fs_read_seconds_total
container_fs_reads_bytes_total container_fs_reads_merged_total container_fs_reads_total
container_fs_sector_reads_total container_fs_sector_writes_total container_fs_usage_bytes
container_fs_write_seconds_total container_fs_writes_bytes_total container_fs_writes_merged_total
container_fs_writes_total container_health_state container_hugetlb_failcnt
container_hugetlb_max_usage_bytes container_hugetlb_usage_bytes container_last_seen
container_llc_occupancy_bytes container_memory_bandwidth_bytes
container_memory_bandwidth_local_bytes container_memory_cache container_memory_failcnt
container_memory_failures_total container_memory_file_dirty_bytes
container_memory_file_writeback_bytes container_memory_mapped_file container_memory_max_usage_bytes
container_memory_migrate container_memory_numa_pages container_memory_pgscan_total
container_memory_pgsteal_total container_memory_rss container_memory_swap
container_memory_usage_bytes container_memory_working_set_bytes
container_memory_workingset_refault_anon_total container_memory_workingset_refault_file_total
container_network_advance_tcp_stats_total container_network_receive_bytes_total
container_network_receive_errors_total container_network_receive_packets_dropped_total
container_network_receive_packets_total container_network_tcp6_usage_total
container_network_tcp_usage_total container_network_transmit_bytes_total
container_network_transmit_errors_total container_network_transmit_packets_dropped_total
container_network_transmit_packets_total container_network_udp6_usage_total
container_network_udp_usage_total container_oom_events_total container_perf_events_scaling_ratio
container_perf_events_total container_perf_uncore_events_scaling_ratio
container_perf_uncore_events_total container_processes container_referenced_bytes container_sockets
container_spec_cpu_period container_spec_cpu_quota container_spec_cpu_shares
container_spec_memory_limit_bytes container_spec_memory_reservation_limit_bytes
container_spec_memory_swap_limit_bytes container_start_time_seconds container_tasks_state
container_threads container_threads_max container_ulimits_soft machine_cpu_cache_capacity_bytes
machine_cpu_cores machine_cpu_physical_cores machine_cpu_sockets machine_dimm_capacity_bytes
machine_dimm_count machine_memory_bytes machine_node_distance machine_node_hugepages_count
machine_node_memory_capacity_bytes machine_nvm_avg_power_budget_watts machine_nvm_capacity
machine_swap_bytes machine_thread_siblings_count
"""

CADVISOR: Final = tuple(_NAMES.split())
"""The metrics of cAdvisor, in its order."""

REASONS: Final = {
    "The Engine's stats do not have it. cAdvisor reads it from `/proc` or the control groups, as "
    "root on the host.": """
        container_cpu_load_average_10s container_cpu_schedstat_run_periods_total
        container_cpu_schedstat_runqueue_seconds_total container_cpu_schedstat_run_seconds_total
        container_file_descriptors container_hugetlb_failcnt container_hugetlb_max_usage_bytes
        container_hugetlb_usage_bytes container_memory_migrate container_memory_numa_pages
        container_memory_swap container_network_advance_tcp_stats_total
        container_network_tcp6_usage_total container_network_tcp_usage_total
        container_network_udp6_usage_total container_network_udp_usage_total
        container_processes container_referenced_bytes container_sockets container_tasks_state
        container_ulimits_soft
    """,
    "It is about the disk that the container shares with the host: node_exporter has it.": """
        container_fs_inodes_free container_fs_inodes_total container_fs_limit_bytes
    """,
    "Only the disk scheduler CFQ counted it for each container, and Linux 5.0 removed that. "
    "node_exporter has it for whole disks.": """
        container_fs_io_current container_fs_io_time_seconds_total
        container_fs_io_time_weighted_seconds_total container_fs_read_seconds_total
        container_fs_reads_merged_total container_fs_sector_reads_total
        container_fs_sector_writes_total container_fs_write_seconds_total
        container_fs_writes_merged_total
    """,
    "The same as `container_fs_reads_bytes_total` and `container_fs_writes_bytes_total`.": """
        container_blkio_device_usage_total
    """,
    "Version 2 of control groups only. The Engine has it; it is not exported yet.": """
        container_memory_file_dirty_bytes container_memory_file_writeback_bytes
        container_memory_pgscan_total container_memory_pgsteal_total
        container_memory_workingset_refault_anon_total
        container_memory_workingset_refault_file_total
    """,
    "It needs a processor's counters, and a build of cAdvisor with them.": """
        container_llc_occupancy_bytes container_memory_bandwidth_bytes
        container_memory_bandwidth_local_bytes container_perf_events_scaling_ratio
        container_perf_events_total container_perf_uncore_events_scaling_ratio
        container_perf_uncore_events_total machine_nvm_avg_power_budget_watts machine_nvm_capacity
    """,
    "It is about the host, not its containers: node_exporter has the like.": """
        machine_cpu_cache_capacity_bytes machine_cpu_physical_cores machine_cpu_sockets
        machine_dimm_capacity_bytes machine_dimm_count machine_node_distance
        machine_node_hugepages_count machine_node_memory_capacity_bytes machine_swap_bytes
        machine_thread_siblings_count
    """,
}
"""Why metrics of cAdvisor are not exported: names by reason."""


def absent(here: set[str]) -> list[tuple[str, str]]:
    """Names of cAdvisor's that are not in `here`, each with its reason; empty where there is none
    in `REASONS`."""
    known = {name: reason for reason, names in REASONS.items() for name in names.split()}
    return [(name, known.get(name, "")) for name in CADVISOR if name not in here]
